"""Open one SQLite file, with a connection for each thread, and handle the trouble with such a file.

A damaged file is renamed, never deleted, and a new one is started. A folder that cannot be written is opened read-only.
A file system without shared memory gets a rollback journal in place of WAL. No connection crosses a ``fork``: the
parent closes them before, and both sides open their own again.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from gptcache_magics import forking
from gptcache_magics.errors import StoreError
from gptcache_magics.store.sqlite.schema import has_tables, is_current, migrate, transaction

__all__ = ["Connection", "Connections", "StoreLockedError", "store_folder"]

T = TypeVar("T")
Work = Callable[["Connection"], T]
FILE: Final = "cache.db"
ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
"""The errors that SQLite raises: its own, and that of a message that it cannot decode."""
BUSY_SECONDS: Final = 10.0
"""Longest wait for another process, in a command that the user typed."""
CALL_SECONDS: Final = 1.0
"""Longest wait for another process in a model call, and in anything that reads."""
LOCKED_SECONDS: Final = 10.0
"""Time after such a wait in which a call does not wait again."""
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_LOCKED: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NO_SHARED_MEMORY: Final = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
# Connections of the parent process, kept from being closed by a child: SQLite forbids carrying them across fork().
_abandoned: list[object] = []
_stranded = False
"""Whether this process was forked while another thread was inside SQLite, whose own locks stay locked then."""


def store_folder(where: str | Path) -> Path:
    """Return the absolute folder that ``where`` names, which a change of the working directory does not move."""
    folder = Path(where).expanduser().absolute()
    try:
        if not os.path.exists(folder) or folder.is_dir():
            return folder
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(
            f"{str(where)[:60]} cannot be a folder: {reason}. Choose another: %gptcache on FOLDER"
        ) from error
    if folder.name == FILE:
        raise StoreError(f"{where} is the file of a store. Name its folder: {folder.parent.name}")
    raise StoreError(
        f"{where} is a file, not a store. A store is a folder such as .gptcache; the name of a bundle ends in .jsonl, "
        "and %gptcache load takes one of any name."
    )


class StoreLockedError(StoreError):
    """Another process keeps the store locked."""


class Connection(sqlite3.Connection):
    """A connection that one thread uses at a time."""

    lock: Any
    """An ``RLock``."""
    usable = True
    """Whether it has not been closed."""
    followed: int | None = None
    """SQLite's count of other kernels' changes that were looked through."""
    seconds = CALL_SECONDS
    """Longest wait for another process."""

    def wait_at_most(self, seconds: float) -> None:
        """Set the longest wait for another process."""
        if seconds != self.seconds:
            self.execute(f"PRAGMA busy_timeout={round(seconds * 1000)}")
            self.seconds = seconds


class _Lease:
    """The right of a thread to a connection, which ends with the thread."""

    def __init__(self, connection: Connection, epoch: int) -> None:
        self.connection, self.epoch = connection, epoch


class Connections:
    """Run work on the file ``folder/cache.db``, or in memory when ``folder`` is None."""

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / FILE
        self._readonly = False
        self.notices: list[str] = []
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
        self._uses_wal = True
        """Whether the file system can do what WAL needs, as far as is known."""
        self._held: list[Any] = []
        """Locks that are held during a fork."""
        self._quiet = True
        """Whether that could keep every other thread out of SQLite."""
        forking.quiet(self)
        forking.in_child(self._after_fork_in_child)

    @property
    def readonly(self) -> bool:
        """Whether nothing can be written. Asks again while that is so: the user may allow it meanwhile."""
        if self._readonly and self.path is not None and _is_writable(self.path):
            with self._lock:
                self._readonly, self._memory, self._file = False, None, None
                self.epoch += 1
                self.notices = [each for each in self.notices if not each.startswith(f"{self.path} is read-only")]
        return self._readonly

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

    def fill(self, file: sqlite3.Connection, where: str) -> Connection:
        """Hold in memory the content of a file, brought to this version. Return the connection to it."""
        with self._lock:
            memory = self._configured(":memory:")
            file.backup(memory)
            migrate(memory, where)
            self._memory = memory
            return memory

    def close(self) -> None:
        """Release the file; the next use opens it again.

        A connection that another thread is using is closed when that has ended: see ``_close_unused``.
        """
        with self._lock:
            self.epoch += 1
            self._local = threading.local()
            self._memory = self._file = None
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
            if self._readonly:
                if not self.readonly:
                    continue
                raise StoreError(f"{self.path} is read-only; nothing was stored. Store elsewhere: %gptcache on FOLDER")
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
        undecodable = _is_undecodable(error)
        if not undecodable and (not _is_damage(error) or self.path is None):
            raise self._failure(error, "failed") from error
        try:
            if undecodable or self.path is None:
                return run(_tolerant(work))
            self._set_aside(self.path, unless=_is_sound)
            try:
                return run(work)
            except ERRORS as again:  # SQLite's own check does not look at everything
                if _code(again) not in _DAMAGED:
                    raise
            self._set_aside(self.path)
            return run(work)
        except ERRORS as again:
            raise self._failure(again, "failed") from again

    def _failure(self, error: Exception, verb: str) -> StoreError:
        """Return the sentence about an error of SQLite. After a locked file, calls do not wait for a while."""
        code = _code(error)
        if code in _LOCKED:
            if time.monotonic() >= self._locked_until:
                self._locked_until = time.monotonic() + LOCKED_SECONDS
            return StoreLockedError(
                f"The store {self.path} is locked by another process. Close that one, or use another store: "
                "%gptcache off, then %gptcache on FOLDER"
            )
        hint = ""
        if code in _NO_SHARED_MEMORY:
            hint = ". A store needs a disk whose files can be locked: %gptcache off, then %gptcache on FOLDER"
        return StoreError(f"The store {self.path or ':memory:'} {verb}: {error}{hint}")

    def _connection(self) -> Connection:
        if _stranded:
            raise StoreError("This process was forked while another thread was in the store, and cannot use a store.")
        if self.path is None:
            return self._memory if self._memory is not None and not self._held else self._open_memory()
        lease: _Lease | None = getattr(self._local, "lease", None)
        if lease is not None and lease.epoch == self.epoch and _identity(self.path) == self._file:
            return lease.connection
        with self._lock:
            self._close_unused()
            if self._file is not None and _identity(self.path) != self._file:
                self.epoch += 1
                self.notices.append(f"{self.path} was removed or replaced while open. Answers go into a new file.")
                self._memory = self._file = None
            try:
                mine = self._memory or self._open_file(self.path)
            except ERRORS as error:
                if not _is_damage(error):
                    raise self._failure(error, "cannot be opened") from error
                self._set_aside(self.path, unless=_is_sound)
                mine = self._open_file(self.path)
            self._file = _identity(self.path)
            self._local.lease = _Lease(mine, self.epoch)
            if mine is not self._memory:
                self._open.append((weakref.ref(self._local.lease), mine))
            return mine

    def _open_memory(self) -> Connection:
        with self._lock:
            if self._memory is None:
                memory = self._configured(":memory:")
                migrate(memory, ":memory:")
                self._memory = memory  # last: other threads use it at once
            return self._memory

    def _open_file(self, path: Path) -> Connection:
        self._make_file(path)
        self._readonly = not _is_writable(path)
        if self._readonly:
            return self._open_readonly(path)
        db = self._configured(str(path))
        try:
            if self._uses_wal and not _use_wal(db, str(path)):
                self._uses_wal = False
                db.close()
                db = self._with_rollback_journal(path)
            # NORMAL survives a killed process; with WAL, only a power cut may cost the newest transactions.
            db.execute("PRAGMA synchronous=NORMAL")
            if not is_current(db, str(path)):
                db.wait_at_most(BUSY_SECONDS)  # while another kernel may be bringing it forward
                migrate(db, str(path))
        except BaseException:
            db.close()
            raise
        return db

    def _with_rollback_journal(self, path: Path) -> Connection:
        """Open a file on a file system without shared memory, such as a network drive."""
        with closing(self._configured(str(path))) as db:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")  # reads a file in WAL without shared memory
            is_current(db, str(path))
            db.execute("PRAGMA journal_mode=DELETE")
        self.notices.append(
            f"The file system of {path.parent} has no shared memory: the store works there, but more slowly, and "
            "kernels wait for each other."
        )
        return self._configured(str(path))

    def _open_readonly(self, path: Path) -> Connection:
        """Open a file that cannot be written. One of an earlier schema is copied into memory and brought forward there.

        Such a copy does not follow what other kernels write to the file.
        """
        notice = f"{path} is read-only: answers are served, nothing is stored or counted."
        address = f"{path.resolve().as_uri()}?mode=ro"
        try:
            db = self._configured(address, uri=True)
            current = is_current(db, str(path))
        except sqlite3.OperationalError:
            # WAL needs a shared-memory file, which this folder cannot hold; "immutable" needs neither.
            db = self._configured(f"{address}&immutable=1", uri=True)
            current = is_current(db, str(path))
            journal = Path(f"{path}-wal")
            if os.path.exists(journal) and journal.stat().st_size:
                notice += " The newest ones, not yet merged into it by the kernel that wrote them, are missing."
        if notice not in self.notices:
            self.notices.append(notice)
        if current:
            return db
        with closing(db):
            return self.fill(db, str(path))

    def _configured(self, database: str, *, uri: bool = False) -> Connection:
        db = sqlite3.connect(
            database,
            timeout=self._patience(),
            isolation_level=None,
            check_same_thread=False,  # the one in memory is shared
            factory=Connection,
            uri=uri,
        )
        db.seconds = self._patience()
        # All threads share the one in memory.
        db.lock = self._writing if database == ":memory:" else threading.RLock()
        return db

    def _make_file(self, path: Path) -> None:
        """Make folder and file, readable by their owner only."""
        if os.path.exists(path):
            return  # and never opened here: closing a file drops SQLite's locks on it
        try:
            if not os.path.isdir(path.parent):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(
                f"No store can be made in {path.parent}: {(error.strerror or str(error)).lower()}. Choose another "
                "place: %gptcache on FOLDER, or keep nothing: %gptcache on :memory:"
            ) from error

    def _set_aside(self, path: Path, unless: Callable[[Path], bool] = lambda path: False) -> None:
        """Rename a damaged file and its journal, unless another process did so already and started a sound one."""
        with self._lock:
            self.epoch += 1
            self._memory = self._file = None
            if unless(path):
                return
            aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
            while os.path.exists(aside):
                aside = aside.with_name(f"{aside.name}-again")
            try:
                for suffix in ("", "-wal", "-shm"):
                    with suppress(FileNotFoundError):
                        Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
            except OSError as error:
                raise StoreError(
                    f"{path} is damaged and cannot be set aside: {error}. Use another: %gptcache on FOLDER"
                ) from error
            self.notices.append(f"The store was damaged. It was set aside as {aside} and a fresh one started.")

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
        """Keep every other thread out of SQLite, and close the file: see :mod:`gptcache_magics.forking`."""
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


def _is_damage(error: Exception) -> bool:
    # Of a damaged schema, not even the message can be decoded, or a table has lost its name.
    damaged = isinstance(error, UnicodeDecodeError) or _code(error) in _DAMAGED
    return damaged or (_code(error) == sqlite3.SQLITE_ERROR and str(error).startswith("no such "))


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_writable(path: Path) -> bool:
    """Return whether a file, and the folder in which SQLite needs to write beside it, may be written."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_sound(path: Path) -> bool:
    """Return whether SQLite finds no damage in a file, and we find all tables. It reads all of the file."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", timeout=BUSY_SECONDS, uri=True)) as db:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok") and has_tables(db, str(path))
    except ERRORS as error:
        return _code(error) in _LOCKED


def _use_wal(db: Connection, where: str) -> bool:
    """Switch a file of ours to WAL and try it. Returns False if the file system cannot do what WAL needs.

    SQLite does not wait for another process that is about to switch, so we do. A file that stays in use keeps its
    rollback journal for now.
    """
    end = time.monotonic() + CALL_SECONDS
    try:
        is_current(db, where)
        while db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            try:
                if db.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                    return False
            except sqlite3.OperationalError as error:
                if _code(error) not in _LOCKED or time.monotonic() > end:
                    raise
                time.sleep(0.01)
        _begin_and_undo(db)
    except sqlite3.OperationalError as error:
        if _code(error) in _NO_SHARED_MEMORY:
            return False
        if _code(error) not in _LOCKED:
            raise
    return True


def _begin_and_undo(db: Connection) -> None:
    """Begin to write: a file system that cannot do what WAL needs may refuse only this."""
    try:
        db.wait_at_most(0)
        db.execute("BEGIN IMMEDIATE")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.wait_at_most(CALL_SECONDS)
