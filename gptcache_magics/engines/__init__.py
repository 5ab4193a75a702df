"""Engines keep the answers: gptcache on our store, a gptcache of the user's, or another LangChain cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gptcache_magics.identity.key import Identity
    from gptcache_magics.store.protocol import Entry, Found

__all__ = ["Engine"]


class Engine(Protocol):
    """One place of answers. Each method raises the errors of that place.

    ``prompt`` and ``llm_string`` are LangChain's words for a request. A place that does not know our identity looks its
    answers up with them.
    """

    def find(self, identity: Identity, prompt: str, llm_string: str) -> Found | None:
        """Return the answer to an exact request, or None."""

    def save(self, entry: Entry, identity: Identity, prompt: str, llm_string: str) -> None:
        """Store an answer."""

    def clear(self) -> str:
        """Remove every answer. Returns a sentence about what could not be removed, or an empty text."""

    def close(self) -> None:
        """Close what the engine has opened."""
