"""Answers in the LangChain cache that was installed before ours.

That cache gets LangChain's own ``prompt`` and ``llm_string``, so it finds the answers that it stored before. If the
``llm_string`` does not name the model, the caller completes it.
"""

from __future__ import annotations

import json
from typing import Any

from langchain_core.caches import BaseCache

from gptcache_magics import generations
from gptcache_magics.identity.key import Identity
from gptcache_magics.store.protocol import Entry, Found

__all__ = ["WrappedEngine"]


class WrappedEngine:
    """An engine that finds and saves answers through another cache."""

    def __init__(self, cache: BaseCache) -> None:
        self._cache = cache

    def find(self, identity: Identity, prompt: str, llm_string: str) -> Found | None:
        """Return the other cache's answer, or None. The time and the duration of the model call are unknown."""
        answer = self._cache.lookup(prompt, llm_string)
        if answer is None:
            return None
        return Found(identity.key, generations.encode(answer), 0.0, None, generations.usage(answer))

    def save(self, entry: Entry, identity: Identity, prompt: str, llm_string: str) -> None:
        """Store an answer in the other cache."""
        self._cache.update(prompt, llm_string, generations.decode(entry.answer, parse=_plain))

    def clear(self) -> str:
        """Clear the other cache."""
        self._cache.clear()
        return ""

    def close(self) -> None:
        """Leave the other cache open: it was there before."""


def _plain(text: str, stored: Any) -> Any:
    """Return what the model sent in place of a parsed object: LangChain parses it where our hooks do not."""
    return json.loads(text) if stored == generations.FROM_TEXT else stored
