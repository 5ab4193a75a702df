"""What a team's store holds, for whoever runs the server."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gptcache_magics.store.postgres.retention import Week, weeks

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["Facts", "Space", "facts"]

RECENT: Final = 7 * 24 * 3600
"""Seconds over which lookups a day are counted."""
TABLES: Final = ("entry", "history", "vector", "question", "lookup", "change", "embedding")
_SPACES: Final = """SELECT space, count(*), sum(bytes)::int8, min(created), max(created), sum(hits)::int8,
    count(DISTINCT author) FROM gptcache.entry WHERE %(space)s::text IS NULL OR space = %(space)s GROUP BY space"""
_LOOKUPS: Final = """SELECT space, count(*), count(*) FILTER (WHERE outcome = 'hit'), array_agg(DISTINCT author)
    FROM gptcache.lookup WHERE at >= %(since)s AND (%(space)s::text IS NULL OR space = %(space)s) GROUP BY space"""
_CHANGES: Final = """SELECT space, count(*) FROM gptcache.change
    WHERE %(space)s::text IS NULL OR space = %(space)s GROUP BY space"""
_AUTHORS: Final = """SELECT author, count(*) FROM gptcache.entry
    WHERE %(space)s::text IS NULL OR space = %(space)s GROUP BY author ORDER BY 2 DESC, 1"""


@dataclass(frozen=True, slots=True)
class Space:
    """The figures of one space."""

    name: str
    entries: int = 0
    answer_bytes: int = 0
    oldest: float | None = None
    newest: float | None = None
    hits: int = 0
    lookups: int = 0
    """Lookups of the last seven days."""
    lookup_hits: int = 0
    members: int = 0
    """Roles that asked in the last seven days."""
    changes: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """The figures of a store."""

    version: int
    server: str
    bytes: dict[str, int]
    """Size of each table with its indexes."""
    spaces: tuple[Space, ...]
    authors: tuple[tuple[str, int], ...]
    """Roles with the number of their entries, most first."""
    weeks: tuple[Week, ...]
    connections: int
    """Connections to this database, with this one."""
    most_connections: int

    @property
    def size(self) -> int:
        """Bytes of all tables."""
        return sum(self.bytes.values())


def facts(db: Connection[Any], space: str | None = None) -> Facts:
    """Return the figures of every space that the role may see, or of one."""
    values = {"space": space, "since": time.time() - RECENT}
    row = db.execute(
        "SELECT (SELECT max(version) FROM gptcache.schema), current_setting('server_version'),"
        " current_setting('max_connections')::int,"
        " (SELECT numbackends FROM pg_stat_database WHERE datname = current_database())"  # for every role to see
    ).fetchone()
    assert row is not None
    by_week = weeks(db)
    sizes = {name: _size(db, name) for name in TABLES if name != "lookup"}
    sizes["lookup"] = sum(each.bytes for each in by_week)
    return Facts(
        version=row[0],
        server=row[1],
        bytes=sizes,
        spaces=tuple(_spaces(db, values)),
        authors=tuple((name, number) for name, number in db.execute(_AUTHORS, values)),
        weeks=tuple(by_week),
        connections=row[3],
        most_connections=row[2],
    )


def _size(db: Connection[Any], table: str) -> int:
    row = db.execute("SELECT pg_total_relation_size(%s::regclass)", (f"gptcache.{table}",)).fetchone()
    return int(row[0]) if row else 0


def _spaces(db: Connection[Any], values: dict[str, Any]) -> list[Space]:
    entries = {name: row for name, *row in db.execute(_SPACES, values)}
    lookups = {name: row for name, *row in db.execute(_LOOKUPS, values)}
    changes = dict(db.execute(_CHANGES, values).fetchall())
    found = []
    for name in sorted({*entries, *lookups}):
        number, size, oldest, newest, hits, _ = entries.get(name, (0, 0, None, None, 0, 0))
        asked, answered, members = lookups.get(name, (0, 0, []))
        space = Space(name, number, size, oldest, newest, hits, asked, answered, len(members), changes.get(name, 0))
        found.append(space)
    return found
