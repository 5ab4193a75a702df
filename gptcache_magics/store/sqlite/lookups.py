"""The part of the SQLite file that records what was asked: lookups, configurations and questions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from gptcache_magics.store.protocol import Configuration, Lookup
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sqlite.connections import Connections
from gptcache_magics.store.sqlite.statements import (
    ADD_IGNORED,
    ADD_TAG,
    PUT_CAUSE,
    PUT_CONFIGURATION,
    PUT_LOOKUP,
    PUT_QUESTION,
    configuration_values,
    id_number,
    lookup_values,
    question_values,
    tag_values,
)

__all__ = ["SQLiteLookups"]

T = TypeVar("T")
WRITTEN: Final = "SELECT 1 FROM lookup WHERE run=? AND number_in_run=?"


class SQLiteLookups:
    """The half of an SQLite store that records lookups; tables read them."""

    _connections: Connections
    _known_configurations: set[tuple[int, str]]
    """Configurations known to be in the file, with the epoch of that file."""

    def _write(self, work: Callable[[sqlite3.Connection], T], *, patient: bool = True) -> T:
        """Run ``work`` in one transaction."""
        raise NotImplementedError

    def record(self, lookups: Iterable[Lookup], configurations: Iterable[Configuration], keep: int) -> None:
        """Write lookups (again, if their number in the run was written before) and count their hits."""
        lookups = list(lookups)
        places = {(each.run, each.number_in_run): each for each in lookups if each.outcome == "hit" and each.key}
        configurations = list(configurations)
        questions = {question_values(each.asked or each.key, each.question) for each in lookups if each.key}
        tags = [(*tag_values(tag), id_number(each.key)) for each in lookups if each.key for tag in each.tag.split()]
        noting = [each for each in lookups if each.key and each.mode not in ("readonly", "replay")]
        ignored = [(rule, rule, id_number(each.key)) for each in noting if each.key for rule in each.ignored]

        def work(db: sqlite3.Connection) -> None:
            hits: dict[int, list[float]] = {}
            for place, hit in places.items():
                if hit.key and db.execute(WRITTEN, place).fetchone() is None:
                    hits.setdefault(id_number(hit.key), []).append(hit.at)
            self._put_configurations(db, configurations)
            db.executemany(PUT_LOOKUP, map(lookup_values, lookups))
            db.executemany(PUT_QUESTION, questions)
            db.executemany(f"UPDATE entry SET {ADD_TAG} WHERE id=?", tags)
            db.executemany(f"UPDATE entry SET {ADD_IGNORED} WHERE id=?", ignored)
            db.executemany(
                "UPDATE entry SET hits=hits+?, accessed=max(coalesce(accessed, 0), ?) WHERE id=?",
                [(len(times), max(times), number) for number, times in hits.items()],
            )
            oldest, newest = db.execute("SELECT min(number), max(number) FROM lookup").fetchone()
            if oldest is not None and newest - oldest >= keep * 1.1:
                db.execute("DELETE FROM lookup WHERE number <= ?", (newest - keep,))
                self._forget_questions(db)

        self._write(work, patient=False)

    def put_causes(self, causes: Mapping[int, Reason]) -> None:
        """Store the causes of misses by the numbers of their lookups, unless they have got another reason."""
        values = [(cause.kind, cause.detail, number, Kind.NEW) for number, cause in causes.items()]
        self._write(lambda db: db.executemany(PUT_CAUSE, values), patient=False)

    def forget_lookups(self) -> int:
        """Remove every lookup. Return the number removed."""

        def work(db: sqlite3.Connection) -> int:
            number = db.execute("DELETE FROM lookup").rowcount
            self._forget_questions(db)
            return number

        return self._write(work)

    def _put_configurations(self, db: sqlite3.Connection, configurations: Iterable[Configuration]) -> None:
        new = [each for each in configurations if (self._connections.epoch, each.key) not in self._known_configurations]
        db.executemany(PUT_CONFIGURATION, map(configuration_values, new))

    def _forget_questions(self, db: sqlite3.Connection) -> None:
        """Forget the questions that no entry, no lookup and no label has."""
        used = (
            "SELECT entry FROM lookup WHERE entry IS NOT NULL UNION SELECT asked FROM lookup WHERE asked IS NOT NULL"
            " UNION SELECT id FROM entry UNION SELECT asked FROM label UNION SELECT entry FROM label"
        )
        db.execute(f"DELETE FROM question WHERE id NOT IN ({used})")
