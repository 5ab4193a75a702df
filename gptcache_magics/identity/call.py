"""One call of a model, as seen at its begin: the model and its arguments."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any

from gptcache_magics.identity.carried import Carried
from gptcache_magics.identity.providers import ANSWER_COUNTS, finishing
from gptcache_magics.store.patience import Patience
from gptcache_magics.store.protocol import Configuration

__all__ = ["Call", "ReadCall", "task_or_thread"]


def task_or_thread() -> object:
    """Return the asyncio task that runs, or the thread outside of one."""
    loop = asyncio._get_running_loop()  # outside of a loop, current_task() costs an exception
    return (asyncio.current_task(loop) if loop is not None else None) or threading.get_ident()


@dataclass(frozen=True, slots=True)
class ReadCall:
    """A call as it was read: all that its prompts have in common."""

    configuration: Configuration
    carried: Carried = Carried()
    """The parts of messages that its requests carry."""
    earlier: Configuration | None = None
    """The configuration that also counts what does not reach the model, as the first versions did; None if equal."""

    def __hash__(self) -> int:
        return hash(self.configuration.key)


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
    read: ReadCall | None = None
    counts_bookkeeping: bool = False
    """Whether parameters count that the provider documents not to change an answer."""
    owner: object = field(default_factory=task_or_thread)
    """The asyncio task or the thread that called; LangChain looks up in a task of its own."""

    patience: Patience = field(default_factory=Patience)
    """The time that the store has taken from this call."""

    events: bool = False
    """Whether a handler asked for the pieces of the answer, as that of ``astream_events`` does."""

    @property
    def awaited(self) -> bool:
        """Whether the call is asynchronous, so that the model's asynchronous client sends it."""
        return self.method.startswith("a")

    @property
    def streams(self) -> bool:
        """Whether the answer comes in pieces."""
        return "stream" in self.method

    @property
    def ends_with_reason(self) -> bool:
        """Whether the answer was broken off if it has no finish reason: a body of JSON is whole without one."""
        invoke_streams = finishing(self.model.__class__)
        if invoke_streams is None:
            return False
        in_pieces = self.streams or self.events or self.kwargs.get("stream") or getattr(self.model, "streaming", False)
        return invoke_streams or bool(in_pieces)

    @property
    def answers(self) -> int:
        """Number of answers that the call asks for."""
        sources = [self.kwargs, self.kwargs.get("extra_body")]
        if finishing(self.model.__class__) is not None:  # the field "n" of another class may mean another thing
            fields = vars(self.model)
            sources += [fields, fields.get("model_kwargs"), fields.get("extra_body")]
        counts = [each.get(name) for each in sources if isinstance(each, dict) for name in ANSWER_COUNTS]
        return max((count for count in counts if isinstance(count, int)), default=1)
