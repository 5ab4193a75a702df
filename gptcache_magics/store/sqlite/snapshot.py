"""Read a store's file without a trace: nothing is written to it, and no journal is made beside it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gptcache_magics.errors import StoreError
from gptcache_magics.store.sqlite.database import BUSY_SECONDS, ERRORS, store_folder
from gptcache_magics.store.sqlite.foreign import ForeignSchemaError
from gptcache_magics.store.sqlite.guarded import guarded, interrupt_heard, is_interrupt
from gptcache_magics.store.sqlite.owner import check_files
from gptcache_magics.store.sqlite.schema import is_current
from gptcache_magics.store.sqlite.store import SQLiteStore

__all__ = ["damage", "snapshot"]


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
    try:
        with _reading(path, lambda: time.monotonic() > end) as file, _ended_after(seconds, file):
            is_current(file, str(path))
            if time.monotonic() > end:
                raise TimeoutError  # an interrupt that came before the statement ends nothing
            found = str(file.execute("PRAGMA quick_check(1)").fetchone()[0])
    except ForeignSchemaError as error:
        return str(error)
    except KeyboardInterrupt:
        if time.monotonic() > end:
            raise TimeoutError from None
        raise
    return "" if found == "ok" else found


@contextmanager
def _ended_after(seconds: float, file: sqlite3.Connection) -> Iterator[None]:
    """End the statement that runs after some seconds: SQLite before 3.41 checks a whole file in one step."""
    timer = threading.Timer(seconds, file.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@contextmanager
def _reading(path: Path, stop: Callable[[], bool] = bool) -> Iterator[sqlite3.Connection]:
    """Yield a connection that changes neither the file nor the files beside it, and runs nothing of a foreign schema.

    Raises
    ------
    KeyboardInterrupt
        If ``stop`` or a signal ends a statement.
    """
    # The newest answers of a journal are not in the file yet. Without a journal SQLite would make one even to read,
    # unless the address says that the file does not change.
    check_files(path)
    merged = "" if Path(f"{path}-wal").exists() else "&immutable=1"
    try:
        address = f"{path.resolve().as_uri()}?mode=ro{merged}"
        with closing(sqlite3.connect(address, timeout=BUSY_SECONDS, uri=True, isolation_level=None)) as file:
            yield guarded(file, stop)
    except ForeignSchemaError:
        raise
    except ERRORS as error:
        if is_interrupt(error):
            raise interrupt_heard() from error
        raise StoreError(f"The store {path} cannot be read: {error}") from error
