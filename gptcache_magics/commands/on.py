"""``%gptcache on``: from here on, every LangChain model call goes through the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gptcache_magics.commands.parser import Parser
from gptcache_magics.controller import controller

HELP = "Cache every LangChain model call of this kernel."
EXAMPLE = "%gptcache on"


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_argument(
        "where", nargs="?", metavar="WHERE", help="a folder (default .gptcache), or :memory: to keep nothing"
    )
    parser.add_option("--init", metavar="FUNC", help="a notebook function that sets up the gptcache.Cache it is given")


def on(where: str | Path | None = None, *, init: Callable[..., Any] | None = None) -> str:
    """Install the cache as LangChain's global LLM cache.

    Parameters
    ----------
    where
        A folder for the store (default ``.gptcache``), or ``:memory:``.
    init
        Sets up the ``gptcache.Cache`` it is given, as ``init_func`` of LangChain's GPTCache.
    """
    return controller.on(where, init)
