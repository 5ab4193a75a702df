"""What Windows lacks: with it taken away, the package imports and does its work."""

from pathlib import Path

import IPython
import pytest

from tests.support.processes import output_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(IPython.version_info < (8,), reason="IPython 7 imports pty where it is not on Windows"),
]

LIKE_WINDOWS = """
import asyncio, importlib.abc, os, sys  # asyncio has its own modules on Windows
for name in (
    "chown", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getloadavg", "getpgid", "getuid",
    "killpg", "lchown", "mkfifo", "nice", "posix_fallocate", "pread", "pwrite", "register_at_fork",
    "sched_getaffinity", "setsid", "setuid", "statvfs", "sysconf", "wait4", "O_CLOEXEC", "O_DIRECTORY",
    "O_NOFOLLOW", "O_NONBLOCK",
):
    if hasattr(os, name):
        delattr(os, name)

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "grp", "pty", "pwd", "readline", "resource", "termios", "tty"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in ("fcntl", "grp", "pty", "pwd", "readline", "resource", "termios", "tty"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
"""
IMPORTED_WHOLE = """
import importlib, pkgutil
import gptcache_magics
for module in pkgutil.walk_packages(gptcache_magics.__path__, "gptcache_magics."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print("imported")
"""
USED = """
import threading
import gptcache_magics as gm
from tests.support.shell import ask
gm.on("store")
same = ask("q") == ask("q")
threads = [threading.Thread(target=ask, args=(f"q{n}",)) for n in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
gm.save("bundle.jsonl")
assert gm.status() and gm.doctor() and len(gm.lookups()) == 6
gm.off()
gm.on("elsewhere")
gm.load("bundle.jsonl")
print(same, len(gm.entries()), ask("q") == ask("q"), gm.off()[:10])
"""


@pytest.mark.parametrize(
    ("work", "said"), [(IMPORTED_WHOLE, "imported"), (USED, "True 5 True Cache off.")], ids=["imports", "works"]
)
def test_the_package_needs_nothing_of_posix(work: str, said: str, tmp_path: Path) -> None:
    assert output_of(LIKE_WINDOWS + work, folder=tmp_path) == said


def test_no_text_is_read_or_written_in_the_encoding_of_the_machine(tmp_path: Path) -> None:
    strict = "import warnings; warnings.filterwarnings('error', category=EncodingWarning, module='gptcache_magics')"
    said = output_of(strict + USED, folder=tmp_path, options=("-X", "warn_default_encoding"))
    assert said == "True 5 True Cache off."


def test_a_console_without_our_characters_gets_others_in_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    script = "import gptcache_magics.__main__ as program; print(program.main(['verify', 'lesson·no·such.ipynb']))"
    assert output_of(script, folder=tmp_path) == "2"
