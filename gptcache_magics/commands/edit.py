"""``%gptcache edit``: replace the text of a stored answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final, Unpack

from gptcache_magics.commands._parser import Option, Word, checked
from gptcache_magics.commands._selection import TO_CHANGE, entry_ids, is_id
from gptcache_magics.commands._selectors import ALL, NAMES, Selectors, any_of, selected
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import EntryRow

EXAMPLE = '%gptcache edit a41f "Paris."'
MOST_NAMED: Final = 5
"""Most entries that an error names."""


@checked
def edit(
    id: Annotated[
        str | None, Word("ID", help="the id of an entry, or its first digits; not with options", suggest=entry_ids)
    ] = None,
    text: Annotated[str | None, Word("TEXT", help="the new answer", free=True)] = None,
    *,
    var: Annotated[
        str | None, Option(metavar="NAME", help="a notebook variable that holds the new answer", variable="variable")
    ] = None,
    **selectors: Unpack[Selectors],
) -> str:
    """Replace the text of a stored answer. The entry is marked, and the model's answer stays in its history.

    The id, or the conditions, must fit exactly one entry. With conditions, the only word is the new answer.
    """
    from gptcache_magics import generations

    if text is None and var is None and any_of(selectors):
        id, text = None, id
    new = var if text is None else text
    if not isinstance(new, str) or not new.strip() or (text is not None and var is not None):
        raise CommandError(f"edit: give the new answer, as text or as --var NAME. Example: {EXAMPLE}")
    source = controller.source()
    source.flush()
    if id is None and not any_of(selectors):
        raise CommandError(f"edit: say which entry: {NAMES}. {ALL} Example: {EXAMPLE}")
    selection = selected(source, [] if id is None else [id], least=TO_CHANGE, **selectors)
    row = _one(source.store.entries(selection, limit=MOST_NAMED + 1))
    if id is None and var is None and is_id(source.store, new, least=TO_CHANGE):
        raise CommandError(
            f"edit: '{new}' is the id of an entry. The new answer comes after it. "
            f"Example: %gptcache edit {row.key[:8]} 'Paris.'"
        )
    answer = generations.with_text(row.answer, new)
    if answer == row.answer:
        return f"{row.key[:8]} has this text already."
    edited = replace(row.entry, answer=answer, edited=True)
    source.store.put_all([edited], [], replace=True, at=time.time())
    return f"{row.key[:8]} edited. The model's answer is kept: %gptcache show {row.key[:8]}"


def _one(rows: Sequence[EntryRow]) -> EntryRow:
    """Return the only entry of those that fit. Raises ``CommandError`` if there is none, or another."""
    if len(rows) == 1:
        return rows[0]
    if not rows:
        raise CommandError("edit: no entry fits. All entries: %gptcache entries")
    ids = ", ".join(row.key[:8] for row in rows[:MOST_NAMED]) + (" and more" if len(rows) > MOST_NAMED else "")
    raise CommandError(f"edit: several entries fit: {ids}. Name one of them: %gptcache edit {rows[0].key[:8]} 'Paris.'")
