"""Run work on the SQLite file of a store, with a connection for each thread, and handle the trouble with such a file.

A damaged file is set aside, and a new one is started. A locked file is waited for, once. No connection crosses a
``fork``: the parent closes them before, and both sides open their own again.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from gptcache_magics import fork
from gptcache_magics.errors import StoreError
from gptcache_magics.store.sqlite.database import (
    BUSY_SECONDS,
    DAMAGED,
    ERRORS,
    LOCKED,
    NO_SHARED_MEMORY,
    Connection,
    Database,
    code_of,
    copy_in_memory,
    identity_of,
    is_damage,
)
from gptcache_magics.store.sqlite.schema import transaction

__all__ = ["Connections", "StoreLockedError"]

T = TypeVar("T")
Work = Callable[[Connection], T]
CALL_SECONDS: Final = 1.0
"""Longest wait for another process in a model call, and in anything that reads."""
LOCKED_SECONDS: Final = 10.0
"""Time after such a wait in which a call does not wait again."""
# Connections of the parent process, kept from being closed by a child: SQLite forbids carrying them across fork().
_abandoned: list[object] = []
_stranded = False
"""Whether this process was forked while another thread was inside SQLite, whose own locks stay locked then."""


class StoreLockedError(StoreError):
    """Another process keeps the store locked."""


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
        self._lock = threading.RLock()
        """The lock for opening and setting aside, never held while waiting for another process to write."""
        self._writing = threading.RLock()
        self._memory: Connection | None = None
        """Connection of all threads to a database in memory: a store without a file, or the copy of a file."""
        self._file: tuple[int, int] | None = None
        """Device and inode of the open file."""
        self._locked_until = 0.0
        """Until then a call does not wait for another process, because one has just waited in vain."""
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

    def read(self, work: Work[T]) -> T:
        """Run ``work`` on this thread's connection. A damaged file is set aside and ``work`` run once more."""
        try:
            return self._reading(work)
        except ERRORS as error:
            return self._again(self._reading, work, error)

    def write(self, work: Work[T], *, patient: bool = True) -> T:
        """Run ``work`` in one transaction that is on disk, or undone, when this returns.

        Parameters
        ----------
        patient
            Whether to wait ``BUSY_SECONDS`` for another process that writes, as a command may, or ``CALL_SECONDS``.

        Raises
        ------
        StoreError
            If the file cannot be written; ``StoreLockedError`` if another process keeps it locked.
        """

        def run(work: Work[T]) -> T:
            return self._transaction(work, patient)

        try:
            return run(work)
        except ERRORS as error:
            return self._again(run, work, error)

    def fill(self, file: sqlite3.Connection, where: str) -> None:
        """Hold in memory the content of a file, brought to this version."""
        with self._lock:
            self._share(copy_in_memory(file, where, self._patience()))

    def close(self) -> None:
        """Release the file; the next use opens it again.

        A connection that another thread is using is closed when that has ended: see ``_close_unused``.
        """
        with self._lock:
            self._forget_file()
            self._local = threading.local()
            self._close_unused()

    def _reading(self, work: Work[T]) -> T:
        while True:
            db = self._connection()
            with db.lock:
                if db.usable:  # no fork came between
                    db.wait_at_most(self._patience())
                    return work(db)

    def _transaction(self, work: Work[T], patient: bool) -> T:
        while True:
            db = self._connection()
            if self._database.readonly:
                if not self.readonly:
                    continue
                raise StoreError(
                    f"{self._database.path} is read-only; nothing was stored. Store elsewhere: %gptcache on FOLDER"
                )
            # One writer at a time in this process: waiting here is fair, waiting inside SQLite is a busy loop.
            with self._writing, db.lock:
                if db.usable:
                    db.wait_at_most(BUSY_SECONDS if patient else self._patience())
                    result = transaction(db, work)
                    self._locked_until = 0.0
                    return result

    def _patience(self) -> float:
        """Return how long a call waits for another process: not at all if one has just waited in vain."""
        return 0.0 if time.monotonic() < self._locked_until else CALL_SECONDS

    def _again(self, run: Callable[[Work[T]], T], work: Work[T], error: Exception) -> T:
        """Run ``work`` once more after an error that this may help against: text or a file that is damaged."""
        if _is_undecodable(error):
            work = _tolerant(work)
            try:
                return run(work)
            except ERRORS as again:
                error = again
        if not is_damage(error) or self._database.path is None:
            raise self._failure(error, "failed") from error
        try:
            kept = self._set_aside()
            try:
                return run(work)
            except ERRORS as again:  # SQLite's own check does not look at everything
                if code_of(again) not in DAMAGED:
                    raise
            self._set_aside(kept)
            return run(work)
        except ERRORS as again:
            raise self._failure(again, "failed") from again

    def _failure(self, error: Exception, verb: str) -> StoreError:
        """Return the sentence about an error of SQLite. After a locked file, calls do not wait for a while."""
        code = code_of(error)
        if code in LOCKED:
            if time.monotonic() >= self._locked_until:
                self._locked_until = time.monotonic() + LOCKED_SECONDS
            return StoreLockedError(
                f"The store {self._where} is locked by another process. Close that one, or use another store: "
                "%gptcache off, then %gptcache on FOLDER"
            )
        hint = ""
        if code in NO_SHARED_MEMORY:
            hint = ". A store needs a disk whose files can be locked: %gptcache off, then %gptcache on FOLDER"
        return StoreError(f"The store {self._where} {verb}: {error}{hint}")

    def _connection(self) -> Connection:
        if _stranded:
            raise StoreError("This process was forked while another thread was in the store, and cannot use a store.")
        path = self._database.path
        if path is None:
            return self._memory if self._memory is not None and not self._held else self._open_memory()
        lease: _Lease | None = getattr(self._local, "lease", None)
        if lease is not None and lease.epoch == self.epoch and identity_of(path) == self._file:
            return lease.connection
        with self._lock:
            self._close_unused()
            if self._file is not None and identity_of(path) != self._file:
                self.notices.append(f"{path} was removed or replaced while open. Answers go into a new file.")
                self._forget_file()
            mine = self._memory or self._open_file()
            self._file = self._file or identity_of(path)  # a file that came while this one was opened is told next
            self._local.lease = _Lease(mine, self.epoch)
            if not mine.in_memory:
                self._open.append((weakref.ref(self._local.lease), mine))
            return mine

    def _open_memory(self) -> Connection:
        with self._lock:
            return self._memory or self._share(self._database.open(self._patience()))

    def _open_file(self) -> Connection:
        try:
            db = self._database.open(self._patience())
        except ERRORS as error:
            if not is_damage(error):
                raise self._failure(error, "cannot be opened") from error
            self._set_aside()
            db = self._database.open(self._patience())
        return self._share(db) if db.in_memory else db

    def _share(self, memory: Connection) -> Connection:
        """Let all threads use a connection to a database in memory."""
        memory.lock = self._writing
        self._memory = memory  # last: other threads use it at once
        return memory

    def _set_aside(self, damaged: tuple[int, int] | None = None) -> tuple[int, int] | None:
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


def _is_undecodable(error: Exception) -> bool:
    # sqlite3 itself raises this error, and it has no code.
    return str(error).startswith("Could not decode to UTF-8")


def _tolerant(work: Work[T]) -> Work[T]:
    """Return ``work`` with text that is not UTF-8 replaced where it is read."""

    def run(db: Connection) -> T:
        db.text_factory = partial(str, encoding="utf-8", errors="replace")
        try:
            return work(db)
        finally:
            db.text_factory = str

    return run
