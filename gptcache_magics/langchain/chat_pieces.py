"""Let handlers hear the pieces of a hit of a chat model whose ``invoke`` reads a stream, as they hear the model's own.

LangChain tells handlers nothing of a hit of ``invoke``, and Ollama's class tells them each piece. So ``generate`` of
such a class runs on a copy of the model, which asks the cache itself. LangChain still treats new answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from langchain_core.outputs import ChatGenerationChunk, ChatResult

from gptcache_magics.chunks import Streamed
from gptcache_magics.identity.prompt import prompt_of
from gptcache_magics.identity.providers import finishing
from gptcache_magics.langchain.call import ModelCall
from gptcache_magics.langchain.completions import Heard, heard_by
from gptcache_magics.lookup.pace import paced, pause

__all__ = ["chat_with_pieces"]


def chat_with_pieces(call: ModelCall, cache: Any) -> Any:
    """Return the model to run ``generate`` on: a copy that asks the cache itself, if ``invoke`` reads a stream."""
    model = call.model
    # Of standard blocks, LangChain makes the whole answer of a miss only.
    if not finishing(type(model)) or call.answers > 1 or getattr(model, "output_version", None) == "v1":
        return model
    asking, without = model.model_copy(), model.model_copy(update={"cache": False})
    for name in ("_generate", "_agenerate"):
        vars(without)[name] = getattr(model, name)
    vars(asking)["_generate_with_cache"] = _from_cache(call, cache, without)
    vars(asking)["_agenerate_with_cache"] = _afrom_cache(call, cache, without)
    return asking


def _from_cache(call: ModelCall, cache: Any, without: Any) -> Callable[..., ChatResult]:
    def generate(messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        text = prompt_of(messages)
        pieces, whole = cache.lookup_pieces(text)
        for wait, piece in paced(pieces, call.waits.pop(text, 0.0)):
            if wait:
                time.sleep(wait)
            if run_manager:
                run_manager.on_llm_new_token(piece.text, chunk=piece)
        if whole:
            return ChatResult(generations=call.model._convert_cached_generations(whole))
        heard = Heard()
        result: ChatResult = type(without)._generate_with_cache(
            without, messages, stop=stop, run_manager=heard_by(heard, run_manager), **kwargs
        )
        cache.update_chunks(text, _streamed(result, heard))
        return result

    return generate


def _afrom_cache(call: ModelCall, cache: Any, without: Any) -> Callable[..., Coroutine[Any, Any, ChatResult]]:
    async def generate(messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        text = prompt_of(messages)
        pieces, whole = await cache.alookup_pieces(text)
        for wait, piece in paced(pieces, call.waits.pop(text, 0.0)):
            if wait:
                await pause(wait)
            if run_manager:
                await run_manager.on_llm_new_token(piece.text, chunk=piece)
        if whole:
            return ChatResult(generations=call.model._convert_cached_generations(whole))
        heard = Heard()
        result: ChatResult = await type(without)._agenerate_with_cache(
            without, messages, stop=stop, run_manager=heard_by(heard, run_manager), **kwargs
        )
        await cache.aupdate_chunks(text, _streamed(result, heard))
        return result

    return generate


def _streamed(result: ChatResult, heard: Heard) -> Streamed:
    """Return the model's answer with its pieces, if these make the answer."""
    pieces: Sequence[Any] = [each for each in heard.pieces if isinstance(each, ChatGenerationChunk)]
    for each in pieces:
        each.message.id = None  # all pieces of a hit have one
    answer = Streamed(chunks=[*pieces], ended=True, given=[*result.generations])
    if len(pieces) == len(heard.pieces) and _makes(answer):
        return answer
    return Streamed(ended=True, given=[*result.generations])


def _makes(answer: Streamed) -> bool:
    """Return whether the chunks of an answer make its whole."""
    try:
        joined = answer.joined
        (whole,) = answer.given
    except Exception:  # chunks that cannot be joined, several answers
        return False
    message = getattr(whole, "message", None)
    return joined is not None and (joined.text, joined.message.tool_calls) == (
        whole.text,
        getattr(message, "tool_calls", None),
    )
