"""Know which model is asking: the only place that wraps LangChain.

LangChain tells a cache neither the model nor the arguments of the call. So the public methods ``generate``,
``agenerate``, ``stream`` and ``astream`` of chat and completion models are wrapped: each sets a context variable for
the time of the call. The wraps are installed with the first cache, counted, and taken away with the last one; a class
that is not imported yet is wrapped when it will be, because importing it takes longer than turning the cache on.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from types import ModuleType
from typing import Any, Final

from gptcache_magics import upstream
from gptcache_magics.settings import CALL, Call
from gptcache_magics.single_flight import current_task_or_thread

__all__ = ["install", "installed", "on_call_end", "release"]

MODELS: Final = {
    "langchain_core.language_models.chat_models": "BaseChatModel",
    "langchain_core.language_models.llms": "BaseLLM",
}

_lock = threading.RLock()  # release() may run from the garbage collector, in the middle of install()
_users = 0
_wraps: list[_Wrap] = []
_ended: list[Callable[[Call], None]] = []


class _Wrap:
    """One method of one class, wrapped until ``undo``."""

    def __init__(self, kind: type, name: str, make: Callable[[Callable[..., Any], bool], Callable[..., Any]]) -> None:
        self.kind, self.name = kind, name
        self.original = getattr(kind, name)
        self.active = True
        inner = make(self.original, kind.__name__ == "BaseChatModel")

        @functools.wraps(self.original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return (inner if self.active else self.original)(*args, **kwargs)

        self.wrapper = wrapper
        setattr(kind, name, wrapper)

    def undo(self) -> None:
        """Put the original back. If someone else wrapped over it, ours only steps aside."""
        self.active = False
        if vars(self.kind).get(self.name) is self.wrapper:
            setattr(self.kind, self.name, self.original)


def install() -> None:
    """Wrap LangChain's models, if they are not wrapped yet. Each ``install`` wants its ``release``."""
    global _users
    with _lock:
        _users += 1
    for name in MODELS:
        upstream.on_import(name, _wrap)


def _wrap(module: ModuleType) -> None:
    kind = getattr(module, MODELS[module.__name__])
    with _lock:
        if not _users or any(wrap.kind is kind for wrap in _wraps):
            return
        for name, make in (
            ("generate", _generate),
            ("agenerate", _agenerate),
            ("stream", _stream),
            ("astream", _astream),
        ):
            _wraps.append(_Wrap(kind, name, make))


def release() -> None:
    """Take the wraps away with the last cache that needs them."""
    global _users
    with _lock:
        _users = max(0, _users - 1)
        while _wraps and not _users:
            _wraps.pop().undo()


def installed() -> list[str]:
    """The methods that are wrapped now, as ``BaseChatModel.generate``."""
    return [f"{wrap.kind.__name__}.{wrap.name}" for wrap in _wraps]


def on_call_end(ended: Callable[[Call], None]) -> Callable[[], None]:
    """Call ``ended`` with each call that is over, whatever became of it. Returns the way to stop that."""
    _ended.append(ended)
    return functools.partial(_discard, ended)


def _discard(ended: Callable[[Call], None]) -> None:
    if ended in _ended:
        _ended.remove(ended)


def _call(model: Any, chat: bool, stop: Any, kwargs: dict[str, Any], *, streams: bool = False) -> Call:
    return Call(model, {**kwargs, "stop": stop} if stop else kwargs, chat, current_task_or_thread(), streams)


def _stop(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return kwargs.get("stop") or (args[1] if len(args) > 1 else None)


def _end(call: Call) -> None:
    for ended in list(_ended):
        ended(call)


def _generate(original: Callable[..., Any], chat: bool) -> Callable[..., Any]:
    def generate(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _call(self, chat, _stop(args, kwargs), kwargs)
        token = CALL.set(call)
        try:
            return original(self, *args, **kwargs)
        finally:
            CALL.reset(token)
            _end(call)

    return generate


def _agenerate(original: Callable[..., Any], chat: bool) -> Callable[..., Any]:
    async def agenerate(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _call(self, chat, _stop(args, kwargs), kwargs)
        token = CALL.set(call)
        try:
            return await original(self, *args, **kwargs)
        finally:
            CALL.reset(token)
            _end(call)

    return agenerate


def _stream(original: Callable[..., Any], chat: bool) -> Callable[..., Any]:
    def stream(self: Any, input: Any, config: Any = None, *, stop: Any = None, **kwargs: Any) -> Iterator[Any]:
        from gptcache_magics import streaming

        call = _call(self, chat, stop, kwargs, streams=True)
        try:
            yield from streaming.stream(original, call, input, config, stop, kwargs)
        finally:
            _end(call)

    return stream


def _astream(original: Callable[..., Any], chat: bool) -> Callable[..., Any]:
    async def astream(
        self: Any, input: Any, config: Any = None, *, stop: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        from gptcache_magics import streaming

        call = _call(self, chat, stop, kwargs, streams=True)
        try:
            async with aclosing(streaming.astream(original, call, input, config, stop, kwargs)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            _end(call)

    return astream
