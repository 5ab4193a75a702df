"""A store in one SQLite file, with the answers that were used last kept in memory.

A hit does not access the disk. At most every 50 ms SQLite is asked (7 µs) whether another kernel wrote; if so, the
entries that it removed or replaced are forgotten here, too. An update is one transaction.
"""

from __future__ import annotations

import atexit
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from gptcache_magics import fork
from gptcache_magics.errors import NotWrittenYetError, StoreError, StoreLockedError
from gptcache_magics.store.protocol import Configuration, Embedding, Entry, Found, Selection
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sqlite.connections import Connections
from gptcache_magics.store.sqlite.damage import Damage
from gptcache_magics.store.sqlite.database import store_folder
from gptcache_magics.store.sqlite.embeddings import SQLiteEmbeddings
from gptcache_magics.store.sqlite.eviction import SQLiteEviction
from gptcache_magics.store.sqlite.live import COPIED
from gptcache_magics.store.sqlite.lookups import SQLiteLookups
from gptcache_magics.store.sqlite.recent import Following, Recent
from gptcache_magics.store.sqlite.statements import (
    ADD_TAG,
    FIND,
    LEARN_CONFIGURATION,
    PUT_ENTRY,
    PUT_QUESTION,
    configuration_values,
    entry_values,
    id_number,
    question_values,
    sound_entry,
    tag_values,
)
from gptcache_magics.store.sqlite.sweeper import Sweeper
from gptcache_magics.store.sqlite.tables import SQLiteTables
from gptcache_magics.store.sqlite.vectors import SQLiteVectors
from gptcache_magics.text.amounts import counted
from gptcache_magics.text.unicode import readable

__all__ = ["SQLiteStore"]

T = TypeVar("T")
LATE_KEPT: Final = 1_000
"""Most answers to hold while another process keeps the file locked."""


class SQLiteStore(SQLiteEviction, SQLiteTables, SQLiteLookups, SQLiteVectors, SQLiteEmbeddings):
    """Entries and lookups in ``where/cache.db``, or in memory only for ``:memory:``."""

    def __init__(self, where: str | Path) -> None:
        folder = None if str(where) == ":memory:" else store_folder(where)
        self.where = str(folder or ":memory:")
        self._connections = Connections(folder)
        self._known_configurations = set()
        self._recent = Recent()
        self._following = Following(self._connections, self._recent)
        self._damage = Damage()
        self._sweeper = Sweeper(folder, self._connections)
        self._late: dict[str, tuple[Entry, Configuration]] = {}
        """The answers that wait for a locked file, by key: the next transaction writes them."""
        self._late_embeddings: dict[str, tuple[Embedding, Sequence[Configuration]]] = {}
        fork.in_child(self._leave_late)

    @property
    def notices(self) -> Sequence[str]:
        """Messages for the user about this store."""
        return [*self._connections.notices, *self._damage.notices]

    @property
    def epoch(self) -> int:
        """A number that grows whenever another file takes the place of the one that was read."""
        return self._connections.epoch

    @property
    def late(self) -> Sequence[tuple[Entry, Configuration]]:
        """The answers that wait for a locked file, oldest first."""
        return [*self._late.values()]

    def version(self) -> object:
        """Return a value that differs after every change: SQLite counts those of others and our own separately."""

        def work(db: sqlite3.Connection) -> tuple[int, int, int]:
            return self.epoch, db.execute("PRAGMA data_version").fetchone()[0], db.total_changes

        return self._connections.read(work)

    def only_read(self) -> None:
        """Leave the file as it is if it is damaged: from then on its errors are raised, and it is not set aside."""
        self._connections.only_read()

    def open(self) -> None:
        """Open the file now and raise what is wrong with it. What a killed kernel left over is deleted then."""
        self._sweep()

    def settle(self) -> None:
        """Write the answers that wait for a locked file.

        Raises
        ------
        StoreError
            If the file stays locked. The answers are given up, and the sentence says how many.
        """
        if not self._late and not self._late_embeddings:
            return
        self._connections.try_again()
        try:
            self._write(lambda db: None)
        except StoreError as error:  # after an interrupt, they wait until this process ends
            waited = ((len(self._late), "answer"), (len(self._late_embeddings), "embedding"))
            given_up = " and ".join(counted(number, noun) for number, noun in waited if number)
            self._late.clear()
            self._late_embeddings.clear()
            atexit.unregister(self._settle_at_exit)
            raise StoreError(f"{given_up} could not be written. {error}") from error

    def _leave_late(self) -> None:
        """Leave the answers that wait to the parent of a forked child."""
        self._late, self._late_embeddings = {}, {}

    def _write_at_exit(self) -> None:
        if not self._late and not self._late_embeddings:
            atexit.register(self._settle_at_exit)

    def _settle_at_exit(self) -> None:
        try:
            self.settle()
        except StoreError as error:
            warnings.warn(str(error), stacklevel=2)

    def close(self) -> None:
        """Settle and close the file; the next use opens it again."""
        try:
            self.settle()
        finally:
            self._sweeper.wait()
            self._connections.close()
            self._recent.clear()

    def recall(self, key: str) -> Found | None:
        """Return the entry under this exact key if this kernel has it in memory, as other kernels left it."""
        return self._following.get(key)

    def get(self, key: str) -> Found | None:
        """Return the entry under this exact key, read from the file. Never writes."""
        self._following.look()
        forgotten = self._recent.forgotten
        row = self._connections.read(lambda db: db.execute(FIND, (id_number(key),)).fetchone())
        if row is None:
            return None
        entry = sound_entry(row)
        if entry is None:
            self._damage.entries.add(key[:16])
        if entry is None or entry.key != key:
            return None
        if self._damage.entries:
            self._damage.mend(key[:16])  # another answer has its place
        found = Found.of(entry)
        self._recent.remember(found, forgotten)
        return found

    def skipped(self, ids: Iterable[str]) -> None:
        """Note entries whose answers cannot be decoded. The next answer under such an id sets the entry aside."""
        ids = set(ids)
        if ids:
            self._damage.entries |= ids
            self._damage.undecodable |= ids
            self._recent.forget(ids)

    def put(self, entry: Entry, configuration: Configuration) -> None:
        """Store an entry durably; a different answer already under the key goes into its history.

        Raises
        ------
        NotWrittenYetError
            If another process keeps the file locked. This kernel has the entry, and writes it when the file is free.
        """

        def work(db: sqlite3.Connection) -> bool:
            self._put_configurations(db, [configuration])
            return self._put(db, entry)

        forgotten = self._recent.forgotten
        found = Found.of(entry)
        try:
            replaced = self._write(work, patient=False)
        except StoreLockedError as locked:
            if len(self._late) >= LATE_KEPT:
                raise
            self._write_at_exit()
            self._late[entry.key] = entry, configuration
            self._recent.replace(found, forgotten)
            raise NotWrittenYetError(str(locked)) from locked
        except BaseException:  # perhaps it is written: an interrupt may come right after the commit
            self._recent.forget({entry.key[:16]})
            raise
        self._known_configurations.add((self._connections.epoch, configuration.key))
        (self._recent.replace if replaced else self._recent.remember)(found, forgotten)

    def _write(self, work: Callable[[sqlite3.Connection], T], *, patient: bool = True) -> T:
        """Run ``work`` in one transaction, after the answers that waited for a locked file.

        Another thread or process may have stored a newer answer meanwhile, which stays.
        """
        late, embeddings = dict(self._late), dict(self._late_embeddings)

        def with_late(db: sqlite3.Connection) -> T:
            self._put_late(db, embeddings)
            for entry, configuration in late.values():
                stored = self._old(db, entry.key)
                if stored is not None and stored.created > entry.created:
                    self._recent.forget({entry.key[:16]})
                    continue
                self._put_configurations(db, [configuration])
                self._put(db, entry)
            return work(db)

        result = self._connections.write(with_late if late or embeddings else work, patient=patient)
        for key, written in late.items():
            if self._late.get(key) is written:
                del self._late[key]
        for key, put in embeddings.items():
            if self._late_embeddings.get(key) is put:
                del self._late_embeddings[key]
        if (late or embeddings) and not self._late and not self._late_embeddings:
            atexit.unregister(self._settle_at_exit)
        return result

    def put_all(
        self,
        entries: Iterable[Entry],
        configurations: Iterable[Configuration],
        *,
        replace: bool,
        at: float | None = None,
    ) -> int:
        """Store many entries in one transaction. Return how many are new or, with ``replace``, changed."""

        def work(db: sqlite3.Connection) -> int:
            db.executemany(LEARN_CONFIGURATION, map(configuration_values, configurations))
            stored = 0
            for entry in entries:
                old = self._old(db, entry.key)
                if old is None or (replace and old.answer != entry.answer):
                    self._put(db, entry, at)
                    stored += 1
            return stored

        try:
            return self._write(work)
        finally:
            self._recent.clear()

    def _put(self, db: sqlite3.Connection, entry: Entry, at: float | None = None) -> bool:
        """Store an entry. Return whether there was a sound one under its key, which was replaced ``at`` that moment."""
        number = id_number(entry.key)
        old = self._old(db, entry.key)
        if old is not None and old.answer != entry.answer:
            db.execute("INSERT INTO history VALUES (?,?,?)", (number, entry.created if at is None else at, old.answer))
            self._tell_others(db, number)
        if old is None:  # a removed one gives way
            db.execute("DELETE FROM entry WHERE id=?", (number,))
            db.execute("DELETE FROM removed WHERE id=?", (number,))
        db.execute(PUT_ENTRY, entry_values(entry))
        db.execute(PUT_QUESTION, question_values(entry.key, entry.question))
        if entry.tags:
            db.execute("UPDATE entry SET tags=? WHERE id=?", (readable(entry.tags), number))
        return old is not None

    def _old(self, db: sqlite3.Connection, key: str) -> Entry | None:
        """Return the entry under a key that is about to be replaced. A damaged one is set aside."""
        number = id_number(key)
        row = db.execute(FIND, (number,)).fetchone()
        if row is None:
            return None
        entry = sound_entry(row)
        if entry is not None and entry.key == key and key[:16] not in self._damage.undecodable:
            return entry
        db.execute(
            f"INSERT INTO damaged (at, {COPIED}) SELECT ?, {COPIED} FROM entry WHERE id=?", (time.time(), number)
        )
        db.execute("DELETE FROM entry WHERE id=?", (number,))
        self._tell_others(db, number)  # one may have the sound answer in memory
        self._damage.set_aside(key[:16])
        return None

    def _tell_others(self, db: sqlite3.Connection, number: int) -> None:
        """Let other kernels forget an entry that is replaced."""
        db.execute("INSERT INTO dropped (id, why) VALUES (?, 'replaced')", (number,))

    def gone(self, key: str) -> Reason | None:
        """Return why an entry is not served: damaged, removed or evicted; None if nothing is known of it."""
        if key[:16] in self._damage.entries:
            return Reason(Kind.DAMAGED)
        sql = "SELECT why FROM dropped WHERE id=? AND why<>'replaced' ORDER BY sequence DESC LIMIT 1"
        row = self._connections.read(lambda db: db.execute(sql, (id_number(key),)).fetchone())
        return Reason(Kind(row[0])) if row and row[0] else None

    def change(self, selection: Selection, *, pinned: bool | None = None, tag: str | None = None) -> int:
        """Pin, unpin or tag entries. Return the number changed. An empty tag takes all tags away."""
        new: list[object] = []
        if pinned is not None:
            change, new = "pinned=?", [pinned]
        elif tag:
            change, new = ADD_TAG, [*tag_values(tag)]
        else:
            change = "tags=''"

        def work(db: sqlite3.Connection, where: str, values: Sequence[object]) -> int:
            chosen = f"SELECT e.id FROM entry e WHERE {where}"
            return db.execute(f"UPDATE entry SET {change} WHERE id IN ({chosen})", (*new, *values)).rowcount

        return self._select(self._write, selection, work)

    def put_shapes(self, shapes: Mapping[str, str]) -> None:
        """Store the shapes of entries by their keys."""
        values = [(id_number(shape), id_number(key), bytes.fromhex(key)) for key, shape in shapes.items()]
        sql = "UPDATE entry SET shape=? WHERE id=? AND key=?"
        self._write(lambda db: db.executemany(sql, values), patient=False)
