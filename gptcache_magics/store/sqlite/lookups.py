"""The part of the SQLite file that records what was asked: lookups, configurations and questions."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from gptcache_magics.store.protocol import Configuration, Lookup
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sqlite.damage import fits
from gptcache_magics.store.sqlite.part import SQLitePart
from gptcache_magics.store.sqlite.statements import (
    ADD_IGNORED,
    ADD_TAG,
    LOOKUP_ENDS,
    PUT_CAUSE,
    PUT_CONFIGURATION,
    PUT_LOOKUP,
    PUT_QUESTION,
    configuration_values,
    facts_of,
    id_number,
    lookup_values,
    question_values,
    tag_values,
)
from gptcache_magics.store.sqlite.sums import FACTS, SumChanges, counts, fold, forget_sums
from gptcache_magics.store.sqlite.sweeper import FORGET_QUESTIONS, LAST_ID, LOOKUPS_READ
from gptcache_magics.store.sums import Facts, Sum

__all__ = ["SQLiteLookups"]

T = TypeVar("T")
MOST_LOOKUPS: Final = 2_000
"""Most lookups to forget when others are recorded, in 20 ms; twice those recorded, if that is more."""
MOST_QUESTIONS: Final = 10_000
"""Most questions to forget in one transaction, in 20 ms."""
PAUSE_SECONDS: Final = 0.005
"""Pause between two such transactions."""
UNASKED: Final = """id NOT IN (SELECT entry FROM lookup WHERE entry IS NOT NULL
        UNION ALL SELECT asked FROM lookup WHERE asked IS NOT NULL)"""


class SQLiteLookups(SQLitePart):
    """The half of an SQLite store that records lookups; tables read them."""

    _known_configurations: set[tuple[int, str]]
    """Configurations known to be in the file, with the epoch of that file."""

    def record(
        self, lookups: Iterable[Lookup], configurations: Iterable[Configuration], keep: int, sums: Iterable[Sum] = ()
    ) -> None:
        """Write lookups (again, if their number in the run was written before) and count their hits."""
        places = {(each.run, each.number_in_run): each for each in lookups}
        lookups = [*places.values()]
        rows = {place: lookup_values(each) for place, each in places.items()}
        configurations = list(configurations)
        questions = {question_values(each.asked or each.key, each.question) for each in lookups if each.key}
        tags = [(*tag_values(tag), id_number(each.key)) for each in lookups if each.key for tag in each.tag.split()]
        noting = [each for each in lookups if each.key and each.mode not in ("readonly", "replay")]
        ignored = [(rule, rule, id_number(each.key)) for each in noting if each.key for rule in each.ignored]
        counted: dict[tuple[str, int], Facts] = {}

        def work(db: sqlite3.Connection) -> None:
            hits: dict[int, list[float]] = {}
            changes, new = SumChanges(), []
            oldest, newest = db.execute(LOOKUP_ENDS).fetchone()
            for place, row in rows.items():
                lookup, found = places[place], db.execute(f"{FACTS} WHERE run=? AND number_in_run=?", place).fetchone()
                before = Facts._make(found) if found is not None and fits(Facts, found) else None
                if found is None and lookup.counted is not None and counts(db, lookup.counted):
                    before = lookup.counted  # the log was cut meanwhile
                elif found is None:
                    newest += 1
                number = newest if found is None else found[-1]
                if found is not None or before is None:
                    new.append(row)
                if found is None and before is None and lookup.outcome == "hit" and lookup.key:
                    hits.setdefault(id_number(lookup.key), []).append(lookup.at)
                counted[place] = after = facts_of(row, number)
                if before is not None:
                    changes.take(before)
                changes.add(after)
            changes.add_sums(sums)
            changes.write(db)
            self._put_configurations(db, configurations)
            self._put_lookups(db, new)
            db.executemany(PUT_QUESTION, questions)
            db.executemany(f"UPDATE entry SET {ADD_TAG} WHERE id=?", tags)
            db.executemany(f"UPDATE entry SET {ADD_IGNORED} WHERE id=?", ignored)
            db.executemany(
                "UPDATE entry SET hits=hits+?, accessed=max(coalesce(accessed, 0), ?) WHERE id=?",
                [(len(times), max(times), number) for number, times in hits.items()],
            )
            if newest - oldest >= keep * 1.1:
                last = min(newest - keep, oldest + max(MOST_LOOKUPS, 2 * len(rows)) - 1)
                _forget(db, oldest, last, newest - last)
                fold(db)

        self._write(work, patient=False)
        for place, facts in counted.items():
            places[place].counted = facts

    def _put_lookups(self, db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write the values of lookups, of which the first two are the run and the number in it."""
        db.executemany(PUT_LOOKUP, rows)

    def put_causes(self, causes: Mapping[int, Reason]) -> None:
        """Store the causes of misses by the numbers of their lookups, unless they have got another reason."""
        values = [(cause.kind, cause.detail, number, Kind.NEW) for number, cause in causes.items()]

        def work(db: sqlite3.Connection) -> None:
            changes = SumChanges()
            for kind, _, number, new in values:
                found = db.execute(f"{FACTS} WHERE number=? AND reason_kind=?", (number, new)).fetchone()
                if found is not None and fits(Facts, found):
                    changes.take(facts := Facts._make(found))
                    changes.add(facts._replace(reason_kind=str(kind)))
            changes.write(db)
            db.executemany(PUT_CAUSE, values)

        self._write(work, patient=False)

    def forget_lookups(self) -> int:
        """Remove every lookup, and what else tells of the past: sums and earlier answers. Return the number removed."""

        def work(db: sqlite3.Connection) -> int:
            number = db.execute("DELETE FROM lookup").rowcount
            forget_sums(db)
            for table in ("history", "damaged"):
                db.execute(f"DELETE FROM {table}")
            return number

        def next_questions(db: sqlite3.Connection) -> int | None:
            sql = "SELECT id FROM question WHERE id>=? ORDER BY id LIMIT ?"
            ids = [id for (id,) in db.execute(sql, (after, MOST_QUESTIONS))]
            _forget_questions(db, ids)
            return ids[-1] + 1 if len(ids) == MOST_QUESTIONS and ids[-1] < LAST_ID else None

        number = self._write(work)
        after: int | None = -LAST_ID - 1
        while after is not None:  # others write in between
            after = self._write(next_questions)
            time.sleep(PAUSE_SECONDS)
        self._sweep()
        return number

    def _put_configurations(self, db: sqlite3.Connection, configurations: Iterable[Configuration]) -> None:
        new = [each for each in configurations if (self._connections.epoch, each.key) not in self._known_configurations]
        db.executemany(PUT_CONFIGURATION, map(configuration_values, new))


def _forget(db: sqlite3.Connection, first: int, last: int, kept: int) -> None:
    """Forget the oldest lookups, with these numbers, and the questions that only they had; ``kept`` others stay."""
    forgotten = db.execute("SELECT entry, asked FROM lookup WHERE number BETWEEN ? AND ?", (first, last)).fetchall()
    db.execute("DELETE FROM lookup WHERE number BETWEEN ? AND ?", (first, last))
    if kept <= LOOKUPS_READ:
        _forget_questions(db, {id for row in forgotten for id in row if type(id) is int})  # others are damaged


def _forget_questions(db: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Forget those of these questions that no entry, no label and no lookup has."""
    db.execute(f"{FORGET_QUESTIONS} AND {UNASKED}", (json.dumps([*ids]),))
