"""One call of a model, as a face saw it begin: the model and its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gptcache_magics.store.protocol import Configuration

__all__ = ["Call"]


@dataclass(slots=True, eq=False)
class Call:
    """One call of a public method of a model that may reach the provider.

    The configuration is taken once, at the first lookup, and reused by the update: a model may change its own fields
    while it answers.
    """

    model: Any
    kwargs: dict[str, Any]
    chat: bool
    method: str = "generate"
    inputs: Any = ()
    """The input of the method: lists of messages or texts for ``generate``, one input for a stream."""
    configuration: Configuration | None = None

    @property
    def streams(self) -> bool:
        """Whether the answer comes in pieces."""
        return "stream" in self.method
