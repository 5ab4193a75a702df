"""Tell a store of the user from one that somebody else has put, or can write, in a shared folder.

Whoever writes the file decides what the models seem to answer. So a file that another user owns or can write, or that
is a link to a file elsewhere, is taken only after the user has said so. Windows has no such owners and modes.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gptcache_magics.errors import StoreError

__all__ = ["accept_shared", "check_files", "check_owner"]

SUFFIXES: Final = ("", "-wal", "-shm", "-journal")
"""Endings of the file of a store, and of those that SQLite keeps beside it."""
_accepted: Final[set[Path]] = set()
"""Folders that the user has accepted in this process."""


def accept_shared(folder: Path) -> None:
    """Take the store in ``folder`` from now on, whoever else can write it."""
    _accepted.add(folder)


def check_files(path: Path) -> None:
    """Raise if a store, or a file that SQLite keeps beside it, is no file: opening a pipe would wait for ever.

    Raises
    ------
    StoreError
        With a sentence that says what it is.
    """
    for suffix in SUFFIXES:
        try:
            mode = os.stat(f"{path}{suffix}").st_mode
        except (FileNotFoundError, NotADirectoryError):  # where no folder can be, making it says so
            continue
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{path}{suffix} cannot be opened: {getattr(error, 'strerror', None) or error}. Choose another place: "
                "%gptcache on FOLDER"
            ) from error
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
            raise StoreError(
                f"{path}{suffix} is {kind}, not a file of a store. Choose another place: %gptcache on FOLDER"
            )


def check_owner(path: Path) -> None:
    """Raise if a store, or a file that SQLite keeps beside it, may be somebody else's.

    Raises
    ------
    StoreError
        With a sentence that says why, and what to type to take it nevertheless.
    """
    if not hasattr(os, "geteuid") or path.parent in _accepted:
        return
    for suffix in SUFFIXES:
        for trouble in _troubles(Path(f"{path}{suffix}"), os.geteuid()):
            raise StoreError(
                f"{path}{suffix} {trouble}, so others decide what it answers. Take it nevertheless: "
                f"%gptcache on {path.parent} --shared, or use a store of your own: %gptcache on FOLDER"
            )


def _troubles(path: Path, me: int) -> Iterator[str]:
    try:
        status = path.lstat()
    except OSError:  # there is none, or it cannot be opened either
        return
    if stat.S_ISLNK(status.st_mode):
        yield "is a link to another file"
    elif stat.S_ISREG(status.st_mode):
        if status.st_nlink > 1:
            yield "has another name elsewhere (a hard link)"
        if status.st_uid != me and not _is_given(path, status.st_uid, me):
            yield f"belongs to another user ({_name(status.st_uid)})"
        # Many systems give each user a group of the same number, whose only member the user is.
        others = status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != status.st_uid)
        if others and _keeps_modes(path.parent):
            yield "can be written by other users"


def _is_given(path: Path, owner: int, me: int) -> bool:
    """Return whether a file counts as the user's own although its owner has another number.

    Root of a container works in the folder of the user who owns the file, and some drives give every file one owner.
    """
    if not me and path.parent.stat().st_uid == owner:
        return True
    new = _new_file(path.parent)
    return new is not None and new.st_uid == owner


def _keeps_modes(folder: Path) -> bool:
    """Return whether a private file can be made in a folder: on a drive of Windows, everybody may write each file."""
    new = _new_file(folder)
    return new is None or not new.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _new_file(folder: Path) -> os.stat_result | None:
    """Return what the system says of a new private file in a folder; None if none can be made."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".gptcache-") as file:
            return os.fstat(file.fileno())
    except OSError:
        return None


def _name(user: int) -> str:
    try:
        import pwd  # not on Windows

        return pwd.getpwuid(user).pw_name
    except (ImportError, KeyError):
        return str(user)
