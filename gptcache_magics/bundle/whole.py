"""Write a file that appears whole or not at all, and of which a killed process leaves nothing behind.

On Linux the new file has no name until it is complete. Elsewhere it has one for that time, and the next one that is
written in the folder deletes what a killed process left.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

__all__ = ["begin_to_store", "whole_file"]

LEFT_OVER_SECONDS: Final = 3600.0
"""Age of a file without a last name that nobody is writing any more."""
_OWN_FILES: Final = "/proc/self/fd"
_BUFFER: Final = 1_000_000
"""Bytes that are written at once."""


@contextmanager
def whole_file(target: Path) -> Iterator[BinaryIO]:
    """Yield a file that takes the place of ``target`` at the end, with its rights or those of any new file.

    After an error, or an interrupt, ``target`` is as it was.
    """
    _delete_left_over(target.parent)
    nameless = _nameless(target.parent)
    if nameless is None:
        with _beside(target) as file:
            yield file
        return
    with nameless:
        yield nameless
        _complete(nameless, target)
        if not os.path.lexists(target) and _linked(nameless, target):
            return
        beside = _name_beside(target)
        try:
            if _linked(nameless, beside):
                os.replace(beside, target)
                return
        finally:
            with suppress(OSError):
                os.unlink(beside)
        with _beside(target) as file:  # a file system without links
            nameless.seek(0)
            shutil.copyfileobj(nameless, file)


def begin_to_store(file: BinaryIO) -> None:
    """Let the system begin to write a file to the disk, and not wait for that: at its end, little is left to do."""
    if hasattr(os, "posix_fadvise"):
        file.flush()
        with suppress(OSError):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _beside(target: Path) -> Iterator[BinaryIO]:
    """Yield a file with a name of its own, which is renamed at the end."""
    beside = _name_beside(target)
    number = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(number, "w+b", _BUFFER) as file:
            yield file
            _complete(file, target)
        os.replace(beside, target)
    finally:
        with suppress(OSError):
            os.unlink(beside)


def _nameless(folder: Path) -> BinaryIO | None:
    """Return a new file without a name; None where that is not possible."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir(_OWN_FILES):
        return None
    try:
        return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666), "w+b", _BUFFER)
    except OSError:  # the file system cannot; another reason is told by the file with a name
        return None


def _complete(file: BinaryIO, target: Path) -> None:
    file.flush()
    if hasattr(os, "fchmod") and os.path.exists(target):
        os.fchmod(file.fileno(), os.stat(target).st_mode & 0o777)
    os.fsync(file.fileno())


def _linked(file: BinaryIO, name: Path) -> bool:
    """Give a file its name. Return whether that worked."""
    # Without the folder's descriptor Python calls link(), which does not follow.
    folder = os.open(_OWN_FILES, os.O_RDONLY)
    try:
        os.link(str(file.fileno()), name, src_dir_fd=folder, follow_symlinks=True)
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def _name_beside(target: Path) -> Path:
    return target.parent / f".gptcache-{uuid4().hex}.tmp"


def _delete_left_over(folder: Path) -> None:
    for each in folder.glob(".gptcache-*.tmp"):
        with suppress(OSError):
            if time.time() - os.lstat(each).st_mtime > LEFT_OVER_SECONDS:
                os.unlink(each)
