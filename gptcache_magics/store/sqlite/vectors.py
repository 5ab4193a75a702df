"""The part of the SQLite file that matching by meaning needs: the vectors of entries, and labels."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, Final

from gptcache_magics.store.protocol import EmbedderUse, EntryVector, LabelRow, Near, UnembeddedEntry
from gptcache_magics.store.sqlite.damage import fits, label_checksum, vector_checksum
from gptcache_magics.store.sqlite.live import LIVE
from gptcache_magics.store.sqlite.part import SQLitePart
from gptcache_magics.store.sqlite.statements import exact, hex_of, id_number, id_of, id_text, objection_values

__all__ = ["VECTORS_AGAIN", "SQLiteVectors"]

BEFORE_ALL: Final = -(2**63)
# Entries that an embedder has not seen; with the second value false, that no embedder has seen.
_UNEMBEDDED: Final = f"""FROM entry e WHERE e.sample=0 AND {LIVE}
    AND NOT EXISTS (SELECT 1 FROM vector v WHERE v.id=e.id AND (v.embedder=? OR (NOT ? AND v.vector IS NOT NULL)))"""
UNEMBEDDED: Final = f"""SELECT {hex_of("e.key")}, {hex_of("e.configuration")}, e.prompt {_UNEMBEDDED}
    AND e.id > ? ORDER BY e.id LIMIT ?"""
_STORED: Final = f"EXISTS (SELECT 1 FROM entry e WHERE e.id=v.id AND {LIVE})"
ELSEWHERE: Final = f"""SELECT count(*) FROM (SELECT 1 FROM vector v WHERE vector IS NOT NULL AND {_STORED}
    GROUP BY id HAVING NOT max(instr(embedder, ?) = 1))"""
# Nothing is kept of an entry that was removed meanwhile.
PUT_VECTOR: Final = f"""INSERT OR REPLACE INTO vector (id, embedder, context, vector, checksum)
    SELECT id, ?, ?, ?, ? FROM entry e WHERE e.id=? AND {LIVE}"""
# After many entries came back, all vectors of a context count as new.
_VECTORS: Final = """SELECT sequence, v.id, vector, checksum FROM vector v
    WHERE embedder=? AND context=? AND sequence > ? AND {} ORDER BY sequence LIMIT ?"""
VECTORS: Final = _VECTORS.format(_STORED)
# Entries in the order of their vectors stand everywhere in the file; of many, those that are not live are read first.
EVERY_VECTOR: Final = _VECTORS.format(1)
NOT_LIVE: Final = f"SELECT e.id FROM entry e WHERE NOT ({LIVE})"  # from an index only
UNDONE: Final = "SELECT undone FROM generation"
PAGE: Final = 2_000
"""Vectors that are read at once."""
VECTORS_AGAIN: Final = """INSERT OR REPLACE INTO vector (id, embedder, context, vector, checksum)
    SELECT id, embedder, context, vector, checksum FROM vector WHERE id IN ({})"""
EMBEDDERS: Final = f"""SELECT embedder, coalesce(vectors, 0) AS vectors, threshold FROM
    (SELECT embedder FROM vector UNION SELECT embedder FROM threshold)
    LEFT JOIN (SELECT embedder, count(vector) AS vectors FROM vector v WHERE {_STORED} GROUP BY embedder)
    USING (embedder) LEFT JOIN threshold USING (embedder) ORDER BY embedder"""
PUT_LABEL: Final = """INSERT OR REPLACE INTO label
    (asked, entry, verdict, similarity, embedder, at, objection_kind, objection_guard, objection_detail, checksum)
    VALUES (?,?,?,?,?,?,?,?,?,?)"""
LABELS: Final = f"""SELECT {id_of("l.asked")} AS asked, {id_of("l.entry")} AS entry, l.verdict AS right,
    l.similarity, l.objection_kind, l.objection_guard, l.objection_detail, l.embedder, l.at,
    a.question AS asked_question, s.question AS stored_question
    FROM label l LEFT JOIN question a ON a.id=l.asked LEFT JOIN question s ON s.id=l.entry ORDER BY l.at DESC"""


class SQLiteVectors(SQLitePart):
    """The half of an SQLite store that matching by meaning needs."""

    def unembedded(self, embedder: str, after: str, limit: int, *, replace_others: bool) -> Sequence[UnembeddedEntry]:
        """Return entries that this embedder has not seen, after the one with the id ``after``."""
        first = id_number(after) if after else BEFORE_ALL
        values = (embedder, replace_others, first, limit)
        found = self._connections.read(lambda db: db.execute(UNEMBEDDED, values).fetchall())
        return [UnembeddedEntry(key, configuration, exact(prompt)) for key, configuration, prompt in found]

    def count_unembedded(self, embedder: str, *, replace_others: bool) -> int:
        """Return how many entries this embedder has not seen."""
        sql = f"SELECT count(*) {_UNEMBEDDED}"
        number: int = self._connections.read(lambda db: db.execute(sql, (embedder, replace_others)).fetchone()[0])
        return number

    def count_elsewhere(self, embedder: str) -> int:
        """Return how many entries only other embedders have embedded."""
        number: int = self._connections.read(lambda db: db.execute(ELSEWHERE, (f"{embedder}/",)).fetchone()[0])
        return number

    def put_vectors(self, embedder: str, vectors: Iterable[tuple[str, str | None, bytes | None]]) -> None:
        """Store key, context and vector of entries; None where no search may find the entry."""
        values = []
        for key, context, vector in vectors:
            number, where = id_number(key), bytes.fromhex(context) if context is not None else None
            values.append((embedder, where, vector, vector_checksum(number, embedder, where, vector), number))

        self._write(lambda db: self._put_vectors(db, values))

    def _put_vectors(self, db: sqlite3.Connection, values: Sequence[tuple[Any, ...]]) -> None:
        """Write the values of vectors, of which the last is the number of the entry's id."""
        db.executemany(PUT_VECTOR, values)

    def vectors(self, embedder: str, context: str, after: int) -> Sequence[EntryVector]:
        """Return the vectors of one context in the order in which they came, from the one after ``after``."""
        return [*chain.from_iterable(self.vector_pages(embedder, context, after))]

    def vector_pages(self, embedder: str, context: str, after: int) -> Iterator[Sequence[EntryVector]]:
        """Yield the vectors of one context in pages, in the order in which they came, from the one after ``after``."""
        where = bytes.fromhex(context)
        found = self._connections.read(lambda db: db.execute(UNDONE).fetchone())
        # As it was before the first page: entries that come back between two pages are read at the next search.
        undone = found[0] if found is not None and isinstance(found[0], int) else 0
        last, skipped = 0 if after < undone else after, 0
        gone: set[int] | None = None
        more = True
        while more:
            values = (embedder, where, last, PAGE)
            rows = self._connections.read(partial(_fetched, VECTORS if gone is None else EVERY_VECTOR, values))
            more = len(rows) == PAGE
            if rows:
                last = rows[-1][0]
            rows = [row for row in rows if row[1] not in gone] if gone else rows
            page = [
                EntryVector(max(sequence, undone), id_text(id), vector)
                for sequence, id, vector, checksum in rows
                if type(vector) is bytes
                and type(id) is int
                and checksum in (None, vector_checksum(id, embedder, where, vector))
            ]
            skipped += len(rows) - len(page)
            if more and gone is None:
                gone = self._connections.read(_not_live)
            if page:
                yield page
        self._damage.skip("vector", skipped)

    def embedders(self) -> Sequence[EmbedderUse]:
        """Return the embedders that were used here."""
        found = self._connections.read(lambda db: db.execute(EMBEDDERS).fetchall())
        return self._damage.sound(EmbedderUse, found, "threshold")

    def probe(self, embedder: str) -> bytes | None:
        """Return the vector that an embedder of this name once gave for a known text."""
        sql = "SELECT vector FROM probe WHERE embedder=?"
        row = self._connections.read(lambda db: db.execute(sql, (embedder,)).fetchone())
        return row[0] if row is not None and isinstance(row[0], bytes) else None

    def put_probe(self, embedder: str, vector: bytes) -> None:
        """Store what an embedder of this name gives for that text, unless one is stored."""
        sql = "INSERT OR IGNORE INTO probe VALUES (?,?)"
        self._write(lambda db: db.execute(sql, (embedder, vector)))

    def choose_threshold(self, embedder: str, threshold: float) -> None:
        """Store which cosine is enough with this embedder."""
        sql = "INSERT OR REPLACE INTO threshold VALUES (?,?)"
        self._write(lambda db: db.execute(sql, (embedder, threshold)))

    def put_label(self, asked: str, near: Near, right: bool) -> None:
        """Store a person's verdict: whether the answer of ``near`` is right for the question asked."""
        ids = id_number(asked), id_number(near.key)
        facts = (*ids, right, near.similarity, near.embedder, time.time(), *objection_values(near))
        values = (*facts, label_checksum(*ids, right))
        self._write(lambda db: self._put_label(db, values))

    def _put_label(self, db: sqlite3.Connection, values: Sequence[Any]) -> None:
        """Write the values of a label, of which the first is the number of the question's id."""
        db.execute(PUT_LABEL, values)

    def judged_wrong(self, asked: str) -> frozenset[str]:
        """Return the ids of entries whose answer a person called wrong for the question asked.

        A damaged label counts as one that says so.
        """
        number = id_number(asked)
        sql = "SELECT entry, verdict, checksum FROM label WHERE asked=?"
        found = self._connections.read(lambda db: db.execute(sql, (number,)).fetchall())
        return frozenset(id_text(entry) for entry, right, found in found if not _is_right(number, entry, right, found))

    def labels(self) -> Sequence[LabelRow]:
        """Return the judgements of pairs of questions, newest first."""
        found = self._connections.read(lambda db: db.execute(LABELS).fetchall())
        verdict = LabelRow._fields.index("right")
        kept = [row for row in found if row[verdict] in (0, 1) and fits(LabelRow, row)]
        self._damage.skip("label", len(found) - len(kept))
        return list(map(LabelRow._make, kept))


def _fetched(sql: str, values: Sequence[Any], db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return db.execute(sql, values).fetchall()


def _not_live(db: sqlite3.Connection) -> set[int]:
    return {id for (id,) in db.execute(NOT_LIVE)}


def _is_right(asked: int, entry: int, right: object, found: int | None) -> bool:
    return right == 1 and found in (None, label_checksum(asked, entry, True))
