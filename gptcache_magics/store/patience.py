"""Bound the time that one model call waits for a store that others keep busy.

A call looks up, opens, reads and writes, in more than one thread. A context variable carries what it has waited so far,
so that all of it together stays within one bound. A command waits longer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import inf

__all__ = ["Patience", "Wait", "patience", "waiting"]


@dataclass(slots=True, eq=False)
class Patience:
    """The waiting of one model call, or of one command."""

    command: bool = False
    """Whether a person typed a command, and waits for its result."""
    waited: float = 0.0
    """Seconds that the store has taken so far."""
    team_away: bool = False
    """Whether the team's store could not be asked: it is not asked again."""


_PATIENCE: ContextVar[Patience | None] = ContextVar("gptcache_magics_patience", default=None)


def patience() -> Patience | None:
    """Return the patience of the call or the command that runs here; None in anything else."""
    return _PATIENCE.get()


@contextmanager
def waiting(patience: Patience) -> Iterator[None]:
    """Let the store take as much time in this block as ``patience`` leaves."""
    token = _PATIENCE.set(patience)
    try:
        yield
    finally:
        _PATIENCE.reset(token)


class Wait:
    """The time that one piece of work may wait for another process, from now on.

    Parameters
    ----------
    for_threads
        Whether it may wait longer for threads of this process.
    step
        Longest time at once: between two steps other threads get their turn.
    """

    __slots__ = ("_begun", "_end", "_for_threads", "_step", "waited")

    def __init__(self, seconds: float, *, for_threads: bool = False, step: float = inf) -> None:
        self._begun = time.monotonic()
        self._end = self._begun + seconds
        self._for_threads, self._step = for_threads, step
        self.waited = 0.0
        """Seconds that had passed when a transaction began."""

    @property
    def left(self) -> float:
        """Seconds that are left, not below zero."""
        return max(0.0, self._end - time.monotonic())

    @property
    def step(self) -> float:
        """Seconds to wait before other threads get their turn."""
        return min(self.left, self._step)

    @property
    def timeout(self) -> float:
        """The ``timeout`` for a lock that other threads of this process hold."""
        return -1 if self._for_threads else self.left

    @property
    def taken(self) -> float:
        """Seconds that have passed."""
        return time.monotonic() - self._begun

    @property
    def none(self) -> bool:
        """Whether the work may not wait at all."""
        return self._end <= self._begun
