"""Let ``stream`` and ``astream`` use the cache, under the same key as ``invoke``.

LangChain's own ``stream`` runs, with its callbacks, on a copy of the model. The copy's ``_stream`` (the method that
every provider class implements) looks into the cache first. A hit yields the stored answer in pieces. On a miss the
real model streams, and the whole answer is stored at its end.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import reduce
from operator import add
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.globals import get_llm_cache
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk

from gptcache_magics.identity.prompt import prompt_of
from gptcache_magics.langchain.call import ModelCall, within

__all__ = ["astream", "stream"]

_WORDS = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+$")


def stream(
    original: Callable[..., Any], call: ModelCall, input: Any, config: Any, stop: Any, kwargs: dict[str, Any]
) -> Iterator[Any]:
    """Run ``original``, LangChain's ``stream``, with the cache if that caches streams."""
    yield from original(_model(call), input, config, stop=stop, **kwargs)


async def astream(
    original: Callable[..., Any], call: ModelCall, input: Any, config: Any, stop: Any, kwargs: dict[str, Any]
) -> AsyncGenerator[Any, None]:
    """Run ``original``, LangChain's ``astream``, with the cache if that caches streams."""
    # Closed here, not later by the garbage collector: a reader may stop in the middle of a stream.
    async with aclosing(original(_model(call), input, config, stop=stop, **kwargs)) as chunks:
        async for chunk in chunks:
            yield chunk


def _model(call: ModelCall) -> Any:
    """Return the model to stream from: the model itself, or a copy that looks into the cache first."""
    model = call.model
    cache = model.cache if isinstance(model.cache, BaseCache) else get_llm_cache()
    if model.cache is False or not getattr(cache, "caches_streams", False):
        return model
    copy = model.model_copy(update={"rate_limiter": None} if call.chat else {})
    # LangChain invokes what it does not stream: then the model itself asks the cache.
    vars(copy)["invoke"], vars(copy)["ainvoke"] = model.invoke, model.ainvoke
    # In the instance, not in a subclass: LangChain compares type(self)._stream to learn whether a model streams.
    vars(copy)["_stream"] = _from_cache(call, cache)
    vars(copy)["_astream"] = _afrom_cache(call, cache)
    return copy


def _from_cache(call: ModelCall, cache: Any) -> Callable[..., Iterator[Any]]:
    def _stream(prompt: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        text = prompt_of(prompt) if call.chat else str(prompt)
        with within(call):
            found = cache.lookup(text, "")
        if found:
            for chunk in _pieces(found[0]):
                if run_manager and not call.chat:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
            return
        if getattr(call.model, "rate_limiter", None):
            call.model.rate_limiter.acquire(blocking=True)
        chunks = []
        for chunk in call.model._stream(prompt, stop=stop, run_manager=run_manager, **kwargs):
            chunks.append(chunk)
            yield chunk
        with within(call):
            cache.update(text, "", _whole(chunks))

    return _stream


def _afrom_cache(call: ModelCall, cache: Any) -> Callable[..., AsyncIterator[Any]]:
    async def _astream(prompt: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
        text = prompt_of(prompt) if call.chat else str(prompt)
        with within(call):
            found = await cache.alookup(text, "")
        if found:
            for chunk in _pieces(found[0]):
                if run_manager and not call.chat:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
            return
        if getattr(call.model, "rate_limiter", None):
            await call.model.rate_limiter.aacquire(blocking=True)
        chunks = []
        async for chunk in call.model._astream(prompt, stop=stop, run_manager=run_manager, **kwargs):
            chunks.append(chunk)
            yield chunk
        with within(call):
            await cache.aupdate(text, "", _whole(chunks))

    return _astream


def _whole(chunks: Sequence[Any]) -> list[Generation]:
    """Return the answer of all chunks, as ``invoke`` would have stored it."""
    if not chunks:
        return []
    whole = reduce(add, chunks)
    if not isinstance(whole, ChatGenerationChunk):
        return [Generation(text=whole.text, generation_info=whole.generation_info)]
    message = message_chunk_to_message(whole.message)
    return [ChatGeneration(message=message, generation_info=whole.generation_info)]


def _pieces(generation: Generation) -> Iterator[Any]:
    """Yield a stored answer word by word; all but text comes with the last piece."""
    if not isinstance(generation, ChatGeneration):
        for word in _WORDS.findall(generation.text) or [""]:
            yield GenerationChunk(text=word)
        return
    message = generation.message
    rest: Any = message.content
    if isinstance(rest, str):
        *words, rest = _WORDS.findall(rest) or [""]
        for word in words:
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
    last = AIMessageChunk(
        content=rest, additional_kwargs=message.additional_kwargs, response_metadata=message.response_metadata
    )
    if isinstance(message, AIMessage):
        last = AIMessageChunk(
            **{**dict(last), "usage_metadata": message.usage_metadata, "tool_call_chunks": _tool_calls(message)}
        )
    yield ChatGenerationChunk(message=last, generation_info=generation.generation_info)


def _tool_calls(message: AIMessage) -> list[ToolCallChunk]:
    calls: list[Any] = [{**call, "args": json.dumps(call["args"])} for call in message.tool_calls]
    return [
        ToolCallChunk(name=call["name"], args=call["args"], id=call["id"], index=i, type="tool_call_chunk")
        for i, call in enumerate([*calls, *message.invalid_tool_calls])
    ]
