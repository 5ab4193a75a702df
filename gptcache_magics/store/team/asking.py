"""The database of a team as a store asks it: who it is, whether it can be asked, and what the file knows of it.

The team is never in the way: a call that could not ask it once does not ask again, and while it is away nobody asks.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from gptcache_magics import fork
from gptcache_magics.errors import StoreError
from gptcache_magics.store.patience import patience
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.database import TeamDatabase
from gptcache_magics.store.sqlite import outbox
from gptcache_magics.store.sqlite.outbox import Team
from gptcache_magics.store.sqlite.store import SQLiteStore

__all__ = ["TeamAsking"]

T = TypeVar("T")


class TeamAsking(SQLiteStore):
    """The part of a team's store that asks the database."""

    def __init__(self, where: str | Path, address: Address) -> None:
        super().__init__(where)
        self._name = uuid4().hex
        """Marks the changes that this kernel makes, and its turns to send."""
        self.database = TeamDatabase(address, self._name)
        self._identity = ""
        """Identity of the database that was met last."""
        self.refused = ""
        """Sentence that says why the database cannot be used, and what to type; empty if it can, or may again."""
        self._said = ""
        """Sentence that the user has got about a team that is away: its reason may change from try to try."""
        self._renew()
        fork.in_child(self._renew)

    def _renew(self) -> None:
        """Begin anew, in a forked child as well."""
        self._lock = threading.Lock()

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

    def connect_again(self) -> None:
        """Try whether the team is back. Raises ``TeamAway`` if it is not."""
        self.database.connect()
        self._said = ""
        self._meet()

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
