"""Open one SQLite file, with a connection for each thread, and handle the trouble with such a file.

A damaged file is renamed, never deleted, and a new one is started. A folder that cannot be written is opened read-only.
A child process after ``fork`` opens its own connections.
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
from typing import Final, TypeVar

from gptcache_magics.errors import StoreError
from gptcache_magics.store.sqlite.schema import is_current, migrate

__all__ = ["Connections", "store_folder"]

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
FILE: Final = "cache.db"
ERRORS: Final = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What SQLite raises: its own errors, and the error of a message that it cannot decode."""
BUSY_SECONDS = 10.0
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# Connections of the parent process, kept from being closed by a child: SQLite forbids carrying them across fork().
_abandoned: list[object] = []


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


class _Connection(sqlite3.Connection):
    """A connection that can be referenced weakly, so that it closes with its thread."""


class Connections:
    """Run work on the file ``folder/cache.db``, or in memory when ``folder`` is None."""

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / FILE
        self.readonly = False
        self.notices: list[str] = []
        self.epoch = 0
        """A number that grows when the file under the connections may be a different file."""
        self._pid = os.getpid()
        self._local = threading.local()
        self._open: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._lock = threading.RLock()
        """The lock for opening and setting aside, never held while waiting for another process to write."""
        self._writing = threading.RLock()
        self._memory: _Connection | None = None
        """Connection of all threads to a database in memory: a store without a file, or the copy of a file."""
        self._file: tuple[int, int] | None = None
        """Device and inode of the open file."""

    def read(self, work: Work[T]) -> T:
        """Run ``work`` on this thread's connection. A damaged file is set aside and ``work`` run once more."""
        try:
            return self._reading(work)
        except ERRORS as error:
            return self._again(self._reading, work, error)

    def write(self, work: Work[T]) -> T:
        """Run ``work`` in one transaction that is on disk, or undone, when this returns."""
        try:
            return self._transaction(work)
        except ERRORS as error:
            return self._again(self._transaction, work, error)

    def fill(self, file: sqlite3.Connection, where: str) -> _Connection:
        """Hold in memory the content of a file, brought to this version. Return the connection to it."""
        with self._lock:
            memory = self._configured(":memory:")
            file.backup(memory)
            migrate(memory, where)
            self._memory = memory
            return memory

    def close(self) -> None:
        """Release the file; the next use opens it again.

        A connection closes with its last user: closing one that another thread is reading from would crash.
        """
        with self._lock:
            self.epoch += 1
            mine = getattr(self._local, "connection", None)
            if mine is not None and mine is not self._memory:
                mine.close()
            self._local = threading.local()
            self._memory = self._file = None

    def _reading(self, work: Work[T]) -> T:
        db = self._connection()
        if db is not self._memory:
            return work(db)
        with self._writing:  # all threads share this connection, and SQLite allows one of them at a time
            return work(db)

    def _transaction(self, work: Work[T]) -> T:
        if self._pid != os.getpid():
            self._after_fork()  # before the lock, which a thread of the parent may hold for ever
        # One writer at a time in this process: waiting here is fair, waiting inside SQLite is a busy loop.
        with self._writing:
            db = self._connection()
            if self.readonly:
                raise StoreError(f"{self.path} is read-only; nothing was stored. Store elsewhere: %gptcache on FOLDER")
            try:  # around BEGIN as well: an interrupt that waits for it is raised right after it
                db.execute("BEGIN IMMEDIATE")
                result = work(db)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            return result

    def _again(self, run: Callable[[Work[T]], T], work: Work[T], error: Exception) -> T:
        """Run ``work`` once more after an error that this may help against: text or a file that is damaged."""
        undecodable = _is_undecodable(error)
        if not undecodable and (not _is_damage(error) or self.path is None):
            raise StoreError(f"The store {self.path or ':memory:'} failed: {error}") from error
        try:
            if undecodable or self.path is None:
                return run(_tolerant(work))
            self._set_aside(self.path)
            return run(work)
        except ERRORS as again:
            raise StoreError(f"The store {self.path} failed: {again}") from again

    def _connection(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            self._after_fork()
        if self.path is None:
            return self._memory or self._open_memory()
        mine: _Connection | None = getattr(self._local, "connection", None)
        if mine is not None and self._local.epoch == self.epoch and _identity(self.path) == self._file:
            return mine
        with self._lock:
            if self._file is not None and _identity(self.path) != self._file:
                self.epoch += 1
                self.notices.append(f"{self.path} was removed or replaced while open. Answers go into a new file.")
                self._memory = self._file = None
            try:
                mine = self._memory or self._open_file(self.path)
            except ERRORS as error:
                if not _is_damage(error):
                    raise StoreError(f"The store {self.path} cannot be opened: {error}") from error
                self._set_aside(self.path)
                mine = self._open_file(self.path)
            self._file = _identity(self.path)
            self._local.connection, self._local.epoch = mine, self.epoch
            return mine

    def _open_memory(self) -> sqlite3.Connection:
        with self._lock:
            if self._memory is None:
                self._memory = self._configured(":memory:")
                migrate(self._memory, ":memory:")
            return self._memory

    def _open_file(self, path: Path) -> _Connection:
        self._make_file(path)
        # SQLite needs to write beside the file, too.
        self.readonly = not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
        if self.readonly:
            return self._open_readonly(path)
        db = self._configured(str(path))
        try:
            migrate(db, str(path))
            _use_wal(db)
        except BaseException:
            db.close()
            raise
        return db

    def _open_readonly(self, path: Path) -> _Connection:
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

    def _configured(self, database: str, *, uri: bool = False) -> _Connection:
        db = sqlite3.connect(
            database,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,  # the one in memory is shared
            factory=_Connection,
            uri=uri,
        )
        # With WAL, NORMAL survives a killed process; only a power cut may cost the newest transactions.
        db.execute("PRAGMA synchronous=NORMAL")
        self._open.add(db)
        return db

    def _make_file(self, path: Path) -> None:
        """Make folder and file, readable by their owner only."""
        if os.path.exists(path):
            return  # and never opened here: closing a file drops SQLite's locks on it
        try:
            if not os.path.isdir(path.parent):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                (path.parent / ".gitignore").write_text("*\n")
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(
                f"No store can be made in {path.parent}: {(error.strerror or str(error)).lower()}. Choose another "
                "place: %gptcache on FOLDER, or keep nothing: %gptcache on :memory:"
            ) from error

    def _set_aside(self, path: Path) -> None:
        """Rename a damaged file and its journal, unless another process did so already."""
        with self._lock:
            self.epoch += 1
            self._memory = self._file = None
            if _is_sound(path):
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

    def _after_fork(self) -> None:
        _abandoned.append((self._local, list(self._open)))
        self._pid = os.getpid()
        self._lock, self._writing = threading.RLock(), threading.RLock()
        self.epoch += 1
        if self.path is not None:
            self._local = threading.local()
            self._open = weakref.WeakSet()


def _is_undecodable(error: Exception) -> bool:
    # sqlite3 itself raises this error, and it has no code.
    return str(error).startswith("Could not decode to UTF-8")


def _tolerant(work: Work[T]) -> Work[T]:
    """Return ``work`` with text that is not UTF-8 replaced where it is read."""

    def run(db: sqlite3.Connection) -> T:
        db.text_factory = partial(str, encoding="utf-8", errors="replace")
        try:
            return work(db)
        finally:
            db.text_factory = str

    return run


def _is_damage(error: Exception) -> bool:
    # Of a damaged schema, not even the message can be decoded.
    return isinstance(error, UnicodeDecodeError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_sound(path: Path) -> bool:
    """Return whether SQLite finds no damage in a file. It reads all of it."""
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", timeout=BUSY_SECONDS, uri=True)
        try:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
        finally:
            db.close()
    except ERRORS:
        return False


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite does not wait for another process that is about to do the same, so we do."""
    end = time.monotonic() + BUSY_SECONDS
    while db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            db.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
