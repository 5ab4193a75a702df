"""The operations of a team's store: what the local tier asks of it, and sends to it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np
import psycopg

from gptcache_magics.errors import StoreError
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.connections import (
    COMMAND_SECONDS,
    PATIENT_SECONDS,
    Connections,
    connected,
)
from gptcache_magics.store.postgres.contexts import large_contexts
from gptcache_magics.store.postgres.embeddings import TeamEmbeddings
from gptcache_magics.store.postgres.failure import setting_up
from gptcache_magics.store.postgres.greeting import NeedsSchema, greet
from gptcache_magics.store.postgres.leases import Leases
from gptcache_magics.store.postgres.line import Line
from gptcache_magics.store.postgres.records import KEPT_OF_A_CONTEXT, Change, LargeContext, TeamAnswer, TeamVector
from gptcache_magics.store.postgres.schema import MAKE_WEEKS, VERSION, bring_forward
from gptcache_magics.store.postgres.statements import (
    FIND,
    FOUND,
    PUT_CONFIGURATION,
    PUT_ENTRY,
    PUT_LABEL,
    PUT_LOOKUP,
    PUT_QUESTION,
    StoredEntry,
    configuration_values,
    entry_values,
    is_shared,
    label_values,
    lookup_values,
    question_values,
    sound_entry,
)
from gptcache_magics.store.postgres.writing import keep, write
from gptcache_magics.store.protocol import Configuration, Entry, LabelRow, LookupRow
from gptcache_magics.store.sqlite.statements import id_number, id_text

__all__ = ["TeamDatabase"]

T = TypeVar("T")
WEEKS_SECONDS: Final = 24 * 3600.0
"""Time after which the partitions of the next week are asked for."""

_NEWEST: Final = "SELECT coalesce((SELECT newest FROM gptcache.space WHERE space = %s), 0)"
_CHANGES: Final = """SELECT s.newest, s.pruned, c.sequence, c.id, c.why, c.origin FROM gptcache.space s
    LEFT JOIN gptcache.change c ON c.space = s.space AND c.sequence > %s WHERE s.space = %s ORDER BY c.sequence"""
_KNOWN_LOOKUPS: Final = """SELECT l.run, l.number_in_run FROM gptcache.lookup l
    JOIN unnest(%s::text[], %s::int8[], %s::float8[]) AS w (run, number_in_run, at)
    ON l.run = w.run AND l.number_in_run = w.number_in_run AND l.at = w.at WHERE l.space = %s"""
_HITS: Final = """UPDATE gptcache.entry SET hits = hits + %s, accessed = greatest(accessed, %s)
    WHERE space = %s AND id = %s"""
_PUT_VECTOR: Final = """INSERT INTO gptcache.vector AS t (space, id, embedder, context, vector)
    SELECT e.space, e.id, %s, %s, %s FROM gptcache.entry e WHERE e.space = %s AND e.id = %s
    ON CONFLICT (space, id, embedder) DO UPDATE SET context = excluded.context, vector = excluded.vector
    WHERE t.context <> excluded.context OR t.vector <> excluded.vector"""
_VECTORS: Final = f"""SELECT v.sequence, v.vector, {FOUND} FROM gptcache.vector v
    JOIN gptcache.entry e ON e.space = v.space AND e.id = v.id
    WHERE v.space = %s AND v.embedder = %s AND v.context = %s AND v.sequence > greatest(%s, coalesce((
        SELECT o.sequence FROM gptcache.vector o WHERE o.space = %s AND o.embedder = %s AND o.context = %s
        ORDER BY o.sequence DESC OFFSET {KEPT_OF_A_CONTEXT} LIMIT 1), 0))
    ORDER BY v.sequence LIMIT %s"""
_REMOVE: Final = """WITH those AS
    (SELECT id FROM gptcache.entry WHERE space = %s AND id = ANY(%s) ORDER BY id FOR UPDATE)
    DELETE FROM gptcache.entry e USING those t WHERE e.space = %s AND e.id = t.id"""
_NOTE_REMOVED: Final = "INSERT INTO gptcache.change (space, id, why, origin) VALUES (%s, %s, 'removed', %s)"


class TeamDatabase:
    """One space of a team's store. Every method may be called from any thread.

    A method raises ``TeamAway`` if the store does not answer in time (``find``, ``newest``, ``changes``, ``vectors``
    and ``judged_wrong`` within half a second), at once while it is known to be away, and another ``StoreError`` if it
    answers that something is wrong. After each error the same call may be made again: all writing is idempotent.

    Parameters
    ----------
    origin
        Text that marks the changes that this object makes, 100 characters at most.
    """

    def __init__(self, address: Address, origin: str = "") -> None:
        self.address, self.origin = address, origin
        self.readonly = False
        """Whether the role may only read. Known once connected."""
        self.identity = ""
        """Text that every database has of its own, also one that was made again at the same address. Once connected."""
        self.role = ""
        """Name of the role. Known once connected."""
        self.pooled = address.pooled
        """Whether a pooler is between. Known once connected."""
        self._connections = Connections(address, self._greet)
        self.leases = Leases(self._connections, address.space, origin)
        """What this kernel asks models about, if other kernels are to wait for the answers."""
        self.embeddings = TeamEmbeddings(self._connections, address.space, origin, lambda: self.identity)
        """What members had embedded."""
        self._known: set[tuple[str, str]] = set()
        """Configurations that are known to be there, with the identity of the database."""
        self._distrusted: set[str] = set()
        """Ids under which something damaged was found."""
        self._weeks_made = -WEEKS_SECONDS

    @property
    def away(self) -> str:
        """Sentence that says why the store cannot be asked now; empty if it can."""
        return self._connections.away

    @property
    def away_since(self) -> float | None:
        """Moment since which the store cannot be asked; None if it can."""
        return self._connections.away_since

    @property
    def refused(self) -> bool:
        """Whether only the user can mend why it cannot be asked, such as a wrong password."""
        return self._connections.refused

    # Connecting

    def connect(self) -> None:
        """Connect as a command does: wait 5 seconds at most, bring the schema forward, and raise what is wrong."""
        try:
            self._connections.ask(lambda line: None, COMMAND_SECONDS, command=True)
        except NeedsSchema:
            self.set_up()
            self._connections.ask(lambda line: None, COMMAND_SECONDS, command=True)

    def set_up(self) -> None:
        """Bring the schema forward, or make it."""
        with connected(self.address) as line:
            line.deadline = time.monotonic() + PATIENT_SECONDS
            try:
                bring_forward(line, VERSION)
            except psycopg.errors.InsufficientPrivilege:
                raise StoreError(
                    f"There is no store of this version at {self.address.shown} yet, and this role may not make it. "
                    f"Whoever runs the database types: {setting_up(self.address)}"
                ) from None

    def _greet(self, line: Line) -> None:
        """Look at the database that a new connection leads to, and raise what is wrong with it."""
        found = greet(line, self.address)
        self.pooled, self.role, self.identity, self.readonly = line.pooled, found.role, found.identity, found.readonly

    # Reading

    def find(self, key: str) -> TeamAnswer:
        """Return the answer under an exact key."""
        values = (self.address.space, self.address.space, id_number(key))
        newest, *row = self._connections.ask(partial(_found, values))
        stored = StoredEntry._make(row)
        if stored.key is None:
            return TeamAnswer(None, "", False, newest)
        found = sound_entry(row)
        if found is None or found[0].key[:16] != key[:16]:
            self._distrusted.add(key[:16])
            return TeamAnswer(None, "", True, newest)
        entry, author = found
        return TeamAnswer(entry, author, False, newest) if entry.key == key else TeamAnswer(None, "", False, newest)

    def distrust(self, ids: Iterable[str]) -> None:
        """Let the next answers under these ids replace what is there: it could not be decoded."""
        self._distrusted.update(ids)

    def newest(self) -> int:
        """Return the sequence of the newest change; 0 if there is none."""
        number: int = self._connections.ask(lambda line: line.one(_NEWEST, self.address.space)[0])
        return number

    def changes(self, after: int) -> Sequence[Change] | None:
        """Return the changes after one, oldest first; None if some of them are not kept any more."""
        rows = self._connections.ask(
            lambda line: line.execute(_CHANGES, (after, self.address.space), binary=True).fetchall()
        )
        newest, pruned = rows[0][:2] if rows else (0, 0)
        if after > newest or after < pruned:  # more was seen than there is: it is another database, or an older copy
            return None
        return [
            Change(sequence, None if id is None else id_text(id), why, origin)
            for _, _, sequence, id, why, origin in rows
            if sequence is not None
        ]

    def vectors(self, embedder: str, context: str, after: int, limit: int) -> Sequence[TeamVector]:
        """Return the vectors of one context after a sequence, oldest first; of the newest 10,000 only."""
        space, where = self.address.space, bytes.fromhex(context)
        values = (space, embedder, where, after, space, embedder, where, limit)
        rows = self._connections.ask(lambda line: line.execute(_VECTORS, values, binary=True).fetchall())
        found = [sound for row in rows if (sound := _sound_vector(row)) is not None]
        if rows and not found and len(rows) == limit:
            return self.vectors(embedder, context, rows[-1][0], limit)
        return found

    def large_contexts(self) -> Sequence[LargeContext]:
        """Return contexts of meaning that have more vectors than are searched, largest first."""
        return self._connections.ask(partial(large_contexts, space=self.address.space), PATIENT_SECONDS, command=True)

    def judged_wrong(self, asked: str) -> frozenset[str]:
        """Return the ids of entries whose answer somebody called wrong for the question asked."""
        sql = "SELECT entry FROM gptcache.label WHERE space = %s AND asked = %s AND NOT verdict"
        values = (self.address.space, id_number(asked))
        rows = self._connections.ask(lambda line: line.execute(sql, values, binary=True).fetchall())
        return frozenset(id_text(entry) for (entry,) in rows)

    # Writing

    def put(self, entries: Sequence[Entry], configurations: Sequence[Configuration]) -> int:
        """Store entries. A newer answer replaces an older one, an equal one changes nothing.

        Returns the newest change that was visible before. Entries that are too large for a team, or whose values no
        database can keep, are left out.
        """
        space, distrusted = self.address.space, set(self._distrusted)
        newest_of: dict[str, Entry] = {}
        for entry in sorted(filter(is_shared, entries), key=lambda each: each.created):
            newest_of[entry.key[:16]] = entry
        shared = sorted(newest_of.values(), key=lambda each: id_number(each.key))  # all lock them in one order
        rows = [entry_values(space, e, self.origin, damaged=e.key[:16] in distrusted) for e in shared]
        questions = [question_values(space, each.key, each.question) for each in shared]
        configured = self._new(configurations)

        def work(line: Line) -> int:
            keep(line, PUT_CONFIGURATION, [configuration_values(space, each) for each in configured])
            keep(line, PUT_ENTRY, rows)
            keep(line, PUT_QUESTION, questions)
            self.leases.end(line, [id_number(each.key) for each in entries])
            return int(line.one(_NEWEST, space)[0])

        newest = self._write(work)
        self._note(configured)
        self._distrusted.difference_update(distrusted & newest_of.keys())
        return newest

    def record(self, lookups: Sequence[LookupRow], configurations: Sequence[Configuration]) -> int:
        """Store lookups, and count the hits of those that are new. Returns the newest change."""
        space, configured = self.address.space, self._new(configurations)
        rows = {(each.run, each.number_in_run, each.at): each for each in lookups}
        values = [lookup_values(space, each) for each in rows.values()]
        asked = {each.question_id: each.question for each in rows.values() if each.question_id and each.question}
        questions = [
            question_values(space, id, text) for id, text in sorted(asked.items(), key=lambda each: id_number(each[0]))
        ]
        columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], []]
        make_weeks = time.monotonic() - self._weeks_made > WEEKS_SECONDS

        def work(line: Line) -> int:
            known = set(line.execute(_KNOWN_LOOKUPS, (*columns, space), binary=True).fetchall())
            hits: dict[int, list[float]] = defaultdict(list)
            for (run, number, at), row in rows.items():
                if row.outcome == "hit" and row.entry and (run, number) not in known:
                    hits[id_number(row.entry)].append(at)
            keep(line, PUT_CONFIGURATION, [configuration_values(space, each) for each in configured])
            keep(line, PUT_LOOKUP, values)
            keep(line, PUT_QUESTION, questions)
            keep(line, _HITS, [(len(times), max(times), space, id) for id, times in sorted(hits.items())])
            return int(line.one(_NEWEST, space)[0])

        if make_weeks:
            self._connections.ask(lambda line: line.execute(MAKE_WEEKS), PATIENT_SECONDS)
            self._weeks_made = time.monotonic()
        newest = self._write(work)
        self._note(configured)
        return newest

    def put_vectors(self, embedder: str, rows: Sequence[tuple[str, str, bytes]]) -> None:
        """Store key, context and float32 vector of entries that the team has; others are left out."""
        space, values = self.address.space, []
        for key, context, vector in sorted(rows):
            with np.errstate(over="ignore"):  # of a vector that is not of length 1: it is left out
                half = np.frombuffer(vector, "<f4").astype("<f2")
            if half.size and np.isfinite(half).all():
                values.append((embedder, bytes.fromhex(context), half.tobytes(), space, id_number(key)))
        self._write(lambda line: keep(line, _PUT_VECTOR, values))

    def put_labels(self, labels: Sequence[LabelRow]) -> None:
        """Store judgements of pairs of questions. The newest of a pair stays."""
        space = self.address.space
        values = [label_values(space, each) for each in sorted(labels, key=lambda each: (each.asked, each.entry))]
        asked = {row.asked: row.asked_question for row in labels} | {row.entry: row.stored_question for row in labels}
        questions = [question_values(space, id, text) for id, text in sorted(asked.items()) if text]

        def work(line: Line) -> None:
            keep(line, PUT_LABEL, values)
            keep(line, PUT_QUESTION, questions)

        self._write(work)

    def remove(self, ids: Sequence[str] | None) -> int:
        """Remove entries for everybody; None removes the whole space. Return the number removed."""
        space = self.address.space
        numbers = sorted({id_number(id) for id in ids}) if ids is not None else []

        def work(line: Line) -> int:
            if ids is None:
                removed = line.execute("DELETE FROM gptcache.entry WHERE space = %s", [space]).rowcount
                line.execute(_NOTE_REMOVED, (space, None, self.origin))
                return removed
            removed = line.execute(_REMOVE, (space, numbers, space)).rowcount
            line.cursor().executemany(_NOTE_REMOVED, [(space, id, self.origin) for id in numbers])
            return removed

        return self._write(work, command=True)

    def close(self) -> None:
        """Close the connections. The next use opens them again."""
        self._connections.close()

    def _new(self, configurations: Iterable[Configuration]) -> list[Configuration]:
        """Return the configurations that the team may not know, by key."""
        new = {each.key: each for each in configurations if (self.identity, each.key) not in self._known}
        return [new[key] for key in sorted(new)]

    def _note(self, configurations: Iterable[Configuration]) -> None:
        self._known.update((self.identity, each.key) for each in configurations)

    def _write(self, work: Callable[[Line], T], *, command: bool = False) -> T:
        return write(self._connections, work, command=command)


def _found(values: tuple[Any, ...], line: Line) -> Any:
    return line.execute(FIND, values, prepare=not line.pooled, binary=True).fetchone()


def _sound_vector(row: Sequence[Any]) -> TeamVector | None:
    sequence, vector, *values = row
    found = sound_entry(values)
    half = np.frombuffer(vector, "<f2") if len(vector) % 2 == 0 else np.empty(0)
    if found is None or not half.size or not np.isfinite(half).all():
        return None
    return TeamVector(sequence, *found, half.astype("<f4").tobytes())
