"""``%gptcache compare``: two answers side by side, or two models over what both were asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from gptcache_magics.commands._parser import Word, checked
from gptcache_magics.commands._selection import (
    TO_CHANGE,
    At,
    Space,
    entry_ids,
    is_id,
    known_models,
    may_be_id,
    models_of,
    named_keys,
)
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Store

if TYPE_CHECKING:
    import pandas as pd

    from gptcache_magics.widgets.entry.side_by_side import SideBySide

EXAMPLE = "%gptcache compare gpt-4o-mini claude-haiku-4-5"


def _names() -> list[str]:
    return [*known_models(), *entry_ids()]


@checked
def compare(
    one: Annotated[str, Word("A", help="a model, or the id of an entry", suggest=_names)],
    other: Annotated[
        str | None, Word("B", help="another one; without it, the answer that the entry had before", suggest=_names)
    ] = None,
    *,
    at: At = None,
    space: Space = None,
) -> pd.DataFrame | SideBySide:
    """Show two answers side by side: of two entries, of an entry and its history, or of two models.

    Two entries show the words in which their questions and answers differ, and what each cost. Two models give a table
    with a row for each conversation that both were asked.
    """
    source = controller.source(at, space).settled()
    store = source.store
    from gptcache_magics.tables import comparison
    from gptcache_magics.widgets.entry.side_by_side import SideBySide

    first = _key(store, one)
    if first is None:
        if other is None:
            raise CommandError(f"compare: {_named(store, one)}. Example: {EXAMPLE}")
        names = [models_of(store, each) or () for each in (one, other)]
        df = comparison.models(store, *names)
        if df.empty:
            raise CommandError(
                f"compare: {one} and {other} have no question in common. All questions: %gptcache entries"
            )
        return df
    if other is None:
        found = comparison.history(store, first)
        if found is None:
            raise CommandError(
                f"compare: {first[:8]} has no earlier answer. Name another entry: %gptcache compare {first[:8]} ID"
            )
        return SideBySide(found)
    (second,) = named_keys(store, [other])
    return SideBySide(comparison.entries(store, first, second))


def _named(store: Store, typed: str) -> str:
    """Return what is wrong with one word that is not the id of an entry; raises ``CommandError`` if it is no model."""
    if may_be_id(str(typed).lstrip("#"), least=TO_CHANGE):
        named_keys(store, [typed])  # which raises, and says what ids there are
    models_of(store, typed)
    return f"the model '{typed}' needs another one"


def _key(store: Store, typed: str) -> str | None:
    """Return the key of the entry that an id names; None if the text is not an id of this store."""
    return named_keys(store, [typed])[0] if is_id(store, str(typed).lstrip("#"), least=TO_CHANGE) else None
