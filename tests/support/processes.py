"""Python in a separate process; ``tests/conftest.py`` puts the package under test on its path."""

import ctypes
import subprocess
import sys
from pathlib import Path

__all__ = ["TAG_ALL", "obey_file_modes", "output_of", "run"]

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


def obey_file_modes() -> None:
    """Let this process be refused what the modes of files forbid, even to root."""
    if sys.platform != "linux":
        return
    header, rights = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()  # version 3 of capabilities(7)
    kernel = ctypes.CDLL(None, use_errno=True)
    assert kernel.capget(header, rights) == 0
    for effective_and_permitted in (0, 1):
        rights[effective_and_permitted] &= ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    assert kernel.capset(header, rights) == 0
