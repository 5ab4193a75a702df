"""Answers in the LangChain cache that was installed before ours: any ``BaseCache`` keeps its place.

It goes on to find what it stored. What it is asked with is LangChain's own ``prompt`` and ``llm_string``, so that what
it holds stays valid; where that string does not say which model asks, the caller has completed it.
"""

from __future__ import annotations

from langchain_core.caches import BaseCache

from gptcache_magics import generations
from gptcache_magics.identity.key import Identity
from gptcache_magics.store.protocol import Entry, Found

__all__ = ["WrappedEngine"]


class WrappedEngine:
    """Finds and saves through another cache."""

    def __init__(self, cache: BaseCache) -> None:
        self._cache = cache

    def find(self, identity: Identity, prompt: str, llm_string: str) -> Found | None:
        """The other cache's answer, or None. When and in how long it was made is not known."""
        answer = self._cache.lookup(prompt, llm_string)
        if answer is None:
            return None
        return Found(identity.key, generations.encode(answer), 0.0, None, generations.usage(answer))

    def save(self, entry: Entry, identity: Identity, prompt: str, llm_string: str) -> None:
        """Let the other cache store it."""
        self._cache.update(prompt, llm_string, generations.decode(entry.answer, fresh=False))

    def clear(self) -> str:
        """Clear the other cache; nothing more to say."""
        self._cache.clear()
        return ""

    def close(self) -> None:
        """It was there before and stays."""
