"""The answers this kernel used last, kept in memory as they were encoded, within a bound in bytes."""

from __future__ import annotations

import threading
from collections.abc import Container
from typing import Final

from cachetools import LRUCache

from gptcache_magics.store.protocol import Found

__all__ = ["Recent"]

MAX_BYTES: Final = 64 * 2**20
OVERHEAD_BYTES: Final = 500


class Recent:
    """A least-recently-used memory that never brings back what was forgotten while it was on its way."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._found: LRUCache[str, Found] = LRUCache(max_bytes, getsizeof=_size)
        self._lock = threading.RLock()
        self.forgotten = 0
        """Grows whenever something is forgotten."""

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def get(self, key: str) -> Found | None:
        """The entry, now the most recently used."""
        with self._lock:
            found: Found | None = self._found.get(key)
            return found

    def remember(self, found: Found, forgotten: int) -> None:
        """Keep an entry read when ``self.forgotten`` was ``forgotten``; not if anything was forgotten since."""
        with self._lock:
            if self.forgotten == forgotten and _size(found) < self._max_bytes // 4:
                self._found[found.key] = found

    def replace(self, found: Found, forgotten: int) -> None:
        """Keep a new answer in place of the one that someone may just be reading."""
        with self._lock:
            current = self.forgotten == forgotten
            self.forgotten += 1  # who read the old answer must not bring it back
            self._found.pop(found.key, None)
            if current and _size(found) < self._max_bytes // 4:
                self._found[found.key] = found

    def forget(self, ids: Container[str]) -> None:
        """Drop the entries with these ids."""
        with self._lock:
            self.forgotten += 1
            for key in [key for key in self._found if key[:16] in ids]:
                del self._found[key]

    def clear(self) -> None:
        """Drop every entry."""
        with self._lock:
            self.forgotten += 1
            self._found.clear()


def _size(found: Found) -> int:
    return len(found.answer) + OVERHEAD_BYTES
