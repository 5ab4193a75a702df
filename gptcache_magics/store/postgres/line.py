"""A connection to PostgreSQL on which every statement has a deadline.

A backend that has stopped, or a network that loses everything, keeps psycopg waiting for ever: a ``statement_timeout``
is kept by the very server that is stopped, and ``tcp_user_timeout`` by a kernel that gets its acknowledgements. So the
waiting itself is done here. After the deadline, or after an interrupt, the connection is closed: nobody knows what is
still to come from it.
"""

from __future__ import annotations

import select
import time
from collections.abc import Generator
from math import inf
from typing import Any, Final, TypeVar

import psycopg

from gptcache_magics.errors import TeamAway

__all__ = ["Late", "Line"]

T = TypeVar("T")
STEP_SECONDS: Final = 1.0
LATE_READS: Final = 8
"""Pieces that are taken after the deadline if they are there already: the system may let this process wait, too."""
_POLLS: Final = hasattr(select, "poll")
_IN: Final = getattr(select, "POLLIN", 1)
_OUT: Final = getattr(select, "POLLOUT", 4)
_EVENTS: Final = {1: _IN, 2: _OUT, 3: _IN | _OUT}
"""Events of ``poll`` by what psycopg waits for: to read, to write, or both."""


class Late(Exception):
    """A statement was not finished by its deadline. The connection is closed."""


class Line(psycopg.Connection[Any]):
    """A connection that one thread uses at a time."""

    deadline: float = inf
    """Moment of the monotonic clock by which what runs now must be finished."""
    user: int = 0
    """The thread that uses it; 0 if it is free."""
    pooled: bool = False
    """Whether a pooler is between: nothing may be left behind in the server's session."""
    fresh: bool = True
    """Whether nothing has been asked yet."""

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        """Let psycopg's ``gen`` run to its end, until the deadline at most."""
        try:
            return _run(gen, self.pgconn.socket, self.deadline)
        except psycopg.Error:
            raise
        except BaseException:
            self.pgconn.finish()
            raise

    def row(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        """Return the first row of a statement that is not prepared; None if there is none."""
        return self.execute(sql, values or None, prepare=False).fetchone()

    def one(self, sql: str, *values: object) -> tuple[Any, ...]:
        """Return the row of a statement that always has one."""
        row = self.row(sql, *values)
        if row is None:
            raise TeamAway("The team's store gave no row back.")
        return row

    def drop(self) -> None:
        """Close the connection without waiting."""
        self.pgconn.finish()

    def __del__(self, *args: Any) -> None:
        """Say nothing: a forked child drops the lines of its parent without closing them."""


def _run(gen: Generator[Any, Any, T], fileno: int, deadline: float) -> T:
    ready = _poll if _POLLS else _select
    late = 0
    try:
        wanted = next(gen)
        while True:
            left = deadline - time.monotonic()
            late += left <= 0
            event = ready(fileno, int(wanted), min(max(0.0, left), STEP_SECONDS)) if late <= LATE_READS else 0
            if event:
                wanted = gen.send(event)
            elif left <= 0:
                raise Late
    except StopIteration as end:
        value: T = end.value
        return value


def _poll(fileno: int, wanted: int, seconds: float) -> int:
    """Return what the socket is ready for; 0 if it is not within that time."""
    poll = select.poll()
    poll.register(fileno, _EVENTS[wanted])
    found = poll.poll(seconds * 1000 + (seconds > 0))
    if not found:
        return 0
    event = found[0][1]
    # A socket that is broken is read, which tells psycopg so.
    return (1 if event & ~_OUT else 0) | (2 if event & _OUT else 0)


def _select(fileno: int, wanted: int, seconds: float) -> int:
    reads, writes, _ = select.select([fileno] if wanted & 1 else [], [fileno] if wanted & 2 else [], [], seconds)
    return (1 if reads else 0) | (2 if writes else 0)
