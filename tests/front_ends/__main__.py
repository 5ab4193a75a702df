"""Install the package beside what notebook services ship, and use it there: ``python -m tests.front_ends [PLACE …]``.

Each environment is made in a temporary folder and removed. It is their versions in our front end: what they show in a
browser cannot be tried here.
"""

import json
import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.front_ends.places import PLACES, Place

ROOT = Path(__file__).parents[2]
PIP = ("-m", "pip", "--disable-pip-version-check")
QUIET = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1", "PYTHONPATH": str(ROOT)}


def interpreter(version: str) -> str | None:
    """Return a Python of this version: on the path, or the newest one of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for each in (f"python{version}", *sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)):
        try:
            subprocess.run([each, "-c", "import venv"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return str(each)
    return None


def versions(folder: Path) -> dict[str, str]:
    """Return the version of each package that an environment holds."""
    path = [str(each) for each in folder.glob("lib/*/site-packages")]
    return {each.metadata["Name"].lower(): each.version for each in distributions(path=path)}


def tried(place: Place, folder: Path) -> str:
    """Return what pip changed for us in a place, and what was not seen there."""
    python = interpreter(place.python)
    if python is None:
        return f"Python {place.python} is not installed here"
    subprocess.run([python, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, *PIP, "install", "-qqq", *place.packages.split()], check=True)
    before = versions(folder)
    subprocess.run([python, *PIP, "install", "-qqq", ROOT], check=True)
    after = versions(folder)
    changed = [f"{name} {old} → {after[name]}" for name, old in before.items() if after[name] != old]
    ran = subprocess.run([python, "-m", "tests.front_ends.session"], env=QUIET, capture_output=True, text=True)
    if ran.returncode:
        return ran.stderr
    missing = [name for name, was_seen in json.loads(ran.stdout).items() if not was_seen]
    return f"not seen: {', '.join(missing) or 'nothing'}; pip changed: {', '.join(changed) or 'nothing'}"


for name in sys.argv[1:] or PLACES:
    with TemporaryDirectory() as folder:
        print(f"{name:<11} Python {PLACES[name].python}, {tried(PLACES[name], Path(folder))}", flush=True)
