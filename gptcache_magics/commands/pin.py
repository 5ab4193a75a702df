"""``%gptcache pin``: mark entries to keep."""

from __future__ import annotations

from gptcache_magics import editing
from gptcache_magics.commands._parser import checked
from gptcache_magics.commands._selection import Ids, named

EXAMPLE = "%gptcache pin a41f"


@checked
def pin(*ids: Ids) -> str:
    """Keep entries: `remove` leaves them unless they are named by id."""
    return editing.pin(*named(ids))
