"""Let handlers hear the pieces of a hit of a completion model, as they hear those of the model's answer.

LangChain tells no handler of a hit of a completion. So ``generate`` of a model that streams runs on a copy of it, whose
``_generate`` asks the cache. On a miss the model answers, and the pieces that its handlers hear are stored, too.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from copy import copy, deepcopy
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import ChatGenerationChunk, Generation, GenerationChunk, LLMResult

from gptcache_magics.chunks import Streamed
from gptcache_magics.identity.providers import finishing
from gptcache_magics.langchain.call import ModelCall
from gptcache_magics.lookup.pace import paced, pause

__all__ = ["Heard", "heard_by", "model_with_pieces"]


def model_with_pieces(call: ModelCall, cache: Any) -> Any:
    """Return the model to run ``generate`` on: a copy that asks the cache itself, if the model streams there."""
    model = call.model
    streams = getattr(model, "streaming", False) or finishing(type(model))
    if not streams or call.answers > 1 or "run_manager" not in inspect.signature(model._generate).parameters:
        return model
    asking = model.model_copy(update={"cache": False})
    vars(asking)["_generate"], vars(asking)["_agenerate"] = _from_cache(call, cache), _afrom_cache(call, cache)
    return asking


def _from_cache(call: ModelCall, cache: Any) -> Callable[..., LLMResult]:
    def _generate(prompts: list[str], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> LLMResult:
        found = [cache.lookup_chunks(prompt) for prompt in prompts]
        answers = [_whole(call, chunks) for chunks in found]
        for wait, chunk in _paced(call, prompts, found):
            if wait:
                time.sleep(wait)
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
        missing = [prompt for prompt, answer in zip(prompts, answers, strict=True) if answer is None]
        if not missing:
            return _result(answers)
        heard = Heard()
        result = call.model._generate(missing, stop=stop, run_manager=heard_by(heard, run_manager), **kwargs)
        for prompt, answer in zip(missing, result.generations, strict=False):
            cache.update_chunks(prompt, _streamed(answer, heard, len(missing)))
        return _result(answers, result)

    return _generate


def _afrom_cache(call: ModelCall, cache: Any) -> Callable[..., Coroutine[Any, Any, LLMResult]]:
    async def _agenerate(prompts: list[str], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> LLMResult:
        found = [await cache.alookup_chunks(prompt) for prompt in prompts]
        answers = [_whole(call, chunks) for chunks in found]
        for wait, chunk in _paced(call, prompts, found):
            if wait:
                await pause(wait)
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
        missing = [prompt for prompt, answer in zip(prompts, answers, strict=True) if answer is None]
        if not missing:
            return _result(answers)
        heard = Heard()
        result = await call.model._agenerate(missing, stop=stop, run_manager=heard_by(heard, run_manager), **kwargs)
        for prompt, answer in zip(missing, result.generations, strict=False):
            await cache.aupdate_chunks(prompt, _streamed(answer, heard, len(missing)))
        return _result(answers, result)

    return _agenerate


class Heard(BaseCallbackHandler):
    """Keeps the pieces of an answer as they come, before other handlers have them."""

    run_inline = True

    def __init__(self) -> None:
        self.pieces: list[GenerationChunk | ChatGenerationChunk] = []

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, **kwargs: Any) -> None:
        """Keep a piece."""
        known = isinstance(chunk, GenerationChunk | ChatGenerationChunk)
        self.pieces.append(deepcopy(chunk) if known else GenerationChunk(text=token))


def heard_by(heard: Heard, run_manager: Any) -> Any:
    """Return the manager of the same run, whose pieces ``heard`` keeps first."""
    if not run_manager:
        return run_manager
    manager = copy(run_manager)
    manager.handlers = [heard, *run_manager.handlers]
    return manager


def _paced(call: ModelCall, prompts: Sequence[str], found: Sequence[Any]) -> Iterator[tuple[float, Any]]:
    """Yield the chunks of all hits, each with the seconds to let pass before it."""
    for prompt, chunks in zip(prompts, found, strict=True):
        yield from paced(chunks or (), call.waits.pop(prompt, 0.0))


def _whole(call: ModelCall, chunks: Sequence[Any] | None) -> list[Any] | None:
    """Return the answer that a hit repeats; a class that always streams gives its chunks joined."""
    if not chunks:
        return None
    answer = Streamed(chunks=deepcopy([*chunks]))  # a handler may change the chunks that it hears
    return [answer.joined] if finishing(type(call.model)) else answer.whole


def _streamed(answer: list[Generation], heard: Heard, prompts: int) -> Streamed:
    """Return the model's answer with its pieces, if they are those of one prompt and make the answer."""
    heard_text = "".join(piece.text for piece in heard.pieces)
    whole = prompts == 1 and [heard_text] == [each.text for each in answer]
    return Streamed(chunks=heard.pieces if whole else [], ended=True, given=answer)


def _result(answers: Sequence[Any], result: LLMResult | None = None) -> LLMResult:
    """Return hits and the model's answers in the order of the prompts."""
    given = iter(result.generations if result is not None else ())
    generations = [next(given) if answer is None else answer for answer in answers]
    return LLMResult(generations=generations, llm_output=result.llm_output if result is not None else {})
