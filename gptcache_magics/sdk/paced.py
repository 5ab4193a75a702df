"""Give the stream of a hit piece by piece, in the time that the recorded answer took."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any

from gptcache_magics.lookup.pace import paced, pause

__all__ = ["paced_stream"]


@cache
def paced_stream(library: ModuleType) -> Callable[[bytes, float], Any]:
    """Return the class of such streams, for httpx or httpx2; it is made of a body and the seconds it is to take."""
    sync_stream: Any = library.SyncByteStream
    async_stream: Any = library.AsyncByteStream

    class Paced(sync_stream, async_stream):  # type: ignore[misc]
        def __init__(self, content: bytes, seconds: float) -> None:
            self._pieces, self._seconds = _events(content), seconds

        def __iter__(self) -> Iterator[bytes]:
            for wait, piece in paced(self._pieces, self._seconds):
                if wait:
                    time.sleep(wait)
                yield piece

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for wait, piece in paced(self._pieces, self._seconds):
                if wait:
                    await pause(wait)
                yield piece

    return Paced


def _events(content: bytes) -> list[bytes]:
    """Return the events of a stream, or the lines of one that has no events."""
    end = b"\n\n" if b"\n\n" in content else b"\n"
    pieces = content.split(end)
    return [*(piece + end for piece in pieces[:-1]), *([pieces[-1]] if pieces[-1] else [])]
