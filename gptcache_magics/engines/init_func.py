"""Answers in a gptcache manager of the user's own, set up by the user's ``init_func``.

Like stock GPTCache, this engine calls an ``init_func`` of two parameters once for each ``llm_string``, but under a
lock. It calls an ``init_func`` of one parameter once. A manager may then hold the answers of several configurations. So
each stored question begins with its configuration, and an answer of another configuration is never taken, whatever the
user's evaluation says. An answer that stock GPTCache stored has no such beginning: :mod:`.stock`.
"""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from gptcache import Cache, Config
from gptcache.adapter import api
from gptcache.embedding.string import to_embeddings
from gptcache.manager import get_data_manager
from gptcache.manager.data_manager import MapDataManager, SSDataManager
from gptcache.manager.eviction_manager import EvictionManager
from gptcache.processor.post import temperature_softmax
from gptcache.processor.pre import get_prompt
from gptcache.similarity_evaluation import ExactMatchEvaluation, SimilarityEvaluation
from gptcache.utils.cache_func import cache_all

from gptcache_magics import fork, generations
from gptcache_magics.engines import stock
from gptcache_magics.errors import StoreError
from gptcache_magics.finish import check_storable
from gptcache_magics.identity.call import Call
from gptcache_magics.identity.key import Identity
from gptcache_magics.store.protocol import Entry, Found, Store, Usage

__all__ = ["InitFuncEngine"]

UNNAMED: Final = (
    "The answers that LangChain's GPTCache stored with this init_func do not say which model gave them, so none is "
    "served, and the models are asked again. To use them, name the model: %gptcache load --init FUNC --model VARIABLE"
)

NEIGHBOURS: Final = 10
"""Number of nearest questions to ask for: some may belong to other configurations."""


class InitFuncEngine:
    """An engine that finds and saves answers through the caches that ``init_func`` sets up."""

    def __init__(self, store: Store, init_func: Callable[..., None]) -> None:
        self._store = store
        self._init_func = init_func
        self._by_llm = len(inspect.signature(init_func).parameters) == 2
        self._caches: dict[str, _UserCache] = {}
        self._folder: TemporaryDirectory[str] | None = None
        self.notices: list[str] = []
        """Messages for the user about answers of LangChain's own class."""
        self._renew()
        fork.in_child(self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def find(self, identity: Identity, prompt: str, llm_string: str) -> Found | None:
        """Return the answer to a prompt, or None."""
        with self._lock:
            cache = self._cache(llm_string)
            cache.prefix = self._prefix(identity)
            text = api.get(identity.prompt, cache_obj=cache, **cache.search_options)
        if text is None:
            return None
        stored = json.loads(text)
        answer = stored["answer"].encode("utf-8", "surrogatepass")
        return Found(identity.key, answer, stored["created"], stored["seconds"], Usage(*stored["usage"]))

    def find_stock(
        self, identity: Identity, prompt: str, llm_string: str, call: Call | None, says_everything: Callable[[], bool]
    ) -> Found | None:
        """Return the answer that LangChain's own class stored for a request, or None.

        Parameters
        ----------
        says_everything
            Returns whether ``llm_string`` names all that counts.
        """
        with self._lock:
            cache = self._cache(llm_string)
            if not cache.holds_stock or self._store.generation():  # the store was cleared, and so were they
                return None
            manager = cache.data_manager
            named = self._by_llm and stock.is_named_after(manager, llm_string)
            text = cache.stock_answer(prompt) if named else None
        if named and text is None:
            return None
        if text is None or not says_everything():
            self.notices = [UNNAMED]
            return None
        try:
            answer = stock.generations_of(text)
            check_storable(answer, call)
            data = generations.encode(answer)
        except Exception:  # whatever the words lead to: LangChain's class takes that for a miss, too
            return None
        return Found(identity.key, data, stock.stored_at(manager), None, generations.usage(answer))

    def stock_answers(self, llm_string: str) -> list[tuple[str, str]]:
        """Return prompt and answer of everything that LangChain's own class stored. Raises the manager's errors."""
        with self._lock:
            return list(stock.answers(self._cache(llm_string).data_manager))

    def save(self, entry: Entry, identity: Identity, prompt: str, llm_string: str) -> None:
        """Store an answer in the user's manager. Raises the errors of the manager."""
        usage = entry.usage
        tokens = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
        answer = entry.answer.decode("utf-8", "surrogatepass")
        text = json.dumps({"answer": answer, "created": entry.created, "seconds": entry.seconds, "usage": tokens})
        with self._lock:
            cache = self._cache(llm_string)
            cache.prefix = self._prefix(identity)
            failures: list[Exception] = []
            with _noticing(cache, failures):
                api.put(identity.prompt, text, cache_obj=cache)
        if failures:
            raise failures[0]

    def clear(self) -> str:
        """Remove every answer. Returns a sentence about managers that cannot delete, or an empty text.

        The store's generation is part of every key. So once the store is cleared, earlier answers are never served,
        even by a manager that cannot delete.
        """
        self._store.clear()
        with self._lock:
            managers = [cache.data_manager for cache in self._caches.values()]
            self._caches.clear()
        kept = [manager for manager in managers if not _empty(manager)]
        return f" {len(kept)} gptcache managers cannot delete: their answers are never served again." if kept else ""

    def close(self) -> None:
        """Flush and close every manager."""
        with self._lock:
            for cache in self._caches.values():
                with suppress(Exception):
                    cache.data_manager.close()
            self._caches.clear()

    def _cache(self, llm_string: str) -> _UserCache:
        name = llm_string if self._by_llm else ""
        cache = self._caches.get(name)
        if cache is None:
            cache = _UserCache(self._map_file(name))
            self._init_func(*((cache, llm_string) if self._by_llm else (cache,)))
            if not cache.has_init:
                raise StoreError("init_func did not call init() of the gptcache.Cache that it was given.")
            cache.isolate()
            self._caches[name] = cache
        return cache

    def _map_file(self, name: str) -> Path:
        """Return the file of a map for which ``init_func`` names no file."""
        if self._store.where == ":memory:":
            self._folder = self._folder or TemporaryDirectory(prefix="gptcache-")
        folder = Path(self._folder.name if self._folder else self._store.where)
        return folder / f"data_map-{blake2b(name.encode(), digest_size=8).hexdigest()}.txt"

    def _prefix(self, identity: Identity) -> str:
        return f"{identity.configuration.key}-{self._store.generation()}\n"


class _UserCache(Cache):
    """A ``gptcache.Cache`` whose ``init`` registers nothing at exit and shares no default with another cache."""

    def __init__(self, map_file: Path) -> None:
        super().__init__()
        self.prefix = ""
        self.search_options: dict[str, int] = {}
        self.holds_stock = False
        """Whether LangChain's own class has stored answers in this manager."""
        self._map_file = map_file

    def init(
        self,
        cache_enable_func: Any = cache_all,
        pre_embedding_func: Any = get_prompt,
        pre_func: Any = None,
        embedding_func: Any = to_embeddings,
        data_manager: Any = None,
        similarity_evaluation: Any = None,
        post_process_messages_func: Any = temperature_softmax,
        post_func: Any = None,
        config: Any = None,
        next_cache: Any = None,
    ) -> None:
        """Set the cache up, as ``gptcache.Cache.init`` does. Without a data manager the answers go to a map file."""
        self.has_init = True
        self.cache_enable_func = cache_enable_func
        self.pre_embedding_func = pre_func or pre_embedding_func
        self.embedding_func = embedding_func
        self.data_manager = data_manager or get_data_manager(data_path=str(self._map_file))
        self.similarity_evaluation = similarity_evaluation or ExactMatchEvaluation()
        self.post_process_messages_func = post_func or post_process_messages_func
        self.config = config or Config(disable_report=True)
        self.next_cache = next_cache

    def isolate(self) -> None:
        """Let every stored question begin with its configuration."""
        pre_embedding_func = self.pre_embedding_func
        exact = self.embedding_func is to_embeddings

        def with_prefix(data: dict[str, Any], **kwargs: Any) -> tuple[str, Any]:
            result = pre_embedding_func(data, **kwargs)
            stored, embedded = result if isinstance(result, tuple) else (result, result)
            # The text is the key of an exact match; a vector must not contain the prefix.
            return self.prefix + str(stored), self.prefix + embedded if exact else embedded

        self._plain, self.holds_stock = pre_embedding_func, stock.holds_any(self.data_manager)
        self.pre_embedding_func = with_prefix
        self.similarity_evaluation = _WithinConfiguration(self, self.similarity_evaluation)
        if not exact:
            self.search_options = {"top_k": NEIGHBOURS}

    def stock_answer(self, prompt: str) -> str | None:
        """Return what LangChain's own class stored in a map under the whole prompt, and nothing less."""
        if self._plain({"prompt": prompt}, extra_param=None, prompts=None, cache_config=self.config) != prompt:
            return None
        question, answer = (*self.data_manager.data.get(prompt, ()), None, None)[:2]
        return answer if question == prompt and isinstance(answer, str) else None


class _WithinConfiguration(SimilarityEvaluation):
    """The user's evaluation, limited to questions of the same configuration."""

    def __init__(self, cache: _UserCache, evaluation: SimilarityEvaluation) -> None:
        self._cache, self._evaluation = cache, evaluation

    def evaluation(self, src_dict: dict[str, Any], cache_dict: dict[str, Any], **kwargs: Any) -> float:
        prefix = self._cache.prefix
        question = getattr(cache_dict["question"], "content", cache_dict["question"])
        if not str(question).startswith(prefix):
            return float("-inf")
        asked = {**src_dict, "question": str(src_dict["question"]).removeprefix(prefix)}
        stored = {**cache_dict, "question": str(question).removeprefix(prefix)}
        return float(self._evaluation.evaluation(asked, stored, **kwargs))

    def range(self) -> tuple[float, float]:
        low, high = self._evaluation.range()
        return float(low), float(high)


@contextmanager
def _noticing(cache: _UserCache, failures: list[Exception]) -> Iterator[None]:
    """Collect the errors of a save, which gptcache only logs."""
    manager = cache.data_manager
    save = manager.save

    def noticed(*args: Any, **kwargs: Any) -> None:
        try:
            save(*args, **kwargs)
        except Exception as error:
            failures.append(error)

    manager.save = noticed
    try:
        yield
    finally:
        del manager.save


def _empty(manager: Any) -> bool:
    """Delete the content of a manager. Returns False if the manager cannot delete."""
    if isinstance(manager, MapDataManager):
        manager.data.clear()
        manager.flush()
        return True
    if isinstance(manager, SSDataManager):
        ids = list(manager.s.get_ids(deleted=False))
        eviction = EvictionManager(manager.s, manager.v)
        eviction.soft_evict(ids)
        eviction.delete()
        manager.flush()
        return True
    return False
