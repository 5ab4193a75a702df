"""The ground that the parts of an SQLite store share: its connections, its memory, and its one way to write."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from gptcache_magics.store.sqlite.connections import Connections
from gptcache_magics.store.sqlite.damage import Damage
from gptcache_magics.store.sqlite.recent import Recent

__all__ = ["SQLitePart"]

T = TypeVar("T")


class SQLitePart:
    """The beginning of each part. The store, which is made of all of them, says how the methods work."""

    _connections: Connections
    _damage: Damage
    _recent: Recent

    def _write(self, work: Callable[[sqlite3.Connection], T], *, patient: bool = True) -> T:
        """Run ``work`` in one transaction."""
        raise NotImplementedError

    def settle(self) -> None:
        """Write the answers that wait for a locked file."""
        raise NotImplementedError

    def _sweep(self) -> None:
        """Give back the space of what nothing brings back."""
        raise NotImplementedError

    @property
    def readonly(self) -> bool:
        """Whether nothing can be written."""
        return self._connections.readonly
