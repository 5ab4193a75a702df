"""``%gptcache tag``: put a word on entries."""

from __future__ import annotations

from gptcache_magics.commands._changing import change
from gptcache_magics.commands._parser import Parser
from gptcache_magics.editing import check_tag
from gptcache_magics.errors import CommandError

HELP = "Put a tag on entries, or take all their tags away with --clear."
EXAMPLE = "%gptcache tag lesson-1 a41f 77c2"


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_argument("words", nargs="+", metavar="TAG ID", help="a tag, then ids of entries; with --clear only ids")
    parser.add_option("--clear", action="store_true", help="take all tags of these entries away")


def tag(*words: str, clear: bool = False) -> str:
    """Put the tag ``words[0]`` on the entries ``words[1:]``; with ``clear`` take the tags of all ``words`` away."""
    if clear:
        return change(words, "without tags now", tag="")
    name, *ids = words or ("",)
    if not ids:
        raise CommandError(f"tag: no entry named for the tag '{name}'. Example: {EXAMPLE}")
    return change(ids, f"tagged {name}", tag=check_tag(name))
