"""One model call for identical lookups in the kernels of a team at the same time.

It is off unless ``%config GPTCacheMagics.team_single_flight = True``, for a call may then wait for another kernel's.
The kernel that asks the model holds a lease of the key in the team's database. Who does not get it looks again, now and
then, until the answer is there or the lease has ended. Who gets it looks once more: the answer may have come before.

A call with another key of its own does not wait: two kernels could otherwise wait for each other.
"""

from __future__ import annotations

import threading
from typing import Final

from gptcache_magics import fork
from gptcache_magics.errors import StoreError
from gptcache_magics.lookup.request import Caller
from gptcache_magics.lookup.single_flight import WAIT_SECONDS
from gptcache_magics.store.protocol import Store, team_behind

__all__ = ["TeamFlights"]

LOOK_SECONDS: Final = 0.2
"""Pause between two looks at the team."""


class TeamFlights:
    """The keys that this kernel asks a model about, and that other kernels of the team wait for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._begin()
        fork.in_child(self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._mine: dict[str, Caller] = {}

    def pause(self, key: str, call: Caller, waited: float, *, may_wait: bool) -> float | None:
        """Return the seconds after which to look again; None if the call is to ask the model.

        Parameters
        ----------
        waited
            Seconds that the call has waited for other kernels.
        may_wait
            Whether nobody waits for the call, so that it may wait.
        """
        team = team_behind(self._store)
        if team is None or not team.shares or waited > WAIT_SECONDS or self._mine.get(key) is call:
            return None
        try:
            if not team.claim(key):
                return LOOK_SECONDS if may_wait else None
        except StoreError:  # while the team is away, everybody asks
            return None
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
