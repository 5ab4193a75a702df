"""Find what a person names: an entry by the beginning of its id, a model by its name, a cell by its number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gptcache_magics.commands._parser import LAST, nearest
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection, Store

if TYPE_CHECKING:
    from gptcache_magics.tables.source import Source

__all__ = ["cell_number", "configurations_of", "looked_up", "named_keys"]


def configurations_of(store: Store, model: str | None) -> list[str] | None:
    """The keys of a model's configurations; None if no model is named.

    Raises
    ------
    CommandError
        If this store does not know the model.
    """
    if model is None:
        return None
    from gptcache_magics.tables import frames

    known = frames.configurations(store)
    found = known["key"][frames.named(known, str(model))]
    if found.empty:
        names = sorted(set(known["model"]))
        raise CommandError(
            f"No model '{model}' in this store.{nearest(model, names)} Models: {', '.join(names) or 'none'}."
        )
    return list(found)


def named_keys(store: Store, ids: Sequence[str]) -> list[str]:
    """The keys of entries named by the beginnings of their ids; each must fit exactly one entry."""
    return [_named_key(store, each) for each in ids]


def _named_key(store: Store, beginning: str) -> str:
    columns, rows = store.entries(Selection(ids=[beginning.lstrip("#")]), limit=6)
    keys: list[str] = [row[columns.index("key")] for row in rows]
    if not keys:
        raise CommandError(f"No entry has the id '{beginning}'. All ids: %gptcache entries")
    if len(keys) > 1:
        fitting = ", ".join(sorted(key[: len(beginning) + 2] for key in keys[:5]))
        more = " and more" if len(keys) > 5 else ""
        count = f"{len(keys)} entries" if len(keys) < 6 else "many entries"
        raise CommandError(f"Id '{beginning}' fits {count}: {fitting}{more}. Type more.")
    return keys[0]


def cell_number(source: Source, cell: int | str | None) -> int | None:
    """The number beside a cell of this run: as it is given, or of the cell that made the newest lookup.

    Raises
    ------
    CommandError
        If it is no number of a cell, or no cell of this run made a lookup.
    """
    if cell is None:
        return None
    if cell == LAST:
        numbers = (count for _, _, count in _lookups(source) if count is not None)
        newest = next(numbers, None)
        if newest is None:
            of = "of this run" if source.ledger is not None else "in this store"
            raise CommandError(f"No cell {of} asked the cache yet. All lookups: %gptcache lookups --since all")
        return newest
    if not isinstance(cell, int) or cell < 1:
        raise CommandError(f"cell is the number beside a cell, such as 12, or {LAST!r}. Got {cell!r}.")
    return cell


def looked_up(source: Source, cell: int | str | None = None) -> list[str]:
    """The ids of what this run, or one cell of it, asked for: the entries it stored or hit, and what was not stored."""
    number = cell_number(source, cell)
    found = (id for id, outcome, count in _lookups(source) if outcome in ("hit", "miss") and number in (None, count))
    return sorted({id for id in found if id})


def _lookups(source: Source) -> list[tuple[str, str, int | None]]:
    """Entry, outcome and cell of the lookups of this run, newest first; of a store that is not on, of all runs."""
    period = source.period("run" if source.ledger is not None else "all")
    if source.ledger is not None and source.store.readonly:  # nothing is recorded there
        recent = reversed(list(source.ledger.recent))
        return [((each.key or "")[:16], each.outcome, each.execution_count) for each in recent]
    return [(each.entry or "", each.outcome, each.execution_count) for each in source.store.lookups(period)]
