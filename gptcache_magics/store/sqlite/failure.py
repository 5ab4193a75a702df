"""Say what an error of SQLite means for the user, and read text that SQLite refuses to read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from gptcache_magics.errors import StoreError, StoreLockedError
from gptcache_magics.store.sqlite.database import LOCKED, NO_SHARED_MEMORY, UNLOCKABLE, Connection, code_of

__all__ = ["failure", "is_undecodable", "tolerant", "unlockable"]

T = TypeVar("T")


def failure(error: Exception, where: str, verb: str) -> StoreError:
    """Return the sentence about an error of SQLite in the store ``where``; ``verb`` says what went wrong."""
    code = code_of(error)
    if code in LOCKED:
        return StoreLockedError(
            f"The store {where} is locked by another process, or its disk cannot lock files. Close that process, "
            "or use another store: %gptcache off, then %gptcache on FOLDER"
        )
    if code == UNLOCKABLE:
        return unlockable(where)
    hint = ""
    if code in NO_SHARED_MEMORY:
        hint = ". A store needs a disk whose files can be locked and changed: %gptcache off, then %gptcache on FOLDER"
    if code == sqlite3.SQLITE_FULL:
        hint = ". Make room on its disk, or use another: %gptcache off, then %gptcache on FOLDER"
    return StoreError(f"The store {where} {verb}: {error}{hint}")


def unlockable(where: str) -> StoreLockedError:
    """Return the sentence about a store in whose place no file can be locked."""
    return StoreLockedError(
        f"The store {where} cannot be locked now. It needs a disk whose files can be locked: %gptcache off, then "
        "%gptcache on FOLDER"
    )


def is_undecodable(error: Exception) -> bool:
    """Return whether an error says that text in the file is not UTF-8."""
    # sqlite3 itself raises this error, and it has no code.
    return str(error).startswith("Could not decode to UTF-8")


def tolerant(work: Callable[[Connection], T]) -> Callable[[Connection], T]:
    """Return ``work`` with text that is not UTF-8 replaced where it is read."""

    def run(db: Connection) -> T:
        db.text_factory = partial(str, encoding="utf-8", errors="replace")
        try:
            return work(db)
        finally:
            db.text_factory = str

    return run
