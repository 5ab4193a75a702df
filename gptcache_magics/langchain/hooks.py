"""Learn which model asks. This is the only module that wraps LangChain.

LangChain tells a cache neither the model nor the arguments of a call. So this module wraps the public methods
``generate``, ``agenerate``, ``stream`` and ``astream`` of chat and completion models: each sets a context variable for
the time of the call. ``stream_events`` and ``astream_events`` of version 3 go past all of these. So may a class with
methods of its own, a method that talks to the provider (``_generate``) and is called directly, and an embedding;
guards hear of those calls and may refuse them.

The first cache installs the wraps, and the last cache takes them away. Nothing here holds a class of the user: the
wraps are found again in the classes below LangChain's own. A class that is not imported yet is wrapped on its import,
because importing the class takes longer than turning the cache on.
"""

from __future__ import annotations

import dis
import functools
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from itertools import pairwise
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final, Protocol

from gptcache_magics import forking
from gptcache_magics.engines import safe_import
from gptcache_magics.langchain.call import CALL, ModelCall

__all__ = ["Guard", "Watcher", "install", "installed", "overriding", "release", "watch", "watched"]

MODELS: Final = {
    "langchain_core.language_models.chat_models": "BaseChatModel",
    "langchain_core.language_models.llms": "BaseLLM",
}
EMBEDDINGS: Final = {"langchain_core.embeddings.embeddings": "Embeddings"}
CLASSES: Final = {**MODELS, **EMBEDDINGS}

MADE_UP_USAGE: Final = {"total_cost": 0}

PROVIDER_METHODS: Final = (
    *("_generate", "_agenerate", "_stream", "_astream", "_call", "_acall"),
    *("_stream_chat_model_events", "_astream_chat_model_events"),
)
"""The methods with which a class asks its provider; LangChain's own classes have none that do."""
PUBLIC_METHODS: Final = (
    *("invoke", "ainvoke", "batch", "abatch", "batch_as_completed", "abatch_as_completed", "transform", "atransform"),
    *("generate_prompt", "agenerate_prompt", "astream_log", "__call__", "predict", "apredict"),
    *("predict_messages", "apredict_messages", "_generate_with_cache", "_agenerate_with_cache"),
    *("_generate_helper", "_agenerate_helper"),
)
"""Methods that lead to ``generate`` or ``stream``, unless a class has its own."""
EMBED_METHODS: Final = ("embed_documents", "embed_query", "aembed_documents", "aembed_query")
RUNNABLE: Final = frozenset({"invoke", "ainvoke", "batch", "abatch"})
"""Methods whose names are LangChain's and no provider's."""

_lock = threading.RLock()  # release() may run from the garbage collector, in the middle of install()
_users = 0
_installed: object | None = None
"""Stands for the wraps of now: an earlier one, over which another library has wrapped, passes calls through."""
_bases: list[_Subclassing] = []
_watchers: list[Watcher] = []
_guards: list[Guard] = []


class Watcher(Protocol):
    """An object that hears of each call."""

    def call_begins(self, call: ModelCall) -> None:
        """Hear that a call begins. An error that this raises keeps the call from the model."""

    def call_ended(self, call: ModelCall, result: Any) -> None:
        """Hear that a call is over; ``result`` is None if the call failed or came in pieces."""


class Guard(Protocol):
    """An object that may refuse the calls that go past the watched methods. Its errors reach the user."""

    def method_begins(self, method: str, call: Callable[[], ModelCall]) -> None:
        """Hear of a method that may go past the cache; ``call`` makes the call that it is."""

    def embedding_begins(self, embeddings: Any, method: str) -> None:
        """Hear that texts are embedded."""


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


forking.in_child(_renew)


def install() -> None:
    """Wrap LangChain's models if they are not wrapped yet. Each ``install`` needs its ``release``."""
    global _users, _installed
    with _lock:
        _users += 1
        _installed = _installed or object()
    for name in CLASSES:
        safe_import.on_import(name, _wrap)
    from gptcache_magics.langchain import retries  # %gptcache help does not wait for LangChain

    retries.install()


def _wrap(module: ModuleType) -> None:
    base = getattr(module, CLASSES[module.__name__])
    with _lock:
        found = next((each for each in _bases if each.kind is base), None)
        if not _users or (found is not None and found.complete):
            return
        if found is None:
            found = _Subclassing(base)
            _bases.append(found)  # listed first: an interrupt may come at any instruction, and release must find it
        found.put()
        for kind in (base, *_subclasses(base)):
            _wrap_methods(kind, base)
        found.complete = True


def _wrap_methods(kind: type, base: type) -> None:
    chat, embeds = base.__name__ == "BaseChatModel", base.__name__ in EMBEDDINGS.values()
    names: tuple[str, ...] = EMBED_METHODS if embeds else (*METHODS, *PUBLIC_METHODS, *PROVIDER_METHODS)
    if kind is base:
        names = () if embeds else tuple(METHODS)
    for name in names:
        function = vars(kind).get(name)
        if isinstance(function, FunctionType):
            make = METHODS[name] if kind is base else _watched(name, function)
            setattr(kind, name, _Method(function, kind, name, chat, make, _installed))


def _unwrap_methods(kind: type) -> None:
    """Put the originals back. Where another library has wrapped over ours, ours passes calls through."""
    for name, method in list(vars(kind).items()):
        if isinstance(method, _Method):
            setattr(kind, name, method.function_in(kind))


class _Method:
    # A docstring would be the one of every method.
    #
    # A method of a class, wrapped. It is no function, for the sake of %autoreload. That either gives the code of a new
    # method to the old one, which here passes it on, or it puts the new method into the old class. There, super()
    # would mean the new class, so that such a method is made again.

    __slots__ = ("chat", "function", "kind", "make", "name", "round", "wrapper")

    def __init__(
        self,
        function: FunctionType,
        kind: type,
        name: str,
        chat: bool,
        make: Callable[[_Method], Callable[..., Any]],
        round: object,
    ) -> None:
        self.function, self.kind, self.name, self.chat, self.make, self.round = function, kind, name, chat, make, round
        self.wrapper = functools.wraps(function)(make(self))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        for holder in type(instance).__mro__:
            if holder is self.kind:
                return MethodType(self.wrapper, instance)
            if vars(holder).get(self.name) is self and self.kind not in holder.__mro__:
                return self._moved(holder).__get__(instance)
        return MethodType(self.wrapper, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.wrapper(*args, **kwargs)

    def __reduce__(self) -> Any:
        return _same, (self.function,)  # another process has its own wraps

    def __getattr__(self, name: str) -> Any:
        if name in _Method.__slots__:
            raise AttributeError(name)
        return getattr(self.wrapper if name == "__wrapped__" else self.function, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _Method.__slots__:
            object.__setattr__(self, name, value)
            return
        try:
            setattr(self.function, name, value)
        except ValueError as error:  # another closure: but for this, %autoreload would write into the memory
            raise RuntimeError("The module must be loaded as a whole.") from error

    @property
    def __doc__(self) -> str | None:
        return self.function.__doc__

    @__doc__.setter
    def __doc__(self, text: str | None) -> None:
        self.function.__doc__ = text

    def function_in(self, kind: type) -> FunctionType:
        """Return the method of the user, with the meaning that ``super()`` has in a class."""
        function = self.function
        names = function.__code__.co_freevars
        if self.kind in kind.__mro__ or "__class__" not in names:
            return function
        cells = tuple(
            CellType(kind) if name == "__class__" else cell
            for name, cell in zip(names, function.__closure__ or (), strict=True)
        )
        made = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, cells)
        made.__kwdefaults__ = function.__kwdefaults__
        functools.update_wrapper(made, function)
        del made.__wrapped__  # type: ignore[attr-defined]
        return made

    def _moved(self, kind: type) -> _Method:
        made = _Method(self.function_in(kind), kind, self.name, self.chat, self.make, self.round)
        setattr(kind, self.name, made)
        return made


def _same(function: FunctionType) -> FunctionType:
    return function


class _Subclassing:
    """The ``__init_subclass__`` of a base class, wrapped: a later subclass may override a wrapped method."""

    name = "__init_subclass__"

    def __init__(self, base: Any) -> None:
        self.kind, self.active = base, True
        self.complete = False
        """Whether the methods of the base class and its subclasses are wrapped."""
        self.original = vars(base).get(self.name)

        def made(cls: Any, /, **kwargs: Any) -> None:
            (self.original.__get__(None, cls) if self.original else super(base, cls).__init_subclass__)(**kwargs)
            if self.active:
                with _lock:
                    _wrap_methods(cls, base)

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
    global _users, _installed
    with _lock:
        _users = max(0, _users - 1)
        if _users:
            return
        _installed = None
        while _bases:
            base = _bases[-1]
            base.undo()
            for kind in (base.kind, *_subclasses(base.kind)):
                _unwrap_methods(kind)
            _bases.pop()
        from gptcache_magics.langchain import retries

        retries.release()


def installed() -> list[str]:
    """Return the methods that are wrapped now, such as ``BaseChatModel.generate``."""
    subclassing = [f"{base.kind.__name__}.{base.name}" for base in _bases]
    return subclassing + [f"{kind.__name__}.{name}" for kind, name, _ in _wrapped()]


def overriding() -> list[str]:
    """Return the methods of classes other than LangChain's own two that may not ask the cache."""
    return [
        f"{kind.__name__}.{name}"
        for kind, name, method in _wrapped()
        if kind.__name__ not in MODELS.values()
        and (name in METHODS or (name in PUBLIC_METHODS and not delegates(method.function.__code__)))
    ]


def _wrapped() -> Iterator[tuple[type, str, _Method]]:
    """Yield each wrap: class, name and method."""
    for base in _bases:
        for kind in dict.fromkeys((base.kind, *_subclasses(base.kind))):
            for name, method in list(vars(kind).items()):
                if isinstance(method, _Method):
                    yield kind, name, method


def watch(watcher: Watcher, guard: Guard | None = None) -> Callable[[], None]:
    """Let ``watcher`` hear of each call, and ``guard`` of what goes past. Returns a function that ends this."""
    _watchers.append(watcher)
    if guard is not None:
        _guards.append(guard)
    return functools.partial(_discard, watcher, guard)


def watched() -> bool:
    """Return whether any watcher hears of calls."""
    return bool(_watchers)


def _discard(watcher: Watcher, guard: Guard | None) -> None:
    if watcher in _watchers:
        _watchers.remove(watcher)
    if guard in _guards:
        _guards.remove(guard)


def _call(model: Any, chat: bool, method: str, inputs: Any, stop: Any, kwargs: dict[str, Any]) -> ModelCall:
    return ModelCall(model, {**kwargs, "stop": stop} if stop is not None else kwargs, chat, method, inputs)


def _begin(call: ModelCall) -> None:
    for watcher in list(_watchers):  # a copy: one that ends meanwhile must not hide the next
        watcher.call_begins(call)


def _end(call: ModelCall, result: Any = None) -> None:
    for watcher in list(_watchers):
        watcher.call_ended(call, result)


# The makers of wrappers.


def _generate(method: _Method) -> Callable[..., Any]:
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        function = method.function
        if method.round is not _installed:
            return function(self, *args, **kwargs)
        call = _call(self, method.chat, method.name, _inputs(args, kwargs), _stop(args, kwargs), kwargs)
        with call.running:
            _begin(call)
            token, result = CALL.set(call), None
            try:
                result = function(_model(call, args, async_api=False), *args, **kwargs)
                return _without_made_up_usage(result)
            finally:
                CALL.reset(token)
                _end(call, result)

    return wrapper


def _agenerate(method: _Method) -> Callable[..., Any]:
    async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        function = method.function
        if method.round is not _installed:
            return await function(self, *args, **kwargs)
        call = _call(self, method.chat, method.name, _inputs(args, kwargs), _stop(args, kwargs), kwargs)
        with call.running:
            _begin(call)
            token, result = CALL.set(call), None
            try:
                result = await function(_model(call, args, async_api=True), *args, **kwargs)
                return _without_made_up_usage(result)
            finally:
                CALL.reset(token)
                _end(call, result)

    return wrapper


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


def _stream(method: _Method) -> Callable[..., Any]:
    def wrapper(self: Any, input: Any, config: Any = None, *, stop: Any = None, **kwargs: Any) -> Iterator[Any]:
        function = method.function
        if method.round is not _installed:
            yield from function(self, input, config, stop=stop, **kwargs)
            return
        from gptcache_magics.langchain import streaming

        call = _call(self, method.chat, method.name, input, stop, kwargs)
        with call.running:
            _begin(call)
            try:
                with closing(streaming.stream(function, call, input, config, stop, kwargs)) as chunks:
                    for chunk in chunks:
                        call.paused = time.monotonic()
                        yield chunk
                        call.paused = None
            finally:
                _end(call)

    return wrapper


def _astream(method: _Method) -> Callable[..., Any]:
    async def wrapper(
        self: Any, input: Any, config: Any = None, *, stop: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        function = method.function
        if method.round is not _installed:
            async with aclosing(function(self, input, config, stop=stop, **kwargs)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        from gptcache_magics.langchain import streaming

        call = _call(self, method.chat, method.name, input, stop, kwargs)
        with call.running:
            _begin(call)
            try:
                async with aclosing(streaming.astream(function, call, input, config, stop, kwargs)) as chunks:
                    async for chunk in chunks:
                        call.paused = time.monotonic()
                        yield chunk
                        call.paused = None
            finally:
                _end(call)

    return wrapper


def _plain(method: _Method) -> Callable[..., Any]:
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        _past(method, self, args, kwargs)
        return method.function(self, *args, **kwargs)

    return wrapper


def _coroutine(method: _Method) -> Callable[..., Any]:
    async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        _past(method, self, args, kwargs)
        return await method.function(self, *args, **kwargs)

    return wrapper


def _generator(method: _Method) -> Callable[..., Any]:
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        _past(method, self, args, kwargs)
        yield from method.function(self, *args, **kwargs)

    return wrapper


def _async_generator(method: _Method) -> Callable[..., Any]:
    async def wrapper(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        _past(method, self, args, kwargs)
        async with aclosing(method.function(self, *args, **kwargs)) as chunks:
            async for chunk in chunks:
                yield chunk

    return wrapper


def _watched(name: str, function: Callable[..., Any]) -> Callable[[_Method], Callable[..., Any]]:
    """Return the maker of a wrapper that lets guards hear of a method, and is of the method's own kind."""
    if name in PROVIDER_METHODS:  # called by LangChain, which does not look at the kind
        return _plain
    if inspect.iscoroutinefunction(function):
        return _coroutine
    if inspect.isasyncgenfunction(function):
        return _async_generator
    return _generator if inspect.isgeneratorfunction(function) else _plain


def _past(method: _Method, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Let guards hear of a method that may go past the cache."""
    name, chat = method.name, method.chat
    if method.round is not _installed:
        return
    if name in EMBED_METHODS:
        for guard in list(_guards):
            guard.embedding_begins(model, name)
    elif name in ("stream_events", "astream_events"):
        if kwargs.get("version") == "v3":
            asked = {name: value for name, value in kwargs.items() if name != "version"}
            _begin(_call(model, chat, f"{name} v3", _inputs(args, kwargs), None, asked))
    elif name not in PUBLIC_METHODS or not delegates(method.function.__code__):
        inputs = _inputs(args, kwargs)
        one = chat and name in ("_generate", "_agenerate")  # of a list of messages, not of several lists
        for guard in list(_guards):
            guard.method_begins(name, lambda: _call(model, chat, name, [inputs] if one else inputs, None, kwargs))


@functools.lru_cache(maxsize=512)
def delegates(code: CodeType) -> bool:
    """Return whether a method leaves the call to a method that asks the cache or is watched: ``super().invoke()``."""
    if "super" in code.co_names or not RUNNABLE.isdisjoint(code.co_names):
        return True
    steps = list(dis.get_instructions(code))
    on_self = {after.argval for step, after in pairwise(steps) if step.argval == "self"}
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return not on_self.isdisjoint((*METHODS, *PUBLIC_METHODS, *PROVIDER_METHODS)) or any(map(delegates, inner))


def _inputs(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else kwargs.get("messages", kwargs.get("prompts", kwargs.get("input", ())))


def _stop(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return kwargs["stop"] if "stop" in kwargs else args[1] if len(args) > 1 else None


METHODS: Final = {
    "generate": _generate,
    "agenerate": _agenerate,
    "stream": _stream,
    "astream": _astream,
    "stream_events": _plain,
    "astream_events": _plain,
}
"""The wrapped methods of LangChain's own classes. LangChain before 1.4 has no events of version 3."""
