"""The part of the SQLite file that removes entries and brings them back, without copying any: see :mod:`.live`."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from gptcache_magics.errors import StoreError
from gptcache_magics.store.protocol import Selection
from gptcache_magics.store.sqlite.conditions import chosen, where_entries
from gptcache_magics.store.sqlite.database import code_of
from gptcache_magics.store.sqlite.live import LIVE, generations, is_left_over
from gptcache_magics.store.sqlite.part import SQLitePart
from gptcache_magics.store.sqlite.sweeper import Sweeper, spare_pages
from gptcache_magics.store.sqlite.vectors import VECTORS_AGAIN

__all__ = ["DROPPED_KEPT", "SQLiteRemoval", "forget_dropped"]

T = TypeVar("T")
EVERYTHING: Final = Selection()
DROPPED_KEPT: Final = 10_000
"""Most records of what is gone: other kernels forget these entries, and a miss says why."""
CHECKED: Final = 5_000
"""Most entries to remove in one transaction, in 30 ms. So many are looked at again there, for they may have changed."""
PAUSE_SECONDS: Final = 0.005
"""Pause between two such transactions."""
RENEWED: Final = 1_000
"""Most entries that come back with vectors of new numbers; of more, all vectors of a context are read again."""
_BACK: Final = "e.generation >= (SELECT kept FROM generation) AND e.generation < (SELECT since FROM generation)"
# What ``undo`` would bring back: the generations of a ``clear``, or the ids of a removal.
_CLEARED: Final = f"SELECT e.id FROM entry e WHERE {_BACK} AND e.id NOT IN (SELECT id FROM removed)"
_REMOVED: Final = "SELECT id FROM removed WHERE removal=(SELECT removal FROM generation)"


def forget_dropped(db: sqlite3.Connection) -> None:
    """Keep only the newest records of what is gone."""
    db.execute("DELETE FROM dropped WHERE sequence <= (SELECT max(sequence) FROM dropped) - ?", (DROPPED_KEPT,))


def _take(db: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Let entries not be live any more."""
    number = generations(db).removal
    db.executemany("INSERT OR REPLACE INTO removed VALUES (?,?)", [(id, number) for id in ids])
    db.executemany("INSERT INTO dropped (id, why) VALUES (?, 'removed')", [(id,) for id in ids])
    forget_dropped(db)


class SQLiteRemoval(SQLitePart):
    """The part of an SQLite store that removes entries."""

    _sweeper: Sweeper

    def clear(self) -> int:
        """Remove every entry. Return the number removed."""
        return self.remove(EVERYTHING)

    def remove(self, selection: Selection) -> int:
        """Remove entries so that ``undo`` can bring them back. Return the number removed."""
        self.settle()  # what waits may be chosen
        try:
            return self._clear() if selection == EVERYTHING else self._remove(selection)
        finally:
            self._recent.clear()
            self._damage.entries.clear()
            self._damage.undecodable.clear()
            self._sweep()

    def _clear(self) -> int:
        # Outside of the transaction, for nobody has to wait while a million are counted.
        count = f"SELECT count(*) FROM entry e WHERE {LIVE}"
        number: int = self._connections.read(lambda db: db.execute(count).fetchone()[0])

        def work(db: sqlite3.Connection, most: int) -> None:
            newest = f"SELECT e.id FROM entry e WHERE {LIVE} ORDER BY e.created DESC LIMIT ?"
            db.execute(f"INSERT INTO dropped (id, why) SELECT id, 'removed' FROM ({newest})", (most,))
            db.execute("INSERT INTO dropped (id) VALUES (NULL)")
            forget_dropped(db)
            db.execute("UPDATE generation SET kept=since, since=number+1, number=number+1, removal=removal+1")
            db.execute("DELETE FROM damaged")

        self._step(work, DROPPED_KEPT, patient=True)
        return number

    def _step(self, work: Callable[[sqlite3.Connection, int], T], most: int, *, patient: bool = False) -> T:
        """Run a transaction that may change ``most`` rows, or one where the disk is full: the journal has that room."""
        try:
            return self._write(lambda db: work(db, most), patient=patient)
        except StoreError as error:
            if not isinstance(error.__cause__, sqlite3.Error) or code_of(error.__cause__) != sqlite3.SQLITE_FULL:
                raise
        with suppress(StoreError):  # then the journal begins again at its start
            self._connections.read(lambda db: db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall())
        return self._connections.write(lambda db: work(db, 1), patient=patient)

    def _remove(self, selection: Selection) -> int:
        def selected(db: sqlite3.Connection) -> list[int]:
            where, values = chosen(db, selection)
            return [id for (id,) in db.execute(f"SELECT e.id FROM entry e WHERE {where}", values)]

        # Others may write while a million prompts are searched.
        ids = sorted(self._connections.read(selected))

        def still(db: sqlite3.Connection) -> list[int]:
            """Return those that another kernel has not changed meanwhile."""
            where, values = where_entries(selection)
            of = "e.id IN (SELECT value FROM json_each(?))"
            found = db.execute(f"SELECT e.id FROM entry e WHERE {of} AND {where}", (json.dumps(ids), *values))
            return [id for (id,) in found]

        def work(db: sqlite3.Connection) -> list[int]:
            taken = still(db) if len(ids) <= CHECKED else ids
            db.execute("UPDATE generation SET kept=since, removal=removal+1")
            if len(taken) > DROPPED_KEPT:
                db.execute("INSERT INTO dropped (id) VALUES (NULL)")
            _take(db, taken[:CHECKED])
            return taken

        taken = self._write(work)
        for at in range(CHECKED, len(taken), CHECKED):  # others write in between
            time.sleep(PAUSE_SECONDS)
            self._write(partial(_take, ids=taken[at : at + CHECKED]))
        return len(taken)

    def undo(self) -> int:
        """Bring the last removal back. Return the number of entries that came back."""
        number = self.removed()

        def work(db: sqlite3.Connection) -> bool:
            cleared = generations(db).cleared
            if number <= RENEWED:
                db.execute(VECTORS_AGAIN.format(_CLEARED if cleared else _REMOVED))
            else:
                db.execute("UPDATE sqlite_sequence SET seq=seq+1 WHERE name='vector'")
                newest = "(SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name='vector')"
                db.execute(f"UPDATE generation SET undone={newest}")
            if cleared:
                db.execute("UPDATE generation SET since=kept")
                return False
            return db.execute(f"DELETE FROM removed WHERE id IN ({_REMOVED} LIMIT {CHECKED})").rowcount == CHECKED

        while self._write(work):  # others write in between
            time.sleep(PAUSE_SECONDS)
        return number

    def removed(self, limit: int | None = None) -> int:
        """Return how many entries ``undo`` would bring back, counted up to ``limit``: 1 tells whether there are any."""
        most = -1 if limit is None else limit

        def work(db: sqlite3.Connection) -> int:
            of = _CLEARED if generations(db).cleared else _REMOVED
            number: int = db.execute(f"SELECT count(*) FROM ({of} LIMIT ?)", (most,)).fetchone()[0]
            return number

        return self._connections.read(work)

    def forget_removed(self) -> None:
        """Make the last removal final."""
        if not self.readonly and self.removed(limit=1):
            self._write(lambda db: db.execute("UPDATE generation SET kept=since, removal=removal+1"), patient=False)
            self._sweep()

    def _sweep(self) -> None:
        """Give back the space of what nothing brings back, if there is any, in the background."""
        if not self.readonly and self._connections.read(lambda db: is_left_over(db) or spare_pages(db) > 0):
            self._sweeper.start()
