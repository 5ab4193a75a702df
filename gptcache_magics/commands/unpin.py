"""``%gptcache unpin``: remove the mark of `pin`."""

from __future__ import annotations

from gptcache_magics import editing
from gptcache_magics.commands._parser import checked
from gptcache_magics.commands._selection import Ids, named

EXAMPLE = "%gptcache unpin a41f"


@checked
def unpin(*ids: Ids) -> str:
    """Remove the mark of `pin`."""
    return editing.pin(*named(ids), pinned=False)
