"""The tags of stored entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gptcache_magics.store.protocol import Selection

if TYPE_CHECKING:
    from gptcache_magics.store.protocol import Store

__all__ = ["tags_of"]

TAGGED: Final = 500
"""Number of the newest entries whose tags are offered."""


def tags_of(store: Store) -> set[str]:
    """Return the tags of the newest entries."""
    return {tag for entry in store.entries(Selection(), limit=TAGGED) for tag in entry.tags.split()}
