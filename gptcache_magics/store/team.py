"""A store with a team's database behind the local file.

A lookup asks the memory, the file, and then the team with one statement; what the team gives is kept in the file. An
answer is written to the file at once and sent by :mod:`.delivery`. At most every second a lookup asks first what the
team has changed, so that what somebody cleared or replaced is forgotten here, too.

The team is never in the way: a call that could not ask it once does not ask again, and while it is away nobody asks.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

from gptcache_magics import fork
from gptcache_magics.errors import StoreError, StoreLockedError, TeamAway
from gptcache_magics.recently_used import RecentlyUsed
from gptcache_magics.store.delivery import Delivery
from gptcache_magics.store.patience import patience
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.database import TeamDatabase
from gptcache_magics.store.postgres.records import Change, TeamAnswer, TeamVector
from gptcache_magics.store.protocol import Entry, EntryVector, Found, Selection
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sqlite import outbox
from gptcache_magics.store.sqlite.damage import vector_checksum
from gptcache_magics.store.sqlite.live import LIVE
from gptcache_magics.store.sqlite.outbox import Team
from gptcache_magics.store.sqlite.statements import id_number, id_text
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.store.sqlite.tables import EVERYTHING
from gptcache_magics.store.sqlite.vectors import PUT_VECTOR

__all__ = ["TeamStore"]

T = TypeVar("T")
LOOK_SECONDS: Final = 1.0
"""Longest time for which a lookup trusts the file without asking the team what has changed."""
FETCH_SECONDS: Final = 0.05
"""Time for which the vectors of a context are not fetched again: one lookup reads them more than once."""
DELIVER_SECONDS: Final = 1.0
"""Longest time that a command about the team waits for what is being sent."""
FETCHED: Final = 500
"""Most vectors that a lookup fetches; the thread fetches the rest."""
REMEMBERED: Final = 1_000
_SHARED: Final = f"SELECT e.id FROM entry e WHERE e.team=? AND {LIVE}"
_NOT_LIVE: Final = f"SELECT e.id FROM entry e WHERE e.team=? AND NOT ({LIVE})"


class TeamStore(SQLiteStore):
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
        super().__init__(where)
        self._name = uuid4().hex
        """Marks the changes that this kernel makes, and its turns to send."""
        self.database = TeamDatabase(address, self._name)
        self._is_sound = is_sound
        self._looked = -LOOK_SECONDS
        """Moment of the last look at what has changed."""
        self._identity = ""
        """Identity of the database that was met last."""
        self.refused = ""
        """Sentence that says why the database cannot be used, and what to type; empty if it can, or may again."""
        self._said = ""
        """Sentence that the user has got about a team that is away: its reason may change from try to try."""
        self._queued = 0
        """A number that grows when something is queued."""
        self._delivery = Delivery(self)
        self._renew()
        fork.in_child(self._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._unasked = RecentlyUsed[str](REMEMBERED)
        """Keys of lookups that could not ask the team, with the reason."""
        self._fetched = RecentlyUsed[float](REMEMBERED)
        """Moments at which the vectors of contexts were fetched."""

    # The state of the team

    @property
    def address(self) -> Address:
        """The address of the team's database."""
        return self.database.address

    @property
    def trouble(self) -> str:
        """A sentence that says why the team cannot be asked; empty if it can."""
        return self.refused or self.database.away

    @property
    def shares(self) -> bool:
        """Whether what is stored goes to the team; a role may be allowed to read only."""
        return not self.database.readonly

    def waiting(self) -> Mapping[str, int]:
        """Return how many things of each kind wait to be sent."""

        def work(db: sqlite3.Connection) -> Mapping[str, int]:
            team = self._known(db)
            return outbox.waiting(db, team.id) if team is not None else {}

        return self._connections.read(work)

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

    def connect_again(self) -> None:
        """Try whether the team is back. Raises ``TeamAway`` if it is not."""
        self.database.connect()
        self._said = ""
        self._meet()

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

    def _known(self, db: sqlite3.Connection) -> Team | None:
        """Return what the file knows of the team."""
        return outbox.known_team(db, self.address.shown, self.address.space)

    def team(self, db: sqlite3.Connection) -> Team:
        """Return what the file knows of the team, in a transaction."""
        return outbox.team_of(db, self.address.shown, self.address.space)

    def can_ask(self) -> bool:
        """Return whether the team can be asked now, in this call."""
        mine = patience()
        return not (self.refused or (mine is not None and mine.team_away) or self.database.away)

    def _asked(self, ask: Callable[[], T]) -> T:
        """Ask the team. A call that has failed to does not ask again."""
        try:
            answer = ask()
            self._said = ""
            return answer
        except StoreError:
            mine = patience()
            if mine is not None:
                mine.team_away = True
            raise

    def _meet(self) -> None:
        """Notice which database is at the address: another one than before knows nothing of these copies."""
        identity = self.database.identity
        if not identity or identity == self._identity or self.readonly:
            return

        def work(db: sqlite3.Connection) -> bool:
            return outbox.identify(db, self.address.shown, self.address.space, identity)

        if self._write(work, patient=False):
            self._recent.clear()
        self._identity = identity

    # Look up

    def _must_look(self) -> bool:
        return time.monotonic() - self._looked > LOOK_SECONDS and self.can_ask()

    def recall(self, key: str) -> Found | None:
        """Return the entry under this exact key if this kernel has it in memory, as others left it.

        It asks nobody, for an event loop may run here: ``get`` does when it is time to.
        """
        return None if key not in self._recent or self._must_look() else super().recall(key)

    def get(self, key: str) -> Found | None:
        """Return the entry under this exact key, from the file or else from the team."""
        if self._must_look():
            self._look()
        found = super().get(key)
        if found is not None and (found.expires is None or found.expires > time.time() or self._is_queued(key)):
            return found
        return self._from_team(key) or found

    def _is_queued(self, key: str) -> bool:
        """Return whether the team does not have what was stored here last."""

        def work(db: sqlite3.Connection) -> bool:
            team = self._known(db)
            return team is not None and outbox.is_queued(db, team.id, id_number(key))

        return self._connections.read(work)

    def claim(self, key: str) -> bool:
        """Return whether this kernel may ask a model for an answer; False while another kernel of the team does."""
        if not self.can_ask():
            raise TeamAway(self.trouble)
        mine = self._asked(lambda: self.database.leases.take(key))
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

    def gone(self, key: str) -> Reason | None:
        """Return why an entry is not served: the team is away, or it is damaged, removed or evicted."""
        with self._lock:
            why = self._unasked.get(key)
        return super().gone(key) if why is None else Reason(Kind.TEAM_AWAY, why)

    def _look(self) -> None:
        """Apply what the team has changed. While it cannot be asked, the file is what there is."""
        began = time.monotonic()
        try:
            self._meet()
            known = self._connections.read(self._known)
            seen = known.seen if known is not None else None
            if seen is None:
                first = self._asked(self.database.newest)
                self._seen_first(first)
            else:
                changes = self._asked(lambda: self.database.changes(seen))
                if changes is None or changes:
                    newest = changes[-1].sequence if changes else self._asked(self.database.newest)
                    self._apply(changes, newest)
            self._looked = began
        except StoreError:
            pass

    def _seen_first(self, newest: int) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("UPDATE team SET seen=coalesce(seen, ?) WHERE id=?", (newest, self.team(db).id))

        if not self.readonly:
            self._write(work, patient=False)

    def _apply(self, changes: Sequence[Change] | None, newest: int) -> None:
        """Forget what others have changed."""

        def work(db: sqlite3.Connection) -> None:
            self._apply_in(db, self.team(db), changes, newest)

        if not self.readonly:
            self._write(work, patient=False)
        self._forget(changes)

    def _apply_in(self, db: sqlite3.Connection, team: Team, changes: Sequence[Change] | None, newest: int) -> None:
        others = [each for each in changes or () if each.origin != self._name]
        if changes is None or any(each.id is None for each in others):
            outbox.drop_all(db, team.id)
        else:
            outbox.drop_some(db, team.id, [(id_number(each.id), each.why) for each in others if each.id is not None])
        # Some were not kept, or the database is an older copy of itself: its numbers begin there.
        later = newest if changes is None else max(team.seen or 0, newest)
        db.execute("UPDATE team SET seen=? WHERE id=?", (later, team.id))

    def _forget(self, changes: Sequence[Change] | None) -> None:
        """Forget in memory what others have changed."""
        others = [each for each in changes or () if each.origin != self._name]
        if changes is None or any(each.id is None for each in others):
            self._recent.clear()
        elif others:
            self._recent.forget({each.id for each in others if each.id is not None})

    def _from_team(self, key: str) -> Found | None:
        """Ask the team for an entry, and keep what it gives."""
        why = self.trouble
        if self.can_ask():
            try:
                known = self._connections.read(self._known)
                answer = self._asked(lambda: self.database.find(key))
                with self._lock:
                    self._unasked.pop(key, None)
                return self._taken(key, answer, known)
            except StoreLockedError:
                raise
            except StoreError as error:
                why = str(error)
        with self._lock:
            self._unasked[key] = why or "it did not answer in time"
        return None

    def _taken(self, key: str, answer: TeamAnswer, known: Team | None) -> Found | None:
        """Return an answer of the team if it is sound, and keep it in the file."""
        entry = answer.entry
        if entry is not None and (entry.key != key or not self._is_sound(entry)):
            entry = None
        if entry is None:
            if answer.damaged or answer.entry is not None:
                self.database.distrust([key[:16]])
                self._damage.entries.add(key[:16])
            return None
        found, forgotten = Found.of(entry), self._recent.forgotten
        given = replace(found, author=answer.author)
        if entry.expires is not None and entry.expires <= time.time():
            return given
        try:
            kept = self._keep(entry, answer, known)
        except StoreError:  # it is served all the same
            kept = False
        if kept:
            self._recent.remember(found, forgotten)
        return given

    def _keep(self, entry: Entry, answer: TeamAnswer, known: Team | None) -> bool:
        """Keep an answer of the team, unless it may have been changed since it was read."""
        if self.readonly or known is None or known.seen is None:
            return False
        seen, changes = known.seen, tuple[Change, ...]()
        if answer.newest < seen:  # of another time: the database was brought back
            self._apply(None, answer.newest)
            return False
        if answer.newest > seen:
            found = self._asked(lambda: self.database.changes(seen))
            if found is None:
                self._apply(None, answer.newest)
                return False
            changes = tuple(found)
        since = [each for each in changes if each.sequence > answer.newest]

        def work(db: sqlite3.Connection) -> bool:
            team = self.team(db)
            if team.seen != seen:  # another thread or kernel has applied changes that this answer may be older than
                return False
            if changes:
                self._apply_in(db, team, changes, changes[-1].sequence)
            if any(each.id in (None, entry.key[:16]) for each in since):
                return False
            self._keep_in(db, team, entry, answer.author)
            return True

        kept = self._write(work, patient=False)
        self._forget(changes)
        return kept

    def _keep_in(self, db: sqlite3.Connection, team: Team, entry: Entry, author: str) -> None:
        super()._put(db, entry)
        db.execute("UPDATE entry SET team=?, author=? WHERE id=?", (team.id, author, id_number(entry.key)))

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
            self._remove_from_team(selection)
            return super().remove(selection)

    def _remove_from_team(self, selection: Selection) -> None:
        whole = selection == EVERYTHING
        shared = [] if whole else self._shared_ids(selection)
        if not whole and not shared:
            return
        if not self.shares:
            raise StoreError(f"Nothing was removed. {self.address.place}: the role may only read.")
        if self.refused:
            raise StoreError(f"Nothing was removed. {self.refused}")
        try:
            self.database.remove(None if whole else shared)
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

        def work(db: sqlite3.Connection, where: str, values: Sequence[object]) -> list[str]:
            team = self._known(db)
            sql = f"SELECT e.id FROM entry e WHERE e.team=? AND {where}"
            return [id_text(id) for (id,) in db.execute(sql, (team.id, *values))] if team is not None else []

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
