"""One model call for identical lookups in the kernels of a team at the same time.

It is off unless ``%config GPTCacheMagics.team_single_flight = True``, for a call may then wait for another kernel's.
The kernel that asks the model holds a lease of the key in the team's database. Who does not get it looks again, now and
then, until the answer is there or the lease has ended. Who gets it looks once more: the answer may have come before.

A call with another key of its own does not wait: two kernels could otherwise wait for each other.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Final

from gptcache_magics import fork
from gptcache_magics.errors import StoreError
from gptcache_magics.lookup.request import Caller
from gptcache_magics.lookup.single_flight import WAIT_SECONDS
from gptcache_magics.store.patience import patience
from gptcache_magics.store.protocol import Store, WithTeam, team_behind
from gptcache_magics.store.reasons import Kind, Reason

__all__ = ["TeamFlights", "TeamWait"]

LOOK_SECONDS: Final = 0.2
"""Pause between two looks at the team."""


@dataclass(slots=True)
class TeamWait:
    """The waiting of one call for other kernels of the team."""

    begun: float = field(default_factory=time.monotonic)
    asked: bool = False
    """Whether another kernel asked the model when the team was looked at last."""
    ended: Reason | None = None
    """Reason why the call asks the model although another kernel may do so; None if none does."""


class TeamFlights:
    """The keys that this kernel asks a model about, and that other kernels of the team wait for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._begin()
        fork.in_child(self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._mine: dict[str, Caller] = {}

    def pause(self, key: str, call: Caller, wait: TeamWait, *, may_wait: bool) -> float | None:
        """Return the seconds after which to look again; None if the call is to ask the model.

        Parameters
        ----------
        may_wait
            Whether nobody waits for the call, so that it may wait.
        """
        team = team_behind(self._store)
        if team is None or not team.shares or self._mine.get(key) is call:
            return None
        if time.monotonic() - wait.begun > WAIT_SECONDS:
            wait.ended = Reason(Kind.TEAM_ASKS, "its answer did not come in time")
            return None
        try:
            mine = team.claim(key)
        except StoreError as error:
            return _unanswered(wait, team, str(error))
        wait.asked = not mine
        if wait.asked and not may_wait:
            wait.ended = Reason(Kind.TEAM_ASKS, "other calls wait for this one")
        if wait.asked:
            return LOOK_SECONDS if may_wait else None
        with self._lock:
            self._mine[key] = call
        return 0.0

    def land(self, key: str, call: Caller, *, answered: bool) -> None:
        """Let other kernels go on: the answer is stored, or will not come."""
        if self._mine.get(key) is not call:
            return
        with self._lock:
            self._mine.pop(key, None)
        team = team_behind(self._store)
        if team is not None and not answered:  # an answer ends the lease where it arrives
            team.give_back(key)

    def land_all(self, call: Caller) -> None:
        """Let other kernels go on with every key of a call that has ended."""
        if self._mine:
            for key in [key for key, mine in self._mine.copy().items() if mine is call]:
                self.land(key, call, answered=False)


def _unanswered(wait: TeamWait, team: WithTeam, why: str) -> float | None:
    """Return the seconds after which to look again at a team that did not answer; None: everybody asks."""
    mine = patience()
    if wait.asked and not team.trouble and mine is not None:
        wait.asked = mine.team_away = False
        return LOOK_SECONDS
    wait.ended = Reason(Kind.TEAM_AWAY, why)
    return None
