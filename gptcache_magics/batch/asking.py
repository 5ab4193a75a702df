"""Ask about several rows at a time, and note for each what the cache did."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any

from gptcache_magics.batch.loop import waited_for
from gptcache_magics.batch.said import said
from gptcache_magics.settings import NOTED
from gptcache_magics.store.protocol import Lookup
from gptcache_magics.text.amounts import duration
from gptcache_magics.text.masking import scrubbed

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
    began: float = field(default_factory=monotonic)

    @property
    def outcome(self) -> str:
        """``error``; else ``miss`` if a model was asked, ``bypass``, or ``hit``; empty if the cache was not asked."""
        if self.error:
            return "error"
        outcomes = {each.outcome for each in self.lookups}
        return next((each for each in ("miss", "error", "bypass", "hit") if each in outcomes), "")


def ask_rows(
    ask: Callable[[Any], Any], inputs: Sequence[Mapping[int, Any]], concurrency: int, timeout: float | None
) -> Generator[tuple[int, Row]]:
    """Yield the place and the row of each input as rows are done; those of a mapping after those of the one before.

    An error of a row becomes its ``error``. When the caller leaves, as by an interrupt, no further row begins; calls
    under way go on in their threads and are stored.

    Parameters
    ----------
    timeout
        Seconds after which a row counts as failed. Its call goes on, and another row takes its place.
    """
    for each in inputs:
        rows = _Rows(ask, each.items(), timeout)
        try:
            yield from rows.done(min(concurrency, len(each)), len(each))
        finally:
            rows.leave()


class _Rows:
    """Rows to ask about, and the threads that do. They are daemons: a call that hangs does not keep Python from ending.

    A ``SimpleQueue`` holds no lock of Python that an interrupt could leave locked.
    """

    def __init__(self, ask: Callable[[Any], Any], inputs: Iterable[tuple[int, Any]], timeout: float | None) -> None:
        self._ask, self._timeout = ask, timeout
        self._context = copy_context()  # the cell, its tag and its mode
        self._waiting = SimpleQueue[tuple[int, Any]]()
        for each in inputs:
            self._waiting.put(each)
        self._under_way: dict[int, Row] = {}
        self._ended = SimpleQueue[tuple[int, Row]]()

    def done(self, concurrency: int, number: int) -> Iterator[tuple[int, Row]]:
        """Yield ``number`` rows with their places."""
        self._start(concurrency)
        while number:
            for each in [*self._next()]:
                number -= 1
                yield each

    def leave(self) -> None:
        """Let no further row begin."""
        try:
            while True:
                self._waiting.get_nowait()
        except Empty:
            pass

    def _start(self, threads: int) -> None:
        for _ in range(threads):
            Thread(target=self._work, name="gptcache-map", daemon=True).start()

    def _work(self) -> None:
        """Ask about rows until none waits, or the row of this thread counts as failed."""
        while True:
            try:
                place, asked = self._waiting.get_nowait()
            except Empty:
                return
            self._under_way[place] = row = Row()
            self._context.copy().run(_fill, row, self._ask, asked)
            if self._under_way.pop(place, None) is None:  # whoever takes it out speaks for the row
                return
            self._ended.put((place, row))

    def _next(self) -> Iterator[tuple[int, Row]]:
        """Yield the next row that ended, or those that take too long."""
        if self._timeout is None:
            yield self._ended.get()
            return
        ends = [row.began + self._timeout for row in [*self._under_way.values()]]
        wait = min(ends, default=monotonic() + self._timeout) - monotonic()
        try:
            yield self._ended.get(timeout=max(0.0, wait))
        except Empty:
            yield from self._late(self._timeout)

    def _late(self, timeout: float) -> Iterator[tuple[int, Row]]:
        for place, row in [*self._under_way.items()]:
            if row.began + timeout <= monotonic() and self._under_way.pop(place, None) is not None:
                self._start(1)
                late = f"TimeoutError: no answer within {duration(timeout)}"
                yield place, Row(error=late, seconds=monotonic() - row.began, lookups=[*row.lookups])


def _fill(row: Row, ask: Callable[[Any], Any], asked: Any) -> None:
    NOTED.set(row.lookups)
    try:
        answer = ask(asked)
        row.answer = said(waited_for(answer) if inspect.isawaitable(answer) else answer)
    except BaseException as error:  # of this row only, also where a function calls sys.exit
        row.error = _line(error)
    row.seconds = monotonic() - row.began


def _line(error: BaseException) -> str:
    return scrubbed(" ".join(f"{type(error).__name__}: {error}".split())).removesuffix(":")
