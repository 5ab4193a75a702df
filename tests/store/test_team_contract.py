"""A folder with a team behind it keeps the promises of every store."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gptcache_magics.errors import StoreError
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.protocol import Selection, Store
from gptcache_magics.store.team.store import TeamStore
from gptcache_magics.testing import StoreContract
from gptcache_magics.testing.samples import GPT, key, make_entry
from tests.support.postgres import Database
from tests.support.waiting import wait_until


class Sent(TeamStore):
    """A store of which everything is sent at first: what waits is not evicted, and sending it changes the file."""

    def evict(self, limit: int) -> int:
        wait_until(lambda: not self.waiting())
        return super().evict(limit)

    def version(self) -> object:
        wait_until(lambda: not self.waiting())
        return super().version()


class TestTeamStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path, team_database: Database) -> Iterator[Store]:
        store = Sent(tmp_path / "store", Address.parse(team_database.url))
        store.open()
        yield store
        with suppress(StoreError):
            store.close()

    def test_what_was_not_used_for_longest_is_evicted_and_never_what_is_pinned(self) -> None:  # type: ignore[override]
        """Promise less: the team gives what was evicted here, as the next test says."""

    @pytest.mark.parametrize("takes", [lambda s: s.remove(Selection(ids=[key("a")]))])
    def test_an_entry_takes_its_vector_along(self, store: Store, takes: Callable[[Store], object]) -> None:
        """Promise less: what is to be evicted here waits until it is sent, and is found at the team then."""
        super().test_an_entry_takes_its_vector_along(store, takes)

    def test_what_is_evicted_here_is_found_at_the_team(self, store: Store) -> None:
        store.put(make_entry("a"), GPT)
        assert isinstance(store, TeamStore)
        wait_until(lambda: not store.waiting())

        assert store.evict(0) == 1

        assert store.count()[0] == 0
        assert store.get(key("a")) is not None
