"""Let an answer pass to its reader, and keep what passes: a stream is never read whole first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from contextvars import copy_context
from functools import cache
from types import ModuleType
from typing import Any, Final, Literal, Protocol

from gptcache_magics.lookup.event_loop import asyncio_loop

__all__ = ["TAIL", "Ending", "Reader", "passing"]

Ending = Literal["whole", "left", "broken"]
"""How a stream ends: by itself, or because its reader leaves it, or by an error."""

TAIL: Final = 512
"""Last bytes of a stream that are looked at for its end."""


class Reader(Protocol):
    """The receiver of an answer that passes."""

    def piece_comes(self) -> None:
        """Hear that the next piece is awaited."""

    def piece_came(self) -> None:
        """Hear that the reader has a piece."""

    def ended(self, raw: bytes, ending: Ending) -> None:
        """Take the answer as it came: whole, as far as the reader wanted it, or until it broke off."""

    async def aended(self, raw: bytes, ending: Ending) -> None:
        """Take the answer without blocking the event loop."""

    def over(self) -> None:
        """Hear that nothing more comes, perhaps twice."""


@cache
def passing(library: ModuleType) -> Callable[[Any, Reader, Callable[[bytes], bool]], Any]:
    """Return the class of the streams that pass through, for httpx or httpx2."""
    sync_stream: Any = library.SyncByteStream
    async_stream: Any = library.AsyncByteStream

    class Passing(sync_stream, async_stream):  # type: ignore[misc]
        """The stream of a provider on its way to its reader.

        Parameters
        ----------
        stream
            The provider's stream.
        complete
            Tells by the last bytes whether the answer is whole: its reader may neither go on nor close it.
        """

        def __init__(self, stream: Any, reader: Reader, complete: Callable[[bytes], bool]) -> None:
            self._stream, self._reader, self._complete = stream, reader, complete
            self._pieces: list[bytes] = []
            self._tail = b""
            self._taken = self._over = False
            self._leaving: asyncio.Future[None] | None = None
            """The thread that takes what a reader left."""

        def __iter__(self) -> Iterator[bytes]:
            try:
                self._reader.piece_comes()
                for piece in self._stream:
                    if self._is_last(piece):
                        self._end("whole")
                    self._reader.piece_came()
                    yield piece
                    self._reader.piece_comes()
            except BaseException as error:
                # Older libraries do not close what broke off, and others wait for this answer.
                self._end("broken" if isinstance(error, Exception) else "left")
                raise
            self._end("whole")

        def close(self) -> None:
            try:
                self._stream.close()
            finally:
                self._end("left")

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                self._reader.piece_comes()
                async for piece in self._stream:
                    if self._is_last(piece):
                        await self._aend("whole")
                    self._reader.piece_came()
                    yield piece
                    self._reader.piece_comes()
            except Exception:
                await self._aend("broken")
                raise
            except BaseException:  # a task that is cancelled, or a reader who leaves, may not wait
                self._leave()
                raise
            await self._aend("whole")

        async def aclose(self) -> None:
            try:
                await self._stream.aclose()
            finally:
                await self._aend("left")

        def _is_last(self, piece: bytes) -> bool:
            self._pieces.append(piece)
            self._tail = (self._tail + piece)[-TAIL:]
            return not self._taken and self._complete(self._tail)

        def _raw(self) -> bytes | None:
            """Return what has passed; None if that was taken before."""
            if self._taken:
                return None
            self._taken = True
            return b"".join(self._pieces)

        def _end(self, ending: Ending) -> None:
            if self._over:
                return
            try:
                if (raw := self._raw()) is not None:
                    self._reader.ended(raw, ending)
            finally:
                self._reader.over()
                self._over = True  # last: whoever closes after an interrupt ends it

        def _leave(self) -> None:
            """End in a thread, or here where the loop has none: not even a locked store blocks the event loop."""
            loop = asyncio_loop()
            if loop is not None and not self._taken:
                with suppress(RuntimeError):  # the loop is being closed
                    self._leaving = loop.run_in_executor(None, copy_context().run, self._end, "left")
                    return
            self._end("left")

        async def _aend(self, ending: Ending) -> None:
            if self._leaving is not None and asyncio_loop() is not None:
                await asyncio.shield(self._leaving)  # what is whole is stored before its reader goes on
            if self._over:
                return
            try:
                if (raw := self._raw()) is not None:
                    await self._reader.aended(raw, ending)
            finally:
                self._reader.over()
                self._over = True

    return Passing
