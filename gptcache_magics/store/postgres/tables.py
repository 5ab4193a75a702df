"""Read a team's tables as a store of which nothing can be written: ``--at postgresql://…``.

It reads the database and no file, so that whoever runs a class sees all of it, and so that ``save`` can take all of it
home. Large tables are read through a cursor of the server, and of lookups only the newest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Any, Final, NoReturn, TypeVar

from gptcache_magics.errors import StoreError
from gptcache_magics.store.postgres import reading
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.conditions import where_entries, where_lookups
from gptcache_magics.store.postgres.connections import COMMAND_SECONDS, PATIENT_SECONDS, Connections
from gptcache_magics.store.postgres.contexts import large_contexts
from gptcache_magics.store.postgres.embedding_tables import EmbeddingTables
from gptcache_magics.store.postgres.greeting import greet
from gptcache_magics.store.postgres.line import Line
from gptcache_magics.store.postgres.records import LargeContext
from gptcache_magics.store.postgres.statements import QUESTION_CHARACTERS, sound_entry
from gptcache_magics.store.postgres.sums import read_sums, read_sums_of_authors
from gptcache_magics.store.protocol import (
    Configuration,
    Content,
    EarlierAnswer,
    EmbedderUse,
    Entry,
    EntryRow,
    EntryVector,
    Found,
    LabelRow,
    Lookup,
    LookupRow,
    Near,
    Period,
    Selection,
    StoredQuestion,
    Sum,
    Tally,
    UnembeddedEntry,
    UnshapedEntry,
)
from gptcache_magics.store.reasons import Reason
from gptcache_magics.store.search import Search
from gptcache_magics.store.sqlite.damage import Damage, fits
from gptcache_magics.store.sqlite.statements import id_number, id_text
from gptcache_magics.store.sqlite.tables import FIRST_ID, LAST_ID

__all__ = ["TeamTables"]

R = TypeVar("R", bound=tuple[Any, ...])
T = TypeVar("T")
NEWEST_LOOKUPS: Final = 110_000
"""Most lookups that are read one by one. Sums have all of them."""
PAGE_BYTES: Final = 4_000_000
"""Bytes of answers and prompts after which a page of entries ends."""
BATCH: Final = 1_000
"""Rows that are asked for at once."""
VERSION_SECONDS: Final = 2.0
"""Time for which a panel does not ask again whether something has changed."""
NAMED: Final = 20
"""Most spaces that a message names."""

_ASKED: Final = "LEFT JOIN gptcache.question q ON q.space = l.space AND q.id = coalesce(l.asked, l.entry)"
_CONTENTS: Final = """SELECT encode(configuration, 'hex'), count(*), coalesce(sum(bytes), 0)::int8, min(created),
    max(created) FROM gptcache.entry WHERE space = %s GROUP BY configuration"""
_TALLIES: Final = """SELECT encode(configuration, 'hex'), count(*) FILTER (WHERE outcome = 'hit'),
    count(*) FILTER (WHERE outcome = 'miss'), max(at) FROM gptcache.lookup WHERE space = %s GROUP BY configuration"""
_LABELS: Final = """SELECT l.asked, l.entry, l.verdict::int, l.similarity, l.objection_kind, l.objection_guard,
    l.objection_detail, l.embedder, l.at, a.question, s.question FROM gptcache.label l
    LEFT JOIN gptcache.question a ON a.space = l.space AND a.id = l.asked
    LEFT JOIN gptcache.question s ON s.space = l.space AND s.id = l.entry WHERE l.space = %s ORDER BY l.at DESC"""
_NEWEST: Final = """SELECT (SELECT newest FROM gptcache.space WHERE space = %s),
    (SELECT max(number) FROM gptcache.lookup WHERE space = %s), (SELECT max(created) FROM gptcache.entry
    WHERE space = %s)"""
_FILLED: Final = """SELECT EXISTS (SELECT FROM gptcache.entry WHERE space = %s)
    OR EXISTS (SELECT FROM gptcache.lookup WHERE space = %s)"""
_READS_EMBEDDINGS: Final = "SELECT coalesce(has_table_privilege(to_regclass('gptcache.embedding'), 'SELECT'), false)"
"""Roles that were given their rights for an earlier version may lack these."""
_HAS_EMBEDDINGS: Final = "SELECT EXISTS (SELECT FROM gptcache.embedding WHERE space = %s)"
_SPACES: Final = f"""WITH RECURSIVE found AS (SELECT min(space) AS space FROM gptcache.entry UNION ALL
    SELECT (SELECT min(e.space) FROM gptcache.entry e WHERE e.space > f.space) FROM found f WHERE f.space IS NOT NULL)
    SELECT space FROM found WHERE space IS NOT NULL LIMIT {NAMED}"""


class TeamTables(EmbeddingTables):
    """The tables of one space of a team's store. Every method may be called from any thread.

    A method raises ``StoreError`` if the server does not answer within half a minute, and whatever ``open`` raises.
    """

    readonly = True
    epoch = 0

    def __init__(self, address: Address) -> None:
        self.address = address
        self.where = address.place
        self._connections = Connections(address, self._greet)
        self._damage = Damage()
        self._empty = ""
        """Sentence about a space in which nothing is."""
        self._version: tuple[float, object] = (-VERSION_SECONDS, None)

    def _greet(self, line: Line) -> None:
        greet(line, self.address)

    @property
    def notices(self) -> Sequence[str]:
        """Messages for the user: damaged rows, and a space in which nothing is."""
        return [*([self._empty] if self._empty else []), *self._damage.notices]

    # Asking

    def open(self) -> None:
        """Connect, and raise what is wrong. Changes nothing: neither a schema nor a space is made."""
        space = self.address.space

        def look(line: Line) -> str:
            if line.one(_FILLED, space, space)[0]:
                return ""
            if line.one(_READS_EMBEDDINGS)[0] and line.one(_HAS_EMBEDDINGS, space)[0]:
                return ""
            others = [name for (name,) in line.execute(_SPACES)]
            named = f" Others: {', '.join(others)}." if others else ""
            return (
                f"There is nothing in the space {space} of {self.address.shown}, or nothing that this role sees.{named}"
            )

        self._empty = self._ask(look)

    def _ask(self, work: Callable[[Line], T]) -> T:
        """Return what ``work`` finds, as a command waits for it."""
        self._connections.ask(_nothing, COMMAND_SECONDS, command=True)
        return self._connections.ask(work, PATIENT_SECONDS, command=True)

    def _all(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return the rows of a query of which there are not many."""
        return self._ask(lambda line: line.execute(sql, values, binary=True).fetchall())

    def _rows(self, kind: type[R], noun: str, sql: str, *values: Any) -> list[R]:
        """Return the sound rows of a query; ``noun`` says what a row is."""
        return self._damage.sound(kind, self._all(sql, values), noun)

    def _one(self, sql: str, *values: Any) -> tuple[Any, ...]:
        return self._ask(lambda line: line.one(sql, *values))

    # AnswerStore

    def get(self, key: str) -> Found | None:
        """Return the entry under this exact key."""
        sql = f"SELECT {reading.ENTRY} FROM gptcache.entry e WHERE e.space = %s AND e.id = %s"
        rows = self._all(sql, (self.address.space, id_number(key)))
        entries = [found[0] for row in rows if (found := sound_entry(row[:-3])) is not None and found[0].key == key]
        return Found.of(entries[0]) if entries else None

    def recall(self, key: str) -> Found | None:
        """Return None: nothing is kept in memory."""

    def gone(self, key: str) -> Reason | None:
        """Return None: why an entry is not there is not known."""

    # EntryCatalog

    def count(self, selection: Selection = Selection()) -> tuple[int, int]:
        """Return the number of entries and the bytes of their answers."""
        if selection.grep is not None:
            sizes = [len(row.answer) for row in self.entries(selection)]
            return len(sizes), sum(sizes)
        where, values = where_entries(self.address.space, selection)
        number, size = self._one(
            f"SELECT count(*), coalesce(sum(e.bytes), 0)::int8 FROM gptcache.entry e WHERE {where}", *values
        )
        return number, size

    def entries(self, selection: Selection, limit: int | None = None) -> Sequence[EntryRow]:
        """Return entries, newest first."""
        return self._ask(lambda line: self._entries_in(line, selection, limit))

    def ids(self, selection: Selection) -> list[str]:
        """Return the ids of entries, in no order."""
        if selection.grep is not None:
            return [row.key[:16] for row in self.each_entry(selection) if row is not None]
        where, values = where_entries(self.address.space, selection)
        sql = f"SELECT e.id FROM gptcache.entry e WHERE {where}"
        return self._ask(lambda line: [id_text(id) for (id,) in _each(line, sql, values)])

    def _entries_in(self, line: Line, selection: Selection, limit: int | None) -> list[EntryRow]:
        where, values = where_entries(self.address.space, selection)
        sql = f"SELECT {reading.ENTRY} FROM gptcache.entry e WHERE {where} ORDER BY e.created DESC, e.id"
        search = Search(selection) if selection.grep is not None else None
        if search is None and limit is not None:
            sql, values = f"{sql} LIMIT %s", [*values, limit]
        with closing(_each(line, sql, values)) as found:
            rows: Iterable[EntryRow] = filter(None, map(self._sound, found))
            if search is not None:
                rows = filter(lambda row: search.finds(row.question, row.prompt, row.answer), rows)
            return list(islice(rows, limit))

    def each_entry(self, selection: Selection) -> Iterator[EntryRow | None]:
        """Yield entries in no order, and None for each damaged one."""
        search = Search(selection) if selection.grep is not None else None
        after: int | None = FIRST_ID - 1
        while after is not None and after < LAST_ID:
            page, after = self._ask(partial(self._page, selection, after))
            for row in page:
                if row is None or search is None or search.finds(row.question, row.prompt, row.answer):
                    yield row

    def _page(self, selection: Selection, after: int, line: Line) -> tuple[list[EntryRow | None], int | None]:
        """Return some entries after an id, and the last id if there may be others."""
        where, values = where_entries(self.address.space, selection)
        sql = f"SELECT {reading.ENTRY} FROM gptcache.entry e WHERE {where} AND e.id >= %s ORDER BY e.id"
        with closing(_each(line, sql, [*values, after + 1])) as found:
            return self._read_page(found)

    def _read_page(self, found: Iterable[Sequence[Any]]) -> tuple[list[EntryRow | None], int | None]:
        page: list[EntryRow | None] = []
        size = 0
        for each in found:
            row = self._sound(each)
            page.append(row)
            size += len(row.answer) + len(row.prompt) if row is not None else 0
            if size > PAGE_BYTES:
                return page, id_number(bytes(each[0]).hex()[:16])
        return page, None

    def _sound(self, values: Sequence[Any]) -> EntryRow | None:
        row = reading.entry_row(values)
        if row is None and isinstance(values[0], bytes):
            self._damage.entries.add(values[0].hex()[:16])
        return row

    def skipped(self, ids: Iterable[str]) -> None:
        """Note entries whose answers cannot be decoded."""
        self._damage.entries.update(ids)

    def unshaped(self, limit: int) -> Sequence[UnshapedEntry]:
        """Return nothing: shapes are found where they can be stored."""
        return []

    def ignored(self) -> Sequence[str]:
        """Return the rules under which any answer was stored or served."""
        sql = "SELECT DISTINCT ignored FROM gptcache.entry WHERE space = %s AND ignored <> ''"
        return [*dict.fromkeys(rule for (rules,) in self._all(sql, (self.address.space,)) for rule in rules.split())]

    def history(self, key: str) -> Sequence[EarlierAnswer]:
        """Return earlier answers under a key, newest first."""
        sql = """SELECT replaced, answer FROM gptcache.history WHERE space = %s AND id = %s
            ORDER BY replaced DESC LIMIT 100"""
        return reading.earlier_answers(self._damage, self._all(sql, (self.address.space, id_number(key))))

    def questions(self, configuration: str | None, limit: int) -> Sequence[StoredQuestion]:
        """Return the questions of the newest entries, of one configuration or of all, in no order."""
        keys = [configuration] if configuration is not None else None
        where, values = where_entries(self.address.space, Selection(configurations=keys))
        sql = f"""SELECT e.id, left(e.question, {QUESTION_CHARACTERS}) FROM gptcache.entry e WHERE {where}
            ORDER BY e.created DESC LIMIT %s"""
        return self._questions(sql, [*values, limit])

    def _questions(self, sql: str, values: Sequence[Any]) -> list[StoredQuestion]:
        rows = [(id_text(id), question) for id, question in self._all(sql, values)]
        return self._damage.sound(StoredQuestion, rows, "question")

    def contents(self) -> Sequence[Content]:
        """Return how many entries each configuration has, their size, and when the first and last were stored."""
        return self._rows(Content, "configuration", _CONTENTS, self.address.space)

    def removed(self, limit: int | None = None) -> int:
        """Return 0: a removal is undone where it was made."""
        return 0

    def forget_removed(self) -> None:
        """Do nothing: nothing was removed here."""

    # LookupLog

    def lookups(self, period: Period, limit: int | None = None) -> Sequence[LookupRow]:
        """Return lookups, newest first, ``NEWEST_LOOKUPS`` at most."""
        where, values = where_lookups(self.address.space, period)
        sql = f"SELECT {reading.LOOKUP} FROM gptcache.lookup l {_ASKED} WHERE {where} ORDER BY l.number DESC LIMIT %s"
        rows = self._ask(lambda line: list(_each(line, sql, [*values, _most(limit)])))
        return reading.lookup_rows(self._damage, rows)

    def outcomes(self, period: Period, limit: int | None = None) -> reading.TeamOutcomes:
        """Return the columns that figures are made of, newest lookup first, of ``NEWEST_LOOKUPS`` at most."""
        where, values = where_lookups(self.address.space, period)
        sql = f"SELECT {reading.OUTCOMES} FROM gptcache.lookup l WHERE {where} ORDER BY l.number DESC LIMIT %s"
        rows = self._ask(lambda line: list(_each(line, sql, [*values, _most(limit)])))
        return reading.outcomes(self._damage, rows)

    def sums(self, period: Period, *, cells: bool) -> Sequence[Sum]:
        """Return the sums of all lookups of a period, by cell or by day, newest first."""
        return self._ask(lambda line: read_sums(line, self._damage, self.address.space, period, cells=cells))

    def sums_of_authors(self, period: Period) -> Sequence[tuple[str, Sum]]:
        """Return the sums of all lookups of a period with the role of the member who asked, newest first."""
        return self._ask(lambda line: read_sums_of_authors(line, self._damage, self.address.space, period))

    def unexplained(self, limit: int) -> Sequence[LookupRow]:
        """Return nothing: causes are found where they can be stored."""
        return []

    def tallies(self) -> Sequence[Tally]:
        """Return how often each configuration ever hit and missed, and when it was asked last."""
        return self._rows(Tally, "lookup", _TALLIES, self.address.space)

    def configurations(self) -> Sequence[Configuration]:
        """Return all configurations, by provider, model and label."""
        sql = f"""SELECT {reading.CONFIGURATION} FROM gptcache.configuration WHERE space = %s
            ORDER BY provider, model, label"""
        return reading.configurations(self._damage, self._all(sql, (self.address.space,)))

    def questions_of(self, ids: Sequence[str]) -> Sequence[StoredQuestion]:
        """Return the questions that were asked or stored under these ids."""
        sql = "SELECT id, question FROM gptcache.question WHERE space = %s AND id = ANY(%s::int8[])"
        return self._questions(sql, (self.address.space, [*map(id_number, ids)]))

    # VectorStore: nothing is searched here

    def vectors(self, embedder: str, context: str, after: int) -> Sequence[EntryVector]:
        """Return nothing: a search goes through the file of the member who asks."""
        return []

    def vector_pages(self, embedder: str, context: str, after: int) -> Iterator[Sequence[EntryVector]]:
        """Return an iterator over nothing."""
        return iter(())

    def unembedded(self, embedder: str, after: str, limit: int, *, replace_others: bool) -> Sequence[UnembeddedEntry]:
        """Return nothing: no vector can be stored here."""
        return []

    def count_unembedded(self, embedder: str, *, replace_others: bool) -> int:
        """Return 0: no vector can be stored here."""
        return 0

    def count_elsewhere(self, embedder: str) -> int:
        """Return 0: no vector can be stored here."""
        return 0

    def embedders(self) -> Sequence[EmbedderUse]:
        """Return the embedders that members have used."""
        sql = "SELECT embedder, count(*), NULL::float8 FROM gptcache.vector WHERE space = %s GROUP BY embedder"
        return self._rows(EmbedderUse, "vector", sql, self.address.space)

    def probe(self, embedder: str) -> bytes | None:
        """Return None: each member's file has its own."""

    def large_contexts(self) -> Sequence[LargeContext]:
        """Return contexts of meaning that have more vectors than are searched, largest first."""
        return self._ask(partial(large_contexts, space=self.address.space))

    # LabelStore

    def judged_wrong(self, asked: str) -> frozenset[str]:
        """Return the ids of entries whose answer a person called wrong for the question asked."""
        sql = "SELECT entry FROM gptcache.label WHERE space = %s AND asked = %s AND NOT verdict"
        return frozenset(id_text(entry) for (entry,) in self._all(sql, (self.address.space, id_number(asked))))

    def labels(self) -> Sequence[LabelRow]:
        """Return the judgements of pairs of questions, newest first."""
        rows = self._all(_LABELS, (self.address.space,))
        texts = [(id_text(asked), id_text(entry), *rest) for asked, entry, *rest in rows]
        kept = [LabelRow._make(row) for row in texts if fits(LabelRow, row)]
        self._damage.skip("label", len(texts) - len(kept))
        return kept

    # Store

    def version(self) -> object:
        """Return a value that differs after every change. It is asked for every other second at most."""
        asked, value = self._version
        if time.monotonic() - asked >= VERSION_SECONDS:
            value = self._one(_NEWEST, *[self.address.space] * 3)
            self._version = time.monotonic(), value
        return value

    def generation(self) -> int:
        """Return how often the space was cleared."""
        sql = "SELECT coalesce((SELECT generation FROM gptcache.space WHERE space = %s), 0)"
        number: int = self._one(sql, self.address.space)[0]
        return number

    def settle(self) -> None:
        """Do nothing: nothing waits to be written."""

    def close(self) -> None:
        """Close the connections. The next use opens them again."""
        self._connections.close()

    # What a reader does not do

    def put(self, entry: Entry, configuration: Configuration) -> None:
        """Raise: nothing is written here, as in everything below."""
        self._refuse()

    def put_all(
        self,
        entries: Iterable[Entry],
        configurations: Iterable[Configuration],
        *,
        replace: bool,
        at: float | None = None,
    ) -> int:
        """Raise."""
        self._refuse()

    def clear(self) -> int:
        """Raise."""
        self._refuse()

    def evict(self, limit: int) -> int:
        """Raise."""
        self._refuse()

    def remove(self, selection: Selection) -> int:
        """Raise."""
        self._refuse()

    def undo(self) -> int:
        """Raise."""
        self._refuse()

    def change(self, selection: Selection, *, pinned: bool | None = None, tag: str | None = None) -> int:
        """Raise."""
        self._refuse()

    def put_shapes(self, shapes: Mapping[str, str]) -> None:
        """Raise."""
        self._refuse()

    def record(
        self, lookups: Iterable[Lookup], configurations: Iterable[Configuration], keep: int, sums: Iterable[Sum] = ()
    ) -> None:
        """Raise."""
        self._refuse()

    def forget_lookups(self) -> int:
        """Raise."""
        self._refuse()

    def put_causes(self, causes: Mapping[int, Reason]) -> None:
        """Raise."""
        self._refuse()

    def put_vectors(self, embedder: str, vectors: Iterable[tuple[str, str | None, bytes | None]]) -> None:
        """Raise."""
        self._refuse()

    def put_probe(self, embedder: str, vector: bytes) -> None:
        """Raise."""
        self._refuse()

    def choose_threshold(self, embedder: str, threshold: float) -> None:
        """Raise."""
        self._refuse()

    def put_label(self, asked: str, near: Near, right: bool) -> None:
        """Raise."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise StoreError(
            f"The tables of {self.where} are only read here. To change them: %gptcache on {self.address.typed}"
        )


def _nothing(line: Line) -> None:
    """Ask nothing: a connection was wanted."""


def _most(limit: int | None) -> int:
    return NEWEST_LOOKUPS if limit is None else min(limit, NEWEST_LOOKUPS)


def _each(line: Line, sql: str, values: Sequence[Any]) -> Generator[tuple[Any, ...], None, None]:
    """Yield the rows of a query as they are at one moment, some at a time. Each time the server may take as long."""
    with line.transaction():
        line.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        with line.cursor("gptcache_magics", binary=True) as cursor:
            cursor.execute(sql, values)
            for rows in iter(partial(_next, line, cursor), []):
                yield from rows


def _next(line: Line, cursor: Any) -> list[tuple[Any, ...]]:
    line.deadline = time.monotonic() + PATIENT_SECONDS
    rows: list[tuple[Any, ...]] = cursor.fetchmany(BATCH)
    return rows
