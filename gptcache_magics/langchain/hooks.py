"""Learn which model asks. This is the only module that installs wraps in LangChain.

LangChain tells a cache neither the model nor the arguments of a call. So this module wraps the public methods
``generate``, ``agenerate``, ``stream`` and ``astream`` of chat and completion models: each sets a context variable for
the time of the call. ``stream_events`` and ``astream_events`` of version 3 go past all of these. So may a class with
methods of its own, a method that talks to the provider (``_generate``) and is called directly, and an embedding;
guards hear of those calls and may refuse them.

The first cache installs the wraps, and the last cache takes them away.
"""

from __future__ import annotations

import dis
import functools
import inspect
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import closing
from itertools import pairwise
from types import CodeType
from typing import Any, Final, Protocol

from gptcache_magics import fork
from gptcache_magics.langchain import alone, hits, wraps
from gptcache_magics.langchain.alone import Within
from gptcache_magics.langchain.call import ModelCall
from gptcache_magics.langchain.captured import declines
from gptcache_magics.langchain.closing import Inner
from gptcache_magics.langchain.wraps import Make, Method
from gptcache_magics.lookup.running import CALL, running

__all__ = ["Guard", "Watcher", "install", "installed", "overriding", "release", "watch", "watched"]

MODELS: Final = {
    "langchain_core.language_models.chat_models": "BaseChatModel",
    "langchain_core.language_models.llms": "BaseLLM",
}
EMBEDDINGS: Final = {"langchain_core.embeddings.embeddings": "Embeddings"}
CLASSES: Final = {**MODELS, **EMBEDDINGS}

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

_watchers: list[Watcher] = []
_guards: list[Guard] = []


def _free_models() -> None:
    for module, name in MODELS.items():
        if (model := getattr(sys.modules.get(module), name, None)) is not None:
            fork.free_cached(model)


fork.in_child(_free_models)


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


def install(user: object) -> None:
    """Wrap LangChain's models if they are not wrapped yet, until every ``user`` has released them."""
    from gptcache_magics.langchain import retries  # %gptcache help does not wait for LangChain

    models = {module: {name: _chosen} for module, name in CLASSES.items()}
    wraps.install(user, {**models, **hits.CLASSES, **retries.CLASSES})


def _chosen(kind: type, base: type) -> Mapping[str, Make]:
    """Return the wraps of a class: LangChain's own methods ask the cache, and those of other classes are watched."""
    if base.__name__ in EMBEDDINGS.values():
        return {} if kind is base else EMBEDDING
    return METHODS if kind is base else OVERRIDES


def release(user: object) -> None:
    """Take the wraps away if no other cache needs them."""
    wraps.release(user)


def installed() -> list[str]:
    """Return the methods that are wrapped now, such as ``BaseChatModel.generate``."""
    return [f"{kind.__name__}.{name}" for kind, name, _ in wraps.wrapped(CLASSES.values())]


def overriding() -> list[str]:
    """Return the methods of classes other than LangChain's own two that may not ask the cache."""
    return [
        f"{kind.__name__}.{name}"
        for kind, name, method in wraps.wrapped(CLASSES.values())
        if kind.__name__ not in MODELS.values()
        and (name in METHODS or (name in PUBLIC_METHODS and not delegates(method.function.__code__)))
    ]


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
    call.failure = None  # it holds the frames of the call


# The makers of wrappers.


def _is_chat(method: Method) -> bool:
    return method.wraps.base.__name__ == "BaseChatModel"


def _generate(method: Method) -> Callable[..., Any]:
    chat = _is_chat(method)

    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        function = method.function
        if not method.wraps.active:
            return function(self, *args, **kwargs)
        call = _call(self, chat, method.name, _inputs(args, kwargs), _stop(args, kwargs), kwargs)
        with call.running:
            _begin(call)
            token, result = CALL.set(call), None
            try:
                model = _model(call, args, async_api=False)
                result = function(model, *args, **kwargs)
                return hits.as_it_came(call, result)
            except BaseException as error:
                call.failure = error
                raise
            finally:
                CALL.reset(token)
                _end(call, result)

    return wrapper


def _agenerate(method: Method) -> Callable[..., Any]:
    chat = _is_chat(method)

    async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        function = method.function
        if not method.wraps.active:
            return await function(self, *args, **kwargs)
        call = _call(self, chat, method.name, _inputs(args, kwargs), _stop(args, kwargs), kwargs)
        with call.running:
            _begin(call)
            token, result = CALL.set(call), None
            try:
                model = _model(call, args, async_api=True)
                result = await function(model, *args, **kwargs)
                return hits.as_it_came(call, result)
            except BaseException as error:
                call.failure = error
                raise
            finally:
                CALL.reset(token)
                _end(call, result)

    return wrapper


def _model(call: ModelCall, args: tuple[Any, ...], *, async_api: bool) -> Any:
    """Return the model to run ``generate`` on: a copy if a handler wants the pieces of the answer."""
    given, own = call.kwargs.get("callbacks") or (args[2] if len(args) > 2 else None), call.model.callbacks
    if not (given or own):
        return call.model
    from gptcache_magics.langchain import streaming

    return streaming.model_for_handlers(call, [given, own], async_api=async_api)


def _stream(method: Method) -> Callable[..., Any]:
    chat = _is_chat(method)

    def wrapper(self: Any, input: Any, config: Any = None, *, stop: Any = None, **kwargs: Any) -> Iterator[Any]:
        function = method.function
        if not method.wraps.active:
            yield from function(self, input, config, stop=stop, **kwargs)
            return
        from gptcache_magics.langchain import streaming

        call = _call(self, chat, method.name, input, stop, kwargs)
        with call.running:
            _begin(call)
            try:
                with closing(streaming.stream(function, call, input, config, stop, kwargs)) as chunks:
                    for chunk in Within(call, chunks):
                        call.paused = time.monotonic()
                        yield hits.marked(call, chunk)
                        call.paused = None
            finally:
                _end(call)

    return wrapper


def _astream(method: Method) -> Callable[..., Any]:
    chat = _is_chat(method)

    async def wrapper(
        self: Any, input: Any, config: Any = None, *, stop: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        function = method.function
        if not method.wraps.active:
            async with Inner(function(self, input, config, stop=stop, **kwargs)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        from gptcache_magics.langchain import streaming

        call = _call(self, chat, method.name, input, stop, kwargs)
        with call.running:
            _begin(call)
            try:
                async with Inner(streaming.astream(function, call, input, config, stop, kwargs)) as chunks:
                    async for chunk in Within(call, chunks):
                        call.paused = time.monotonic()
                        yield hits.marked(call, chunk)
                        call.paused = None
            finally:
                _end(call)

    return wrapper


def _plain(method: Method) -> Callable[..., Any]:
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        _past(method, self, args, kwargs)
        return method.function(self, *args, **kwargs)

    return wrapper


def _coroutine(method: Method) -> Callable[..., Any]:
    async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        _past(method, self, args, kwargs)
        return await method.function(self, *args, **kwargs)

    return wrapper


def _generator(method: Method) -> Callable[..., Any]:
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        _past(method, self, args, kwargs)
        yield from method.function(self, *args, **kwargs)

    return wrapper


def _async_generator(method: Method) -> Callable[..., Any]:
    async def wrapper(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        _past(method, self, args, kwargs)
        async with Inner(method.function(self, *args, **kwargs)) as chunks:
            async for chunk in chunks:
                yield chunk

    return wrapper


def _watched(method: Method) -> Callable[..., Any]:
    """Make a wrapper that lets guards hear of a method, and is of the method's own kind."""
    function = method.function
    if method.name in PROVIDER_METHODS:
        return _asking(method)
    if inspect.iscoroutinefunction(function):
        return _coroutine(method)
    if inspect.isasyncgenfunction(function):
        return _async_generator(method)
    return _generator(method) if inspect.isgeneratorfunction(function) else _plain(method)


def _asking(method: Method) -> Callable[..., Any]:
    """Make the wrapper of a method that asks the provider: LangChain calls it, and does not look at its kind."""
    chat = _is_chat(method)

    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        _past(method, self, args, kwargs)
        if not method.wraps.active:
            return method.function(self, *args, **kwargs)
        from langchain_core.globals import get_llm_cache

        declined = running() is None and declines(self, get_llm_cache())
        call = _call(self, chat, method.name, _inputs(args, kwargs), None, kwargs) if declined else None
        return alone.ask(functools.partial(method.function, self, *args, **kwargs), call)

    return wrapper


def _past(method: Method, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Let guards hear of a method that may go past the cache."""
    name, chat = method.name, _is_chat(method)
    if not method.wraps.active:
        return
    if name in EMBED_METHODS:
        for guard in list(_guards):
            guard.embedding_begins(model, name)
    elif name in ("stream_events", "astream_events") and method.kind is method.wraps.base:
        if kwargs.get("version") == "v3":
            asked = {name: value for name, value in kwargs.items() if name != "version"}
            _begin(_call(model, chat, f"{name} v3", _inputs(args, kwargs), None, asked))
    elif name not in (*PUBLIC_METHODS, "stream_events", "astream_events") or not delegates(method.function.__code__):
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
    """Return the stop words that are given by place; those given by name are among the arguments."""
    return None if "stop" in kwargs or len(args) < 2 else args[1]


METHODS: Final[dict[str, Make]] = {
    "generate": _generate,
    "agenerate": _agenerate,
    "stream": _stream,
    "astream": _astream,
    "stream_events": _plain,
    "astream_events": _plain,
}
"""The wrapped methods of LangChain's own classes. LangChain before 1.4 has no events of version 3."""
OVERRIDES: Final[dict[str, Make]] = dict.fromkeys((*METHODS, *PUBLIC_METHODS, *PROVIDER_METHODS), _watched)
"""The wrapped methods of other classes."""
EMBEDDING: Final[dict[str, Make]] = dict.fromkeys(EMBED_METHODS, _watched)
