"""Facts that DSPy tells of a call beside its requests: whether it may be cached, which of several answers it wants.

DSPy sends equal requests where it wants different answers: for each rollout of a program, and for each of the ``n``
candidates of a call. It keeps answers in a cache of its own, which stands before every request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gptcache_magics.sdk.hooks import Wrap

__all__ = ["CALL", "DSPyCall", "acall", "call", "get", "put"]


@dataclass(slots=True)
class DSPyCall:
    """One call of a ``dspy.LM``."""

    cached: bool
    """Whether its user lets it be cached."""
    rollout: Any
    """``rollout_id``; None if there is none."""
    answered: Counter[tuple[str, bytes]] = field(default_factory=Counter)
    """Number of answers to each request that the call has been given through the cache."""


CALL: ContextVar[DSPyCall | None] = ContextVar("gptcache_magics_dspy_call", default=None)


def call(wrap: Wrap) -> Callable[..., Any]:
    """Return ``BaseLM.__call__``, which makes its call known."""

    def __call__(lm: Any, *args: Any, **kwargs: Any) -> Any:
        token = CALL.set(_call_of(lm, kwargs))
        try:
            return wrap.original(lm, *args, **kwargs)
        finally:
            CALL.reset(token)

    return __call__


def acall(wrap: Wrap) -> Callable[..., Awaitable[Any]]:
    """Return ``BaseLM.acall``, which makes its call known."""

    async def acall(lm: Any, *args: Any, **kwargs: Any) -> Any:
        token = CALL.set(_call_of(lm, kwargs))
        try:
            return await wrap.original(lm, *args, **kwargs)
        finally:
            CALL.reset(token)

    return acall


def get(wrap: Wrap) -> Callable[..., Any]:
    """Return ``Cache.get``, which answers from what DSPy has kept where the mode asks for no other answer."""

    def get(cache: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        capture = wrap.capture
        if capture is not None and _asks_a_model(request) and capture.mode in ("replay", "refresh"):
            return None
        return wrap.original(cache, request, *args, **kwargs)

    return get


def put(wrap: Wrap) -> Callable[..., Any]:
    """Return ``Cache.put``, which keeps what has come past ours: an answer is in one of the two."""

    def put(cache: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        call = CALL.get()
        if wrap.capture is not None and call is not None and call.answered:
            return None
        return wrap.original(cache, request, *args, **kwargs)

    return put


def _call_of(lm: Any, kwargs: Mapping[str, Any]) -> DSPyCall:
    kept = getattr(lm, "kwargs", None) or {}
    rollout = kwargs.get("rollout_id", kept.get("rollout_id"))
    return DSPyCall(bool(kwargs.get("cache", getattr(lm, "cache", True))), rollout)


def _asks_a_model(request: Any) -> bool:
    """Return whether a request is one of a ``dspy.LM``: the same cache also keeps embeddings, and users' functions."""
    return isinstance(request, Mapping) and str(request.get("_fn_identifier", "")).startswith("dspy.clients.lm")
