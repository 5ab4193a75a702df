"""Say what to type after an explanation: only what works, and what takes nothing away of what is on."""

from __future__ import annotations

import shlex
from typing import Final, Protocol

from gptcache_magics.explain.causes import Explanation
from gptcache_magics.explain.volatile import ignoring
from gptcache_magics.settings import Settings
from gptcache_magics.text.amounts import typed_money, typed_size

__all__ = ["Running", "next_command"]

SIZE: Final = 1_000_000_000
"""Bytes to suggest where the size that was too small is not known."""
MONEY: Final = 4.0


class Running(Protocol):
    """The cache that is on."""

    settings: Settings

    @property
    def limit(self) -> float | None:
        """Dollars that the run may spend; None if it has no budget."""


def next_command(explanation: Explanation, on: Running | None = None, at: str = "") -> str:
    """Return the command to type next; empty if none helps.

    Parameters
    ----------
    at
        The place of the store, if it is not the one that is on.
    """
    closest = explanation.nearest
    options = on.settings.options if on is not None else None
    match explanation.cause:
        case "error":
            return "%gptcache"
        case "mode" if options is None or options.kernel.mode != "auto":
            return "%gptcache mode auto"
        case "evicted" if options is None or options.max_size is not None:
            size = SIZE if options is None or options.max_size is None else 2 * options.max_size
            return f"%gptcache on --max-size {typed_size(size)}"
        case "budget reached" if on is None or on.limit is not None:
            return f"%gptcache on --budget {typed_money(MONEY if on is None or on.limit is None else 2 * on.limit)}"
        case "volatile" if closest is not None:
            ignored = on.settings.ignored if on is not None else ()
            if not {*closest.rules} <= {*ignored}:
                return ignoring(closest.rules, ignored)
    entry = closest.id if closest is not None else explanation.entry
    there = f" --at {shlex.quote(at)}" if at else ""
    return f"%gptcache show {entry}{there}" if entry else ""
