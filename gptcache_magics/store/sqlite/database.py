"""Open the SQLite file of a store, or a database in memory, and bring it to this version.

A folder that cannot be written is opened read-only. A network file system, and one without shared memory, gets a
rollback journal in place of WAL. A damaged file is renamed, never deleted.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from gptcache_magics.errors import StoreError
from gptcache_magics.store.patience import Wait
from gptcache_magics.store.sqlite.file_system import is_remote, kind_of
from gptcache_magics.store.sqlite.foreign import ForeignSchemaError
from gptcache_magics.store.sqlite.guarded import guarded, is_interrupt
from gptcache_magics.store.sqlite.owner import check_files, check_owner
from gptcache_magics.store.sqlite.schema import is_current, migrate

__all__ = [
    "BUSY_SECONDS",
    "DAMAGED",
    "ERRORS",
    "LOCKED",
    "NO_SHARED_MEMORY",
    "UNLOCKABLE",
    "Connection",
    "Database",
    "Identity",
    "code_of",
    "copy_in_memory",
    "identity_of",
    "is_damage",
    "store_folder",
]

FILE: Final = "cache.db"
ERRORS: Final = (sqlite3.Error, UnicodeDecodeError, ForeignSchemaError)
"""The errors that SQLite raises: its own, and that of a message that it cannot decode; and that of a foreign schema."""
FILE_ENDINGS: Final = re.compile(
    r"\.(bin|bz2|cfg|csv|db3?|duckdb|gz|html?|ini|ipynb|json|log|md|ndjson|parquet|pickle|pkl|py|rst|sqlite3?|tar|toml|tsv"
    r"|txt|xlsx|xml|xz|ya?ml|zip)",
    re.IGNORECASE,
)
"""Endings of files. A folder of such a name is used if it is there, or if a slash follows its name."""
MEMORY_KB: Final = 16_000
"""Memory for a copy of a file."""
BUSY_SECONDS: Final = 10.0
"""Longest wait for another process, in a command that the user typed, or while one brings the file forward."""
JOURNAL_PAGES: Final = 256
"""Pages of the journal after which they are merged into the file: 4 MB."""
DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
LOCKED: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
UNLOCKABLE: Final = sqlite3.SQLITE_PROTOCOL
"""SQLite has tried to lock a file in WAL for ten seconds, whatever the longest wait: its disk locks no files."""
NO_SHARED_MEMORY: Final = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}


def store_folder(where: str | Path) -> Path:
    """Return the absolute folder that ``where`` names, which a change of the working directory does not move."""
    if "\0" in str(where):
        raise StoreError(
            f"A place has no NUL in its name, as {str(where)[:60]!r} has. Choose another: %gptcache on FOLDER"
        )
    folder = Path(where).expanduser().absolute()
    named_as_file = FILE_ENDINGS.fullmatch(folder.suffix) and not str(where).endswith(("/", os.sep))
    try:
        there = os.path.exists(folder)
        if folder.is_dir() or not (there or named_as_file):
            return folder
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(
            f"{str(where)[:60]} cannot be a folder: {reason}. Choose another: %gptcache on FOLDER"
        ) from error
    if folder.name == FILE:
        raise StoreError(f"{where} is the file of a store. Name its folder: {Path(where).parent}")
    raise StoreError(
        f"{where} is {'' if there else 'the name of '}a file, not a store. A store is a folder such as .gptcache; the "
        "name of a bundle ends in .jsonl, and %gptcache load takes one of any name."
    )


class Connection(sqlite3.Connection):
    """A connection that one thread uses at a time."""

    lock: Any
    """An ``RLock``."""
    in_memory = False
    """Whether all threads share it, because the database is in memory."""
    usable = True
    """Whether it has not been closed."""
    followed: int | None = None
    """SQLite's count of other kernels' changes that were looked through."""
    seconds: float
    """Longest wait for another process."""
    checked_schema: int | None = None
    """SQLite's count of changes to the schema that were looked at."""

    def check_schema(self) -> None:
        """Raise ``ForeignSchemaError`` if another process has given the file tables, triggers or views of its own."""
        if self.in_memory:
            return
        number = self.schema_version()
        if number != self.checked_schema:
            try:
                is_current(self, "The file")
            except ForeignSchemaError:
                raise
            except StoreError:  # a newer version has brought the file forward
                pass
            self.checked_schema = number

    def schema_version(self) -> int:
        """Return SQLite's count of changes to the schema."""
        number: int = self.execute("PRAGMA schema_version").fetchone()[0]
        return number

    def wait_at_most(self, seconds: float) -> None:
        """Set the longest wait for another process."""
        if seconds != self.seconds:
            self.execute(f"PRAGMA busy_timeout={round(seconds * 1000)}")
            self.seconds = seconds


class Database:
    """The file ``folder/cache.db``, or a database in memory when ``folder`` is None."""

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / FILE
        self.readonly = False
        self.from_anyone = False
        """Whether the file is opened whoever owns it: tables may be read of any store."""
        self.notices: list[str] = []
        """Messages for the user about this file."""
        self._uses_wal = True
        """Whether the file system can do what WAL needs, as far as is known."""
        self._was_open = False
        """Whether a file was open before."""

    def open(self, seconds: float, forward_seconds: float = 0.0) -> Connection:
        """Return a new connection. Raises the errors of SQLite.

        Parameters
        ----------
        seconds
            Longest wait for another process, in all.
        forward_seconds
            Longest wait for another kernel that is bringing the file forward, if no file was open before.
        """
        if self.path is None:
            return copy_in_memory(None, ":memory:", seconds)
        _make_file(self.path)
        self._check(self.path)
        self.readonly = not _is_writable(self.path)
        if self.readonly:
            return self._open_readonly(self.path, seconds)
        return self._open_file(self.path, seconds, forward_seconds)

    def became_writable(self) -> bool:
        """Return whether a file that was opened read-only may be written by now; then the next ``open`` does so."""
        if self.path is None or not _is_writable(self.path):
            return False
        self.readonly = False
        self.notices[:] = [each for each in self.notices if not each.startswith(f"{self.path} is read-only")]
        return True

    def emptied(self) -> Identity | None:
        """Return the identity of a file that was truncated while a kernel had it open; None if it was not."""
        if self.path is None or self._was_open:  # of its own file, a kernel knows it
            return None
        self._check(self.path)
        there = identity_of(self.path)
        # Even the first page of a new file is written before SQLite makes these files.
        others = any(os.path.exists(f"{self.path}{suffix}") for suffix in ("-wal", "-shm"))
        return there if there is not None and not there.filled and others else None

    def _check(self, path: Path) -> None:
        check_files(path)
        if not self.from_anyone:
            check_owner(path)

    def set_aside(self, damaged: Identity | None = None) -> Identity | None:
        """Rename a damaged file and its journal, unless another thread or process did so and started a sound one.

        Parameters
        ----------
        damaged
            Identity of a file that is damaged although SQLite's own check finds it sound.

        Returns
        -------
        Identity of the file that stays in place; None if none does.
        """
        path = self.path
        if path is None:
            return None
        there = identity_of(path)
        if there is None or (there == damaged and not there.filled):  # SQLite would delete its journal
            what = "damaged"
        else:
            what = _trouble(path) or ("damaged" if there == damaged else "")
        if not what:
            return there
        aside = path.with_name(f"{path.name}.{what}-{time.strftime('%Y%m%d-%H%M%S')}")
        while os.path.exists(aside):
            aside = aside.with_name(f"{aside.name}-again")
        try:
            for suffix in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
        except OSError as error:
            raise StoreError(
                f"{path} is {what} and cannot be set aside: {error}. Use another: %gptcache on FOLDER"
            ) from error
        was = "was damaged" if what == "damaged" else "had tables, triggers or views that are not of gptcache-magics"
        self.notices.append(f"The store {was}. It was set aside as {aside} and a fresh one started.")
        return None

    def _open_file(self, path: Path, seconds: float, forward_seconds: float) -> Connection:
        wait = Wait(seconds)
        db = _connect(str(path), seconds)
        try:
            if _is_empty(path):  # the larger the pages, the fewer of their bytes an entry of 2 kB leaves unused
                db.execute("PRAGMA page_size=16384")
                db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            if self._uses_wal and (is_remote(kind := kind_of(path)) or not _use_wal(db, str(path))):
                self._uses_wal = False
                db.close()
                db = self._with_rollback_journal(path, wait.left, kind)
            db.wait_at_most(wait.left)
            # NORMAL survives a killed process; with WAL, only a power cut may cost the newest transactions.
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute(f"PRAGMA wal_autocheckpoint={JOURNAL_PAGES}")
            schema = db.schema_version()
            if is_current(db, str(path)):
                db.checked_schema = schema
            else:
                db.wait_at_most(wait.left if self._was_open else max(wait.left, forward_seconds))
                migrate(db, str(path))
            self._was_open = True
        except BaseException:
            db.close()
            raise
        return db

    def _with_rollback_journal(self, path: Path, seconds: float, kind: str | None) -> Connection:
        """Open a file on a file system, of this ``kind``, where WAL cannot be used."""
        with closing(_connect(str(path), seconds)) as db:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")  # reads a file in WAL without shared memory
            is_current(db, str(path))
            db.execute("PRAGMA journal_mode=DELETE")
        what = f"({kind}) is open to other machines" if is_remote(kind) else "has no shared memory"
        self.notices.append(
            f"The file system of {path.parent} {what}: the store works there, but more slowly, and kernels wait for "
            "each other."
        )
        return _connect(str(path), seconds)

    def _open_readonly(self, path: Path, seconds: float) -> Connection:
        """Open a file that cannot be written. One of an earlier schema is copied into memory and brought forward there.

        Such a copy does not follow what other kernels write to the file.
        """
        notice = f"{path} is read-only: answers are served, nothing is stored or counted."
        address = f"{path.resolve().as_uri()}?mode=ro"
        try:
            db = _connect(address, seconds, uri=True)
            current = is_current(db, str(path))
        except sqlite3.OperationalError as error:
            if is_interrupt(error):
                raise
            # WAL needs a shared-memory file, which this folder cannot hold; "immutable" needs neither.
            db = _connect(f"{address}&immutable=1", seconds, uri=True)
            current = is_current(db, str(path))
            journal = Path(f"{path}-wal")
            if os.path.exists(journal) and journal.stat().st_size:
                notice += " The newest ones, not yet merged into it by the kernel that wrote them, are missing."
        if notice not in self.notices:
            self.notices.append(notice)
        if current:
            return db
        with closing(db):
            return copy_in_memory(db, str(path), seconds)


def copy_in_memory(file: sqlite3.Connection | None, where: str, seconds: float) -> Connection:
    """Return a connection to a database in memory: a copy of ``file`` brought to this version, or an empty one.

    Of a large copy, the rest lies in a file without a name, which ends with the process.
    """
    memory = _connect(":memory:" if file is None else "", seconds)
    memory.in_memory = True
    if file is not None:
        memory.execute(f"PRAGMA cache_size=-{MEMORY_KB}")
        file.backup(memory)
    migrate(memory, where)
    return memory


def is_damage(error: Exception) -> bool:
    """Return whether an error says that the file is damaged."""
    # Of a damaged schema, not even the message can be decoded, or a table has lost its name.
    damaged = isinstance(error, UnicodeDecodeError | ForeignSchemaError) or code_of(error) in DAMAGED
    return damaged or (code_of(error) == sqlite3.SQLITE_ERROR and str(error).startswith("no such "))


def code_of(error: Exception) -> int:
    """Return SQLite's primary code of an error; 0 if it has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


class Identity(NamedTuple):
    """What tells a file from another one that takes its place, also by the same name."""

    device: int
    inode: int
    filled: bool
    """Whether anything is in it. A file of a store is empty only until it is made, or after it was truncated."""


def identity_of(path: Path) -> Identity | None:
    """Return the identity of a file; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return Identity(status.st_dev, status.st_ino, status.st_size > 0)


def _connect(database: str, seconds: float, *, uri: bool = False) -> Connection:
    db = sqlite3.connect(
        database,
        timeout=seconds,
        isolation_level=None,
        check_same_thread=False,  # one in memory is shared
        factory=Connection,
        uri=uri,
    )
    db.lock, db.seconds = threading.RLock(), seconds
    return guarded(db)


def _is_empty(path: Path) -> bool:
    try:
        return not path.stat().st_size
    except FileNotFoundError:
        return False


def _is_writable(path: Path) -> bool:
    """Return whether a file, and the folder in which SQLite needs to write beside it, may be written."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _make_file(path: Path) -> None:
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


def _trouble(path: Path) -> str:
    """Return ``foreign`` for a file whose schema is not ours, ``damaged`` for a damaged one; empty for a sound one.

    It reads all of the file, but runs nothing of a foreign schema.
    """
    try:
        with closing(_connect(f"{path.resolve().as_uri()}?mode=rw", BUSY_SECONDS, uri=True)) as db:
            is_current(db, str(path))
            return "" if db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok" else "damaged"
    except ForeignSchemaError as error:
        return "foreign" if error.names else "damaged"
    except ERRORS as error:
        if is_interrupt(error):
            raise
        return "" if code_of(error) in LOCKED else "damaged"


def _use_wal(db: Connection, where: str) -> bool:
    """Switch a file of ours to WAL and try it. Returns False if the file system cannot do what WAL needs.

    SQLite does not wait for another process that is about to switch, so we do. A file that stays in use keeps its
    rollback journal for now.
    """
    wait = Wait(db.seconds)
    try:
        is_current(db, where)
        while db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            db.wait_at_most(wait.left)
            try:
                if db.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                    return False
            except sqlite3.OperationalError as error:
                if code_of(error) not in LOCKED or not wait.left:
                    raise
                time.sleep(0.01)
        _begin_and_undo(db)
    except sqlite3.OperationalError as error:
        if code_of(error) in NO_SHARED_MEMORY:
            return False
        if code_of(error) not in LOCKED:
            raise
    return True


def _begin_and_undo(db: Connection) -> None:
    """Begin to write: a file system that cannot do what WAL needs may refuse only this."""
    seconds = db.seconds
    try:
        db.wait_at_most(0)
        db.execute("BEGIN IMMEDIATE")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.wait_at_most(seconds)
