"""Ask about several rows at a time, and note for each what the cache did."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from threading import Thread
from time import monotonic
from typing import Any

from gptcache_magics.settings import NOTED
from gptcache_magics.store.protocol import Lookup

__all__ = ["Row", "ask_rows"]


@dataclass(slots=True)
class Row:
    """One row that was asked about."""

    answer: Any = None
    error: str = ""
    """The error in a line; empty if there is an answer."""
    seconds: float = 0.0
    lookups: list[Lookup] = field(default_factory=list)
    """The lookups that the row made: one, or several of a chain or an agent."""

    @property
    def outcome(self) -> str:
        """``error``; else ``miss`` if a model was asked, ``bypass``, or ``hit``; empty if the cache was not asked."""
        if self.error:
            return "error"
        outcomes = {each.outcome for each in self.lookups}
        return next((each for each in ("miss", "error", "bypass", "hit") if each in outcomes), "")


def ask_rows(
    ask: Callable[[Any], Any], inputs: Sequence[Any], concurrency: int, done: Callable[[int, Row], None]
) -> None:
    """Ask about each input, and call ``done`` with its place and its row as rows are done, in this thread.

    An error of a row becomes its ``error``. An interrupt ends the waiting: calls under way go on and are stored, and
    no further row begins.
    """
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="gptcache-map")
    loop = asyncio.new_event_loop()  # one for all rows: an SDK's client keeps its connections by the loop
    Thread(target=loop.run_forever, name="gptcache-map-loop", daemon=True).start()
    try:
        _wait_for(_begun(pool, loop, ask, inputs), done)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        Thread(target=_end, args=(pool, loop), name="gptcache-map-end", daemon=True).start()


def _end(pool: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop) -> None:
    """End the loop after the calls that are under way."""
    pool.shutdown()
    loop.call_soon_threadsafe(loop.stop)


def _begun(
    pool: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop, ask: Callable[[Any], Any], inputs: Sequence[Any]
) -> dict[Future[Row], int]:
    return {pool.submit(copy_context().run, _asked, loop, ask, each): place for place, each in enumerate(inputs)}


def _wait_for(begun: dict[Future[Row], int], done: Callable[[int, Row], None]) -> None:
    pending = set(begun)
    while pending:
        finished, pending = wait(pending, return_when=FIRST_COMPLETED)
        for each in finished:
            done(begun[each], each.result())


def _asked(loop: asyncio.AbstractEventLoop, ask: Callable[[Any], Any], asked: Any) -> Row:
    row = Row()
    NOTED.set(row.lookups)
    began = monotonic()
    try:
        answer = ask(asked)
        if inspect.isawaitable(answer):
            answer = asyncio.run_coroutine_threadsafe(_awaited(answer), loop).result()
        row.answer = answer
    except Exception as error:
        row.error = f"{type(error).__name__}: {error}"
    row.seconds = monotonic() - began
    return row


async def _awaited(answer: Any) -> Any:
    return await answer
