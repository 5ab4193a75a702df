"""Find what a person names: an entry by the beginning of its id, a model by its name."""

from __future__ import annotations

from collections.abc import Sequence

from gptcache_magics.commands.parser import nearest
from gptcache_magics.errors import CommandError
from gptcache_magics.stores.base import Selection, Store, entry_id

__all__ = ["configurations_of", "named_keys"]


def configurations_of(store: Store, model: str | None) -> list[bytes] | None:
    """The keys of a model's configurations; None if no model is named.

    Raises
    ------
    CommandError
        If this store does not know the model.
    """
    if model is None:
        return None
    from gptcache_magics import frames

    known = frames.configurations(store)
    found = known["key"][frames.named(known, str(model))]
    if found.empty:
        names = sorted(set(known["model"]))
        raise CommandError(
            f"No model '{model}' in this store.{nearest(model, names)} Models: {', '.join(names) or 'none'}."
        )
    return list(found)


def named_keys(store: Store, ids: Sequence[str]) -> list[bytes]:
    """The keys of entries named by the beginnings of their ids; each must fit exactly one entry."""
    return [_named_key(store, each) for each in ids]


def _named_key(store: Store, beginning: str) -> bytes:
    columns, rows = store.entries(Selection(ids=[beginning.lstrip("#")]), limit=6)
    keys: list[bytes] = [row[columns.index("key")] for row in rows]
    if not keys:
        raise CommandError(f"No entry has the id '{beginning}'. All ids: %gptcache entries")
    if len(keys) > 1:
        fitting = ", ".join(sorted(entry_id(key)[: len(beginning) + 2] for key in keys[:5]))
        more = " and more" if len(keys) > 5 else ""
        count = f"{len(keys)} entries" if len(keys) < 6 else "many entries"
        raise CommandError(f"Id '{beginning}' fits {count}: {fitting}{more}. Type more.")
    return keys[0]
