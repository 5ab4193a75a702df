"""A store in one SQLite file, with the answers that were used last kept in memory.

A hit costs no disk access: at most every 50 ms SQLite is asked (7 µs) whether another kernel wrote; if so, what it
removed or replaced is forgotten here too. An update is one transaction.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from gptcache_magics.stores.base import Configuration, Entry, Found, Lookup, Period, Rows, Selection, Usage
from gptcache_magics.stores.connections import Connections, store_folder
from gptcache_magics.stores.recent import Recent
from gptcache_magics.stores.statements import (
    BRIEF,
    FIND,
    PUT_CONFIGURATION,
    PUT_ENTRY,
    PUT_LOOKUP,
    allow_grep,
    configuration_values,
    entry_values,
    id_bytes,
    id_number,
    lookup_values,
    readable,
    rows,
    where_entries,
    where_lookups,
)

__all__ = ["SQLiteStore"]

T = TypeVar("T")
CHECK_SECONDS: Final = 0.05
DROPPED_KEPT: Final = 10_000
QUESTION_CHARACTERS: Final = 2_000
EVERYTHING: Final = Selection()


class SQLiteStore:
    """Entries and lookups in ``where/cache.db``, or in memory only for ``:memory:``."""

    def __init__(self, where: str | Path) -> None:
        folder = None if str(where) == ":memory:" else store_folder(where)
        self.where = str(folder or ":memory:")
        self._connections = Connections(folder)
        self._recent = Recent()
        self._local = threading.local()
        self._checked = 0.0
        self._dropped: int | None = None
        self._epoch = 0
        self._written: set[tuple[int, bytes]] = set()
        """Configurations known to be in the file, with the epoch of that file."""

    @property
    def readonly(self) -> bool:
        """Whether nothing can be written."""
        return self._connections.readonly

    @property
    def notices(self) -> Sequence[str]:
        """What the user must hear about this store."""
        return self._connections.notices

    def open(self) -> None:
        """Open the file now, to hear of what is wrong with it."""
        self._connections.read(lambda db: None)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._connections.close()
        self._recent.clear()

    def get(self, key: bytes) -> Found | None:
        """The entry under this exact key. Never writes."""
        now = time.monotonic()
        if now - self._checked > CHECK_SECONDS:
            self._checked = now
            self._follow()
        forgotten = self._recent.forgotten
        found = self._recent.get(key)
        if found is not None:
            return found
        row = self._connections.read(lambda db: db.execute(FIND, (id_number(key),)).fetchone())
        if row is None or row[0] != key:
            return None
        found = Found(row[0], row[1], row[2], row[3], Usage(*row[4:]))
        self._recent.remember(found, forgotten)
        return found

    def remembered(self, key: bytes) -> bool:
        """Whether ``get`` will answer from memory."""
        return key in self._recent

    def put(self, entry: Entry, configuration: Configuration) -> None:
        """Store an entry durably; a different answer already under the key goes into its history."""
        values = entry_values(entry)

        def work(db: sqlite3.Connection) -> bool:
            self._put_configurations(db, [configuration])
            old = db.execute("SELECT answer FROM entry WHERE id=?", values[:1]).fetchone()
            if old is not None and old[0] != entry.answer:
                db.execute("INSERT INTO history VALUES (?,?,?)", (values[0], entry.created, old[0]))
                db.execute("INSERT INTO dropped (id) VALUES (?)", values[:1])
            db.execute(PUT_ENTRY, values)
            return old is not None

        forgotten = self._recent.forgotten
        replaced = self._connections.write(work)
        self._written.add((self._connections.epoch, configuration.key))
        found = Found(entry.key, entry.answer, entry.created, entry.seconds, entry.usage)
        (self._recent.replace if replaced else self._recent.remember)(found, forgotten)

    def clear(self) -> int:
        """Remove every entry; the number removed."""
        return self.remove(EVERYTHING)

    def remove(self, selection: Selection) -> int:
        """Remove entries so that ``undo`` can bring them back; the number removed."""

        def work(db: sqlite3.Connection, where: str, values: Sequence[object]) -> int:
            db.execute("DELETE FROM removed")
            db.execute(f"INSERT INTO removed SELECT e.* FROM entry e WHERE {where}", values)
            if where == "1":
                db.execute("DELETE FROM dropped")
                db.execute("INSERT INTO dropped (id) VALUES (NULL)")
                db.execute("UPDATE generation SET number=number+1")
                return db.execute("DELETE FROM entry").rowcount
            db.execute("INSERT INTO dropped (id) SELECT id FROM removed")
            db.execute("DELETE FROM dropped WHERE sequence <= (SELECT max(sequence) FROM dropped) - ?", (DROPPED_KEPT,))
            return db.execute("DELETE FROM entry WHERE id IN (SELECT id FROM removed)").rowcount

        try:
            return self._select(self._connections.write, selection, work)
        finally:
            self._recent.clear()

    def generation(self) -> int:
        """How often the store was cleared."""
        number: int = self._connections.read(lambda db: db.execute("SELECT number FROM generation").fetchone()[0])
        return number

    def undo(self) -> int:
        """Bring the last removal back; the number of entries that came back."""

        def work(db: sqlite3.Connection) -> int:
            back = db.execute("INSERT OR IGNORE INTO entry SELECT * FROM removed").rowcount
            db.execute("DELETE FROM removed")
            return back

        return self._connections.write(work)

    def forget_removed(self) -> None:
        """Make the last removal final."""
        if not self.readonly and self._connections.read(lambda db: db.execute("SELECT 1 FROM removed").fetchone()):
            self._connections.write(lambda db: db.execute("DELETE FROM removed"))

    def change(self, selection: Selection, *, pinned: bool | None = None, tag: str | None = None) -> int:
        """Pin, unpin or tag entries; the number changed. An empty tag takes all tags away."""
        new: list[object] = []
        if pinned is not None:
            change, new = "pinned=?", [pinned]
        elif tag:  # tags are words between spaces: " draft lesson-1 "
            change = "tags=CASE WHEN instr(tags, ?) THEN tags WHEN tags='' THEN ? ELSE tags || ? END"
            new = [f" {tag} ", f" {tag} ", f"{tag} "]
        else:
            change = "tags=''"

        def work(db: sqlite3.Connection, where: str, values: Sequence[object]) -> int:
            chosen = f"SELECT e.id FROM entry e WHERE {where}"
            return db.execute(f"UPDATE entry SET {change} WHERE id IN ({chosen})", (*new, *values)).rowcount

        return self._select(self._connections.write, selection, work)

    def record(self, lookups: Iterable[Lookup], configurations: Iterable[Configuration], keep: int) -> None:
        """Write lookups (again, if their number in the run was written before) and count their hits."""
        lookups = list(lookups)
        configurations = list(configurations)
        questions = {id_number(each.key): readable(each.question[:QUESTION_CHARACTERS]) for each in lookups if each.key}
        hits: dict[int, list[float]] = {}
        for lookup in lookups:
            if lookup.outcome == "hit" and lookup.key:
                hits.setdefault(id_number(lookup.key), []).append(lookup.at)

        def work(db: sqlite3.Connection) -> None:
            self._put_configurations(db, configurations)
            db.executemany(PUT_LOOKUP, map(lookup_values, lookups))
            db.executemany("INSERT OR IGNORE INTO question VALUES (?,?)", questions.items())
            db.executemany(
                "UPDATE entry SET hits=hits+?, accessed=max(coalesce(accessed, 0), ?) WHERE id=?",
                [(len(times), max(times), number) for number, times in hits.items()],
            )
            oldest, newest = db.execute("SELECT min(number), max(number) FROM lookup").fetchone()
            if oldest is not None and newest - oldest >= keep * 1.1:
                db.execute("DELETE FROM lookup WHERE number <= ?", (newest - keep,))
                db.execute("DELETE FROM question WHERE id NOT IN (SELECT entry FROM lookup WHERE entry IS NOT NULL)")

        self._connections.write(work)

    def forget_lookups(self) -> int:
        """Remove every lookup; the number removed."""

        def work(db: sqlite3.Connection) -> int:
            db.execute("DELETE FROM question")
            return db.execute("DELETE FROM lookup").rowcount

        return self._connections.write(work)

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
            sql = f"SELECT e.* FROM entry e WHERE {where} ORDER BY e.created DESC"
            return rows(db.execute(f"{sql} LIMIT ?", (*values, _limit(limit))))

        return self._select(self._connections.read, selection, work)

    def history(self, key: bytes) -> Sequence[tuple[float, bytes]]:
        """Earlier answers under a key, newest first."""
        sql = "SELECT replaced, answer FROM history WHERE id=? ORDER BY replaced DESC LIMIT 100"
        return self._connections.read(lambda db: db.execute(sql, (id_number(key),)).fetchall())

    def lookups(self, period: Period, limit: int | None = None, *, brief: bool = False) -> Rows:
        """Lookups, newest first; ``brief`` leaves out what no figure is made of."""
        where, values = where_lookups(period)
        columns, join = (BRIEF, "") if brief else ("l.*, q.question", " LEFT JOIN question q ON q.id=l.entry")
        sql = f"SELECT {columns} FROM lookup l{join} WHERE {where} ORDER BY l.number DESC LIMIT ?"
        return self._connections.read(lambda db: rows(db.execute(sql, (*values, _limit(limit)))))

    def configurations(self) -> Rows:
        """All configurations, by provider, model and label."""
        sql = "SELECT * FROM configuration ORDER BY provider, model, label"
        return self._connections.read(lambda db: rows(db.execute(sql)))

    def contents(self) -> Rows:
        """How many entries each configuration has, how large, the first and the last."""
        sql = (
            "SELECT configuration AS key, count(*) AS entries, sum(bytes) AS bytes, min(created) AS first_created,"
            " max(created) AS last_created FROM entry GROUP BY configuration"
        )
        return self._connections.read(lambda db: rows(db.execute(sql)))

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

    def _put_configurations(self, db: sqlite3.Connection, configurations: Iterable[Configuration]) -> None:
        new = [each for each in configurations if (self._connections.epoch, each.key) not in self._written]
        db.executemany(PUT_CONFIGURATION, map(configuration_values, new))

    def _follow(self) -> None:
        """Forget what other connections removed or replaced since the last look."""
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
            self._recent.forget({id_bytes(number) for _, number in dropped if number is not None})

    def _changes(self, db: sqlite3.Connection) -> tuple[int, list[tuple[int, int | None]]]:
        if self._dropped is None:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name='dropped'").fetchone()
            self._dropped = row[0] if row else 0
            self._recent.clear()
        version = db.execute("PRAGMA data_version").fetchone()[0]
        if version == getattr(self._local, "version", None):
            return version, []
        return version, db.execute("SELECT sequence, id FROM dropped WHERE sequence > ?", (self._dropped,)).fetchall()


def _limit(limit: int | None) -> int:
    return -1 if limit is None else limit
