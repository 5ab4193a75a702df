"""The SQLite store: the shared contract, and what a file on a disk can suffer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("store_contract")

from store_contract import StoreContract  # noqa: E402  (after the line that lets its assertions explain themselves)

from gptcache_magics.stores.base import Store
from gptcache_magics.stores.sqlite import SQLiteStore

STORES = {"folder": "store", "memory": ":memory:"}


class TestSQLiteStore(StoreContract):
    @pytest.fixture(params=STORES)
    def where(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        return ":memory:" if request.param == "memory" else str(tmp_path / STORES[request.param])

    @pytest.fixture
    def store(self, where: str) -> Iterator[Store]:
        store = SQLiteStore(where)
        yield store
        store.close()

    @pytest.fixture
    def peer(self, where: str, store: Store) -> Iterator[Store]:
        peer = store if where == ":memory:" else SQLiteStore(where)
        yield peer
        peer.close()
