"""A store with a team's database behind the local file.

What is written is queued in the same transaction of the file, and sent by :mod:`.delivery`. :mod:`.copies` finds
answers, :mod:`.embeddings` embeddings, and :mod:`.asking` knows the database.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from gptcache_magics.errors import StoreError, StoreLockedError, TeamAway
from gptcache_magics.recently_used import RecentlyUsed
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.failure import LATE, short
from gptcache_magics.store.postgres.records import TeamVector
from gptcache_magics.store.postgres.tables import TeamTables
from gptcache_magics.store.protocol import Configuration, Embedding, EmbeddingUse, Entry, EntryVector, Selection
from gptcache_magics.store.sqlite import outbox
from gptcache_magics.store.sqlite.damage import vector_checksum
from gptcache_magics.store.sqlite.live import LIVE
from gptcache_magics.store.sqlite.outbox import Team
from gptcache_magics.store.sqlite.statements import id_number, id_text
from gptcache_magics.store.sqlite.tables import EVERYTHING
from gptcache_magics.store.sqlite.vectors import PUT_VECTOR
from gptcache_magics.store.team.delivery import Delivery
from gptcache_magics.store.team.embeddings import TeamEmbeddingCopies

__all__ = ["TeamStore"]

T = TypeVar("T")
FETCH_SECONDS: Final = 0.05
"""Time for which the vectors of a context are not fetched again: one lookup reads them more than once."""
DELIVER_SECONDS: Final = 1.0
"""Longest time that a command about the team waits for what is being sent."""
FETCHED: Final = 500
"""Most vectors that a lookup fetches; the thread fetches the rest."""
CONTEXTS: Final = 1_000
"""Contexts of which it is remembered when they were fetched."""
_SHARED: Final = f"SELECT e.id FROM entry e WHERE e.team=? AND {LIVE}"
_NOT_LIVE: Final = f"SELECT e.id FROM entry e WHERE e.team=? AND NOT ({LIVE})"


class TeamStore(TeamEmbeddingCopies):
    """Entries and lookups in ``where/cache.db``, and in the database of a team.

    Parameters
    ----------
    address
        The team's database.
    is_sound
        Tells whether an entry of somebody else can be decoded and served.
    """

    def __init__(
        self, where: str | Path, address: Address, is_sound: Callable[[Entry], bool] = lambda entry: True
    ) -> None:
        super().__init__(where, address, is_sound)
        self._queued = 0
        """A number that grows when something is queued."""
        self.removed_there = (0, 0)
        """Entries that the last ``remove`` has removed at the team, and how many of them were not here."""
        self._delivery = Delivery(self)

    def _renew(self) -> None:
        super()._renew()
        self._fetched = RecentlyUsed[float](CONTEXTS)
        """Moments at which the vectors of contexts were fetched."""

    @property
    def notices(self) -> Sequence[str]:
        """Messages for the user about the file and the team."""
        readonly = f"{self.address.place}: the role may only read, so that answers of this kernel are not shared."
        self._said = self._said or self.trouble
        team = [*([self._said] if self._said else []), *([] if self.shares else [readonly])]
        return [*super().notices, *team, *self._delivery.notices]

    def open(self) -> None:
        """Open the file, and raise what is wrong with it. What is wrong with the team is said in ``notices``."""
        super().open()
        self.connect()

    def connect(self) -> None:
        """Connect to the team as a command does, and begin to send what an earlier kernel left."""
        self.refused = ""
        try:
            self.database.connect()
            self._said = ""
            self._meet()
        except TeamAway as error:
            self._said = self._said or str(error)
        except StoreError as error:
            self.refused = str(error)
        self._delivery.wake()

    def close(self) -> None:
        """Settle, send what waits for as long as a command may take, and close file and connections.

        Raises
        ------
        StoreError
            If something still waits to be sent, or could not be written.
        """
        left = ""
        with ExitStack() as ends:
            ends.callback(self.database.close)
            ends.callback(super().close)
            ends.callback(self._delivery.stop)
            self.settle()  # what waited for the file is sent, too
            with suppress(StoreLockedError):  # another try is made when the cache is on there again
                left = self._delivery.finish()
        if left:
            raise StoreError(left)

    def claim(self, key: str) -> bool:
        """Return whether this kernel may ask a model for an answer; False while another kernel of the team does.

        Raises
        ------
        TeamAway
            If the team cannot be asked. The message is the detail of a reason.
        """
        if not self.can_ask():
            raise TeamAway(short(self.trouble, self.address) or LATE)
        try:
            mine = self._asked(lambda: self.database.leases.take(key))
        except StoreError as error:
            raise TeamAway(short(str(error), self.address)) from error
        if mine:
            self._delivery.wake()  # it renews
        return mine

    def give_back(self, key: str) -> None:
        """Let another kernel ask: the answer will not come from here."""
        self.database.leases.give_back(key)
        self._delivery.wake()

    def deliver(self) -> None:
        """Wait a moment for what is being sent, so that the team's tables hold it."""
        self._delivery.wake()
        until = time.monotonic() + DELIVER_SECONDS
        while self.shares and self.can_ask() and time.monotonic() < until and self.waiting():
            time.sleep(0.02)

    # Store: what is written is queued in the same transaction

    def _write(self, work: Callable[[sqlite3.Connection], T], *, patient: bool = True) -> T:
        """Run ``work`` in one transaction, and send what it has queued."""
        before = self._queued
        result = super()._write(work, patient=patient)
        if self._queued != before:
            self._delivery.wake()  # not before: the thread would not see what is not committed
        return result

    def _put(self, db: sqlite3.Connection, entry: Entry, at: float | None = None) -> bool:
        replaced = super()._put(db, entry, at)
        if self.shares:
            team, number = self.team(db).id, id_number(entry.key)
            db.execute("UPDATE entry SET team=?, author=? WHERE id=?", (team, self.database.role, number))
            self._queue(db, outbox.ENTRY, [(number,)])
        return replaced

    def _put_lookups(self, db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        super()._put_lookups(db, rows)
        self._queue(db, outbox.LOOKUP_KIND, [row[:2] for row in rows])

    def _put_vectors(self, db: sqlite3.Connection, values: Sequence[tuple[Any, ...]]) -> None:
        super()._put_vectors(db, values)
        self._queue(db, outbox.VECTOR, [value[-1:] for value in values])

    def _put_label(self, db: sqlite3.Connection, values: Sequence[Any]) -> None:
        super()._put_label(db, values)
        self._queue(db, outbox.LABEL, [values[:1]])

    def _put_embeddings(
        self, db: sqlite3.Connection, embeddings: Sequence[Embedding], models: Sequence[Configuration]
    ) -> int:
        changed = super()._put_embeddings(db, embeddings, models)
        if self.shares:
            self._share(db, self.team(db), embeddings)
            self._queue(db, outbox.EMBEDDING, [(id_number(each.key),) for each in embeddings])
        return changed

    def record_embeddings(self, uses: Iterable[EmbeddingUse], used: Mapping[str, float]) -> None:
        """Write figures, and let the team know when embeddings were used."""
        super().record_embeddings(uses, used)
        self._delivery.use(used)

    def _queue(self, db: sqlite3.Connection, kind: str, places: Sequence[Sequence[Any]]) -> None:
        if self.shares:
            outbox.queue(db, self.team(db).id, kind, places)
            self._queued += 1

    # Remove, for everybody

    def remove(self, selection: Selection) -> int:
        """Remove entries here and at the team, so that ``undo`` can bring back those that were here.

        Raises
        ------
        StoreError
            If the team cannot be asked, or the role may not: nothing is removed then.
        """
        with self._delivery.paused():
            self.removed_there = self._remove_from_team(selection)
            return super().remove(selection)

    def clear_embeddings(self) -> int:
        """Remove all embeddings here and at the team for good. Return the number removed here.

        Raises
        ------
        StoreError
            If the team cannot be asked, or the role may not: nothing is removed then.
        """
        with self._delivery.paused():
            self._may_remove(self.database.embeddings.clear)
            return super().clear_embeddings()

    def embeddings_there(self) -> tuple[int, int]:
        """Return the number of embeddings that the team has, and their bytes.

        Raises
        ------
        StoreError
            If the team cannot be asked.
        """
        self._check_not_refused()
        return self.database.embeddings.count()

    def selected_there(self, selection: Selection) -> Sequence[str]:
        """Return the ids of the selected entries that the team has, but for those that are pinned here.

        Raises
        ------
        StoreError
            If the team cannot be asked.
        """
        self._check_not_refused()
        with closing(self.tables()) as tables:
            found = tables.ids(selection)
        if selection.pinned is None:
            return found
        pinned = {*self._ids("e.pinned", Selection())}
        return [id for id in found if id not in pinned]

    def _check_not_refused(self) -> None:
        if self.refused:
            raise StoreError(self.refused)

    def tables(self) -> TeamTables:
        """Return the tables of the team, to be read and closed."""
        return TeamTables(self.address)

    def _remove_from_team(self, selection: Selection) -> tuple[int, int]:
        """Return how many entries were removed at the team, and how many of them were not here."""
        if selection == EVERYTHING:
            return self._may_remove(lambda: self.database.remove(None)), 0
        here = {*self._ids("1", selection)}
        shared = self._shared_ids(selection)
        try:
            there = self.selected_there(selection)
        except StoreError as error:
            if shared or selection.ids is None:
                raise StoreError(f"Nothing was removed. {error}") from error
            there = []  # it was named, and is of this file only
        ids = sorted({*shared, *there})
        return (self._may_remove(lambda: self.database.remove(ids)), len({*there} - here)) if ids else (0, 0)

    def _may_remove(self, remove: Callable[[], int]) -> int:
        """Remove something at the team, or raise why not."""
        if not self.shares:
            raise StoreError(f"Nothing was removed. {self.address.place}: the role may only read.")
        if self.refused:
            raise StoreError(f"Nothing was removed. {self.refused}")
        try:
            return remove()
        except StoreError as error:
            raise StoreError(f"Nothing was removed. {error}") from error

    def undo(self) -> int:
        """Bring the last removal back, and send those entries to the team again."""

        def gone(db: sqlite3.Connection) -> set[int]:
            team = self._known(db)
            return {id for (id,) in db.execute(_NOT_LIVE, (team.id,))} if team is not None else set()

        before = self._connections.read(gone)
        number = super().undo()
        back = sorted(before - self._connections.read(gone))
        if back and self.shares:
            places = [(id,) for id in back]

            def again(db: sqlite3.Connection) -> None:
                self._queue(db, outbox.ENTRY, places)
                self._queue(db, outbox.VECTOR, places)

            self._write(again)
        return number

    def _shared_ids(self, selection: Selection) -> list[str]:
        """Return the ids of the selected entries that the team has or gets."""
        team = self._connections.read(self._known)
        return self._ids(f"e.team={team.id}", selection) if team is not None else []

    def _ids(self, condition: str, selection: Selection) -> list[str]:
        """Return the ids of the selected entries here that fit a condition."""

        def work(db: sqlite3.Connection, where: str, values: Sequence[object]) -> list[str]:
            return [
                id_text(id) for (id,) in db.execute(f"SELECT e.id FROM entry e WHERE {condition} AND {where}", values)
            ]

        return self._select(self._connections.read, selection, work)

    # Matching by meaning

    def vector_pages(self, embedder: str, context: str, after: int) -> Iterator[Sequence[EntryVector]]:
        """Return the vectors of one context in pages, those of the team as well, from the one after ``after``."""
        now, name = time.monotonic(), f"{embedder} {context}"
        with self._lock:
            due = now - self._fetched.get(name, -FETCH_SECONDS) >= FETCH_SECONDS
        if due and self.can_ask() and not self.readonly:
            try:
                more = self.fetch(embedder, context)
                with self._lock:
                    self._fetched[name] = now
                if more:
                    self._delivery.fetch(embedder, context)
            except StoreError:  # the vectors that are here are searched
                pass
        return super().vector_pages(embedder, context, after)

    def fetch(self, embedder: str, context: str) -> bool:
        """Keep the next vectors of a context, with their entries. Return whether there may be more."""

        def read(db: sqlite3.Connection) -> tuple[Team | None, int]:
            team = self._known(db)
            return team, 0 if team is None else outbox.fetched(db, team.id, embedder, context)

        known, after = self._connections.read(read)
        if known is None or known.seen is None:
            return False
        rows = self._asked(lambda: self.database.vectors(embedder, context, after, FETCHED))
        if not rows:
            return False
        sound = [row for row in rows if not _expired(row.entry) and self._is_sound(row.entry)]

        def work(db: sqlite3.Connection) -> bool:
            team = self.team(db)
            if team.seen != known.seen:  # what was read may have been removed meanwhile
                return False
            for row in sound:
                self._keep_vector(db, team, embedder, context, row)
            outbox.fetched_until(db, team.id, embedder, context, rows[-1].sequence)
            return len(rows) == FETCHED

        return self._write(work, patient=False)

    def _keep_vector(self, db: sqlite3.Connection, team: Team, embedder: str, context: str, row: TeamVector) -> None:
        """Keep a vector of the team, and its entry unless there is one."""
        number, where = id_number(row.entry.key), bytes.fromhex(context)
        if db.execute("SELECT 1 FROM vector WHERE id=? AND embedder=?", (number, embedder)).fetchone():
            return
        if not db.execute(f"SELECT 1 FROM entry e WHERE e.id=? AND {LIVE}", (number,)).fetchone():
            self._keep_in(db, team, row.entry, row.author)
        checksum = vector_checksum(number, embedder, where, row.vector)
        db.execute(PUT_VECTOR, (embedder, where, row.vector, checksum, number))

    def judged_wrong(self, asked: str) -> frozenset[str]:
        """Return the ids of entries whose answer a person, of the team as well, called wrong for the question asked."""
        wrong = super().judged_wrong(asked)
        if wrong or not self.can_ask():
            return wrong
        try:
            return self._asked(lambda: self.database.judged_wrong(asked))
        except StoreError:
            return wrong


def _expired(entry: Entry) -> bool:
    return entry.expires is not None and entry.expires <= time.time()
