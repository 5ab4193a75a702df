"""Sort lines that are too many for memory: sorted parts go to a file that has no name, and are merged."""

from __future__ import annotations

import heapq
import marshal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final, cast

__all__ = ["Sorted"]

Line = tuple[tuple[Any, ...], bytes]
PART_BYTES: Final = 12_000_000
"""Bytes of lines that are sorted in memory."""
BLOCK_BYTES: Final = 50_000
"""Bytes of lines that are read at once, of each part."""


class Sorted:
    """Lines in the order of their keys. The file lies in ``folder``, where the result goes, and ends with the process.

    A key is a tuple of numbers and texts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: list[Line] = []
        self._bytes = 0
        self._file: BinaryIO | None = None
        self._parts: list[list[tuple[int, int]]] = []
        """Place and length of the blocks of each part."""

    def add(self, key: tuple[Any, ...], line: bytes) -> None:
        """Take a line."""
        self._lines.append((key, line))
        self._bytes += len(line) + sum([len(each) for each in key if type(each) is str])
        if self._bytes > PART_BYTES:
            self._put_away()

    def __iter__(self) -> Iterator[Line]:
        """Return an iterator over all keys and lines, in order."""
        self._lines.sort()
        parts = [self._read(blocks) for blocks in self._parts]
        return heapq.merge(*parts, self._lines)

    def close(self) -> None:
        """Give the file up."""
        if self._file is not None:
            self._file.close()

    def _put_away(self) -> None:
        """Write the lines in memory as a sorted part."""
        if self._file is None:
            self._file = cast(BinaryIO, TemporaryFile(dir=self._folder))  # noqa: SIM115
        lines, self._lines, self._bytes = self._lines, [], 0
        lines.sort()
        blocks, begin, size = [], 0, 0
        for number, each in enumerate(lines, 1):
            size += len(each[1])
            if size > BLOCK_BYTES or number == len(lines):
                data = marshal.dumps(lines[begin:number])
                blocks.append((self._file.tell(), len(data)))
                self._file.write(data)
                begin, size = number, 0
        self._parts.append(blocks)

    def _read(self, blocks: list[tuple[int, int]]) -> Iterator[Line]:
        assert self._file is not None
        for place, length in blocks:
            self._file.seek(place)
            yield from marshal.loads(self._file.read(length))
