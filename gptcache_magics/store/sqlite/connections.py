"""Run work on the SQLite file of a store, with a connection for each thread, and handle the trouble with such a file.

A damaged file is set aside, and a new one is started. A locked file is waited for; a command does so in short steps,
between which model calls get their turn. No connection crosses a ``fork``: the parent closes them before, and both
sides open their own again.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any, Final, TypeVar

from gptcache_magics import fork
from gptcache_magics.errors import StoreError, StoreLockedError
from gptcache_magics.log import tell
from gptcache_magics.store.patience import Wait, patience
from gptcache_magics.store.sqlite.database import (
    BUSY_SECONDS,
    DAMAGED,
    ERRORS,
    LOCKED,
    UNLOCKABLE,
    Connection,
    Database,
    Identity,
    code_of,
    copy_in_memory,
    identity_of,
    is_damage,
)
from gptcache_magics.store.sqlite.failure import failure, is_undecodable, tolerant, unlockable
from gptcache_magics.store.sqlite.guarded import interrupt_heard, is_interrupt
from gptcache_magics.store.sqlite.schema import transaction

__all__ = ["Connections"]

T = TypeVar("T")
Work = Callable[[Connection], T]
CALL_SECONDS: Final = 1.0
"""Longest wait for others in all of a model call, and in anything that reads."""
LOCKED_SECONDS: Final = 10.0
"""Time after such a wait in which a call does not wait again."""
UNLOCKABLE_TIMES: Final = 6
"""Time, as a multiple of what SQLite took to find that it cannot lock the file, in which no call touches it again."""
SLOW_SECONDS: Final = 0.2
"""Longest wait that is not logged."""
STEP_SECONDS: Final = 0.1
"""Longest wait of a command inside SQLite while model calls wait for their turn to write."""
PAUSE_SECONDS: Final = 0.005
"""Pause between two such waits, in which another thread can begin to write."""
# Connections of the parent process, kept from being closed by a child: SQLite forbids carrying them across fork().
_abandoned: list[object] = []
_stranded = False
"""Whether this process was forked while another thread was inside SQLite, whose own locks stay locked then."""


class _Lease:
    """The right of a thread to a connection, which ends with the thread."""

    def __init__(self, connection: Connection, epoch: int) -> None:
        self.connection, self.epoch = connection, epoch


class Connections:
    """Run work on the file ``folder/cache.db``, or in memory when ``folder`` is None."""

    def __init__(self, folder: Path | None) -> None:
        self._database = Database(folder)
        self._where = str(self._database.path or ":memory:")
        self.notices = self._database.notices
        self.epoch = 0
        """A number that grows when the file under the connections may be a different file."""
        self._local = threading.local()
        self._open: list[tuple[weakref.ref[_Lease], Connection]] = []
        """Connections to the file. They are not left to the garbage collector, which may close one during a fork."""
        self._only_read = False
        """Whether a damaged file is left as it is: a command that only reads renames nothing."""
        self._lock = threading.RLock()
        """The lock for opening and setting aside, never held while waiting for another process to write."""
        self._writing = threading.RLock()
        self._memory: Connection | None = None
        """Connection of all threads to a database in memory: a store without a file, or the copy of a file."""
        self._file: Identity | None = None
        """Identity of the open file."""
        self._locked_until = 0.0
        """Until then a call does not wait for another process, because one has just waited in vain."""
        self._unlockable_until = self._unlockable_for_calls_until = 0.0
        """Until then a command or a call does not touch the file, for SQLite would wait for its locks as it likes."""
        self._held: list[Any] = []
        """Locks that are held during a fork."""
        self._quiet = True
        """Whether that could keep every other thread out of SQLite."""
        fork.quiet(self)
        fork.in_child(self._after_fork_in_child)

    @property
    def readonly(self) -> bool:
        """Whether nothing can be written. Asks again while that is so: the user may allow it meanwhile."""
        if self._database.readonly and self._database.became_writable():
            with self._lock:
                self._forget_file()
        return self._database.readonly

    def read(self, work: Work[T], *, wait: bool = True) -> T:
        """Run ``work`` on this thread's connection. A damaged file is set aside and ``work`` run once more.

        Parameters
        ----------
        wait
            Whether to wait for another process, as far as the call or the command has patience left.
        """
        return self._run(self._reading, work, self._wait(command=False) if wait else Wait(0))

    def write(self, work: Work[T], *, patient: bool = True) -> T:
        """Run ``work`` in one transaction that is on disk, or undone, when this returns.

        Parameters
        ----------
        patient
            Whether to wait ``BUSY_SECONDS`` for another process that writes, as a command may, or ``CALL_SECONDS``.
            In a model call, only its own patience counts.

        Raises
        ------
        StoreError
            If the file cannot be written; ``StoreLockedError`` if others keep it busy.
        """
        return self._run(self._transaction, work, self._wait(command=patient))

    def fill(self, file: sqlite3.Connection, where: str) -> None:
        """Hold in memory the content of a file, brought to this version."""
        with self._lock:
            self._share(copy_in_memory(file, where, self._wait(command=False).left))

    def only_read(self) -> None:
        """Leave a damaged file as it is from now on, and open that of another user, too."""
        self._only_read = self._database.from_anyone = True

    def try_again(self) -> None:
        """Touch the file even if it could not be locked a moment ago: this is the last chance."""
        self._unlockable_until = self._unlockable_for_calls_until = 0.0

    def close(self) -> None:
        """Release the file; the next use opens it again.

        A connection that another thread is using is closed when that has ended: see ``_close_unused``.
        """
        with self._lock:
            self._forget_file()
            self._local = threading.local()
            self._close_unused()

    def _wait(self, *, command: bool) -> Wait:
        """Return how long a piece of work waits: a call not at all if one has just waited in vain."""
        mine = patience()
        command = command if mine is None else mine.command
        seconds = BUSY_SECONDS if command else CALL_SECONDS if time.monotonic() >= self._locked_until else 0.0
        waited = mine.waited if mine is not None else 0.0
        return Wait(seconds - waited, for_threads=mine is None, step=STEP_SECONDS if command else inf)

    def _run(self, run: Callable[[Work[T], Wait], T], work: Work[T], wait: Wait) -> T:
        """Run ``work``, once more after an error that this may help against, and count the time that it took."""
        mine = patience()
        in_command = mine is not None and mine.command
        until = self._unlockable_until if in_command else self._unlockable_for_calls_until
        if time.monotonic() < until:
            raise unlockable(self._where)
        try:
            return run(work, wait)
        except ERRORS as error:
            if is_interrupt(error):
                raise interrupt_heard() from error
            return self._again(run, work, wait, error)
        finally:
            if mine is not None:
                mine.waited += wait.taken
            if wait.waited > SLOW_SECONDS:
                tell(logging.INFO, "slow lock: waited %.1f s for %s", wait.waited, self._where)

    def _reading(self, work: Work[T], wait: Wait) -> T:
        while True:
            db = self._connection(wait)
            with db.lock:
                if db.usable:  # no fork came between
                    db.wait_at_most(wait.left)
                    db.check_schema()
                    return work(db)

    def _transaction(self, work: Work[T], wait: Wait) -> T:
        while True:
            db = self._connection(wait)
            if self._database.readonly:
                if not self.readonly:
                    continue
                raise StoreError(
                    f"{self._database.path} is read-only; nothing was stored. Store elsewhere: %gptcache on FOLDER"
                )
            try:
                # One writer at a time in this process: waiting here is fair, waiting inside SQLite is a busy loop.
                if not self._writing.acquire(timeout=wait.timeout):
                    raise self._busy(wait)
                with db.lock:
                    if db.usable:
                        db.wait_at_most(wait.step)
                        result = transaction(db, _begun(wait, work))
                        self._locked_until = 0.0
                        return result
            except sqlite3.OperationalError as error:
                if code_of(error) not in LOCKED or not wait.left:
                    raise
            finally:  # "with" cannot give up, and after the call of suppress() an interrupt may come
                try:  # noqa: SIM105
                    self._writing.release()
                except RuntimeError:  # it was not acquired
                    pass
            time.sleep(PAUSE_SECONDS)

    def _again(self, run: Callable[[Work[T], Wait], T], work: Work[T], wait: Wait, error: Exception) -> T:
        """Run ``work`` once more after an error that this may help against: text or a file that is damaged."""
        if is_undecodable(error):
            work = tolerant(work)
            try:
                return run(work, wait)
            except ERRORS as again:
                error = again
        if not is_damage(error) or self._database.path is None:
            raise self._failure(error, "failed", wait) from error
        try:
            kept = self._set_aside()
            try:
                return run(work, wait)
            except ERRORS as again:  # SQLite's own check does not look at everything
                if code_of(again) not in DAMAGED:
                    raise
            self._set_aside(kept)
            return run(work, wait)
        except ERRORS as again:
            raise self._failure(again, "failed", wait) from again

    def _failure(self, error: Exception, verb: str, wait: Wait) -> StoreError:
        code, taken = code_of(error), wait.taken
        if code == UNLOCKABLE:
            self._unlockable_until = time.monotonic() + LOCKED_SECONDS
            self._unlockable_for_calls_until = time.monotonic() + max(LOCKED_SECONDS, UNLOCKABLE_TIMES * taken)
        if code in LOCKED or taken > SLOW_SECONDS:
            self._waited_in_vain(wait)
        return failure(error, self._where, verb)

    def _busy(self, wait: Wait) -> StoreLockedError:
        self._waited_in_vain(wait)
        return StoreLockedError(f"The store {self._where} is locked by another process, or busy with a command here.")

    def _waited_in_vain(self, wait: Wait) -> None:
        """Let calls not wait for a while."""
        if wait.taken > SLOW_SECONDS:
            tell(logging.INFO, "slow lock: waited %.1f s in vain for %s", wait.taken, self._where)
        if not wait.none and time.monotonic() >= self._locked_until:
            self._locked_until = time.monotonic() + LOCKED_SECONDS

    def _connection(self, wait: Wait) -> Connection:
        if _stranded:
            raise StoreError("This process was forked while another thread was in the store, and cannot use a store.")
        path = self._database.path
        if path is None:
            return self._memory if self._memory is not None and not self._held else self._open_memory(wait)
        lease: _Lease | None = getattr(self._local, "lease", None)
        if lease is not None and lease.epoch == self.epoch and identity_of(path) == self._file:
            return lease.connection
        try:
            if not self._lock.acquire(timeout=wait.timeout):
                raise self._busy(wait)
            return self._new_connection(path, wait)
        finally:  # as in ``_transaction``
            try:  # noqa: SIM105
                self._lock.release()
            except RuntimeError:
                pass

    def _new_connection(self, path: Path, wait: Wait) -> Connection:
        """Return a connection for this thread, which holds the lock for opening."""
        self._close_unused()
        there = identity_of(path)
        if self._file is not None and there != self._file:
            if there == self._file._replace(filled=False):
                self._write_back()
                self._set_aside(there)
            else:
                self.notices.append(f"{path} was removed or replaced while open. Answers go into a new file.")
                self._forget_file()
        mine = self._memory or self._open_file(wait)
        self._file = self._file or identity_of(path)  # a file that came while this one was opened is told next
        self._local.lease = _Lease(mine, self.epoch)
        if not mine.in_memory:
            self._open.append((weakref.ref(self._local.lease), mine))
        return mine

    def _write_back(self) -> None:
        """Write the journal to a file that was truncated: a small store is in it as a whole."""
        for _, db in [*self._open]:
            if db.lock.acquire(blocking=False):
                try:
                    _merge_journal(db)
                finally:
                    db.lock.release()

    def _open_memory(self, wait: Wait) -> Connection:
        with self._lock:
            return self._memory or self._share(self._database.open(wait.left))

    def _open_file(self, wait: Wait) -> Connection:
        # In a model call, even a file that another kernel is bringing forward is not waited for longer.
        forward = BUSY_SECONDS if patience() is None else 0.0
        emptied = self._database.emptied()
        if emptied is not None:
            self._set_aside(emptied)
        try:
            db = self._database.open(wait.left, forward)
        except ERRORS as error:
            if not is_damage(error):
                raise self._failure(error, "cannot be opened", wait) from error
            self._set_aside()
            db = self._database.open(wait.left, forward)
        return self._share(db) if db.in_memory else db

    def _share(self, memory: Connection) -> Connection:
        """Let all threads use a connection to a database in memory."""
        memory.lock = self._writing
        self._memory = memory  # last: other threads use it at once
        return memory

    def _set_aside(self, damaged: Identity | None = None) -> Identity | None:
        if self._only_read:
            raise StoreError(
                f"{self._where} cannot be read: it is damaged, or no store. It is left as it is. "
                "%gptcache on FOLDER sets such a file aside and begins a new one"
            )
        with self._lock:
            self._forget_file()
            return self._database.set_aside(damaged)

    def _forget_file(self) -> None:
        """Let every thread open the file again, which may be another one by then."""
        self.epoch += 1
        self._memory = self._file = None

    def _close_unused(self) -> None:
        """Close the connections whose thread has ended or has another one."""
        for each in [*self._open]:
            lease, db = each
            if lease() is None and db.lock.acquire(blocking=False):
                try:
                    self._open.remove(each)
                    db.usable = False
                    db.close()
                finally:
                    db.lock.release()

    def before_fork(self, deadline: float) -> None:
        """Keep every other thread out of SQLite, and close the file: see :mod:`gptcache_magics.fork`."""
        self._quiet = self._hold(self._lock, deadline)
        self._local = threading.local()  # whoever wants a connection from now on waits for a new one
        for lock in (self._writing, *[db.lock for _, db in self._open]):
            self._quiet = self._quiet and self._hold(lock, deadline)
        if not self._quiet:
            return
        for each in [*self._open]:
            _, db = each
            if not db.in_transaction:  # one that this very thread has begun
                self._open.remove(each)
                db.usable = False
                db.close()

    def after_fork(self) -> None:
        """Let the threads go on."""
        while self._held:
            with suppress(RuntimeError):  # it could not be acquired
                self._held.pop().release()

    def _hold(self, lock: Any, deadline: float) -> bool:
        self._held.append(lock)  # first, because an interrupt may come right after the lock was acquired
        held: bool = lock.acquire(timeout=max(0.0, deadline - time.monotonic()))
        return held

    def _after_fork_in_child(self) -> None:
        global _stranded
        _stranded = _stranded or not self._quiet
        _abandoned.append((self._local, self._open))
        self._local, self._open, self._held = threading.local(), [], []
        self._lock, self._writing = threading.RLock(), threading.RLock()
        self._quiet = True
        if self._memory is not None:
            self._memory.lock = self._writing


def _begun(wait: Wait, work: Work[T]) -> Work[T]:
    """Return ``work`` that first notes how long its transaction took to begin, and that the file has no foreign SQL."""

    def run(db: Connection) -> T:
        wait.waited = wait.taken
        db.check_schema()
        return work(db)

    return run


def _merge_journal(db: Connection) -> None:
    with suppress(*ERRORS):
        db.execute("PRAGMA wal_checkpoint")
