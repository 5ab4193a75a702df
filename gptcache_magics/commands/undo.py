"""``%gptcache undo``: bring the last removal back."""

from __future__ import annotations

from gptcache_magics.commands._parser import Parser
from gptcache_magics.controller import controller
from gptcache_magics.text.amounts import counted

HELP = "Bring back the entries that the last remove or clear took away."
EXAMPLE = "%gptcache undo"


def add_arguments(parser: Parser) -> None:
    """No words, no options."""


def undo() -> str:
    """Bring the last removal back. An answer stored since then is kept."""
    number = controller.source().store.undo()
    return f"{counted(number, 'entry')} came back." if number else "Nothing to bring back."
