"""From PostgreSQL's rows to the rows of tables. Every row is checked: anybody of the team may have written it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from gptcache_magics.store.postgres.statements import FOUND, StoredEntry, sound_entry, unpacked
from gptcache_magics.store.protocol import Configuration, EarlierAnswer, EntryRow, LookupRow, Outcomes
from gptcache_magics.store.reasons import FAILURES, Kind
from gptcache_magics.store.sqlite.damage import Damage, column_fits, fits
from gptcache_magics.store.sqlite.statements import id_text

__all__ = [
    *("CONFIGURATION", "ENTRY", "LOOKUP", "OUTCOMES", "TeamOutcomes"),
    *("configurations", "earlier_answers", "entry_row", "lookup_rows", "outcomes", "text_or_none"),
]

ENTRY: Final = f"{FOUND}, e.bytes, e.accessed, e.hits"
"""Columns to read of ``entry e``: what ``entry_row`` takes."""
_NUMBERS: Final = len(StoredEntry._fields)
_IDS: Final = ("entry", "asked", "near_entry", "prompt_digest")
_OF_LOOKUP: Final = {"near_entry": "l.near", "question": "q.question"}
LOOKUP: Final = ", ".join(_OF_LOOKUP.get(name, f"l.{name}") for name in LookupRow._fields)
"""Columns to read of ``lookup l`` and its ``question q``: the fields of a ``LookupRow``, with ids as numbers."""
CONFIGURATION: Final = ", ".join(each.name for each in fields(Configuration))


@dataclass(frozen=True, slots=True, eq=False)
class TeamOutcomes(Outcomes):
    """The columns that figures of a team are made of."""

    author: Sequence[str] = ()
    """Role of the member who asked."""


_COMPUTED: Final = ("failed", "not_stored")
_READ: Final = [each.name for each in fields(TeamOutcomes) if each.name not in _COMPUTED]
OUTCOMES: Final = ", ".join(f"l.{name}" for name in _READ)
"""Columns to read of ``lookup l``: what ``outcomes`` takes."""


def entry_row(values: Sequence[Any]) -> EntryRow | None:
    """Return the entry that was read as ``ENTRY``; None if it is damaged."""
    found = sound_entry(values[:_NUMBERS])
    if found is None:
        return None
    entry, author = found
    size, accessed, hits = values[_NUMBERS:]
    row = EntryRow(
        key=entry.key,
        configuration=entry.configuration,
        prompt=entry.prompt,
        question=entry.question,
        answer=entry.answer,
        bytes=size,
        created=entry.created,
        accessed=accessed,
        hits=hits,
        expires=entry.expires,
        seconds=entry.seconds,
        input_tokens=entry.usage.input_tokens,
        output_tokens=entry.usage.output_tokens,
        cache_read_tokens=entry.usage.cache_read_tokens,
        cache_write_tokens=entry.usage.cache_write_tokens,
        finish_reason=entry.finish_reason,
        pinned=0,  # type: ignore[arg-type]  # as SQLite gives it
        edited=int(entry.edited),  # type: ignore[arg-type]
        tags=entry.tags,
        sample=entry.sample,
        prompt_digest=entry.prompt_digest,
        shape=entry.shape,
        ignored=entry.ignored,
        author=author,
    )
    return row if fits(EntryRow, row) else None


def lookup_rows(damage: Damage, found: Iterable[Sequence[Any]]) -> list[LookupRow]:
    """Return the sound lookups among rows that were read as ``LOOKUP``; the others are counted."""
    places = [LookupRow._fields.index(name) for name in _IDS]
    configuration = LookupRow._fields.index("configuration")
    rows = []
    for each in found:
        row = list(each)
        for place in places:
            row[place] = text_or_none(row[place])
        row[configuration] = row[configuration].hex() if isinstance(row[configuration], bytes) else None
        rows.append(row)
    return damage.sound(LookupRow, rows, "lookup")


def outcomes(damage: Damage, found: Sequence[Sequence[Any]]) -> TeamOutcomes:
    """Return the columns of the sound lookups among rows that were read as ``OUTCOMES``; the others are counted."""
    columns = _columns(found)
    if not all(column_fits(TeamOutcomes, name, column) for name, column in columns.items()):
        kept = [row for row in zip(*columns.values(), strict=True) if fits(TeamOutcomes, row)]
        damage.skip("lookup", len(found) - len(kept))
        columns = {name: [row[place] for row in kept] for place, name in enumerate(columns)}
    return TeamOutcomes(**columns)


def _columns(found: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    read = dict(zip(_READ, map(list, zip(*found, strict=True)), strict=True)) if found else {}
    columns: dict[str, list[Any]] = {each.name: read.get(each.name, []) for each in fields(TeamOutcomes)}
    kinds = columns["reason_kind"]
    columns["failed"] = [int(kind in FAILURES) for kind in kinds]
    columns["not_stored"] = [int(kind == Kind.NOT_STORED) for kind in kinds]
    keys = columns["configuration"]
    texts = {key: key.hex() if isinstance(key, bytes) else None for key in {*keys}}  # few
    columns["configuration"] = [texts[key] for key in keys]
    return columns


def configurations(damage: Damage, found: Sequence[Sequence[Any]]) -> list[Configuration]:
    """Return the sound configurations among rows that were read as ``CONFIGURATION``; the others are counted."""
    names = [each.name for each in fields(Configuration)]
    keys = {names.index("key"), names.index("portable")}
    rows = [[value.hex() if place in keys else value for place, value in enumerate(row)] for row in found]
    kept = [Configuration(*row) for row in rows if fits(Configuration, row)]
    damage.skip("configuration", len(rows) - len(kept))
    return kept


def earlier_answers(damage: Damage, found: Iterable[Sequence[Any]]) -> list[EarlierAnswer]:
    """Return the sound ones of earlier answers that were read as they are stored; the others are counted."""
    return damage.sound(EarlierAnswer, [(replaced, unpacked(answer)) for replaced, answer in found], "earlier answer")


def text_or_none(number: int | None) -> str | None:
    """Return the id that has this number; None for none."""
    return None if number is None else id_text(number)
