"""One call of a model, as seen at its begin: the model and its arguments."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any

from gptcache_magics.store.protocol import Configuration

__all__ = ["Call", "task_or_thread"]


def task_or_thread() -> object:
    """Return the asyncio task that runs, or the thread outside of one."""
    try:
        return asyncio.current_task() or threading.get_ident()
    except RuntimeError:
        return threading.get_ident()


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
    owner: object = field(default_factory=task_or_thread)
    """The asyncio task or the thread that called; LangChain looks up in a task of its own."""

    @property
    def streams(self) -> bool:
        """Whether the answer comes in pieces."""
        return "stream" in self.method
