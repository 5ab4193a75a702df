"""Keep the answers that this kernel used last in memory, encoded and within a bound in bytes.

Other kernels write to the same file. The entries that they remove or replace are forgotten here, too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Container
from typing import Final

from gptcache_magics import fork
from gptcache_magics.errors import StoreLockedError
from gptcache_magics.recently_used import RecentlyUsed
from gptcache_magics.store.protocol import Found
from gptcache_magics.store.sqlite.connections import Connections
from gptcache_magics.store.sqlite.database import Connection
from gptcache_magics.store.sqlite.statements import id_text

__all__ = ["Following", "Recent"]

MAX_BYTES: Final = 64 * 2**20
OVERHEAD_BYTES: Final = 500
CHECK_SECONDS: Final = 0.05


class Recent:
    """A least-recently-used memory that never brings back what was forgotten while it was on its way."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self.forgotten = 0
        """A number that grows whenever something is forgotten."""
        self._begin()
        fork.in_child(self._begin)

    def _begin(self) -> None:
        """Begin empty: at first, and in a forked child, where another thread may have left a change half done."""
        self._found = RecentlyUsed[Found](self._max_bytes, _size)
        self._lock = threading.RLock()

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def get(self, key: str) -> Found | None:
        """Return the entry, which becomes the most recently used."""
        with self._lock:
            return self._found.get(key)

    def remember(self, found: Found, forgotten: int) -> None:
        """Keep an entry, unless ``self.forgotten`` has grown since it was ``forgotten``, when the entry was read."""
        with self._lock:
            if self.forgotten == forgotten:
                self._keep(found)

    def replace(self, found: Found, forgotten: int) -> None:
        """Keep a new answer in place of one that another thread may be reading."""
        with self._lock:
            current = self.forgotten == forgotten
            self.forgotten += 1  # a thread that read the old answer must not bring it back
            self._found.pop(found.key, None)
            if current:
                self._keep(found)

    def forget(self, ids: Container[str]) -> None:
        """Drop the entries with these ids."""
        with self._lock:
            self.forgotten += 1
            for key in filter(lambda key: key[:16] in ids, [*self._found]):
                del self._found[key]

    def clear(self) -> None:
        """Drop every entry."""
        with self._lock:
            self.forgotten += 1
            self._found.clear()

    def _keep(self, found: Found) -> None:
        if _size(found) < self._max_bytes // 4:
            self._found[found.key] = found


class Following:
    """Keeps the memory true to the file."""

    def __init__(self, connections: Connections, recent: Recent) -> None:
        self._connections, self._recent = connections, recent
        self._checked = 0.0
        self._dropped: int | None = None
        self._epoch = 0

    def look(self, *, wait: bool = True) -> None:
        """Forget entries that were removed or replaced, at most every ``CHECK_SECONDS``.

        To ``wait`` for nobody, leave a locked file: nobody can change it either.
        """
        now = time.monotonic()
        if now - self._checked > CHECK_SECONDS:
            try:
                self._follow(wait)
            except StoreLockedError:
                if wait:
                    raise
            finally:  # not before: another thread would take for current what is about to be forgotten
                self._checked = now

    def get(self, key: str) -> Found | None:
        """Return the remembered entry under a key, as other kernels left it. Reads no file if none is remembered.

        It waits for nobody, for an event loop may run here.
        """
        if key not in self._recent:
            return None
        self.look(wait=False)
        return self._recent.get(key)

    def _follow(self, wait: bool) -> None:
        if self._epoch != self._connections.epoch:
            self._epoch = self._connections.epoch
            self._recent.clear()
            self._dropped = None
        db, version, dropped = self._connections.read(self._changes, wait=wait)
        if dropped:
            if dropped[0][0] - 1 != self._dropped or any(number is None for _, number in dropped):
                self._recent.clear()
            else:
                self._recent.forget({id_text(number) for _, number in dropped if number is not None})
            self._dropped = dropped[-1][0]  # noted last, because an interrupt may come at any instruction
        db.followed = version

    def _changes(self, db: Connection) -> tuple[Connection, int, list[tuple[int, int | None]]]:
        if self._dropped is None:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name='dropped'").fetchone()
            self._dropped = row[0] if row else 0
            self._recent.clear()
        version = db.execute("PRAGMA data_version").fetchone()[0]
        if version == db.followed:
            return db, version, []
        dropped = db.execute("SELECT sequence, id FROM dropped WHERE sequence > ?", (self._dropped,)).fetchall()
        return db, version, dropped


def _size(found: Found) -> int:
    return len(found.answer) + OVERHEAD_BYTES
