"""Stores keep entries and lookups: one protocol (:mod:`.protocol`), one file for each kind of store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from gptcache_magics.errors import StoreError
from gptcache_magics.store.protocol import AnswerStore, Store
from gptcache_magics.text.web_address import is_web_address

__all__ = ["open_store", "open_with", "opens_all"]

_WHOLE: Final = frozenset(name for part in Store.__mro__ for name in vars(part) if not name.startswith("_"))
"""Names of everything that a whole store has."""


def _sqlite(where: str | Path) -> Store:
    from gptcache_magics.store.sqlite.store import SQLiteStore  # not for %load_ext

    return SQLiteStore(where)


_opened: Callable[[str | Path], Store] | None = None


def open_with(opened: Callable[[str | Path], Store]) -> None:
    """Let ``opened`` open every place from now on: a notebook under verification reads stores and writes none."""
    global _opened
    _opened = opened


def opens_all() -> bool:
    """Return whether ``open_with`` has named what opens every place."""
    return _opened is not None


def open_store(where: str | Path | AnswerStore, opened: Callable[[str | Path], Store] = _sqlite) -> Store:
    """Return the store at a folder or ``:memory:``; a store object is returned as it is, or completed.

    Parameters
    ----------
    opened
        Opens the place, unless ``open_with`` has named what opens every place.

    Raises
    ------
    StoreError
        If ``where`` names no kind of store.
    """
    if not isinstance(where, str | Path):
        missing = next((f"has no method {name}()" for name in ("get", "put", "clear") if not hasattr(where, name)), "")
        if missing or isinstance(where, type):
            raise StoreError(
                "A store is a folder such as .gptcache, :memory:, or an object with get, put and clear. "
                f"Got {where!r}, which {missing or 'is a class: make an object of it'}."
            )
        # Not isinstance: since Python 3.12 it overlooks what a store passes on with __getattr__.
        if all(hasattr(where, name) for name in _WHOLE):
            return cast(Store, where)
        from gptcache_magics.store.partial import completed

        return completed(where)
    scheme, slashes, _ = str(where).partition("://")
    if slashes and not is_web_address(str(where)):
        meant = scheme.lower().startswith(("p", "sql"))
        team = ". A team's store is postgresql://USER@HOST/DATABASE" if meant else ""
        raise StoreError(
            f"No store for {scheme}:// addresses. A store is a folder, :memory: or https://…/lesson.jsonl{team}"
        )
    return (_opened or opened)(where)
