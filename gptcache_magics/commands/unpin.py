"""``%gptcache unpin``: take the mark away."""

from __future__ import annotations

from gptcache_magics.commands._changing import change
from gptcache_magics.commands._parser import Parser

HELP = "Take the mark of pin away."
EXAMPLE = "%gptcache unpin a41f"


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_argument("ids", nargs="+", metavar="ID", help="ids of entries, or their first digits")


def unpin(*ids: str) -> str:
    """Take the mark of ``pin`` away; says how many."""
    return change(ids, "unpinned", pinned=False)
