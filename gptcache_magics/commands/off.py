"""``%gptcache off``: LangChain exactly as it was."""

from __future__ import annotations

from gptcache_magics.commands._parser import Parser
from gptcache_magics.controller import controller

HELP = "Put LangChain back exactly as it was before `on`."
EXAMPLE = "%gptcache off"


def add_arguments(parser: Parser) -> None:
    """No words, no options."""


def off() -> str:
    """Put back the previous cache and every wrapped method; says what this run saved."""
    return controller.off()
