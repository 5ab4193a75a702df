"""Keep the sums of lookups in an SQLite file, in the transactions that write the lookups.

``cell_sum`` has the cells of each run, ``day_sum`` its days: a sum of both would be nearly as long as the lookups.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from typing import Any, Final

from gptcache_magics.store.records import Period
from gptcache_magics.store.sqlite.damage import LARGEST, Damage, fits
from gptcache_magics.store.sums import FIGURES, KEY, Additions, Facts, Sum, combined, sum_of, sums_of

__all__ = ["FACTS", "TALLIES", "SumChanges", "counts", "fold", "forget_sums", "read_sums"]

KEPT: Final = 100_000
"""Most sums of cells: of more, those of the oldest runs become one for each notebook."""
GOING_ON_SECONDS: Final = 7 * 86_400
"""A run that asked nothing for so long is over."""
_PLACES: Final = {
    "cell_sum": ("run", "notebook", "cell_line", "execution_count"),
    "day_sum": ("run", "day"),
}
_LIKE: Final = ("configuration", "outcome", "reason_kind", "match", "known", "size", "face")
_KEYS: Final = {table: (*places, *_LIKE) for table, places in _PLACES.items()}
_REST: Final = (*FIGURES, "first", "last", "newest")
FACTS: Final = f"SELECT {', '.join(Facts._fields)} FROM lookup"
_BOTH: Final = {
    "configuration": "CASE WHEN length(configuration) THEN lower(hex(configuration)) END",
    "match": "nullif(match, '')",
}
_SHOWN: Final = {
    "cell_sum": {**_BOTH, "day": "''", "execution_count": "nullif(execution_count, -1)"},
    "day_sum": {**_BOTH, "notebook": "''", "cell_line": "''", "execution_count": "NULL"},
}
"""Columns of a sum where they differ from its fields."""


def _put(table: str) -> str:
    columns = (*_KEYS[table], *_REST)
    changes = [f"{name}={name}+excluded.{name}" for name in FIGURES]
    changes += [
        "first=min(first, excluded.first)",
        "last=max(last, excluded.last)",
        "newest=max(newest, excluded.newest)",
    ]
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        f" ON CONFLICT DO UPDATE SET {', '.join(changes)}"
    )


_PUT: Final = {table: _put(table) for table in _PLACES}
_WHERE: Final = {table: " AND ".join(f"{name}=?" for name in names) for table, names in _KEYS.items()}


_LAST: Final = f"CASE WHEN typeof(last)='real' AND last BETWEEN {-LARGEST} AND {LARGEST} THEN last END"
TALLIES: Final = (
    f"SELECT {_BOTH['configuration']}, sum(CASE outcome WHEN 'hit' THEN lookups ELSE 0 END),"
    f" sum(CASE outcome WHEN 'miss' THEN lookups ELSE 0 END), coalesce(max({_LAST}), 0.0)"
    " FROM day_sum GROUP BY configuration"
)
"""SQL for the hits, the misses and the newest lookup of each configuration."""


class SumChanges:
    """Changes of the sums by one transaction."""

    def __init__(self) -> None:
        self._tables = {table: Additions() for table in _PLACES}
        self._fewer: list[Sum] = []

    def add(self, facts: Facts) -> None:
        """Count a lookup."""
        self.add_sums(sums_of(facts))

    def take(self, facts: Facts) -> None:
        """Take away a lookup that was counted, because it is written again."""
        for each in sums_of(facts):
            self._tables[_table_of(each)].add(each, times=-1)
            self._fewer.append(each)

    def add_sums(self, sums: Iterable[Sum]) -> None:
        """Count lookups of which only sums are known."""
        for each in sums:
            self._tables[_table_of(each)].add(each)

    def write(self, db: sqlite3.Connection) -> None:
        """Write the changes."""
        for table, sums in self._tables.items():
            db.executemany(_PUT[table], [_values(table, each) for each in sums])
        for each in self._fewer:
            table = _table_of(each)
            db.execute(f"DELETE FROM {table} WHERE {_WHERE[table]} AND lookups<=0", _key(table, each))


def counts(db: sqlite3.Connection, facts: Facts) -> bool:
    """Return whether a lookup may be counted in the sums."""
    each = sum_of(facts, cells=True)
    found = db.execute(f"SELECT lookups FROM cell_sum WHERE {_WHERE['cell_sum']}", _key("cell_sum", each)).fetchone()
    return found is not None and found[0] > 0


def forget_sums(db: sqlite3.Connection) -> None:
    """Remove every sum."""
    for table in _PLACES:
        db.execute(f"DELETE FROM {table}")


def read_sums(db: sqlite3.Connection, damage: Damage, period: Period, *, cells: bool) -> list[Sum]:
    """Return the sums of a period, newest first.

    Of sums that began before the period, the lookups that are kept are counted one by one.
    """
    table = "cell_sum" if cells else "day_sum"
    given = [("run=?", period.run), ("last>=?", period.after)]
    where = " AND ".join(condition for condition, value in given if value is not None) or "1"
    values = [value for _, value in given if value is not None]
    columns = ", ".join(_SHOWN[table].get(name, name) for name in Sum._fields)
    sums = damage.sound(Sum, db.execute(f"SELECT {columns} FROM {table} WHERE {where}", values), "sum")
    after = period.after
    if after is None:
        return sorted(sums, key=lambda each: -each.newest)
    began = {each[:KEY]: each for each in sums if each.first < after}
    whole = [each for each in sums if each.first >= after]
    if not began:
        return combined(whole)
    where = "at BETWEEN ? AND ?" + (" AND run=?" if period.run is not None else "")
    until = max(each.last for each in began.values())
    kept = db.execute(f"{FACTS} WHERE {where}", [after, until, *([period.run] if period.run is not None else [])])
    parts = (sum_of(Facts._make(row), cells=cells) for row in kept if fits(Facts, row))
    return combined([*whole, *(each for each in parts if each[:KEY] in began)])


def fold(db: sqlite3.Connection) -> None:
    """Make the oldest sums of cells one for each notebook, if there are more than ``KEPT``."""
    number = db.execute("SELECT count(*) FROM cell_sum").fetchone()[0]
    if number <= KEPT:
        return
    columns = ", ".join(_SHOWN["cell_sum"].get(name, name) for name in Sum._fields)
    half = "SELECT newest FROM cell_sum ORDER BY newest DESC LIMIT 1 OFFSET ?"
    before = db.execute(half, (KEPT // 2,)).fetchone()[0]
    # Figures of a run are those of all its cells, and one that was used today may go on.
    old = "newest<? AND run NOT IN (SELECT run FROM cell_sum WHERE newest>=? OR last>? GROUP BY run) AND run<>''"
    values = (before, before, time.time() - GOING_ON_SECONDS)
    changes = SumChanges()
    for row in db.execute(f"SELECT {columns} FROM cell_sum WHERE {old}", values).fetchall():
        if fits(Sum, row):
            changes.add_sums([Sum._make(row)._replace(run="", cell_line="", execution_count=None)])
    db.execute(f"DELETE FROM cell_sum WHERE {old}", values)
    changes.write(db)


def _table_of(sum: Sum) -> str:
    return "day_sum" if sum.day else "cell_sum"


def _key(table: str, sum: Sum) -> tuple[Any, ...]:
    """Return the key of a row, without NULL."""
    count = -1 if sum.execution_count is None else sum.execution_count
    places = (sum.run, sum.day) if table == "day_sum" else (sum.run, sum.notebook, sum.cell_line, count)
    configuration = bytes.fromhex(sum.configuration or "")
    return (*places, configuration, sum.outcome, sum.reason_kind, sum.match or "", sum.known, sum.size, sum.face)


def _values(table: str, sum: Sum) -> tuple[Any, ...]:
    return (*_key(table, sum), *sum[KEY:])
