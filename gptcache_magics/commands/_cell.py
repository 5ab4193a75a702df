"""``%%gptcache``: settings of one run of one cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gptcache_magics.commands._block import using
from gptcache_magics.commands._parser import Parser, words
from gptcache_magics.controller import controller
from gptcache_magics.settings import Scope

EXAMPLE = "%%gptcache refresh --tag draft"
CELL_LINE: Final = "%%"
"""The beginning of a line of ``%gptcache`` that was the first line of a cell."""
IDLE: Final = "The cache is off, so this line did nothing. Turn it on: %gptcache on"


def cell_parser() -> Parser:
    """Return a parser for the words after ``%%gptcache``."""
    return Parser("%%gptcache", using, EXAMPLE)


def wants_help(line: str) -> bool:
    """Return whether a ``%%gptcache`` line asks for help: then its cell does not run."""
    return not {"--help", "-h"}.isdisjoint(line.split())


def cell_scope(line: str, variables: Mapping[str, Any]) -> Scope | None:
    """Return the settings that a ``%%gptcache`` line asks for; None if the cache is off.

    Raises
    ------
    CommandError
        If the line is wrong, or asks for mode ``replay`` while the cache is off: its cell would call the model.
    """
    _, options = cell_parser().parse(words(line), variables)
    scope = using(**options).scope
    if controller.cache is None and scope.mode != "replay":
        return None
    controller.source()  # raises if the cache is off
    return scope
