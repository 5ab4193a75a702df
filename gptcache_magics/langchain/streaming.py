"""Let ``stream`` and ``astream`` use the cache, under the same key as ``invoke``.

LangChain's own ``stream`` runs, with its callbacks, on a copy of the model. The copy's ``_stream`` (the method that
every provider class implements) looks into the cache first. A hit yields the chunks of the stored answer. On a miss the
real model streams, and the answer is stored when its end was seen. ``generate`` runs in the same way where a handler
wants the pieces of an answer, as that of ``astream_events`` does.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import AsyncExitStack
from copy import deepcopy
from types import SimpleNamespace
from typing import Any, Final

from langchain_core.caches import BaseCache
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, BaseCallbackManager
from langchain_core.globals import get_llm_cache
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tracers import _streaming

from gptcache_magics.chunks import Streamed
from gptcache_magics.identity.prompt import prompt_of
from gptcache_magics.langchain.call import ModelCall
from gptcache_magics.langchain.chat_pieces import chat_with_pieces
from gptcache_magics.langchain.closing import Inner
from gptcache_magics.langchain.completions import model_with_pieces
from gptcache_magics.langchain.failure import charged
from gptcache_magics.lookup.pace import paced, pause
from gptcache_magics.lookup.running import within
from gptcache_magics.marks import mark_of

_V1: Final[Any] = _streaming._StreamingCallbackHandler
_V2: Final[Any] = getattr(_streaming, "_V2StreamingCallbackHandler", ())  # new in LangChain 1.4

__all__ = ["astream", "model_for_handlers", "stream"]


def stream(
    original: Callable[..., Any], call: ModelCall, input: Any, config: Any, stop: Any, kwargs: dict[str, Any]
) -> Generator[Any, None, None]:
    """Run ``original``, LangChain's ``stream``, with the cache if that caches streams."""
    yield from original(_model(call), input, config, stop=stop, **kwargs)


async def astream(
    original: Callable[..., Any], call: ModelCall, input: Any, config: Any, stop: Any, kwargs: dict[str, Any]
) -> AsyncGenerator[Any, None]:
    """Run ``original``, LangChain's ``astream``, with the cache if that caches streams."""
    # Closed here, not later by the event loop: a reader may stop in the middle of a stream.
    async with AsyncExitStack() as opened:
        model = _model(call, opened)
        chunks = await opened.enter_async_context(Inner(original(model, input, config, stop=stop, **kwargs)))
        async for chunk in chunks:
            yield chunk


def model_for_handlers(call: ModelCall, callbacks: Any, *, async_api: bool) -> Any:
    """Return the model to run ``generate`` on: a copy if one of the handlers would hear the pieces of an answer."""
    model: Any = call.model
    handlers = _handlers(callbacks)
    if not call.chat:
        cache = _cache(call) if any(map(_hears_tokens, handlers)) else None
        return model if cache is None else model_with_pieces(call, cache)
    by_events = [handler for handler in handlers if isinstance(handler, _V2)]  # LangChain shows these a hit itself
    call.events = bool(by_events) or any(isinstance(handler, _V1) for handler in handlers)
    manager = SimpleNamespace(handlers=handlers)
    if not (call.events or any(map(_hears_tokens, handlers))) or by_events:
        return model
    if not model._should_stream(async_api=async_api, run_manager=manager, **call.kwargs):
        cache = _cache(call)
        return model if cache is None else chat_with_pieces(call, cache)
    copy = _model(call)
    if copy is not model:
        vars(copy)["cache"] = False  # its _stream asks the cache
    return copy


def _handlers(callbacks: Any) -> list[Any]:
    """Return the handlers of a manager or a list; the list of ``batch`` holds the callbacks of each input."""
    callbacks = callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks
    if isinstance(callbacks, list):
        return [handler for each in callbacks for handler in _handlers(each)]
    return [] if callbacks is None else [callbacks]


def _hears_tokens(handler: Any) -> bool:
    """Return whether a handler has a method of its own for the pieces of an answer: LangChain's does nothing."""
    method = getattr(type(handler), "on_llm_new_token", None)
    return method not in (BaseCallbackHandler.on_llm_new_token, AsyncCallbackHandler.on_llm_new_token)


def _model(call: ModelCall, opened: AsyncExitStack | None = None) -> Any:
    """Return the model to stream from: the model itself, or a copy that looks into the cache first.

    Parameters
    ----------
    opened
        Closes the generators that the copy makes.
    """
    model, cache = call.model, _cache(call)
    # The chunks of several answers come mixed up, and do not say which answer they belong to.
    if cache is None or call.answers > 1:
        return model
    copy = model.model_copy(update={"rate_limiter": None} if call.chat else {})
    # LangChain invokes what it does not stream: then the model itself asks the cache.
    vars(copy)["invoke"], vars(copy)["ainvoke"] = model.invoke, model.ainvoke
    # In the instance, not in a subclass: LangChain compares type(self)._stream to learn whether a model streams.
    vars(copy)["_stream"] = _from_cache(call, cache)
    vars(copy)["_astream"] = _afrom_cache(call, cache, opened)
    return copy


def _cache(call: ModelCall) -> Any:
    """Return the cache of a call; None if it caches no streams."""
    own = call.model.cache
    cache: Any = own if isinstance(own, BaseCache) else get_llm_cache()
    return cache if own is not False and getattr(cache, "caches_streams", False) else None


def _from_cache(call: ModelCall, cache: Any) -> Callable[..., Iterator[Any]]:
    def _stream(prompt: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        text = prompt_of(prompt) if call.chat else str(prompt)
        with within(call):
            found = cache.lookup_chunks(text)
        if found:
            for wait, chunk in paced(_hit(call, found), call.waits.pop(text, 0.0)):
                if wait:
                    time.sleep(wait)
                if run_manager and not call.chat:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
            return
        if getattr(call.model, "rate_limiter", None):
            call.model.rate_limiter.acquire(blocking=True)
        answer = _streamed(call)
        try:
            for chunk in call.model._stream(prompt, stop=stop, run_manager=run_manager, **kwargs):
                _keep(answer, chunk)
                yield chunk
                answer.id = answer.id or _id(chunk)
            answer.ended = True
        except BaseException as error:
            _break_off(answer, error)
            raise
        finally:
            with within(call):
                cache.update_chunks(text, answer)

    return _stream


def _afrom_cache(call: ModelCall, cache: Any, opened: AsyncExitStack | None) -> Callable[..., AsyncIterator[Any]]:
    async def chunks(prompt: Any, stop: Any, run_manager: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        text = prompt_of(prompt) if call.chat else str(prompt)
        with within(call):
            found = await cache.alookup_chunks(text)
        if found:
            for wait, chunk in paced(_hit(call, found), call.waits.pop(text, 0.0)):
                if wait:
                    await pause(wait)
                if run_manager and not call.chat:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
            return
        if getattr(call.model, "rate_limiter", None):
            await call.model.rate_limiter.aacquire(blocking=True)
        answer = _streamed(call)
        try:
            async for chunk in call.model._astream(prompt, stop=stop, run_manager=run_manager, **kwargs):
                _keep(answer, chunk)
                yield chunk
                answer.id = answer.id or _id(chunk)
        except BaseException as error:
            _break_off(answer, error)
            with within(call):
                cache.update_chunks(text, answer)  # only noted, and a cancelled task may not wait
            raise
        answer.ended = True
        with within(call):
            await cache.aupdate_chunks(text, answer)

    def _astream(prompt: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
        made = Inner(chunks(prompt, stop, run_manager, **kwargs))
        if opened is not None:
            opened.push_async_callback(made.aclose)
        return made

    return _astream


def _streamed(call: ModelCall) -> Streamed:
    return Streamed(v1=_v1(call))


def _v1(call: ModelCall) -> bool:
    return getattr(call.model, "output_version", None) == "v1"


def _hit(call: ModelCall, chunks: Sequence[Any]) -> Sequence[Any]:
    """Return the chunks of a hit, after noting its mark.

    They have the empty last one that LangChain adds, which would have the id of the run. LangChain puts more into a
    chunk of standard blocks than into the last one that it adds, so it adds that itself.
    """
    last: Any = getattr(chunks[-1], "message", None)
    mark = mark_of(last)
    if mark is not None:
        call.marks[last.id] = mark
    if last is None or last.chunk_position or _v1(call):
        return chunks
    content: Any = "" if isinstance(last.content, str) else []
    message = AIMessageChunk(content=content, chunk_position="last", id=last.id)
    return [*chunks, ChatGenerationChunk(message=message)]


def _keep(answer: Streamed, chunk: Any) -> None:
    """Keep a chunk as it is now: LangChain, handlers and the reader change it from here on."""
    try:
        copy = deepcopy(chunk)
        if getattr(copy, "message", None) is not None:
            copy.message.id = None  # all chunks of a hit have one
        answer.chunks.append(copy)
    except Exception as error:
        answer.broken_off = f"a chunk cannot be copied ({type(error).__name__})"


def _id(chunk: Any) -> str | None:
    """Return the id that LangChain has given to a chunk by now."""
    id = getattr(getattr(chunk, "message", None), "id", None)
    return id if isinstance(id, str) else None


def _break_off(answer: Streamed, error: BaseException) -> None:
    """Note why an answer is not whole, and what is charged for it: nothing if the provider refused to begin."""
    left = isinstance(error, GeneratorExit)
    answer.broken_off = "its reader left before the end" if left else f"broken off ({type(error).__name__})"
    if not answer.chunks:
        answer.charged = charged(error)
