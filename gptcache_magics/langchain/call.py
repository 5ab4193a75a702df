"""The running call of a LangChain model, with the requests and lookups that are remembered until the call ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from gptcache_magics.identity.call import Call
from gptcache_magics.lookup.running import running

if TYPE_CHECKING:  # %gptcache help imports this module, and nothing of LangChain's
    from gptcache_magics.lookup.request import Pending
    from gptcache_magics.store.protocol import Configuration, Lookup

__all__ = ["ModelCall", "running_call"]


def running_call() -> ModelCall | None:
    """Return the call of a model that runs here, if one does."""
    call = running()
    return call if isinstance(call, ModelCall) else None


@dataclass(slots=True, eq=False)
class ModelCall(Call):
    """One call of a LangChain model."""

    pending: dict[tuple[str, str], list[Pending]] = field(default_factory=dict)
    """Requests that the model is to answer, by prompt and ``llm_string``, in the order of their lookups."""
    past: list[Lookup] = field(default_factory=list)
    """The lookups of a call that goes past the cache, in the order of its prompts."""
    priced_as: Configuration | None = None
    """Provider and model that tell the price of a call that goes past the cache; never its identity."""
    served: list[tuple[Any, Any]] = field(default_factory=list)
    """The generations of hits, each with the usage that was stored, which LangChain replaces."""
    marks: dict[str | None, Mapping[str, Any]] = field(default_factory=dict)
    """The marks of the hits that are given in chunks, by the id of the message: LangChain drops them from chunks."""
    waits: dict[str, float] = field(default_factory=dict)
    """Seconds in which the pieces of a hit are to come, by prompt, if it is to take as long as its answer took."""
    failure: BaseException | None = None
    """The error that ended the call, while watchers hear of that."""
    running: Lock = field(default_factory=Lock)
    paused: float | None = None
    outer: ModelCall | None = field(default_factory=running_call)
