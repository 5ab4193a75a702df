"""``%gptcache pin``: mark entries to keep."""

from __future__ import annotations

from gptcache_magics.commands._changing import change
from gptcache_magics.commands._parser import Parser

HELP = "Keep entries: `remove` leaves them unless they are named by id."
EXAMPLE = "%gptcache pin a41f"


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_argument("ids", nargs="+", metavar="ID", help="ids of entries, or their first digits")


def pin(*ids: str) -> str:
    """Mark entries to keep; says how many."""
    return change(ids, "pinned", pinned=True)
