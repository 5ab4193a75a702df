"""The tables of embeddings in the SQLite file, and what they take of the size that a store may have."""

from __future__ import annotations

import sqlite3
from typing import Final

__all__ = ["EMBEDDINGS", "SHARED_EMBEDDINGS", "embedding_bytes"]

EMBEDDINGS: Final = (
    # In the order of their arrival, or pages are split: few vectors fit on one, and a split page stays half empty.
    """CREATE TABLE embedding (
        number INTEGER PRIMARY KEY,
        id INTEGER NOT NULL UNIQUE,      -- first 64 bits of the key, signed
        key BLOB NOT NULL,
        model BLOB NOT NULL,
        digest INTEGER NOT NULL,
        sent TEXT NOT NULL,
        vector BLOB NOT NULL,
        rest TEXT NOT NULL,
        created REAL NOT NULL,
        tokens INTEGER,
        expires REAL,
        used REAL,
        bytes INTEGER NOT NULL,
        checksum INTEGER NOT NULL
    )""",
    "CREATE INDEX embedding_by_digest ON embedding (digest)",
    "CREATE INDEX embedding_by_model ON embedding (model, key)",
    # From this index alone: what is unused for longest, and the size of all.
    "CREATE INDEX embedding_by_use ON embedding (coalesce(used, created), bytes)",
    """CREATE TABLE embedding_model (
        key BLOB PRIMARY KEY,
        portable BLOB NOT NULL,
        configuration TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE embedding_use (
        run TEXT NOT NULL,
        process INTEGER NOT NULL,
        day TEXT NOT NULL,
        model BLOB NOT NULL,
        at REAL NOT NULL,
        texts INTEGER NOT NULL,
        hits INTEGER NOT NULL,
        sent INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        saved_tokens INTEGER NOT NULL,
        PRIMARY KEY (run, process, day, model)
    ) WITHOUT ROWID""",
)
SHARED_EMBEDDINGS: Final = (
    # The team that has an embedding, or gets it from the queue; NULL for a private one.
    "ALTER TABLE embedding ADD COLUMN team INTEGER",
    "CREATE INDEX embedding_by_team ON embedding (team) WHERE team IS NOT NULL",
)


def embedding_bytes(db: sqlite3.Connection) -> int:
    """Return what all embeddings take."""
    size: float = db.execute("SELECT total(bytes) FROM embedding").fetchone()[0]
    return round(size)
