"""Follow what other kernels do to one SQLite file: what they removed or replaced is forgotten here too."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import Final

from gptcache_magics.store.sqlite.connections import Connections
from gptcache_magics.store.sqlite.recent import Recent
from gptcache_magics.store.sqlite.statements import id_text

__all__ = ["Following"]

CHECK_SECONDS: Final = 0.05


class Following:
    """Keeps what is remembered true to the file."""

    def __init__(self, connections: Connections, recent: Recent) -> None:
        self._connections, self._recent = connections, recent
        self._local = threading.local()
        self._checked = 0.0
        self._dropped: int | None = None
        self._epoch = 0

    def look(self) -> None:
        """Forget what was removed or replaced, at most so often."""
        now = time.monotonic()
        if now - self._checked > CHECK_SECONDS:
            self._checked = now
            self._follow()

    def _follow(self) -> None:
        if self._epoch != self._connections.epoch:
            self._epoch = self._connections.epoch
            self._local = threading.local()
            self._recent.clear()
            self._dropped = None
        version, dropped = self._connections.read(self._changes)
        self._local.version = version
        if not dropped:
            return
        previous, self._dropped = self._dropped, dropped[-1][0]
        if dropped[0][0] - 1 != previous or any(number is None for _, number in dropped):
            self._recent.clear()
        else:
            self._recent.forget({id_text(number) for _, number in dropped if number is not None})

    def _changes(self, db: sqlite3.Connection) -> tuple[int, list[tuple[int, int | None]]]:
        if self._dropped is None:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name='dropped'").fetchone()
            self._dropped = row[0] if row else 0
            self._recent.clear()
        version = db.execute("PRAGMA data_version").fetchone()[0]
        if version == getattr(self._local, "version", None):
            return version, []
        return version, db.execute("SELECT sequence, id FROM dropped WHERE sequence > ?", (self._dropped,)).fetchall()
