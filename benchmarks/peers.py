"""The caches that are compared, each made from an empty folder. What a cache needs is imported when it is made.

Ours is asked as LangChain's models ask it: within a call, so that taking the identity of the model is part of a lookup.
``OURS_BARE`` is the same cache without a model at hand, keyed by LangChain's ``llm_string``.
"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from langchain_core.caches import BaseCache, InMemoryCache
from langchain_core.outputs import Generation
from payloads import llm_string, model

if TYPE_CHECKING:
    import numpy as np

    import gptcache_magics as gm

__all__ = ["FAISS", "FLOOR", "MAP", "OURS", "OURS_BARE", "PEERS", "SQLITE", "Asked", "fill", "missing"]

OURS, OURS_BARE, FLOOR = "gptcache-magics", "gptcache-magics, no model", "InMemoryCache"
SQLITE, MAP, FAISS = "SQLiteCache", "GPTCache map", "GPTCache sqlite,faiss"
DIMENSION: Final = 256


class Asked(BaseCache):
    """Our cache, asked within a call of a model, as the wraps of ``langchain_hooks`` do it."""

    def __init__(self, cache: gm.GPTCache) -> None:
        self.cache, self._model = cache, model()
        self._missed: dict[str, Any] = {}

    def lookup(self, prompt: str, llm_string: str) -> Sequence[Generation] | None:
        """Look up in a call of its own."""
        call = self._call()
        found: Sequence[Generation] | None = self._within(call, self.cache.lookup, prompt, llm_string)
        if found is None:
            self._missed[prompt] = call
        return found

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Update in the call that missed."""
        self._within(self._missed.pop(prompt, None) or self._call(), self.cache.update, prompt, llm_string, return_val)

    def clear(self, **kwargs: Any) -> None:
        """Clear."""
        self.cache.clear()

    def _call(self) -> Any:
        from gptcache_magics.settings import Call
        from gptcache_magics.single_flight import current_task_or_thread

        arguments = dict.fromkeys(("callbacks", "tags", "metadata", "run_name", "run_id"))
        return Call(model=self._model, kwargs=arguments, chat=True, who=current_task_or_thread())

    @staticmethod
    def _within(call: Any, work: Callable[..., Any], *arguments: Any) -> Any:
        from gptcache_magics.settings import CALL

        token = CALL.set(call)
        try:
            return work(*arguments)
        finally:
            CALL.reset(token)


class DiskCache(BaseCache):
    """diskcache with LangChain's own serialisation of answers."""

    def __init__(self, folder: Path) -> None:
        import diskcache
        from langchain_community.cache import _dumps_generations, _loads_generations

        self._cache = diskcache.Cache(folder, size_limit=2**40)
        self._dumps, self._loads = _dumps_generations, _loads_generations

    def lookup(self, prompt: str, llm_string: str) -> Any:
        """Look up."""
        found = self._cache.get(self._key(prompt, llm_string))
        return None if found is None else self._loads(found)

    def update(self, prompt: str, llm_string: str, return_val: Any) -> None:
        """Update."""
        self._cache.set(self._key(prompt, llm_string), self._dumps(return_val))

    def clear(self, **kwargs: Any) -> None:
        """Clear."""
        self._cache.clear()

    @staticmethod
    def _key(prompt: str, llm_string: str) -> str:
        return hashlib.sha256(f"{prompt}\0{llm_string}".encode()).hexdigest()
