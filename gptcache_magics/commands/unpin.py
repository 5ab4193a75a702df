"""``%gptcache unpin``: take the mark away."""

from __future__ import annotations

from gptcache_magics import editing
from gptcache_magics.commands._selection import Ids, named

EXAMPLE = "%gptcache unpin a41f"


def unpin(*ids: Ids) -> str:
    """Take the mark of `pin` away."""
    return editing.pin(*named(ids), pinned=False)
