"""Read the SQLite file for tables: entries, lookups, configurations and their totals."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import fields
from itertools import chain
from typing import Any, Final, TypeVar

from gptcache_magics.store.protocol import (
    Configuration,
    Content,
    EarlierAnswer,
    EntryRow,
    LookupRow,
    Outcomes,
    Period,
    Selection,
    StoredQuestion,
    Tally,
    UnshapedEntry,
)
from gptcache_magics.store.reasons import Kind
from gptcache_magics.store.sqlite.conditions import chosen, in_order, names_few, where_lookups
from gptcache_magics.store.sqlite.damage import column_fits, fits
from gptcache_magics.store.sqlite.live import LIVE
from gptcache_magics.store.sqlite.part import SQLitePart
from gptcache_magics.store.sqlite.statements import (
    CONFIGURATION,
    ENTRY,
    LOOKUP,
    OUTCOMES,
    exact,
    hex_of,
    id_number,
    id_of,
    id_text,
    moment,
    sound_row,
)
from gptcache_magics.store.sqlite.sums import TALLIES, read_sums
from gptcache_magics.store.sums import Sum

__all__ = ["EVERYTHING", "FIRST_ID", "LAST_ID", "SQLiteTables"]

R = TypeVar("R", bound=tuple[Any, ...])
T = TypeVar("T")
EVERYTHING: Final = Selection()
QUESTIONS: Final = f"SELECT {id_of('id')}, question FROM question"
FIRST_ID: Final = -(2**63)
LAST_ID: Final = 2**63 - 1
PAGE_ENTRIES: Final = 5_000
PAGE_BYTES: Final = 2_000_000
RECENT: Final = 10_000
"""Newest lookups of which the misses are explained when a table is read."""


class SQLiteTables(SQLitePart):
    """The reading half of a store in one SQLite file."""

    def generation(self) -> int:
        """Return how often the store was cleared."""
        number: int = self._connections.read(lambda db: db.execute("SELECT number FROM generation").fetchone()[0])
        return number

    def count(self, selection: Selection = EVERYTHING) -> tuple[int, int]:
        """Return the number of entries and the bytes of their answers."""

        def work(db: sqlite3.Connection, where: str, values: Sequence[object]) -> tuple[int, int]:
            sql = f"SELECT count(*), total(e.bytes) FROM entry e WHERE {where}"
            number, size = db.execute(sql, values).fetchone()
            return number, int(size)

        return self._select(self._connections.read, selection, work)

    def entries(self, selection: Selection, limit: int | None = None) -> Sequence[EntryRow]:
        """Return entries, newest first."""

        def work(db: sqlite3.Connection, where: str, values: Sequence[object]) -> list[EntryRow]:
            few = names_few(selection) or selection.grep is not None
            # To sort a few costs less than to go through all by an index.
            order = "e.created" if in_order(selection) and not few else "+e.created"
            newest = f"{where} ORDER BY {order} DESC LIMIT ?"
            if not (few or in_order(selection)):  # all are read, in the order of the file
                newest = f"e.id IN (SELECT e.id FROM entry e NOT INDEXED WHERE {newest}) ORDER BY {order} DESC"
            sql = f"SELECT {ENTRY}, e.id, e.checksum FROM entry e WHERE {newest}"
            return list(filter(None, map(self._sound_row, db.execute(sql, (*values, _limit(limit))))))

        return self._select(self._connections.read, selection, work, limit)

    def each_entry(self, selection: Selection) -> Iterator[EntryRow | None]:
        """Yield entries in no order, and None for each damaged one. Others write between two pages of them."""
        where, values = self._connections.read(lambda db: chosen(db, selection))
        first: int | None = FIRST_ID

        def work(db: sqlite3.Connection) -> tuple[list[EntryRow | None], int | None]:
            # By row number only: through another index, SQLite would sort all entries that fit for each page.
            rows_in_order = f"FROM entry e NOT INDEXED WHERE {where} AND e.id>=? ORDER BY e.id LIMIT ?"
            sql = f"SELECT {ENTRY}, e.id, e.checksum {rows_in_order}"
            with closing(db.execute(sql, (*values, first, PAGE_ENTRIES))) as rows:
                return self._page(rows)

        while first is not None and first <= LAST_ID:
            page, last = self._connections.read(work)
            first = None if last is None else last + 1
            yield from page

    def _page(self, rows: Iterable[Sequence[Any]]) -> tuple[list[EntryRow | None], int | None]:
        """Return as many rows as a page holds, and the last id if there may be others."""
        page: list[EntryRow | None] = []
        size, last = 0, None
        for row in rows:
            sound = self._sound_row(row)
            page.append(sound)
            texts = row if sound is None else (sound.prompt, sound.question, sound.answer)
            size += sum([len(value) for value in texts if type(value) in (str, bytes)])
            last = row[-2]
            if size > PAGE_BYTES:
                return page, last
        return page, last if len(page) == PAGE_ENTRIES else None

    def _sound_row(self, row: Sequence[Any]) -> EntryRow | None:
        """Return what was read as ``ENTRY`` with id and checksum; None, and a note of it, if it is damaged."""
        sound = sound_row(row)
        if sound is None:
            self._damage.entries.add(id_text(row[-2]))
        return sound

    def unshaped(self, limit: int) -> Sequence[UnshapedEntry]:
        """Return entries whose shape is not known, by id."""
        sql = f"SELECT {hex_of('key')}, prompt FROM entry e WHERE shape IS NULL AND {LIVE} ORDER BY id LIMIT ?"
        found = self._connections.read(lambda db: db.execute(sql, (limit,)).fetchall())
        return [UnshapedEntry(key, exact(prompt)) for key, prompt in found if isinstance(prompt, str | bytes)]

    def ignored(self) -> Sequence[str]:
        """Return the rules under which any answer was stored or served."""
        sql = f"SELECT DISTINCT ignored FROM entry e WHERE ignored<>'' AND {LIVE}"
        found = self._connections.read(lambda db: db.execute(sql).fetchall())
        return [*dict.fromkeys(rule for (rules,) in found for rule in str(rules).split())]

    def history(self, key: str) -> Sequence[EarlierAnswer]:
        """Return earlier answers under a key, newest first."""
        sql = "SELECT replaced, answer FROM history WHERE id=? ORDER BY replaced DESC LIMIT 100"
        return self._rows(EarlierAnswer, "earlier answer", sql, id_number(key))

    def lookups(self, period: Period, limit: int | None = None) -> Sequence[LookupRow]:
        """Return lookups, newest first."""
        where, values = where_lookups(period)
        asked = "LEFT JOIN question q ON q.id=coalesce(l.asked, l.entry)"
        sql = f"SELECT {LOOKUP} FROM lookup l {asked} WHERE {where} ORDER BY l.number DESC LIMIT ?"
        if period.asked is not None and not self._was_asked(period.asked):  # else all lookups are read in vain
            return []
        return self._rows(LookupRow, "lookup", sql, *values, _limit(limit))

    def _was_asked(self, id: str) -> bool:
        """Return whether a lookup can have this id: the question of each is kept."""
        sql = "SELECT 1 FROM question WHERE id=?"
        return self._connections.read(lambda db: db.execute(sql, (id_number(id),)).fetchone() is not None)

    def unexplained(self, limit: int) -> Sequence[LookupRow]:
        """Return recent misses whose cause nobody has looked for, newest first."""
        asked = "LEFT JOIN question q ON q.id=coalesce(l.asked, l.entry)"
        recent = f"l.number > (SELECT max(number) FROM lookup) - {RECENT}"
        new = f"l.outcome='miss' AND l.reason_kind='{Kind.NEW}'"
        sql = f"SELECT {LOOKUP} FROM lookup l {asked} WHERE {recent} AND {new} ORDER BY l.number DESC LIMIT ?"
        return self._rows(LookupRow, "lookup", sql, limit)

    def sums(self, period: Period, *, cells: bool) -> Sequence[Sum]:
        """Return the sums of all lookups of a period, kept or not, by cell or by day, newest first."""
        return self._connections.read(lambda db: read_sums(db, self._damage, period, cells=cells))

    def outcomes(self, period: Period, limit: int | None = None) -> Outcomes:
        """Return the columns that figures are made of, newest lookup first."""
        where, given = where_lookups(period)
        values = (*given, _limit(limit))
        sql = f"SELECT {OUTCOMES} FROM lookup l WHERE {where} ORDER BY l.number DESC LIMIT ?"
        names = [each.name for each in fields(Outcomes)]
        # One list of all values, for the garbage collector would look through as many tuples as there are lookups.
        found = self._connections.read(lambda db: list(chain.from_iterable(db.execute(sql, values))))
        columns = {name: found[at :: len(names)] for at, name in enumerate(names)}
        texts = {key: key.hex() if isinstance(key, bytes) else None for key in {*columns["configuration"]}}  # few
        columns["configuration"] = list(map(texts.get, columns["configuration"]))
        return Outcomes(**self._sound_columns(columns))

    def _sound_columns(self, columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Return the columns of lookups without the damaged ones. Whole columns are looked at, for speed."""
        if all(column_fits(Outcomes, name, column) for name, column in columns.items()):
            return columns
        rows = list(zip(*columns.values(), strict=True))
        kept = [row for row in rows if fits(Outcomes, row)]
        self._damage.skip("lookup", len(rows) - len(kept))
        return {name: [row[place] for row in kept] for place, name in enumerate(columns)}

    def configurations(self) -> Sequence[Configuration]:
        """Return all configurations, by provider, model and label."""
        sql = f"SELECT {CONFIGURATION} FROM configuration ORDER BY provider, model, label"
        found = self._connections.read(lambda db: db.execute(sql).fetchall())
        kept = [Configuration(*row) for row in found if fits(Configuration, row)]
        self._damage.skip("configuration", len(found) - len(kept))
        return kept

    def tallies(self) -> Sequence[Tally]:
        """Return how often each configuration hit and missed, and when it was asked last."""
        return self._rows(Tally, "sum", TALLIES)

    def contents(self) -> Sequence[Content]:
        """Return how many entries each configuration has, their size, and when the first and last were stored."""
        first, last = (f"coalesce({each}({moment('created')}), 0.0)" for each in ("min", "max"))
        counts = f"count(*), CAST(total(bytes) AS INTEGER), {first}, {last}"
        sql = f"SELECT {hex_of('configuration')}, {counts} FROM entry e WHERE {LIVE} GROUP BY configuration"
        return self._rows(Content, "configuration", sql)

    def questions(self, configuration: str | None, limit: int) -> Sequence[StoredQuestion]:
        """Return the questions of the newest entries, of one configuration or of all, in no order."""
        where, values = ("configuration=?", (bytes.fromhex(configuration),)) if configuration is not None else ("1", ())
        newest = f"SELECT id FROM entry e WHERE {where} AND {LIVE} ORDER BY created DESC LIMIT ?"  # from an index only
        sql = f"{QUESTIONS} WHERE id IN ({newest})"
        return self._rows(StoredQuestion, "question", sql, *values, limit)

    def questions_of(self, ids: Sequence[str]) -> Sequence[StoredQuestion]:
        """Return the questions under these ids."""
        numbers = json.dumps([*map(id_number, ids)])
        sql = f"{QUESTIONS} WHERE id IN (SELECT value FROM json_each(?))"
        return self._rows(StoredQuestion, "question", sql, numbers)

    def _rows(self, kind: type[R], noun: str, sql: str, *values: object) -> list[R]:
        """Return the sound rows that a query finds; ``noun`` says what a row is."""
        return self._connections.read(lambda db: self._damage.sound(kind, db.execute(sql, values), noun))

    def _select(
        self,
        run: Callable[[Callable[[sqlite3.Connection], T]], T],
        selection: Selection,
        work: Callable[[sqlite3.Connection, str, Sequence[object]], T],
        limit: int | None = None,
    ) -> T:
        """Run ``work`` on the entries of a selection, with the condition and its values."""
        return run(lambda db: work(db, *chosen(db, selection, limit)))


def _limit(limit: int | None) -> int:
    return -1 if limit is None else limit
