"""Change named entries and say how many, for the commands that mark entries."""

from __future__ import annotations

from collections.abc import Sequence

from gptcache_magics.commands._selection import named_keys
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection
from gptcache_magics.text.amounts import counted

__all__ = ["change"]


def change(ids: Sequence[str], done: str, *, pinned: bool | None = None, tag: str | None = None) -> str:
    """Pin or tag the entries with these ids; the line to print."""
    store = controller.source().store
    ids = [name for each in ids for name in ([each] if isinstance(each, str) else each)]  # an index of entries is one
    if not ids:
        raise CommandError("Name entries by their ids, as in %gptcache pin a41f. All ids: %gptcache entries")
    keys = named_keys(store, ids)
    number = store.change(Selection(ids=keys), pinned=pinned, tag=tag)
    return f"{counted(number, 'entry')} {done}."
