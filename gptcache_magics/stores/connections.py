"""One SQLite file and its connections: one for each thread, opened when first needed.

What can go wrong with a file is dealt with here. A damaged file is renamed, never deleted, and a fresh one started; a
folder that cannot be written is opened read-only; a child process after ``fork`` opens connections of its own.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from gptcache_magics.errors import StoreError
from gptcache_magics.stores.schema import APPLICATION_ID, MIGRATIONS

__all__ = ["Connections", "store_folder"]

T = TypeVar("T")
BUSY_SECONDS = 10.0
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# Connections of the parent process, kept from being closed by a child: SQLite forbids carrying them across fork().
_abandoned: list[object] = []


def store_folder(where: str | Path) -> Path:
    """The folder that ``where`` names, made absolute so that a change of the working directory does not move it."""
    folder = Path(where).expanduser().absolute()
    try:
        if folder.is_dir() or not folder.exists():
            return folder
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(
            f"{str(where)[:60]} cannot be a folder: {reason}. Choose another: %gptcache on FOLDER"
        ) from error
    raise StoreError(f"{where} is a file, not a store. A store is a folder: %gptcache on .gptcache")


class _Connection(sqlite3.Connection):
    """A connection that can be referenced weakly, so that it closes with its thread."""


class Connections:
    """Run work on the file ``folder/cache.db``, or in memory when ``folder`` is None."""

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / "cache.db"
        self.readonly = False
        self.notices: list[str] = []
        self.epoch = 0
        """Grows whenever the file under the connections may be another one than before."""
        self._pid = os.getpid()
        self._local = threading.local()
        self._open: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._lock = threading.RLock()
        self._memory: _Connection | None = None

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on this thread's connection. A damaged file is set aside and ``work`` run once more."""
        try:
            return work(self._connection())
        except sqlite3.DatabaseError as error:
            return self._again(work, error)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in one transaction that is on disk, or undone, when this returns."""
        try:
            return self._transaction(work)
        except sqlite3.DatabaseError as error:
            return self._again(lambda _: self._transaction(work), error)

    def close(self) -> None:
        """Close every connection of this process; the next use opens new ones."""
        with self._lock:
            self.epoch += 1
            for connection in list(self._open):
                connection.close()
            self._memory = None

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        # One writer at a time in this process: waiting here is fair, waiting inside SQLite is a busy loop.
        with self._lock:
            db = self._connection()
            if self.readonly:
                raise StoreError(f"{self.path} is read-only; nothing was stored. Store elsewhere: %gptcache on FOLDER")
            db.execute("BEGIN IMMEDIATE")
            try:
                result = work(db)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            return result

    def _again(self, work: Callable[[sqlite3.Connection], T], error: sqlite3.DatabaseError) -> T:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED or self.path is None:
            raise StoreError(f"The store {self.path or ':memory:'} failed: {error}") from error
        try:
            self._set_aside()
            return work(self._connection())
        except sqlite3.DatabaseError as again:
            raise StoreError(f"The store {self.path} failed: {again}") from again

    def _connection(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            self._after_fork()
        if self.path is None:
            return self._memory or self._open_memory()
        mine = getattr(self._local, "connection", None)
        if mine is not None and self._local.epoch == self.epoch:
            return mine  # type: ignore[no-any-return]
        with self._lock:
            try:
                mine = self._open_file(self.path)
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                    raise StoreError(f"The store {self.path} cannot be opened: {error}") from error
                self._set_aside()
                mine = self._open_file(self.path)
            self._local.connection, self._local.epoch = mine, self.epoch
            self._open.add(mine)
            return mine

    def _open_memory(self) -> sqlite3.Connection:
        with self._lock:
            if self._memory is None:
                self._memory = self._configured(":memory:")
                self._open.add(self._memory)
                _migrate(self._memory, ":memory:")
            return self._memory

    def _open_file(self, path: Path) -> _Connection:
        self._make_folder(path)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            db = self._configured(str(path))
            if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                db.execute("PRAGMA journal_mode=WAL")
            _migrate(db, str(path))
            self.readonly = False
        except (OSError, sqlite3.OperationalError) as error:
            if not path.exists():
                raise StoreError(
                    f"No store can be made in {path.parent}: {error}. Choose another place: %gptcache on FOLDER, "
                    "or keep nothing: %gptcache on :memory:"
                ) from error
            if isinstance(error, sqlite3.OperationalError) and os.access(path, os.W_OK):
                raise
            db = self._open_readonly(path)
        return db

    def _open_readonly(self, path: Path) -> _Connection:
        # "immutable" reads a WAL file whose folder cannot hold the shared-memory file that WAL wants.
        db = self._configured(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not self.readonly:
            self.readonly = True
            self.notices.append(f"{path} is read-only: answers are served, nothing is stored or counted.")
        return db

    def _configured(self, database: str, *, uri: bool = False) -> _Connection:
        db = sqlite3.connect(
            database,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,  # close() closes the connections of every thread
            factory=_Connection,
            uri=uri,
        )
        # With WAL, NORMAL survives a killed process; only a power cut may cost the newest transactions.
        db.execute("PRAGMA synchronous=NORMAL")
        return db

    def _make_folder(self, path: Path) -> None:
        folder = path.parent
        if folder.is_dir():
            return
        try:
            folder.mkdir(mode=0o700, parents=True)
            (folder / ".gitignore").write_text("*\n")
        except OSError as error:
            raise StoreError(
                f"The folder {folder} cannot be made: {error}. Choose another: %gptcache on FOLDER"
            ) from error

    def _set_aside(self) -> None:
        """Rename a damaged file and its journal, unless another process did so already."""
        assert self.path is not None
        with self._lock:
            for connection in list(self._open):
                connection.close()
            self.epoch += 1
            if _sound(self.path):
                return
            aside = self.path.with_name(f"{self.path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
            for suffix in ("", "-wal", "-shm"):
                part = Path(f"{self.path}{suffix}")
                if part.exists():
                    part.rename(f"{aside}{suffix}")
            self.notices.append(f"The store was damaged. It was set aside as {aside} and a fresh one started.")

    def _after_fork(self) -> None:
        _abandoned.append((self._local, self._open, list(self._open)))
        if self.path is not None:
            self._local = threading.local()
            self._open = weakref.WeakSet()
        self._lock = threading.RLock()
        self._pid = os.getpid()


def _sound(path: Path) -> bool:
    """Whether SQLite finds no damage in a file; reads all of it."""
    try:
        db = sqlite3.connect(path, timeout=BUSY_SECONDS)
        try:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
        finally:
            db.close()
    except sqlite3.DatabaseError:
        return False


def _migrate(db: sqlite3.Connection, where: str) -> None:
    """Bring the schema forward, one numbered step at a time."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == len(MIGRATIONS):
        _check_owner(db, where)
        return
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{where} was written by a newer gptcache-magics (schema {version}, this one reads {len(MIGRATIONS)}). "
            "Update: %pip install -U gptcache-magics"
        )
    db.execute("BEGIN IMMEDIATE")
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]  # another process may have been faster
        if version or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            _check_owner(db, where)
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _check_owner(db: sqlite3.Connection, where: Any) -> None:
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreError(
            f"{where} is a database of something else and was left alone. Choose another folder: %gptcache on FOLDER"
        )
