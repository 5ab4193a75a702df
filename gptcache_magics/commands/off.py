"""``%gptcache off``: LangChain exactly as it was."""

from __future__ import annotations

from gptcache_magics.controller import controller

EXAMPLE = "%gptcache off"


def off() -> str:
    """Put LangChain back exactly as it was, and say what this run saved."""
    return controller.off()
