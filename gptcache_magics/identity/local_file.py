"""Files on this machine that a model is read from, or that a class may read: their content counts, not only their path.

The file of a model is known by its name and content, not by the path that a person put it at.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

from gptcache_magics.identity.unreadable import Unreadable
from gptcache_magics.text.masking import HIDDEN

__all__ = ["LocalFile", "is_place", "local_file", "with_contents"]

WHOLE: Final = 64 * 2**20
"""Bytes of the largest file that is read whole."""
BLOCK: Final = 2**16
EVERY: Final = 2**20
"""Distance between the blocks that are read of a larger file. The block at its end is read, too."""
MOST_FILES: Final = 1_000
"""Most files and folders in a folder that is read."""
LARGE: Final = EVERY
"""Bytes of the smallest file of a folder that is known by its times, and not by its content."""
LONGEST: Final = 4096
"""Most characters of a path."""
RECENT: Final = 2 * 10**9
"""Nanoseconds after which a change of a file gives it another time than it has."""
_PLACE: Final = re.compile(r"(?:~|\.{1,2})?[\\/]|[A-Za-z]:[\\/]")
"""Beginning of a text that says where something lies, and is no name."""
_PART: Final = re.compile(r"(.*-)\d{5}(-of-(\d{5})\.gguf)")
"""Name of one of the parts of a model, which llama.cpp finds by their names."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that a model is read from."""

    given: Any
    """The path that the model was given, a text or an object."""
    path: str
    name: str
    digest: str
    """blake2b-64 over the content."""

    @property
    def identity(self) -> str:
        """The text that stands for the path in a key."""
        return f"{self.name}@{self.digest}"


class _File(NamedTuple):
    """A file as the system knows it: of two states with different contents, the numbers differ."""

    path: str
    size: int
    modified: int
    changed: int
    """Time of the last change, which unlike ``modified`` nobody can set."""
    number: int

    @classmethod
    def at(cls, path: str) -> _File:
        status = os.stat(path)
        return cls(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def local_file(value: Any) -> LocalFile | None:
    """Return the file at a path; None for the name of a model, and for a path that names no file here."""
    try:
        path = os.fspath(value)
    except TypeError:
        return None
    if not isinstance(path, str) or not (os.sep in path or Path(path).suffix) or not os.path.isfile(path):
        return None
    return LocalFile(value, path, os.path.basename(path), _digest(_parts(os.path.abspath(path))))


def is_place(text: str) -> bool:
    """Return whether a text is a path from the root, the home or the working folder, and so no name."""
    return _PLACE.match(text) is not None


def with_contents(value: Any, *, places: bool = False) -> Any:
    """Return what was read of fields, in which each path of a file or folder on this machine also tells its content.

    Parameters
    ----------
    places
        Whether only a path counts that cannot be a name.

    Raises
    ------
    Unreadable
        If a file cannot be read, or a folder is too large.
    """
    if isinstance(value, str):
        content = "" if places and not is_place(value) else _content(value)
        return f"{value}@{content}" if content else value
    if isinstance(value, list):
        return [with_contents(each, places=places) for each in value]
    if not isinstance(value, dict):
        return value
    if str(value.get(HIDDEN, "")).startswith("pathlib"):
        parts = value.get("data")
        content = _content(os.path.join(*parts[0])) if isinstance(parts, list) and parts[0] else ""
        return {**value, "content": content} if content else value
    return {name: with_contents(each, places=places) for name, each in value.items()}


def _content(text: str) -> str:
    """Return a digest of what lies at a path; an empty text for a text that is no path, or where nothing lies."""
    if len(text) > LONGEST or "\0" in text or not (os.sep in text or Path(text).suffix) or not Path(text).name:
        return ""
    path = os.path.abspath(os.path.expanduser(text))
    try:
        if os.path.isfile(path):
            return _digest(_parts(path))
        return _folder(path) if os.sep in text and os.path.isdir(path) else ""
    except OSError as error:
        raise Unreadable(f"{type(error).__name__} at {os.path.basename(path)}") from None


def _folder(path: str) -> str:
    """Return a digest of the names in a folder, and of contents: of large files, of size and times."""
    found: list[str] = []
    for folder, folders, files in os.walk(path):
        folders.sort()
        found += [os.path.join(folder, each) for each in (*folders, *files)]
        if len(found) > MOST_FILES:
            raise Unreadable(f"the folder {os.path.basename(path)} holds more than {MOST_FILES:,} files and folders")
    digest = blake2b(digest_size=8)
    for each in sorted(found):
        file = _File.at(each) if os.path.isfile(each) else None  # a folder, or a link to nowhere
        content = "" if file is None else _digest((file,)) if file.size < LARGE else f"{file[1:]}"
        digest.update(f"{os.path.relpath(each, path)}\0{content}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _parts(path: str) -> tuple[_File, ...]:
    """Return each file that belongs to a model."""
    split = _PART.fullmatch(path)
    paths = [f"{split[1]}{n:05}{split[2]}" for n in range(1, int(split[3]) + 1)] if split else [path]
    return tuple(_File.at(each) for each in paths if os.path.isfile(each))


def _digest(files: tuple[_File, ...]) -> str:
    """Return the digest of files, which is remembered of those that are older than the steps of their times."""
    recent = time.time_ns() - RECENT < max((max(each.modified, each.changed) for each in files), default=0)
    return _digest_of.__wrapped__(files) if recent else _digest_of(files)


@lru_cache(maxsize=2 * MOST_FILES)
def _digest_of(files: tuple[_File, ...]) -> str:
    digest = blake2b(digest_size=8)
    for path, size, *_ in files:
        digest.update(b"%d\0" % size)
        with open(path, "rb") as file:
            if size <= WHOLE:
                for block in iter(lambda: file.read(EVERY), b""):
                    digest.update(block)
                continue
            for start in (*range(0, size, EVERY), size - BLOCK):
                file.seek(start)
                digest.update(file.read(BLOCK))
    return digest.hexdigest()
