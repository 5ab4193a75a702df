"""Everything that a store holds of one entry: the call, its cost and its earlier answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pandas as pd

from gptcache_magics.store.protocol import Configuration, Entry, EntryRow, LookupRow, Period, Selection, Store
from gptcache_magics.tables import frames

__all__ = ["AskedIn", "StoredEntry", "marks_of", "stored_entry"]


OTHERS: Final = 6
"""Most answers to a conversation that are looked for."""


class AskedIn(NamedTuple):
    """A cell that asked for an entry."""

    notebook: str
    execution_count: int | None
    line: str
    """The line that names the cell."""
    times: int
    paid: bool
    """Whether it paid for the answer."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry with its row in the tables."""

    id: str
    entry: Entry
    asked: Configuration
    row: dict[str, Any]
    """Its row of ``frames.entries``."""
    asked_in: Sequence[AskedIn]
    """The cells that asked for it, the newest first."""
    others: Sequence[tuple[str, str]]
    """Keys of the other answers to the same conversation, each with the name of who gave it."""
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
        asked_in=_cells(store, entry.key),
        others=_others(store, found),
        history=store.history(entry.key),
    )


def marks_of(row: Mapping[Any, Any]) -> list[str]:
    """Return the marks of an entry: ``pinned``, ``edited``, ``#draft``."""
    tags = "" if pd.isna(row["tags"]) else str(row["tags"])
    return [*(word for word in ("pinned", "edited") if row[word]), *(f"#{tag}" for tag in tags.split())]


def _configuration(store: Store, key: str) -> Configuration:
    known = (each for each in store.configurations() if each.key == key)
    return next(known, Configuration(key, "", "unknown", "unknown", None, "{}"))


def _others(store: Store, found: EntryRow) -> list[tuple[str, str]]:
    """Return the other answers to the conversation of an entry, the newest first, each with what tells it apart."""
    if not found.prompt_digest:
        return []
    rows = [row for row in store.entries(Selection(prompt_digest=found.prompt_digest), OTHERS) if row.key != found.key]
    known = {each.key: each for each in store.configurations()}
    models = [known[row.configuration].model for row in (found, *rows) if row.configuration in known]
    named = []
    for row in rows:
        asked = known.get(row.configuration)
        if row.configuration == found.configuration or asked is None:
            name = f"answer {row.sample + 1}"
        else:
            name = asked.model if models.count(asked.model) == 1 else asked.label
        named.append((row.key, name))
    return named


def _cells(store: Store, key: str) -> list[AskedIn]:
    """Return the cells of the lookups of an entry. The newest lookup that missed paid for the answer."""
    rows = store.lookups(Period(key=key))
    bought = next((row for row in rows if row.outcome != "hit"), None)
    cells: dict[tuple[object, ...], list[LookupRow]] = {}
    for row in rows:
        cells.setdefault((row.run, row.notebook, row.execution_count), []).append(row)
    return [
        AskedIn(each[0].notebook, each[0].execution_count, each[0].cell_line, len(each), bought in each)
        for each in cells.values()
    ]
