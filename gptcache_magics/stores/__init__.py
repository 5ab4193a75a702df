"""Where entries and lookups live: one protocol (:mod:`.base`), one file for each kind of store."""

from __future__ import annotations

from pathlib import Path

from gptcache_magics.errors import StoreError
from gptcache_magics.stores.base import Store
from gptcache_magics.stores.sqlite import SQLiteStore

__all__ = ["open_store"]


def open_store(where: str | Path | Store) -> Store:
    """The store at a folder or ``:memory:``; a store object is returned as it is.

    Raises
    ------
    StoreError
        If ``where`` names no kind of store that there is.
    """
    if not isinstance(where, str | Path):
        if not hasattr(where, "record"):
            raise StoreError(f"A store is a folder such as .gptcache, or :memory:. Got {where!r}.")
        return where
    if "://" in str(where):
        raise StoreError(
            f"No store for {str(where).partition('://')[0]}:// addresses. A store is a folder, or :memory:"
        )
    return SQLiteStore(where)
