"""``%%gptcache``: settings of one run of one cell."""

from __future__ import annotations

from gptcache_magics.commands._block import using
from gptcache_magics.commands._parser import Parser, words
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.settings import Scope

EXAMPLE = "%%gptcache refresh --tag draft"


def cell_scope(line: str) -> Scope:
    """Return the settings that a ``%%gptcache`` line asks for.

    Raises
    ------
    CommandError
        If the line is wrong or asks for help, or if the cache is off.
    """
    parser = Parser("%%gptcache", using, EXAMPLE)
    given = words(line)
    if "--help" in given or "-h" in given:
        raise CommandError(parser.format_help().strip())
    _, options = parser.parse(given)
    controller.source()  # raises if the cache is off
    return using(**options).scope
