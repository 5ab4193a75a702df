"""Keep a store within the size that ``--max-size`` allows.

Everything that is kept of answers counts: those of entries, earlier ones in the history, and those of removed entries
that ``undo`` could bring back. Earlier answers go first, then removed entries, then the entries unused for longest.
Where the file is larger than the answers in it, the prompts, questions and vectors of entries count, too. Pinned
entries stay, and so do those that wait to be sent to a team.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from gptcache_magics.store.sqlite.embedding_tables import embedding_bytes
from gptcache_magics.store.sqlite.live import LIVE, generations
from gptcache_magics.store.sqlite.removal import SQLiteRemoval, forget_dropped
from gptcache_magics.store.sqlite.statements import LOOKUP_ENDS
from gptcache_magics.store.sqlite.sweeper import STEP_SECONDS, free_pages

__all__ = ["SQLiteEviction"]

_Delete = Callable[[float, sqlite3.Connection, int], tuple[int, float]]
"""Deletes some of what takes so many bytes, at most so many rows; returns their number and bytes."""
_USED: Final = "max(e.created, coalesce(e.accessed, 0))"
SECONDS: Final = 5.0
"""Longest eviction at once; the next one goes on."""
PAUSE_SECONDS: Final = 0.01
AT_ONCE: Final = 20
LOOKED_AT: Final = 500
AHEAD: Final = 60.0
"""Seconds by which clocks may differ. What was stored later than that was stored by a fast clock."""
OWN_BYTES: Final = 2_000_000
"""Bytes of a file without entries."""
LOOKUP_BYTES: Final = 600
"""Bytes of a lookup, with its question."""
FILLED: Final = 1.3
"""Bytes of the file for a byte in it: pages are not full."""
ROW_BYTES: Final = 200
"""Bytes of an entry's other values, and of its place in the indices."""
SAMPLE: Final = 200
_SAMPLE: Final = f"""SELECT avg(length(CAST(e.prompt AS BLOB)) + 2 * length(CAST(e.question AS BLOB)) + coalesce(
    (SELECT sum(length(v.vector)) FROM vector v WHERE v.id=e.id), 0)) FROM
    (SELECT * FROM entry LIMIT {SAMPLE}) e"""
# What waits to be sent to a team stays: the answer, and its vector, would never get there.
_WAITS: Final = """e.team IS NOT NULL AND EXISTS
    (SELECT 1 FROM outbox o WHERE o.team=e.team AND o.kind IN ('entry', 'vector') AND o.id=e.id)"""
_NEXT_EMBEDDINGS: Final = """SELECT e.id, e.bytes FROM embedding e WHERE e.team IS NULL OR NOT EXISTS
    (SELECT 1 FROM outbox o WHERE o.team=e.team AND o.kind='embedding' AND o.id=e.id)
    ORDER BY coalesce(e.used, e.created) LIMIT ?"""
_NEXT: Final = f"""SELECT e.id, e.bytes, {_USED} FROM entry e
    WHERE e.pinned=0 AND {_USED} <= :now AND {LIVE} AND NOT ({_WAITS}) ORDER BY {_USED} LIMIT :most"""
_AHEAD: Final = f"""SELECT e.id, e.bytes, iif(e.accessed <= :now, e.accessed, -1) FROM entry e
    WHERE e.pinned=0 AND {_USED} > :now AND {LIVE} AND NOT ({_WAITS}) ORDER BY {_USED} LIMIT :most"""


class Kept(NamedTuple):
    """The bytes that are kept of answers."""

    entries: int
    removed: int
    history: int
    more: float
    """Bytes of each entry that count beside its answer."""
    filled: float
    """Factor by which the bytes of entries count."""
    number: int
    """Number of live entries."""
    embeddings: int = 0
    """Bytes of embeddings."""

    @property
    def live(self) -> float:
        """What live entries count."""
        return (self.entries + self.number * self.more) * self.filled

    @property
    def total(self) -> float:
        """What everything counts."""
        return self.live + self.removed + self.history


class SQLiteEviction(SQLiteRemoval):
    """The part of an SQLite store that keeps it within a size."""

    def evict(self, limit: int) -> int:
        """Remove entries unused for longest, but never pinned ones, until what is kept takes ``limit`` bytes.

        Embeddings count, too, and go first: each costs less than an answer to buy again.
        """
        kept = self._connections.read(lambda db: _kept(db, limit))
        if kept.total + kept.embeddings <= limit:
            return 0
        over, number = kept.total + kept.embeddings - limit, 0
        try:
            if kept.embeddings:
                number, freed = self._by_steps(_delete_embeddings, over, time.monotonic() + SECONDS)
                over -= freed
            return number + self._evict(kept, over)
        finally:
            self._recent.clear()
            self._sweep()

    def _evict(self, kept: Kept, over: float) -> int:
        """Remove what takes ``over`` bytes: earlier answers, removed entries, and then the entries that are counted."""
        end = time.monotonic() + SECONDS
        over -= self._by_steps(_delete_history, over, end)[1] if kept.history else 0
        if over > 0 and kept.removed:
            self.forget_removed()
            over -= kept.removed
        return self._by_steps(partial(_delete_entries, kept), over, end)[0]

    def _by_steps(self, delete: _Delete, over: float, end: float) -> tuple[int, float]:
        """Delete what takes ``over`` bytes, until ``end``. Return the number of what was deleted, and its bytes."""
        deleted, freed = 0, 0.0
        while freed < over and time.monotonic() < end:
            time.sleep(PAUSE_SECONDS)
            number, size = self._step(partial(delete, over - freed), LOOKED_AT)
            if not number:
                break
            deleted, freed = deleted + number, freed + size
        return deleted, freed


def _kept(db: sqlite3.Connection, limit: int) -> Kept:
    sums = f"SELECT total(e.bytes), total(iif({LIVE}, e.bytes, 0)), total({LIVE}) FROM entry e"
    every, entries, number = db.execute(sums).fetchone()
    now = generations(db)
    others = db.execute("SELECT 1 FROM removed WHERE removal=? LIMIT 1", (now.removal,)).fetchone()
    removed = every - entries if now.cleared or others is not None else 0  # else they are being deleted
    rows = db.execute("SELECT count(*) FROM history").fetchone()[0]
    newest = f"SELECT answer FROM history ORDER BY rowid DESC LIMIT {SAMPLE}"
    history = rows and rows * db.execute(f"SELECT avg(length(CAST(answer AS BLOB))) FROM ({newest})").fetchone()[0]
    used, more, filled = (db.execute("PRAGMA page_count").fetchone()[0] - free_pages(db)), 0.0, 1.0
    used *= db.execute("PRAGMA page_size").fetchone()[0]
    embeddings = embedding_bytes(db)
    used -= embeddings
    first, last = db.execute(LOOKUP_ENDS).fetchone()
    if used > limit + OWN_BYTES + (last - first + 1) * LOOKUP_BYTES:
        more, filled = (db.execute(_SAMPLE).fetchone()[0] or 0) + ROW_BYTES, FILLED
    return Kept(round(entries), round(removed), round(history), more, filled, round(number), embeddings)


def _delete_embeddings(over: float, db: sqlite3.Connection, most: int) -> tuple[int, float]:
    """Delete the embeddings unused for longest. Return their number and bytes."""
    rows = db.execute(_NEXT_EMBEDDINGS, (most,))
    return _deleted(db, "DELETE FROM embedding WHERE id=?", rows.fetchall(), over)


def _delete_history(over: float, db: sqlite3.Connection, most: int) -> tuple[int, float]:
    """Delete the oldest earlier answers. Return their number and bytes."""
    rows = db.execute("SELECT rowid, length(CAST(answer AS BLOB)) FROM history ORDER BY rowid LIMIT ?", (most,))
    return _deleted(db, "DELETE FROM history WHERE rowid=?", rows.fetchall(), over)


def _deleted(db: sqlite3.Connection, statement: str, rows: list[tuple[int, int]], over: float) -> tuple[int, float]:
    """Delete the first of ``rows``, each with its bytes, that take ``over`` bytes. Return their number and bytes."""
    taken: list[tuple[int]] = []
    freed = 0.0
    for row, size in rows:
        if freed >= over:
            break
        freed += size
        taken.append((row,))
    db.executemany(statement, taken)
    return len(taken), freed


def _delete_entries(kept: Kept, over: float, db: sqlite3.Connection, most: int) -> tuple[int, float]:
    """Delete the entries unused for longest. Return their number, and how much they counted."""
    end, now = time.monotonic() + STEP_SECONDS, time.time() + AHEAD
    # A moment in the future is no use: such an entry was used when it was last hit, if ever.
    values = {"now": now, "most": most}
    rows = [*db.execute(_AHEAD, values), *db.execute(_NEXT, values)]
    rows.sort(key=lambda row: row[2] if isinstance(row[2], float | int) else -1)
    taken: list[tuple[int]] = []
    freed = 0.0
    for id, size, _ in rows[:most]:
        if freed >= over or (len(taken) % AT_ONCE == 0 and time.monotonic() > end):
            break
        freed += (size + kept.more) * kept.filled
        taken.append((id,))
        db.execute("INSERT INTO dropped (id, why) VALUES (?, 'evicted')", (id,))
        db.execute("DELETE FROM entry WHERE id=?", (id,))
        db.execute("DELETE FROM history WHERE id=?", (id,))
    forget_dropped(db)
    return len(taken), freed
