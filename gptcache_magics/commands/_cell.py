"""``%%gptcache``: what holds for one run of one cell."""

from __future__ import annotations

from gptcache_magics.commands._parser import Parser, one_of, positive, words
from gptcache_magics.controller import controller
from gptcache_magics.editing import check_tag
from gptcache_magics.errors import CommandError
from gptcache_magics.settings import MODES, Scope

HELP = "Run this cell in a mode, tag what it stores or hits, or get several answers to identical calls."
EXAMPLE = "%%gptcache refresh --tag draft"


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_argument("mode", nargs="?", default="auto", type=one_of("mode", MODES), help=", ".join(MODES))
    parser.add_option("--tag", metavar="TAG", help="a word put on every entry that the cell stores or hits")
    parser.add_option("--samples", type=positive("--samples"), metavar="N", help="so many answers to identical calls")
    parser.values["mode"] = MODES


def cell_scope(line: str) -> Scope:
    """What a ``%%gptcache`` line asks for.

    Raises
    ------
    CommandError
        If the line asks for something else, for help, or if the cache is off.
    """
    parser = Parser("cell", HELP, EXAMPLE)
    parser.prog = "%%gptcache"
    add_arguments(parser)
    given = words(line)
    if "--help" in given or "-h" in given:
        raise CommandError(parser.format_help().strip())
    arguments = parser.parse(given)
    controller.source()  # refuses, if the cache is off
    return Scope(arguments["mode"], check_tag(arguments["tag"]) if arguments["tag"] else "", arguments["samples"])
