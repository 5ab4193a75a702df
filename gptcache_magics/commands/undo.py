"""``%gptcache undo``: bring the last removal back."""

from __future__ import annotations

from gptcache_magics import editing
from gptcache_magics.controller import controller

EXAMPLE = "%gptcache undo"


def undo() -> str:
    """Bring back the entries that the last `remove` or `clear` removed.

    An answer that was stored since then is kept.
    """
    return editing.undo(controller.source().store)
