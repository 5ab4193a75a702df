"""Learn which model asks. This is the only module that wraps LangChain.

LangChain tells a cache neither the model nor the arguments of a call. So this module wraps the public methods
``generate``, ``agenerate``, ``stream`` and ``astream`` of chat and completion models: each sets a context variable for
the time of the call. ``stream_events`` and ``astream_events`` of version 3 go past all of these, and a method that a
class overrides may go past them too; watchers hear of those calls and may refuse them. The first cache installs the
wraps, and the last cache takes them away. A class that is not imported yet is wrapped on its import, because importing
the class takes longer than turning the cache on.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from types import ModuleType
from typing import Any, Final, Protocol

from gptcache_magics import forking
from gptcache_magics.engines import safe_import
from gptcache_magics.langchain.call import CALL, ModelCall

__all__ = ["Watcher", "install", "installed", "overriding", "release", "watch", "watched"]

MODELS: Final = {
    "langchain_core.language_models.chat_models": "BaseChatModel",
    "langchain_core.language_models.llms": "BaseLLM",
}

MADE_UP_USAGE: Final = {"total_cost": 0}

_lock = threading.RLock()  # release() may run from the garbage collector, in the middle of install()
_users = 0
_wraps: list[_Wrap | _Subclassing] = []
_watchers: list[Watcher] = []


class Watcher(Protocol):
    """An object that hears of each call."""

    def call_begins(self, call: ModelCall) -> None:
        """Hear that a call begins. An error that this raises keeps the call from the model."""

    def call_ended(self, call: ModelCall, result: Any) -> None:
        """Hear that a call is over; ``result`` is None if the call failed or came in pieces."""


class _Wrap:
    """One method of one class, wrapped until ``undo``."""

    def __init__(self, kind: type, name: str, make: Callable[[Callable[..., Any], bool, str], Any], chat: bool) -> None:
        self.kind, self.name = kind, name
        self.original = vars(kind)[name]
        self.active = True
        inner = make(self.original, chat, name)

        @functools.wraps(self.original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return (inner if self.active else self.original)(*args, **kwargs)

        self.wrapper = wrapper

    def put(self) -> None:
        """Put the wrapper in the place of the original."""
        setattr(self.kind, self.name, self.wrapper)

    def undo(self) -> None:
        """Put the original back. Where another library has wrapped over ours, ours passes calls through."""
        self.active = False
        if vars(self.kind).get(self.name) is self.wrapper:
            setattr(self.kind, self.name, self.original)


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


forking.in_child(_renew)


def install() -> None:
    """Wrap LangChain's models if they are not wrapped yet. Each ``install`` needs its ``release``."""
    global _users
    with _lock:
        _users += 1
    for name in MODELS:
        safe_import.on_import(name, _wrap)


def _wrap(module: ModuleType) -> None:
    base = getattr(module, MODELS[module.__name__])
    chat = base.__name__ == "BaseChatModel"
    with _lock:
        if not _users:
            return
        if not _is_wrapped(base, _Subclassing.name):
            _put(_Subclassing(base, chat))
        for kind in (base, *_subclasses(base)):
            _wrap_methods(kind, base, chat)


def _wrap_methods(kind: type, base: type, chat: bool) -> None:
    for name in METHODS:
        if name in vars(kind) and not _is_wrapped(kind, name):
            make = _watched if kind is not base or name.endswith("events") else METHODS[name]
            _put(_Wrap(kind, name, make, chat))


def _put(wrap: _Wrap | _Subclassing) -> None:
    _wraps.append(wrap)  # listed first: an interrupt may come at any instruction, and ``release`` must find it
    wrap.put()


def _is_wrapped(kind: type, name: str) -> bool:
    return any(wrap.kind is kind and wrap.name == name for wrap in _wraps)


class _Subclassing:
    """The ``__init_subclass__`` of a base class, wrapped: a later subclass may override a wrapped method."""

    name = "__init_subclass__"

    def __init__(self, base: Any, chat: bool) -> None:
        self.kind, self.active = base, True
        self.original = vars(base).get(self.name)

        def made(cls: Any, /, **kwargs: Any) -> None:
            (self.original.__get__(None, cls) if self.original else super(base, cls).__init_subclass__)(**kwargs)
            if self.active:
                with _lock:
                    _wrap_methods(cls, base, chat)

        self.wrapper = classmethod(made)

    def put(self) -> None:
        """Put the wrapper in the place of the original, or where there was none."""
        setattr(self.kind, self.name, self.wrapper)

    def undo(self) -> None:
        """Put the original back, or delete the method where the class had none of its own."""
        self.active = False
        if vars(self.kind).get(self.name) is not self.wrapper:
            return
        if self.original is None:
            delattr(self.kind, self.name)
        else:
            setattr(self.kind, self.name, self.original)


def _subclasses(kind: Any) -> Iterator[Any]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)


def release() -> None:
    """Take the wraps away if no other cache needs them."""
    global _users
    with _lock:
        _users = max(0, _users - 1)
        while _wraps and not _users:
            _wraps[-1].undo()
            _wraps.pop()


def installed() -> list[str]:
    """Return the methods that are wrapped now, such as ``BaseChatModel.generate``."""
    return [f"{wrap.kind.__name__}.{wrap.name}" for wrap in _wraps]


def overriding() -> list[str]:
    """Return the wrapped methods of classes other than LangChain's own two."""
    return [f"{wrap.kind.__name__}.{wrap.name}" for wrap in _wraps if wrap.kind.__name__ not in MODELS.values()]


def watch(watcher: Watcher) -> Callable[[], None]:
    """Let ``watcher`` hear of each call. Returns a function that ends this."""
    _watchers.append(watcher)
    return functools.partial(_discard, watcher)


def watched() -> bool:
    """Return whether any watcher hears of calls."""
    return bool(_watchers)


def _discard(watcher: Watcher) -> None:
    if watcher in _watchers:
        _watchers.remove(watcher)


def _call(model: Any, chat: bool, method: str, inputs: Any, stop: Any, kwargs: dict[str, Any]) -> ModelCall:
    return ModelCall(model, {**kwargs, "stop": stop} if stop is not None else kwargs, chat, method, inputs)


def _begin(call: ModelCall) -> None:
    for watcher in list(_watchers):  # a copy: one that ends meanwhile must not hide the next
        watcher.call_begins(call)


def _end(call: ModelCall, result: Any = None) -> None:
    for watcher in list(_watchers):
        watcher.call_ended(call, result)


def _generate(original: Callable[..., Any], chat: bool, method: str) -> Callable[..., Any]:
    def generate(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _call(self, chat, method, _inputs(args, kwargs), _stop(args, kwargs), kwargs)
        with call.running:
            _begin(call)
            token, result = CALL.set(call), None
            try:
                result = original(_model(call, args, async_api=False), *args, **kwargs)
                return _without_made_up_usage(result)
            finally:
                CALL.reset(token)
                _end(call, result)

    return generate


def _agenerate(original: Callable[..., Any], chat: bool, method: str) -> Callable[..., Any]:
    async def agenerate(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _call(self, chat, method, _inputs(args, kwargs), _stop(args, kwargs), kwargs)
        with call.running:
            _begin(call)
            token, result = CALL.set(call), None
            try:
                result = await original(_model(call, args, async_api=True), *args, **kwargs)
                return _without_made_up_usage(result)
            finally:
                CALL.reset(token)
                _end(call, result)

    return agenerate


def _model(call: ModelCall, args: tuple[Any, ...], *, async_api: bool) -> Any:
    """Return the model to run ``generate`` on: its copy that streams if a handler asks for events of a chat."""
    given, own = call.kwargs.get("callbacks") or (args[2] if len(args) > 2 else None), call.model.callbacks
    if not (given or own) or not call.chat:
        return call.model
    from gptcache_magics.langchain import streaming

    handlers = [handler for each in (given, own) if each for handler in getattr(each, "handlers", each)]
    return streaming.model_with_events(call, handlers, async_api=async_api)


def _without_made_up_usage(result: Any) -> Any:
    """Return the result of ``generate``, in which a hit of unknown usage has none.

    LangChain writes ``{"total_cost": 0}`` into it, and a message with nothing else there cannot be loaded again.
    """
    for answers in result.generations:
        for answer in answers:
            message = getattr(answer, "message", None)
            if message is not None and getattr(message, "usage_metadata", None) == MADE_UP_USAGE:
                message.usage_metadata = None
    return result


def _stream(original: Callable[..., Any], chat: bool, method: str) -> Callable[..., Any]:
    def stream(self: Any, input: Any, config: Any = None, *, stop: Any = None, **kwargs: Any) -> Iterator[Any]:
        from gptcache_magics.langchain import streaming

        call = _call(self, chat, method, input, stop, kwargs)
        with call.running:
            _begin(call)
            try:
                with closing(streaming.stream(original, call, input, config, stop, kwargs)) as chunks:
                    for chunk in chunks:
                        call.paused = time.monotonic()
                        yield chunk
                        call.paused = None
            finally:
                _end(call)

    return stream


def _astream(original: Callable[..., Any], chat: bool, method: str) -> Callable[..., Any]:
    async def astream(
        self: Any, input: Any, config: Any = None, *, stop: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        from gptcache_magics.langchain import streaming

        call = _call(self, chat, method, input, stop, kwargs)
        with call.running:
            _begin(call)
            try:
                async with aclosing(streaming.astream(original, call, input, config, stop, kwargs)) as chunks:
                    async for chunk in chunks:
                        call.paused = time.monotonic()
                        yield chunk
                        call.paused = None
            finally:
                _end(call)

    return astream


def _watched(original: Callable[..., Any], chat: bool, method: str) -> Callable[..., Any]:
    """Wrap a method that may go past the cache: watchers hear of it, and the method runs unchanged."""

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not method.endswith("events"):
            _begin(_call(self, chat, f"its own {method}", _inputs(args, kwargs), None, kwargs))
        elif kwargs.get("version") == "v3":
            asked = {name: value for name, value in kwargs.items() if name != "version"}
            _begin(_call(self, chat, f"{method} v3", _inputs(args, kwargs), None, asked))
        return original(self, *args, **kwargs)

    return watched


def _inputs(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else kwargs.get("messages", kwargs.get("prompts", kwargs.get("input", ())))


def _stop(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return kwargs["stop"] if "stop" in kwargs else args[1] if len(args) > 1 else None


METHODS: Final = {
    "generate": _generate,
    "agenerate": _agenerate,
    "stream": _stream,
    "astream": _astream,
    "stream_events": _watched,
    "astream_events": _watched,
}
"""The wrapped methods, and how each is wrapped. LangChain before 1.4 has no events of version 3."""
