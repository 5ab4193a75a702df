"""``%gptcache edit``: replace the text of a stored answer."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated

from gptcache_magics.commands._parser import Option, Word, checked
from gptcache_magics.commands._selection import TO_CHANGE, Id, named_keys
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection

EXAMPLE = '%gptcache edit a41f "Paris."'


@checked
def edit(
    id: Id,
    text: Annotated[str | None, Word("TEXT", help="the new answer", free=True)] = None,
    *,
    var: Annotated[
        str | None, Option(metavar="NAME", help="a notebook variable that holds the new answer", variable="variable")
    ] = None,
) -> str:
    """Replace the text of a stored answer. The entry is marked, and the model's answer stays in its history."""
    from gptcache_magics import generations

    new = var if text is None else text
    if not isinstance(new, str) or not new.strip() or (text is not None and var is not None):
        raise CommandError(f"edit: give the new answer, as text or as --var NAME. Example: {EXAMPLE}")
    source = controller.source()
    source.flush()
    (key,) = named_keys(source.store, [str(id)], least=TO_CHANGE)
    (row,) = source.store.entries(Selection(ids=[key]), limit=1)
    answer = generations.with_text(row.answer, new)
    if answer == row.answer:
        return f"{key[:8]} has this text already."
    edited = replace(row.entry, answer=answer, edited=True)
    source.store.put_all([edited], [], replace=True, at=time.time())
    return f"{key[:8]} edited. The model's answer is kept: %gptcache show {key[:8]}"
