"""One call of a model, as a face saw it begin: which model asks, and with what.

A call is a context variable, so it follows the code through ``batch``, ``asyncio`` and executors.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gptcache_magics.store.protocol import Configuration, Lookup

if TYPE_CHECKING:
    from gptcache_magics.identity.key import Identity

__all__ = ["CALL", "Call"]


@dataclass(slots=True, eq=False)
class Call:
    """One call of a public method of a model that may reach the provider: which model asks, and with what.

    What makes the call the same as another (its configuration and the identity of each prompt) is taken once, at the
    lookup, and reused by the update: a model may change its own fields while it answers.
    """

    model: Any
    kwargs: dict[str, Any]
    chat: bool
    who: object
    """The asyncio task or the thread that called."""
    method: str = "generate"
    inputs: Any = ()
    """What the method was given: lists of messages or texts for ``generate``, one input for a stream."""
    configuration: Configuration | None = None
    identities: dict[tuple[str, str], list[Identity]] = field(default_factory=dict)
    """By prompt and ``llm_string``; several only where identical calls are to have different answers."""
    misses: dict[str, Lookup] = field(default_factory=dict)
    """Lookups that the model is to answer, by key."""
    past: list[Lookup] = field(default_factory=list)
    """Of a call that goes past the cache, in the order of its prompts."""

    @property
    def streams(self) -> bool:
        """Whether the answer comes in pieces."""
        return "stream" in self.method


CALL: ContextVar[Call | None] = ContextVar("gptcache_magics_call", default=None)
