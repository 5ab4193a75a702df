"""What tables read from the SQLite file: entries, lookups, configurations and what they amount to."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from gptcache_magics.store.protocol import LookupRow, Period, Rows, Selection
from gptcache_magics.store.sqlite.connections import Connections
from gptcache_magics.store.sqlite.statements import (
    BRIEF,
    CONFIGURATION,
    ENTRY,
    LOOKUP,
    allow_grep,
    hex_of,
    id_number,
    id_of,
    rows,
    where_entries,
    where_lookups,
)

__all__ = ["EVERYTHING", "SQLiteTables"]

T = TypeVar("T")
EVERYTHING: Final = Selection()


class SQLiteTables:
    """The reading half of a store in one SQLite file."""

    _connections: Connections

    def generation(self) -> int:
        """How often the store was cleared."""
        number: int = self._connections.read(lambda db: db.execute("SELECT number FROM generation").fetchone()[0])
        return number

    def count(self, selection: Selection = EVERYTHING) -> tuple[int, int]:
        """Number of entries and the bytes of their answers."""

        def work(db: sqlite3.Connection, where: str, values: Sequence[object]) -> tuple[int, int]:
            sql = f"SELECT count(*), coalesce(sum(e.bytes), 0) FROM entry e WHERE {where}"
            number, size = db.execute(sql, values).fetchone()
            return number, size

        return self._select(self._connections.read, selection, work)

    def entries(self, selection: Selection, limit: int | None = None) -> Rows:
        """Entries, newest first."""

        def work(db: sqlite3.Connection, where: str, values: Sequence[object]) -> Rows:
            # Of named entries there are few: going through all by the index would cost more than a sort.
            order = "e.created" if selection.ids is None else "+e.created"
            sql = f"SELECT {ENTRY} FROM entry e WHERE {where} ORDER BY {order} DESC"
            return rows(db.execute(f"{sql} LIMIT ?", (*values, _limit(limit))))

        return self._select(self._connections.read, selection, work)

    def history(self, key: str) -> Sequence[tuple[float, bytes]]:
        """Earlier answers under a key, newest first."""
        sql = "SELECT replaced, answer FROM history WHERE id=? ORDER BY replaced DESC LIMIT 100"
        return self._connections.read(lambda db: db.execute(sql, (id_number(key),)).fetchall())

    def lookups(self, period: Period, limit: int | None = None) -> Sequence[LookupRow]:
        """Return lookups, newest first."""
        where, values = where_lookups(period)
        asked = "LEFT JOIN question q ON q.id=coalesce(l.asked, l.entry)"
        sql = f"SELECT {LOOKUP} FROM lookup l {asked} WHERE {where} ORDER BY l.number DESC LIMIT ?"
        found = self._connections.read(lambda db: db.execute(sql, (*values, _limit(limit))).fetchall())
        return list(map(LookupRow._make, found))

    def outcomes(self, period: Period) -> Rows:
        """Return what figures are made of, one row a lookup, newest first."""
        where, values = where_lookups(period)
        sql = f"SELECT {BRIEF} FROM lookup l WHERE {where} ORDER BY l.number DESC"
        return self._connections.read(lambda db: rows(db.execute(sql, values)))

    def configurations(self) -> Rows:
        """All configurations, by provider, model and label."""
        sql = f"SELECT {CONFIGURATION} FROM configuration ORDER BY provider, model, label"
        return self._connections.read(lambda db: rows(db.execute(sql)))

    def tallies(self) -> Rows:
        """How often each configuration hit and missed, and when it was asked last."""
        sql = (
            f"SELECT nullif({hex_of('configuration')}, '') AS key, sum(outcome='hit') AS hits,"
            " sum(outcome='miss') AS misses, max(at) AS last FROM lookup GROUP BY configuration"
        )
        return self._connections.read(lambda db: rows(db.execute(sql)))

    def contents(self) -> Rows:
        """How many entries each configuration has, how large, the first and the last."""
        sql = (
            f"SELECT {hex_of('configuration')} AS key, count(*) AS entries, sum(bytes) AS bytes,"
            " min(created) AS first_created, max(created) AS last_created FROM entry GROUP BY configuration"
        )
        return self._connections.read(lambda db: rows(db.execute(sql)))

    def questions(self, configuration: str | None, limit: int) -> Rows:
        """The questions of the newest entries, of one configuration or of all, in no order."""
        where, values = ("configuration=?", (bytes.fromhex(configuration),)) if configuration is not None else ("1", ())
        newest = f"SELECT id FROM entry WHERE {where} ORDER BY created DESC LIMIT ?"  # from an index alone
        sql = f"SELECT {id_of('id')} AS id, question FROM question WHERE id IN ({newest})"
        return self._connections.read(lambda db: rows(db.execute(sql, (*values, limit))))

    def questions_of(self, ids: Sequence[str]) -> Rows:
        """The questions under these ids."""
        sql = f"SELECT {id_of('id')} AS id, question FROM question WHERE id IN (SELECT value FROM json_each(?))"
        return self._connections.read(lambda db: rows(db.execute(sql, (json.dumps([*map(id_number, ids)]),))))

    def _select(
        self,
        run: Callable[[Callable[[sqlite3.Connection], T]], T],
        selection: Selection,
        work: Callable[[sqlite3.Connection, str, Sequence[object]], T],
    ) -> T:
        """Run ``work`` on the entries of a selection: it is given the condition and its values."""
        where, values = where_entries(selection)

        def prepared(db: sqlite3.Connection) -> T:
            allow_grep(db, selection)
            return work(db, where, values)

        return run(prepared)


def _limit(limit: int | None) -> int:
    return -1 if limit is None else limit
