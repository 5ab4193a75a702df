"""Everything that a store holds of one entry: the call, its cost and its earlier answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gptcache_magics.store.protocol import Configuration, Entry, Period, Selection, Store
from gptcache_magics.tables import frames

__all__ = ["StoredEntry", "marks_of", "stored_entry"]


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry with its row in the tables."""

    id: str
    entry: Entry
    asked: Configuration
    row: dict[str, Any]
    """Its row of ``frames.entries``."""
    cell: str
    """``lesson.ipynb [12]``: the cell that paid for the answer, if it is known."""
    history: Sequence[tuple[float, bytes]]
    """Earlier answers, newest first: when each was replaced, and its encoded generations."""


def stored_entry(store: Store, id: str) -> StoredEntry | None:
    """Read an entry by its id, as the entries table shows it; None if it is gone."""
    selection = Selection(ids=[id])
    found = next(iter(store.entries(selection, limit=1)), None)
    table = frames.entries(store, selection, limit=1)
    if found is None or table.empty:
        return None
    entry = found.entry
    return StoredEntry(
        id=id,
        entry=entry,
        asked=_configuration(store, entry.configuration),
        row={str(name): value for name, value in table.iloc[0].to_dict().items()},
        cell=_cell(store, entry.key),
        history=store.history(entry.key),
    )


def marks_of(row: Mapping[Any, Any]) -> list[str]:
    """Return the marks of an entry: ``pinned``, ``edited``, ``#draft``."""
    tags = "" if pd.isna(row["tags"]) else str(row["tags"])
    return [*(word for word in ("pinned", "edited") if row[word]), *(f"#{tag}" for tag in tags.split())]


def _configuration(store: Store, key: str) -> Configuration:
    known = (each for each in store.configurations() if each.key == key)
    return next(known, Configuration(key, "", "unknown", "unknown", None, "{}"))


def _cell(store: Store, key: str) -> str:
    """Return the cell of the newest lookup that missed: it paid for the answer."""
    bought = next((each for each in store.lookups(Period(key=key)) if each.outcome != "hit"), None)
    if bought is None:
        return ""
    return f"{bought.notebook} {'' if bought.execution_count is None else f'[{bought.execution_count}]'}".strip()
