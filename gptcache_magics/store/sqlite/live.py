"""The entries that are live, and those that are removed but still in their place.

A removal copies nothing. Each entry has the number of the *generation* in which it was stored. Clearing the store
begins a generation, and only entries of the generations from ``generation.since`` on are live. A removal of some
entries writes their ids to the table ``removed``. So ``undo`` puts ``since`` back, or takes the ids away.

``undo`` can bring back the generations from ``generation.kept`` on, and the ids of the removal ``generation.removal``.
All other entries that are not live are *left over*: they are deleted in the background.
"""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

__all__ = ["COPIED", "LIVE", "REMOVAL", "Generations", "generations", "is_left_over"]

LIVE: Final = "e.generation >= (SELECT since FROM generation) AND e.id NOT IN (SELECT id FROM removed)"
"""The condition on ``entry e`` that it is live. The ids of ``removed`` are looked up, not read."""
COPIED: Final = (
    "id, key, configuration, prompt, question, answer, bytes, created, accessed, hits, expires, seconds, input_tokens,"
    " output_tokens, cache_read_tokens, cache_write_tokens, finish_reason, pinned, edited, tags, prompt_digest, sample,"
    " checksum, shape, ignored"
)
"""The columns of an entry that is copied elsewhere."""
REMOVAL: Final = (
    "ALTER TABLE entry ADD COLUMN generation INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE generation ADD COLUMN since INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE generation ADD COLUMN kept INTEGER NOT NULL DEFAULT 0",
    # Nothing is left over of the generations before this one.
    "ALTER TABLE generation ADD COLUMN swept INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE generation ADD COLUMN removal INTEGER NOT NULL DEFAULT 0",
    # The sequence number from which on the vectors count as new that the last ``undo`` of many entries brought back.
    "ALTER TABLE generation ADD COLUMN undone INTEGER NOT NULL DEFAULT 0",
    "UPDATE generation SET kept=-1, swept=-1 WHERE EXISTS (SELECT 1 FROM removed)",
    "DROP TRIGGER entry_deleted",
    # The last removal was a table of copies. Its entries become a generation, which ``undo`` brings back.
    f"INSERT OR IGNORE INTO entry ({COPIED}, generation) SELECT {COPIED}, -1 FROM removed",
    "DROP TABLE removed",
    "CREATE TABLE removed (id INTEGER PRIMARY KEY, removal INTEGER NOT NULL)",
    "CREATE TRIGGER entry_deleted AFTER DELETE ON entry BEGIN DELETE FROM vector WHERE id=old.id; END",
    # Counting and listing read only an index, so it says which entries are live.
    "DROP INDEX entry_by_created",
    "CREATE INDEX entry_by_created ON entry (created, generation)",
    "DROP INDEX entry_by_configuration",
    "CREATE INDEX entry_by_configuration ON entry (configuration, created, bytes, generation)",
    # The order of eviction.
    "CREATE INDEX entry_by_use ON entry (pinned, max(created, coalesce(accessed, 0)), bytes, generation)",
)


class Generations(NamedTuple):
    """The generations of entries, and the numbers of removals."""

    number: int
    """The generation of the entries that are stored now."""
    since: int
    """The oldest that is live."""
    kept: int
    """The oldest that ``undo`` can bring back."""
    swept: int
    """The oldest of which anything may be left over."""
    removal: int
    """Number of the removal whose ids ``undo`` takes away."""

    @property
    def cleared(self) -> bool:
        """Whether the last removal took whole generations."""
        return self.kept < self.since


def generations(db: sqlite3.Connection) -> Generations:
    """Return the generations as they are now. Where they are damaged, nothing is removed and nothing left over."""
    found = db.execute(f"SELECT {', '.join(Generations._fields)} FROM generation").fetchone()
    return Generations(*found) if found and all(type(each) is int for each in found) else Generations(0, 0, 0, 0, 0)


def is_left_over(db: sqlite3.Connection) -> bool:
    """Return whether there are entries to delete."""
    now = generations(db)
    others = "SELECT 1 FROM removed WHERE removal<>? LIMIT 1"
    return now.swept < now.kept or db.execute(others, (now.removal,)).fetchone() is not None
