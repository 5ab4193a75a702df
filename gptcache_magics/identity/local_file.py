"""Model files on this machine: known by their name and content, not by the path that a person put them at."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

__all__ = ["LocalFile", "local_file"]

WHOLE: Final = 64 * 2**20
"""Bytes of the largest file that is read whole."""
BLOCK: Final = 2**16
EVERY: Final = 2**20
"""Of a larger file, a block is read at each multiple of this, and another one at its end."""
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


def local_file(value: Any) -> LocalFile | None:
    """Return the file at a path; None for the name of a model, and for a path that names no file here."""
    try:
        path = os.fspath(value)
    except TypeError:
        return None
    if not isinstance(path, str) or not (os.sep in path or Path(path).suffix) or not os.path.isfile(path):
        return None
    return LocalFile(value, path, os.path.basename(path), _digest_of(_parts(os.path.abspath(path))))


def _parts(path: str) -> tuple[tuple[str, int, int], ...]:
    """Return path, time and size of each file that belongs to a model."""
    split = _PART.fullmatch(path)
    paths = [f"{split[1]}{n:05}{split[2]}" for n in range(1, int(split[3]) + 1)] if split else [path]
    found = [(each, os.stat(each)) for each in paths if os.path.isfile(each)]
    return tuple((each, status.st_mtime_ns, status.st_size) for each, status in found)


@lru_cache(maxsize=64)
def _digest_of(parts: tuple[tuple[str, int, int], ...]) -> str:
    digest = blake2b(digest_size=8)
    for path, _, size in parts:
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
