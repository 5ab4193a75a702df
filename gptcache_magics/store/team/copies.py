"""Copies of a team's answers in the local file.

A lookup asks the memory, the file, and then the team with one statement; what the team gives is kept in the file. At
most every second a lookup asks first what the team has changed, so that what somebody cleared or replaced is forgotten
here, too.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from gptcache_magics.errors import StoreError, StoreLockedError
from gptcache_magics.recently_used import RecentlyUsed
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.failure import LATE, short
from gptcache_magics.store.postgres.records import Change, TeamAnswer
from gptcache_magics.store.protocol import Entry, Found
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sqlite import outbox
from gptcache_magics.store.sqlite.outbox import Team
from gptcache_magics.store.sqlite.statements import id_number
from gptcache_magics.store.team.asking import TeamAsking

__all__ = ["LOOK_SECONDS", "TeamCopies"]

LOOK_SECONDS: Final = 1.0
"""Longest time for which a lookup trusts the file without asking the team what has changed."""
UNASKED: Final = 1_000
"""Lookups that could not ask the team, and whose reason is remembered."""


class TeamCopies(TeamAsking):
    """The part of a team's store that finds answers, and keeps copies of those that the team has.

    Parameters
    ----------
    is_sound
        Tells whether an entry of somebody else can be decoded and served.
    """

    def __init__(self, where: str | Path, address: Address, is_sound: Callable[[Entry], bool]) -> None:
        super().__init__(where, address)
        self._is_sound = is_sound
        self._looked = -LOOK_SECONDS
        """Moment of the last look at what has changed."""

    def _renew(self) -> None:
        super()._renew()
        self._unasked = RecentlyUsed[str](UNASKED)
        """Keys of lookups that could not ask the team, with the reason."""

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
        if changes is None:
            outbox.drop_all(db, team.id)
        elif any(each.id is None for each in others):
            outbox.drop_entries(db, team.id)
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
            self._unasked[key] = short(why, self.address) or LATE
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
