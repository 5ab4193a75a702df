"""What a team's store needs in the SQLite file before it: the queue of what is to be sent, and what was seen.

An answer is queued in the transaction that stores it, so a killed kernel loses neither. The queue holds ids only; what
was removed meanwhile is not sent. An entry with a team in its column ``team`` is a *shared copy*: the team has it, or
gets it from the queue. All other entries are private. Embeddings have such a column, too.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from gptcache_magics.store.rows import LookupRow
from gptcache_magics.store.sqlite.damage import Damage
from gptcache_magics.store.sqlite.live import LIVE
from gptcache_magics.store.sqlite.statements import LOOKUP, hex_of, id_number

__all__ = [
    *("EMBEDDING", "ENTRY", "EVERY_EMBEDDING", "LABEL", "LOOKUP_KIND", "OUTBOX", "OVERTAKEN", "VECTOR"),
    *("fetched", "fetched_until", "is_queued", "lease", "next_to_send", "overtaken", "release", "sent", "waiting"),
    *(
        "Queued",
        "StoredVector",
        "Team",
        "drop_all",
        "drop_entries",
        "drop_some",
        "identify",
        "known_team",
        "lookup_rows",
        "queue",
        "stored_vectors",
        "team_of",
    ),
]

OUTBOX: Final = (
    """CREATE TABLE team (
        id INTEGER PRIMARY KEY,
        address TEXT NOT NULL,               -- without a password
        space TEXT NOT NULL,
        identity TEXT NOT NULL DEFAULT '',   -- of the database that was found at the address
        seen INTEGER,                        -- the newest change that was applied here; NULL before the first look
        holder TEXT NOT NULL DEFAULT '',     -- the kernel that sends
        until REAL NOT NULL DEFAULT 0,
        UNIQUE (address, space)
    )""",
    # Queued again, an id gets a new number: what is sent meanwhile is of before.
    """CREATE TABLE outbox (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        team INTEGER NOT NULL,
        kind TEXT NOT NULL,
        id INTEGER NOT NULL,
        UNIQUE (team, kind, id)
    )""",
    # How far the vectors of a context were fetched.
    """CREATE TABLE fetched (
        team INTEGER NOT NULL,
        embedder TEXT NOT NULL,
        context BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        PRIMARY KEY (team, embedder, context)
    ) WITHOUT ROWID""",
    "ALTER TABLE entry ADD COLUMN team INTEGER",
    "ALTER TABLE entry ADD COLUMN author TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX entry_by_team ON entry (team) WHERE team IS NOT NULL",
)
ENTRY: Final = "entry"
OVERTAKEN: Final = "overtaken"
"""Kind of an entry that is queued, and that somebody has replaced or removed meanwhile."""
VECTOR: Final = "vector"
LOOKUP_KIND: Final = "lookup"
LABEL: Final = "label"
EMBEDDING: Final = "embedding"
EVERY_EMBEDDING: Final = b"embeddin".hex()
"""Id in place of an entry's that says in a change: all embeddings. Members with earlier versions find nothing of it."""
_QUEUE: Final = {
    ENTRY: "INSERT OR REPLACE INTO outbox (team, kind, id) VALUES (?, 'entry', ?)",
    VECTOR: "INSERT OR REPLACE INTO outbox (team, kind, id) SELECT team, 'vector', id FROM entry WHERE team=? AND id=?",
    LOOKUP_KIND: "INSERT OR REPLACE INTO outbox (team, kind, id)"
    " SELECT ?, 'lookup', number FROM lookup WHERE run=? AND number_in_run=?",
    LABEL: "INSERT OR REPLACE INTO outbox (team, kind, id) VALUES (?, 'label', ?)",
    EMBEDDING: "INSERT OR REPLACE INTO outbox (team, kind, id)"
    " SELECT team, 'embedding', id FROM embedding WHERE team=? AND id=?",
}
_UNSENT: Final = "SELECT id FROM outbox WHERE team=? AND kind IN ('entry', 'overtaken')"
_KEPT_EMBEDDINGS: Final = "SELECT id FROM outbox WHERE team=? AND kind='embedding'"
_SHARED: Final = f"SELECT e.id FROM entry e WHERE e.team=? AND {LIVE}"
# One database may have several addresses: what is known of it stands in the row that was first.
_TEAM: Final = """SELECT c.id, c.identity, c.seen FROM team t JOIN team c
    ON c.space=t.space AND (c.id=t.id OR (t.identity<>'' AND c.identity=t.identity))
    WHERE t.address=? AND t.space=? ORDER BY c.id LIMIT 1"""
TOLD: Final = 10_000
"""Most entries of which the reason is kept why they are gone."""
LEASE_SECONDS: Final = 10.0


class Team(NamedTuple):
    """What the file knows of a team."""

    id: int
    identity: str
    seen: int | None


class Queued(NamedTuple):
    """One thing to send."""

    sequence: int
    kind: str
    id: int


class StoredVector(NamedTuple):
    """A vector as it is stored."""

    embedder: str
    key: str
    context: str
    vector: bytes


def known_team(db: sqlite3.Connection, address: str, space: str) -> Team | None:
    """Return what is known of the team at an address; None if it is new."""
    row = db.execute(_TEAM, (address, space)).fetchone()
    return Team._make(row) if row is not None else None


def team_of(db: sqlite3.Connection, address: str, space: str) -> Team:
    """Return what is known of the team at an address, which is noted if it is new."""
    team = known_team(db, address, space)
    if team is None:
        db.execute("INSERT INTO team (address, space) VALUES (?,?)", (address, space))
        team = known_team(db, address, space)
    assert team is not None
    return team


def identify(db: sqlite3.Connection, address: str, space: str, identity: str) -> bool:
    """Note which database is at an address. Return whether it is another than before, of which nothing holds here.

    A team that is known by another address gets everything that was noted for this one.
    """
    before = team_of(db, address, space)
    other = before.identity not in ("", identity)
    if other:
        drop_all(db, before.id)
    own, seen = db.execute("SELECT id, seen FROM team WHERE address=? AND space=?", (address, space)).fetchone()
    seen = None if other else seen
    db.execute("UPDATE team SET identity=?, seen=? WHERE id=?", (identity, seen, own))
    team = team_of(db, address, space)
    if team.id != own:
        for table in ("entry", "embedding"):
            db.execute(f"UPDATE {table} SET team=? WHERE team=?", (team.id, own))
        db.execute("UPDATE OR IGNORE outbox SET team=? WHERE team=?", (team.id, own))
        for table in ("outbox", "fetched"):
            db.execute(f"DELETE FROM {table} WHERE team=?", (own,))
        if seen is not None:  # the older of both: of what came by this address, not more was seen
            db.execute("UPDATE team SET seen=min(coalesce(seen, ?), ?) WHERE id=?", (seen, seen, team.id))
            db.execute("UPDATE team SET seen=NULL WHERE id=?", (own,))
    return other


def queue(db: sqlite3.Connection, team: int, kind: str, places: Iterable[Sequence[Any]]) -> None:
    """Note what is to be sent: lookups by run and number in it, everything else by the number of an id."""
    db.executemany(_QUEUE[kind], [(team, *place) for place in places])


def is_queued(db: sqlite3.Connection, team: int, id: int) -> bool:
    """Return whether an entry waits to be sent, and nobody has replaced or removed it."""
    sql = "SELECT 1 FROM outbox WHERE team=? AND kind='entry' AND id=?"
    return db.execute(sql, (team, id)).fetchone() is not None


def next_to_send(db: sqlite3.Connection, team: int, limit: int) -> list[Queued]:
    """Return the oldest part of the queue."""
    sql = "SELECT sequence, kind, id FROM outbox WHERE team=? ORDER BY sequence LIMIT ?"
    return [Queued._make(row) for row in db.execute(sql, (team, limit))]


def waiting(db: sqlite3.Connection, team: int) -> dict[str, int]:
    """Return how many things of each kind wait."""
    return dict(db.execute("SELECT kind, count(*) FROM outbox WHERE team=? GROUP BY kind", (team,)))


def sent(db: sqlite3.Connection, rows: Iterable[Queued]) -> None:
    """Forget what was sent."""
    db.executemany("DELETE FROM outbox WHERE sequence=?", [(row.sequence,) for row in rows])


def overtaken(db: sqlite3.Connection, rows: Iterable[Queued]) -> list[int]:
    """Return the entries among rows that somebody has replaced or removed since they were queued."""
    sql = "SELECT id FROM outbox WHERE sequence=? AND kind='overtaken'"
    return [found[0] for row in rows for found in db.execute(sql, (row.sequence,))]


def drop_all(db: sqlite3.Connection, team: int) -> None:
    """Forget every shared copy that the team has or had, of embeddings too; what is not sent yet stays."""
    drop_entries(db, team)
    _drop_embeddings(db, team)


def drop_entries(db: sqlite3.Connection, team: int) -> None:
    """Forget every shared copy of an entry."""
    gone = f"{_SHARED} AND e.id NOT IN ({_UNSENT})"
    db.execute(f"INSERT INTO dropped (id, why) SELECT id, 'removed' FROM ({gone} LIMIT {TOLD})", (team, team))
    db.execute("INSERT INTO dropped (id) VALUES (NULL)")
    db.execute(f"DELETE FROM entry WHERE id IN ({gone})", (team, team))
    db.execute("UPDATE outbox SET kind='overtaken' WHERE team=? AND kind='entry'", (team,))
    db.execute("DELETE FROM fetched WHERE team=?", (team,))


def drop_some(db: sqlite3.Connection, team: int, gone: Iterable[tuple[int, str]]) -> None:
    """Forget shared copies of entries and embeddings by the numbers of their ids, each for a reason.

    What is not sent yet is sent first.
    """
    shared = f"id=? AND id IN ({_SHARED} AND e.id=?) AND id NOT IN ({_UNSENT} AND id=?)"
    for number, why in gone:
        values = (number, team, number, team, number)
        if db.execute(f"DELETE FROM entry WHERE {shared}", values).rowcount:
            db.execute("INSERT INTO dropped (id, why) VALUES (?,?)", (number, why))
        db.execute("UPDATE outbox SET kind='overtaken' WHERE team=? AND kind='entry' AND id=?", (team, number))
        if number == id_number(EVERY_EMBEDDING):
            _drop_embeddings(db, team)
        else:
            db.execute(
                f"DELETE FROM embedding WHERE id=? AND team=? AND id NOT IN ({_KEPT_EMBEDDINGS})", (number, team, team)
            )


def _drop_embeddings(db: sqlite3.Connection, team: int) -> None:
    db.execute(f"DELETE FROM embedding WHERE team=? AND id NOT IN ({_KEPT_EMBEDDINGS})", (team, team))


def fetched(db: sqlite3.Connection, team: int, embedder: str, context: str) -> int:
    """Return how far the vectors of a context were fetched."""
    sql = "SELECT sequence FROM fetched WHERE team=? AND embedder=? AND context=?"
    row = db.execute(sql, (team, embedder, bytes.fromhex(context))).fetchone()
    return row[0] if row is not None else 0


def fetched_until(db: sqlite3.Connection, team: int, embedder: str, context: str, sequence: int) -> None:
    """Note how far the vectors of a context were fetched."""
    values = (team, embedder, bytes.fromhex(context), sequence)
    db.execute("INSERT OR REPLACE INTO fetched VALUES (?,?,?,?)", values)


def lease(db: sqlite3.Connection, team: int, holder: str) -> bool:
    """Return whether this kernel is the one to send now: the kernels of a folder send one at a time."""
    now = time.time()
    sql = "UPDATE team SET holder=?, until=? WHERE id=? AND (holder=? OR until<? OR until>?)"
    return db.execute(sql, (holder, now + LEASE_SECONDS, team, holder, now, now + 2 * LEASE_SECONDS)).rowcount > 0


def release(db: sqlite3.Connection, team: int, holder: str) -> None:
    """Let another kernel send."""
    db.execute("UPDATE team SET until=0 WHERE id=? AND holder=?", (team, holder))


def lookup_rows(db: sqlite3.Connection, damage: Damage, numbers: Sequence[int]) -> list[LookupRow]:
    """Return lookups by their numbers."""
    asked = "LEFT JOIN question q ON q.id=coalesce(l.asked, l.entry)"
    marks = ", ".join("?" * len(numbers))
    sql = f"SELECT {LOOKUP} FROM lookup l {asked} WHERE l.number IN ({marks}) ORDER BY l.number"
    return damage.sound(LookupRow, db.execute(sql, numbers), "lookup")


def stored_vectors(db: sqlite3.Connection, damage: Damage, numbers: Sequence[int]) -> list[StoredVector]:
    """Return the vectors of entries that a search may find."""
    sql = f"""SELECT v.embedder, {hex_of("e.key")}, {hex_of("v.context")}, v.vector FROM vector v
        JOIN entry e ON e.id=v.id WHERE v.id IN ({", ".join("?" * len(numbers))})
        AND length(v.vector) % 4 = 0 AND {LIVE}"""
    return damage.sound(StoredVector, db.execute(sql, numbers), "vector")
