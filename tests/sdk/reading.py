"""Read the entries that a test has stored, as the panel does."""

import re
from html import unescape

import gptcache_magics as gm
from gptcache_magics.store.protocol import Selection
from gptcache_magics.widgets.entry.conversation import chat_html
from gptcache_magics.widgets.entry.stored import StoredEntry, stored_entry

__all__ = ["conversation", "newest"]


def newest() -> StoredEntry:
    """Return the entry that was stored last."""
    cache = gm.current()
    assert cache is not None
    row = next(iter(cache.store.entries(Selection(), limit=1)))
    stored = stored_entry(cache.store, row.key[:16])
    assert stored is not None
    return stored


def conversation() -> list[str]:
    """Return the texts that the panel shows of the entry that was stored last, in their order."""
    return [each for each in unescape(re.sub(r"<[^>]+>", "\n", chat_html(newest()))).split("\n") if each.strip()]
