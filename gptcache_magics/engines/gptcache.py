"""One gptcache for each configuration: look up through gptcache, save through gptcache, on our store.

A lookup goes through ``gptcache.adapter.api.get``, a save through one ``put``: gptcache asks our ``DataManager``, which
asks the store. Only a key and an entry of the store pass through, so nothing is serialised twice. A question that may
be found by its meaning goes through a second cache, whose "embedding" is the question with its vector. The second cache
is asked only after the first has missed, and nothing is saved through it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from gptcache import Cache, Config
from gptcache.adapter import api
from gptcache.manager.data_manager import DataManager
from gptcache.manager.scalar_data.base import Answer, CacheData
from gptcache.similarity_evaluation import SimilarityEvaluation

from gptcache_magics import fork
from gptcache_magics.identity.key import Identity
from gptcache_magics.semantic.search import EmbeddedQuestion, SemanticMatch, SemanticQuery, SemanticSearch
from gptcache_magics.store.protocol import AnswerStore, Configuration, Entry, Found

__all__ = ["GPTCacheEngine"]


class GPTCacheEngine:
    """An engine that finds and saves the entries of a store through gptcache."""

    def __init__(self, store: AnswerStore) -> None:
        self._store = store
        self._caches: dict[str, Cache] = {}
        self._renew()
        fork.in_child(self._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def find(self, identity: Identity, prompt: str, llm_string: str) -> Found | None:
        """Return the entry of an identity, or None."""
        found: Found | None = api.get(identity, cache_obj=self._cache(identity.configuration))
        return found

    def find_similar(self, query: SemanticQuery, search: SemanticSearch) -> SemanticMatch:
        """Return the nearest stored question, and its answer if the answer may be served.

        Raises
        ------
        ExactOnly, EmbedderFailed
            If the question cannot be searched.
        """
        manager = _SemanticManager(self._store, query.identity.configuration, search)
        api.get(query, cache_obj=_semantic_cache(manager, search))
        return manager.match

    def save(self, entry: Entry, identity: Identity, prompt: str, llm_string: str) -> None:
        """Store an entry durably. Raises the errors of the store, which gptcache itself only logs."""
        saving = _Saving(entry)
        api.put(identity, saving, cache_obj=self._cache(identity.configuration))
        if saving.error is not None:
            raise saving.error

    def clear(self) -> str:
        """Remove every entry."""
        self._store.clear()
        return ""

    def close(self) -> None:
        """Leave the store open: its opener closes it."""

    def _cache(self, configuration: Configuration) -> Cache:
        cache = self._caches.get(configuration.key)
        if cache is None:
            with self._lock:
                cache = self._caches.get(configuration.key) or _new_cache(_StoreManager(self._store, configuration))
                self._caches[configuration.key] = cache
        return cache


class _Saving:
    """An entry on its way through ``put``, with the error of its save, which gptcache only logs."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.error: Exception | None = None


class _StoreManager(DataManager):
    """gptcache's view of one configuration of our store. The "embedding" of an exact lookup is its key."""

    def __init__(self, store: AnswerStore, configuration: Configuration) -> None:
        self._store, self._configuration = store, configuration

    def search(self, embedding_data: Any, **kwargs: Any) -> Iterable[Any]:
        found = self._store.get(embedding_data)
        return [] if found is None else [found]

    def get_scalar_data(self, res_data: Any, **kwargs: Any) -> CacheData:
        return CacheData(question=res_data.key, answers=Answer(res_data))

    def save(self, question: str, answer: _Saving, embedding_data: str, **kwargs: Any) -> None:
        try:
            self._store.put(answer.entry, self._configuration)
        except Exception as error:
            answer.error = error

    def import_data(self, questions: Any, answers: Any, embedding_datas: Any, session_ids: Any) -> None:
        for question, answer, embedding_data in zip(questions, answers, embedding_datas, strict=True):
            self.save(question, answer, embedding_data)

    def add_session(self, res_data: Any, session_id: Any, pre_embedding_data: Any) -> None:
        """Ignore sessions, gptcache's word for a chat: LangChain keeps the chat in the prompt."""

    def list_sessions(self, session_id: Any, key: Any) -> list[Any]:
        return []

    def delete_session(self, session_id: Any) -> None:
        """Ignore sessions."""

    def close(self) -> None:
        """Leave the store open: its opener closes it."""


class _SemanticManager(_StoreManager):
    """gptcache's view of one semantic search. The "embedding" is the question with its vector."""

    def __init__(self, store: AnswerStore, configuration: Configuration, search: SemanticSearch) -> None:
        super().__init__(store, configuration)
        self._search = search
        self.match = SemanticMatch()

    def search(self, embedding_data: Any, **kwargs: Any) -> Iterable[Any]:
        self.match = self._search.search(embedding_data)
        return [] if self.match.found is None else [self.match.found]


class _Cosine(SimilarityEvaluation):
    """The cosine of two questions. The search has decided whether it is enough."""

    def evaluation(self, src_dict: dict[str, Any], cache_dict: dict[str, Any], **kwargs: Any) -> float:
        similarity: float = cache_dict["search_result"].similarity
        return similarity

    def range(self) -> tuple[float, float]:
        return -1.0, 1.0


class _SameKey(SimilarityEvaluation):
    """The evaluation of an exact match: the same 128-bit key."""

    def evaluation(self, src_dict: dict[str, Any], cache_dict: dict[str, Any], **kwargs: Any) -> float:
        return float(src_dict["question"] == cache_dict["question"])

    def range(self) -> tuple[float, float]:
        return 0.0, 1.0


def _prompt(data: dict[str, Any], **kwargs: Any) -> Any:
    return data["prompt"]


def _key(data: dict[str, Any], **kwargs: Any) -> Any:
    return data["prompt"].key


def _same(data: Any, **kwargs: Any) -> Any:
    return data


def _first(messages: list[Any]) -> Any:
    return messages[0]


def _always(*args: Any, **kwargs: Any) -> bool:
    return True


def _new_cache(manager: DataManager) -> Cache:
    """Return a cache that finds the entry with the same key."""
    cache = Cache()
    # Not Cache.init: it leaves an atexit hook for each cache.
    cache.has_init = True
    cache.cache_enable_func = _always
    cache.pre_embedding_func = _key
    cache.embedding_func = _same
    cache.data_manager = manager
    cache.similarity_evaluation = _SameKey()
    cache.post_process_messages_func = _first
    cache.config = Config(disable_report=True)
    return cache


def _semantic_cache(manager: DataManager, search: SemanticSearch) -> Cache:
    """Return a cache that finds an entry with the same meaning."""

    def embed(query: SemanticQuery, **kwargs: Any) -> EmbeddedQuestion:
        return search.embed(query)

    cache = _new_cache(manager)
    cache.pre_embedding_func = _prompt
    cache.embedding_func = embed
    cache.similarity_evaluation = _Cosine()
    cache.config = Config(disable_report=True, similarity_threshold=0.0)
    return cache
