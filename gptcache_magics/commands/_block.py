"""Settings of one block of code, ``with gm.using(mode="refresh"):``, or of one cell, ``%%gptcache refresh``."""

from __future__ import annotations

from contextvars import Token
from typing import Annotated

from gptcache_magics.commands._parser import Option, Word, checked
from gptcache_magics.commands._selection import known_tags
from gptcache_magics.controller import controller
from gptcache_magics.editing import check_tag
from gptcache_magics.lookup import placeholder_keys
from gptcache_magics.settings import BLOCK, CELL, MODES, Block, Mode, Scope

__all__ = ["using"]


class using:
    """Set a mode, tag what is stored or hit, or get several answers to identical calls, in one block or cell.

    They hold where context variables reach: in ``batch``, async code and executors, not in threads of your own.
    Within a cell or another block the strictest mode holds, and tags add up.

    Parameters
    ----------
    mode
        ``auto``, ``replay``, ``refresh``, ``readonly`` or ``bypass``.
    tag
        A word that is put on each entry that the block stores or hits.
    samples
        How many identical calls get a different answer each.

    Raises
    ------
    CommandError
        For any other mode, tag or number; on entering, for ``replay`` while the cache is off.
    """

    @checked
    def __init__(
        self,
        mode: Annotated[Mode, Word("MODE", help=", ".join(MODES))] = "auto",
        *,
        tag: Annotated[str, Option(help="a word to put on every entry that is stored or hit", suggest=known_tags)] = "",
        samples: Annotated[int | None, Option(metavar="N", help="give N different answers to identical calls")] = None,
    ) -> None:
        self.scope = Scope(mode, check_tag(tag) if tag else "", samples)
        self._entered: list[tuple[Token[Block | None], list[str]]] = []

    def __enter__(self) -> None:
        outer, cell = BLOCK.get(), CELL.get()
        placed: list[str] = []
        if self.scope.mode == "replay":
            from gptcache_magics.langchain.hooks import watched  # not imported by %load_ext

            # A user's own GPTCache refuses calls itself. Without any cache, replay would let every call through.
            if controller.cache is not None or not watched():
                placed = placeholder_keys.put(controller.source().store)
        scope = self.scope.within(outer.scope) if outer is not None and outer.holds(cell) else self.scope
        self._entered.append((BLOCK.set(Block(scope, cell)), placed))

    def __exit__(self, *error: object) -> None:
        token, placed = self._entered.pop()
        BLOCK.reset(token)
        placeholder_keys.take_away(placed)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        self.__exit__()
