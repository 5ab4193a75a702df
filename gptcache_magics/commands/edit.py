"""``%gptcache edit``: put another answer in the place of a stored one."""

from __future__ import annotations

import time
from dataclasses import replace

from gptcache_magics.commands._parser import Parser
from gptcache_magics.commands._selection import named_keys
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection, stored_entries

HELP = "Put another text in the place of a stored answer. It is marked, and the model's own stays in the history."
EXAMPLE = '%gptcache edit a41f "Paris."'


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_argument("id", metavar="ID", help="the id of an entry, or its first digits")
    parser.add_argument("text", nargs="?", metavar="TEXT", help="the new answer")
    parser.add_option("--var", metavar="NAME", help="a notebook variable that holds the new answer")


def edit(id: str, text: str | None = None, *, var: str | None = None) -> str:
    """Serve ``text`` from now on; ``var`` is the same, from a notebook variable. What the model said is kept."""
    from gptcache_magics import generations

    new = var if text is None else text
    if not isinstance(new, str) or not new.strip() or (text is not None and var is not None):
        raise CommandError(f"edit: give the new answer, as text or as --var NAME. Example: {EXAMPLE}")
    source = controller.source()
    source.flush()
    (key,) = named_keys(source.store, [str(id)])
    (entry,) = stored_entries(source.store.entries(Selection(ids=[key]), limit=1))
    answer = generations.with_text(entry.answer, new)
    if answer == entry.answer:
        return f"{key[:8]} says that already."
    edited = replace(entry, answer=answer, edited=True, created=time.time())
    source.store.put_all([edited], [], replace=True)
    return f"{key[:8]} edited. What the model said is kept: %gptcache show {key[:8]}"
