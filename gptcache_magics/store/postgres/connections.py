"""The connections of one kernel to a team's store: few, opened by threads, and given up before they are in the way.

A model call waits half a second for the team at most, and for a connection that is being opened only once. After three
failures in a row the store counts as away: for 30 seconds nobody asks it, and then a thread tries.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

import psycopg

from gptcache_magics import fork
from gptcache_magics.errors import StoreError, TeamAway
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.failure import AWAY, LATE, connecting, running
from gptcache_magics.store.postgres.line import Late, Line

__all__ = ["COMMAND_SECONDS", "PATIENT_SECONDS", "QUICK_SECONDS", "Connections"]

T = TypeVar("T")
QUICK_SECONDS: Final = 0.5
"""Time that a model call waits for the team."""
COMMAND_SECONDS: Final = 5.0
"""Time that a command waits for a connection."""
PATIENT_SECONDS: Final = 30.0
"""Time that sending, and reading of tables, may take."""
CONNECT_SECONDS: Final = 5
MOST: Final = 4
"""Most connections of one kernel at once."""
FAILURES: Final = 3
AWAY_SECONDS: Final = 30.0
"""Time after that many failures in which nobody asks."""


class _Attempt:
    """A connection that a thread is opening."""

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self.done = False
        self.given_up = False
        """Whether a model call has waited for it in vain."""
        self.error: StoreError | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended; an interrupt may even keep its thread from beginning."""
        return self.done or self.thread is None or not self.thread.is_alive()


class Connections:
    """Lends connections to threads.

    Parameters
    ----------
    greet
        Looks at a new connection before anybody gets it, and raises what is wrong with the database.
    """

    def __init__(self, address: Address, greet: Callable[[Line], None]) -> None:
        self._address, self._greet = address, greet
        self._begin()
        fork.in_child(self._begin)

    def _begin(self) -> None:
        """Begin without a connection: at first, and in a forked child, which must not touch those of its parent."""
        # The lock is taken by itself, not with the condition: an interrupt in Condition.__enter__ would keep it locked.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._lines: list[Line] = []
        self._attempt: _Attempt | None = None
        self._failures = 0
        self._first = 0.0
        self._why = ""
        self._refused = False
        self._until = 0.0

    # Away or not

    @property
    def away(self) -> str:
        """Why nobody is asked now; empty if the store can be asked."""
        if self._why and time.monotonic() >= self._until:
            with self._lock:
                self._open()
        return self._why

    @property
    def away_since(self) -> float | None:
        """Moment of the first failure since the store answered last; None if it can be asked."""
        return self._first if self._why else None

    @property
    def refused(self) -> bool:
        """Whether only the user can mend why nobody is asked, such as a wrong password."""
        return bool(self._why) and self._refused

    def _worked(self) -> None:
        if self._failures:
            self._failures, self._why = 0, ""

    def _failed(self, error: StoreError) -> None:
        """Count a failure. One that only the user can mend is enough."""
        if not self._failures:
            self._first = time.time()
        self._failures += 1
        self._refused = not isinstance(error, TeamAway)
        if self._failures >= FAILURES or self._refused:
            self._until, self._why = time.monotonic() + AWAY_SECONDS, str(error)
            self._drop_free()

    # Lines

    def ask(self, work: Callable[[Line], T], seconds: float = QUICK_SECONDS, *, command: bool = False) -> T:
        """Return what ``work`` finds on a connection, within that time.

        A connection that is found dead is replaced once, and ``work`` runs again: it may be done twice.

        Parameters
        ----------
        command
            Whether somebody waits for this who wants the store to be tried, although it counts as away.
        """
        deadline = time.monotonic() + seconds
        line = self._take(deadline, command)
        try:
            return self._use(line, work, deadline)
        except _Dead:
            self._drop_free()
        try:
            return self._use(self._take(deadline, command), work, deadline)
        except _Dead as dead:
            error = connecting(dead.error, self._address)
            self._failed(error)
            raise error from dead.error

    def _use(self, line: Line, work: Callable[[Line], T], deadline: float) -> T:
        try:
            line.deadline = deadline
            result = work(line)
        except Late:
            self._forget(line)
            error: StoreError = TeamAway(AWAY.format(self._address.shown, LATE))
            self._failed(error)
            raise error from None
        except psycopg.Error as failed:
            if line.closed:
                self._forget(line)
                raise _Dead(failed) from None
            role = line.info.user
            self._give_back(line)
            raise running(failed, self._address, role) from failed
        except StoreError:
            self._give_back(line)
            raise
        except BaseException:
            self._forget(line)
            raise
        self._give_back(line)
        self._worked()
        return result

    def _take(self, deadline: float, command: bool) -> Line:
        """Return a connection for this thread."""
        if not command and self.away:
            raise TeamAway(self._why)
        with self._lock:
            line = self._free()
            if line is not None:
                return line
            attempt = self._open()
            if attempt is not None and attempt.given_up and not command and not self._lines:
                raise TeamAway(AWAY.format(self._address.shown, "it is being connected"))
            self._changed.wait_for(partial(self._is_settled, attempt), max(0.0, deadline - time.monotonic()))
            line = self._free()
            if line is not None:
                return line
            if attempt is not None and attempt.error is not None and not self._lines:
                raise attempt.error
            if attempt is not None and not self._lines:
                attempt.given_up = True
        raise TeamAway(AWAY.format(self._address.shown, LATE))

    def _is_settled(self, attempt: _Attempt | None) -> bool:
        """Return whether a connection is free, or none will come."""
        free = any(map(_is_free, self._lines))
        return free or (attempt is not None and attempt.over and not self._lines)

    def _free(self) -> Line | None:
        """Return a connection that is free, or that an interrupt has kept this thread from giving back."""
        me = threading.get_ident()
        mine = next(filter(partial(_belongs_to, me), self._lines), None)
        if mine is not None:
            self._lines.remove(mine)
            mine.drop()
        line = next(filter(_is_free, self._lines), None)
        if line is not None:
            line.user = me
        return line

    def _give_back(self, line: Line) -> None:
        with self._lock:
            line.user = 0
            if line.closed and line in self._lines:
                self._lines.remove(line)
            self._changed.notify_all()

    def _forget(self, line: Line) -> None:
        """Close a connection that cannot be used any more."""
        line.drop()
        with self._lock:
            if line in self._lines:
                self._lines.remove(line)
            self._changed.notify_all()

    def _drop_free(self) -> None:
        with self._lock:
            free = list(filter(_is_free, self._lines))
            self._lines = list(filter(_is_taken, self._lines))
        for line in free:
            line.drop()

    def close(self) -> None:
        """Close every connection that nobody uses. The next use opens one."""
        self._drop_free()

    # Connecting

    def _open(self) -> _Attempt | None:
        """Return the attempt to connect, begun now if there is room and none runs; None if there is no room."""
        if self._attempt is None or self._attempt.over:
            if len(self._lines) >= MOST:
                return None
            self._attempt = attempt = _Attempt()
            attempt.thread = threading.Thread(
                target=self._connect, args=(attempt,), name="gptcache-connect", daemon=True
            )
            attempt.thread.start()
        return self._attempt

    def _connect(self, attempt: _Attempt) -> None:
        """Open a connection, in a thread: looking for a host can neither be stopped nor bounded."""
        line = None
        lock, changed = self._lock, self._changed
        try:
            line = connect(self._address)
            self._greet(line)
        except Late:
            attempt.error = TeamAway(AWAY.format(self._address.shown, LATE))
        except psycopg.Error as error:
            attempt.error = connecting(error, self._address)
        except StoreError as error:
            attempt.error = error
        except Exception as error:  # whatever a driver raises: who waits must be told
            attempt.error = StoreError(f"The team's store {self._address.shown} failed: {type(error).__name__}")
        with lock:
            attempt.done = True
            if attempt.error is None and line is not None:
                self._lines.append(line)
            elif line is not None:
                line.drop()
            failed = attempt.error is not None and not self._lines  # with others, go on without this one
            changed.notify_all()
        if failed and attempt.error is not None:
            self._failed(attempt.error)
        elif attempt.error is None:
            self._worked()


def connect(address: Address) -> Line:
    """Open a connection, within some seconds.

    What is not set in the URL, libpq takes from its own variables and files.
    """
    given = psycopg.conninfo.conninfo_to_dict(address.url)
    timeout = given.get("connect_timeout") or CONNECT_SECONDS
    return Line.connect(
        address.url,
        autocommit=True,
        prepare_threshold=None,
        connect_timeout=timeout,
        client_encoding="utf8",
        fallback_application_name="gptcache-magics",
    )


@contextmanager
def connected(address: Address) -> Iterator[Line]:
    """Open a connection for one piece of work that is not tried twice, and close it at the end.

    Raises
    ------
    StoreError
        If that fails, or a statement does.
    """
    line = None
    try:
        line = connect(address)
        yield line
    except Late:
        raise TeamAway(AWAY.format(address.shown, LATE)) from None
    except psycopg.Error as error:
        failed = connecting(error, address) if line is None else running(error, address, line.info.user)
        raise failed from error
    finally:
        if line is not None:
            line.drop()


class _Dead(Exception):
    """The connection was found broken."""

    def __init__(self, error: psycopg.Error) -> None:
        super().__init__()
        self.error = error


def _is_free(line: Line) -> bool:
    return line.user == 0


def _is_taken(line: Line) -> bool:
    return line.user != 0


def _belongs_to(thread: int, line: Line) -> bool:
    return line.user == thread
