"""The store of the team that is on."""

import gptcache_magics as gm
from gptcache_magics.store.team.store import TeamStore
from tests.support.waiting import wait_until

__all__ = ["all_is_sent", "team_store"]


def team_store() -> TeamStore:
    cache = gm.current()
    assert cache is not None
    assert isinstance(cache.store, TeamStore)
    return cache.store


def all_is_sent() -> None:
    """Write the lookups so far, and wait until everything is at the team."""
    cache = gm.current()
    assert cache is not None
    cache.ledger.flush()
    wait_until(lambda: not team_store().waiting())
