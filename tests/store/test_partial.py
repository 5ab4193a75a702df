"""A store of a user's own that only keeps answers: the cache works with it, and what it lacks is said."""

from pathlib import Path

import pytest
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListLLM

import gptcache_magics as gm
from gptcache_magics.errors import StoreError
from gptcache_magics.store import open_store
from gptcache_magics.store.protocol import Configuration, Entry, Found, Selection, Store
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.tables import frames
from gptcache_magics.testing import AnswerStoreContract, LookupLogContract


class DictStore:
    """The smallest store there can be."""

    def __init__(self) -> None:
        self.found: dict[str, Found] = {}

    def get(self, key: str) -> Found | None:
        return self.found.get(key)

    def put(self, entry: Entry, configuration: Configuration) -> None:
        self.found[entry.key] = Found(entry.key, entry.answer, entry.created, entry.seconds, entry.usage, entry.expires)

    def clear(self) -> int:
        number = len(self.found)
        self.found.clear()
        return number


class TestDictStore(AnswerStoreContract):
    @pytest.fixture
    def store(self) -> DictStore:
        return DictStore()


class TestCompletedStore(AnswerStoreContract, LookupLogContract):
    @pytest.fixture
    def store(self) -> Store:
        return open_store(DictStore())


def test_a_cache_works_with_a_store_that_only_keeps_answers() -> None:
    store = DictStore()
    cache = gm.GPTCache(store=store)
    set_llm_cache(cache)
    try:
        llm = FakeListLLM(responses=["one", "two", "three"])
        assert [llm.invoke("question"), llm.invoke("question"), llm.invoke("another")] == ["one", "one", "two"]
        assert len(store.found) == 2
        cache.ledger.flush()
        stats = frames.stats(cache.store, "total").iloc[0]
        assert (stats["hits"], stats["misses"], stats["errors"]) == (1, 2, 0)
        assert list(frames.lookups(cache.store)["question"]) == ["another", "question", "question"]

        cache.clear()
        assert store.found == {}
        assert llm.invoke("question") == "three"
    finally:
        set_llm_cache(None)
        cache.close()


def test_the_limits_of_such_a_store_are_said() -> None:
    store = open_store(DictStore())

    assert store.where == "DictStore"
    assert not store.readonly
    with pytest.raises(StoreError, match="The store DictStore cannot list, count or change its entries"):
        frames.entries(store)
    with pytest.raises(StoreError, match=r"it has no method remove\(\)"):
        store.remove(Selection())


def test_a_whole_store_is_taken_as_it_is(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path)

    assert isinstance(store, Store)
    assert open_store(store) is store
    completed = open_store(DictStore())
    assert open_store(completed) is completed


class Half:
    """A store that lacks two methods."""

    def get(self, key: str) -> Found | None:
        return None


@pytest.mark.parametrize(
    ("given", "missing"), [(Half(), r"has no method put\(\)"), (DictStore, "is a class: make an object of it")]
)
def test_what_is_not_a_store_is_told_what_it_lacks(given: object, missing: str) -> None:
    with pytest.raises(StoreError, match=f"or an object with get, put and clear.* which {missing}"):
        gm.GPTCache(store=given)
