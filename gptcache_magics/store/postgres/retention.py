"""Remove from a team's store what is too old, too large or expired, for whoever runs the server.

Nobody waits for it: rows go in batches, and the lock that a dropped week needs is asked for a third of a second at a
time. No change is written for an entry that goes: the copies that members have in their own files are still right, and
a pinned one stays.
"""

from __future__ import annotations

import re
import time
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from itertools import chain, islice, repeat
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gptcache_magics.errors import StoreError
from gptcache_magics.store.postgres.schema import MONDAY, WEEK

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["Limits", "Pruned", "Week", "prune", "server_time", "weeks"]

Rows = dict[tuple[str, str], "array[int]"]
"""Ids by space and reason, eight bytes each: of a million entries they take little memory."""
KEPT: Final = 90 * 24 * 3600
"""Seconds that changes and earlier answers are kept. Who was away for longer forgets all shared copies."""
BATCH: Final = 2_000
FETCHED: Final = 10_000
"""Rows that are asked for at once."""
LOCK_TRIES: Final = 50
ROW_BYTES: Final = 900
"""Bytes of an entry and its question beside their texts: short columns, headers and lines in the indexes."""
VECTOR_BYTES: Final = 150
_WEEK: Final = re.compile(r"lookup_(\d{4})(\d\d)(\d\d)")
_SIZE: Final = f"""pg_column_size(e.answer) + pg_column_size(e.prompt) + 2 * pg_column_size(e.question) + {ROW_BYTES}
    + coalesce((SELECT sum(pg_column_size(v.vector) + {VECTOR_BYTES}) FROM gptcache.vector v
                WHERE v.space = e.space AND v.id = e.id), 0)
    + coalesce((SELECT sum(pg_column_size(h.answer) + {VECTOR_BYTES}) FROM gptcache.history h
                WHERE h.space = e.space AND h.id = e.id), 0)"""
_HERE: Final = "(%(space)s::text IS NULL OR space = %(space)s)"
_UNWANTED: Final = f"""SELECT space, id, why FROM (
    SELECT space, id, CASE
        WHEN expires <= %(now)s THEN 'expired'
        WHEN created < %(older)s THEN 'older'
        WHEN greatest(created, accessed) < %(unused)s THEN 'unused' END AS why
    FROM gptcache.entry WHERE {_HERE}) e WHERE why IS NOT NULL ORDER BY space"""
_GONE: Final = "(expires <= %(now)s OR created < %(older)s OR greatest(created, {0}) < %(unused)s)"
_OLD_EMBEDDINGS: Final = f"""SELECT space, id, 'old' AS why FROM gptcache.embedding
    WHERE {_GONE.format("used")} AND {_HERE} ORDER BY space"""
_LARGE_EMBEDDINGS: Final = f"""WITH kept AS (
        SELECT space, id, sum(bytes) OVER (ORDER BY greatest(created, used) DESC, space, id) AS total
        FROM gptcache.embedding WHERE {_GONE.format("used")} IS NOT TRUE AND {_HERE}),
    entries AS (SELECT coalesce(sum({_SIZE}), 0) AS bytes FROM gptcache.entry e WHERE {_HERE}
        AND {_GONE.format("accessed")} IS NOT TRUE)
    SELECT {{}} FROM kept, entries WHERE (total > %(room)s - entries.bytes) IS {{}}"""
"""Embeddings above the size, before any answer: each costs less to buy again."""
_LARGE: Final = f"""SELECT space, id, 'size' AS why FROM (
    SELECT e.space, e.id, sum({_SIZE}) OVER (ORDER BY greatest(e.created, e.accessed) DESC, e.space, e.id) AS total
    FROM gptcache.entry e WHERE {_HERE}
        AND NOT (coalesce(expires <= %(now)s, false) OR coalesce(created < %(older)s, false)
                 OR coalesce(greatest(created, accessed) < %(unused)s, false))
    ) e WHERE total > %(room)s ORDER BY space"""
_STAYS: Final = """NOT EXISTS (SELECT FROM unnest(%(spaces)s::text[], %(ids)s::int8[]) AS gone (space, id)
    WHERE gone.space = {0}.space AND gone.id = {0}.id)"""
_ORPHANS: Final = f"""SELECT q.space, q.id, 'question' AS why
    FROM gptcache.question q WHERE {_HERE.replace("space ", "q.space ")}
    AND NOT EXISTS (SELECT FROM gptcache.entry e WHERE e.space = q.space AND e.id = q.id
        AND {_STAYS.format("e")})
    AND NOT EXISTS (SELECT FROM gptcache.lookup l WHERE l.space = q.space AND l.entry = q.id AND l.at >= %(log)s)
    AND NOT EXISTS (SELECT FROM gptcache.lookup l WHERE l.space = q.space AND l.asked = q.id AND l.at >= %(log)s)
    AND NOT EXISTS (SELECT FROM gptcache.label l WHERE l.space = q.space AND l.asked = q.id)
    AND NOT EXISTS (SELECT FROM gptcache.label l WHERE l.space = q.space AND l.entry = q.id)
    ORDER BY space"""
"""Questions that no entry, lookup or label has, of those that stay."""
_LOG: Final = "SELECT count(*) FROM gptcache.lookup WHERE at < %(log)s AND " + _HERE
_FORGET_LOG: Final = f"""WITH old AS (SELECT space, run, number_in_run, at FROM gptcache.lookup
        WHERE at < %(log)s AND {_HERE} LIMIT {BATCH})
    DELETE FROM gptcache.lookup l USING old o WHERE l.space = o.space AND l.run = o.run
    AND l.number_in_run = o.number_in_run AND l.at = o.at"""


class Week(NamedTuple):
    """A partition of the log."""

    table: str
    monday: date | None
    """First day; None for the lookups of wrong clocks and missing weeks."""
    bytes: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What a team's store may keep. None: no limit."""

    older: float | None = None
    """Moment before which no entry was created."""
    unused: float | None = None
    """Moment since which each entry was used or created."""
    size: float | None = None
    """Bytes that the entries of all spaces, or of ``space``, take."""
    log: float | None = None
    """Moment before which no lookup is kept."""
    space: str | None = None


@dataclass(slots=True)
class Pruned:
    """Numbers of what was removed, or would be."""

    expired: int = 0
    older: int = 0
    unused: int = 0
    size: int = 0
    weeks: list[Week] = field(default_factory=list)
    lookups: int = 0
    """Lookups beside those of whole weeks."""
    embeddings: int = 0
    questions: int = 0
    changes: int = 0
    history: int = 0

    @property
    def entries(self) -> int:
        """Number of entries."""
        return self.expired + self.older + self.unused + self.size


def weeks(db: Connection[Any]) -> list[Week]:
    """Return the partitions of the log, oldest first."""
    rows = db.execute(
        "SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'gptcache.lookup'::regclass ORDER BY c.relname"
    ).fetchall()
    return [Week(name, _monday(name), size) for name, size in rows]


def _monday(table: str) -> date | None:
    found = _WEEK.fullmatch(table)
    return date(*map(int, found.groups())) if found else None


def prune(db: Connection[Any], limits: Limits, *, dry_run: bool = False) -> Pruned:
    """Remove what is above the limits, and expired entries, old changes and old earlier answers.

    The connection is in autocommit mode. Its role owns the schema, or may remove from ``limits.space``.
    """
    now = server_time(db)
    values: dict[str, Any] = {
        **{"space": limits.space, "now": now, "older": limits.older, "unused": limits.unused},
        **{"log": _monday_before(limits.log), "room": limits.size, "kept": now - KEPT},
    }
    done = Pruned()
    _prune_log(db, limits, values, done, dry_run)
    _prune_embeddings(db, values, done, dry_run)
    gone = _prune_entries(db, _UNWANTED, values, done, dry_run)
    if limits.size is not None:
        gone |= _prune_entries(db, _LARGE, values, done, dry_run)
    still = gone if dry_run else {}
    values["spaces"] = _literal(_quoted(space, len(ids)) for (space, _), ids in still.items())
    values["ids"] = _literal(map(str, chain.from_iterable(still.values())))
    if dry_run:
        done.questions = _count(db, f"SELECT count(*) FROM ({_ORPHANS}) o", values)
    else:
        orphans = _found(db, _ORPHANS, values)
        done.questions = sum(_delete(db, "question", space, ids) for (space, _), ids in orphans.items())
    done.history = _old(db, "history", f"replaced < %(kept)s AND {_STAYS.format('history')}", values, dry_run)
    done.changes = _old(db, "change", "at < %(kept)s", values, dry_run)
    if not dry_run:
        _old(db, "lease", "until < %(kept)s", values, dry_run)  # of kernels that were killed
    if not dry_run and (done.entries or done.embeddings or done.questions or done.history):
        # So that the space is used again. Autovacuum may be off, or may come late.
        for table in ("entry", "history", "vector", "question", "embedding"):
            db.execute(f"VACUUM (ANALYZE, SKIP_LOCKED) gptcache.{table}".encode())
    return done


def _literal(texts: Iterable[str]) -> str:
    """Return an array as PostgreSQL writes it: a list of a million numbers would take ten times the memory."""
    each = iter(texts)
    return f"{{{','.join(iter(lambda: ','.join(islice(each, FETCHED)), ''))}}}"


def _quoted(space: str, times: int) -> str:
    """Return a name several times, as a part of an array."""
    name = space.replace("\\", "\\\\").replace('"', '\\"')
    return ",".join(repeat(f'"{name}"', times))


def server_time(db: Connection[Any]) -> float:
    """Return the time by the server's clock, which capped the times of the entries."""
    row = db.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    assert row is not None
    return float(row[0])


def _monday_before(moment: float | None) -> float:
    """Return the beginning of the week of a moment, in UTC as the partitions are; long ago for None."""
    return -inf if moment is None else (moment - MONDAY) // WEEK * WEEK + MONDAY


def _prune_entries(db: Connection[Any], statement: str, values: dict[str, Any], done: Pruned, dry_run: bool) -> Rows:
    """Remove entries; return the rows that were to be removed."""
    rows = _found(db, statement, values)
    for (space, why), ids in rows.items():
        number = len(ids) if dry_run else _delete(db, "entry", space, ids, values["now"])
        setattr(done, why, getattr(done, why) + number)
    return rows


def _prune_embeddings(db: Connection[Any], values: dict[str, Any], done: Pruned, dry_run: bool) -> None:
    """Remove embeddings, and leave to entries the room that the others do not take."""
    rows = _found(db, _OLD_EMBEDDINGS, values)
    if values["room"] is not None:
        large = _found(db, _LARGE_EMBEDDINGS.format("space, id, 'size' AS why", "TRUE") + " ORDER BY space", values)
        values["room"] -= _count(db, _LARGE_EMBEDDINGS.format("coalesce(max(total), 0)::int8", "NOT TRUE"), values)
        rows |= large
    for (space, _), ids in rows.items():
        done.embeddings += len(ids) if dry_run else _delete(db, "embedding", space, ids, values["now"])


def _found(db: Connection[Any], statement: str, values: dict[str, Any]) -> Rows:
    """Return the rows that are to be removed, read some at a time."""
    rows: Rows = {}
    with db.transaction(), db.cursor("gptcache_magics_prune", binary=True) as cursor:
        cursor.execute(statement.encode(), values)
        for fetched in iter(partial(cursor.fetchmany, FETCHED), []):
            for space, id, why in fetched:
                rows.setdefault((space, why), array("q")).append(id)
    return rows


def _delete(db: Connection[Any], table: str, space: str, ids: array[int], now: float | None = None) -> int:
    """Delete rows, and return how many were still there. Those that were created after ``now`` stay."""
    number, more = 0, "" if now is None else " AND created <= %s"
    for first in range(0, len(ids), BATCH):
        found = db.execute(
            f"DELETE FROM gptcache.{table} WHERE space = %s AND id = ANY(%s::int8[]){more}".encode(),
            (space, list(ids[first : first + BATCH]), *([] if now is None else [now])),
        )
        number += found.rowcount
    return number


def _old(db: Connection[Any], table: str, old: str, values: dict[str, Any], dry_run: bool) -> int:
    where = f"FROM gptcache.{table} WHERE {old} AND {_HERE}"
    if dry_run:
        return _count(db, f"SELECT count(*) {where}", values)
    return db.execute(f"DELETE {where}".encode(), values).rowcount


def _count(db: Connection[Any], statement: str, values: dict[str, Any]) -> int:
    row = db.execute(statement.encode(), values).fetchone()
    return int(row[0]) if row else 0


def _prune_log(db: Connection[Any], limits: Limits, values: dict[str, Any], done: Pruned, dry_run: bool) -> None:
    """Remove the lookups of whole weeks. Those beside a week, of wrong clocks, go by the same moment."""
    if limits.log is None:
        return
    first = values["log"]
    if limits.space is None:  # a week holds the lookups of every space
        done.weeks = [each for each in weeks(db) if each.monday is not None and _moment(each.monday) + WEEK <= first]
        for week in done.weeks if not dry_run else ():
            _drop(db, week.table)
    if dry_run:
        done.lookups = _count(db, _LOG, values) - sum(_rows(db, week.table) for week in done.weeks)
        return
    while number := db.execute(_FORGET_LOG.encode(), values).rowcount:
        done.lookups += number


def _moment(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _rows(db: Connection[Any], table: str) -> int:
    return _count(db, f'SELECT count(*) FROM gptcache."{table}"', {})


def _drop(db: Connection[Any], table: str) -> None:
    """Drop a week. Its lock is waited for so shortly that lookups behind it do not notice."""
    from psycopg.errors import LockNotAvailable

    for _ in range(LOCK_TRIES):
        try:
            with db.transaction():
                db.execute("SET LOCAL lock_timeout = '200ms'")
                db.execute(f'DROP TABLE gptcache."{table}"'.encode())
            return
        except LockNotAvailable:
            time.sleep(0.2)
    raise StoreError(
        f"The week {table} of the log is in use all the time and was kept. What came before is done. Try again later."
    )
