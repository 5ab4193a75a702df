"""Read a store's file without a trace: nothing is written to it, and no journal is made beside it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gptcache_magics.errors import StoreError
from gptcache_magics.store.sqlite.database import BUSY_SECONDS, ERRORS, store_folder
from gptcache_magics.store.sqlite.store import SQLiteStore

__all__ = ["damage", "snapshot"]

STEPS_BETWEEN_LOOKS = 10_000


def snapshot(where: str | Path) -> SQLiteStore:
    """Return a store in memory with the present content of the store in a folder; empty if there is none.

    Raises
    ------
    StoreError
        If the file cannot be read.
    """
    return SQLiteStore(where) if str(where) == ":memory:" else _Snapshot(store_folder(where))


class _Snapshot(SQLiteStore):
    """A store in memory, filled from a file. Writes to it are lost when it is closed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(":memory:")
        self.where = str(folder)
        path = folder / "cache.db"
        if path.exists():
            with _reading(path) as file:
                self._connections.fill(file, self.where)


def damage(path: Path, seconds: float) -> str:
    """Return the damage that SQLite finds in a file within ``seconds``; empty if none.

    Raises
    ------
    StoreError
        If the file cannot be read.
    TimeoutError
        If the time was not enough to read all of the file.
    """
    end = time.monotonic() + seconds
    with _reading(path) as file:
        file.set_progress_handler(lambda: time.monotonic() > end, STEPS_BETWEEN_LOOKS)
        try:
            found = str(file.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise TimeoutError from error
            raise
    return "" if found == "ok" else found


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection that changes neither the file nor the files beside it."""
    # The newest answers of a journal are not in the file yet. Without a journal SQLite would make one even to read,
    # unless the address says that the file does not change.
    merged = "" if Path(f"{path}-wal").exists() else "&immutable=1"
    try:
        address = f"{path.resolve().as_uri()}?mode=ro{merged}"
        with closing(sqlite3.connect(address, timeout=BUSY_SECONDS, uri=True, isolation_level=None)) as file:
            yield file
    except ERRORS as error:
        raise StoreError(f"The store {path} cannot be read: {error}") from error
