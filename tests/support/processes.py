"""Python in a separate process; ``tests/conftest.py`` puts the package under test on its path."""

import subprocess
import sys
from pathlib import Path

__all__ = ["TAG_ALL", "output_of", "run"]

SECONDS = 120
TAG_ALL = """
import sys
import gptcache_magics as gm
gm.on(sys.argv[1])
gm.tag("elsewhere", *gm.entries().index)
gm.off()
"""
"""A script that tags all entries of a store, as another kernel may."""


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in a folder, and wait for its end."""
    return subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, timeout=SECONDS)


def output_of(script: str, *arguments: str | Path, folder: Path, options: tuple[str, ...] = ()) -> str:
    """Run a script that ends well, and return what it printed."""
    done = run(*options, "-c", script, *arguments, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
