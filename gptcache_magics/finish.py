"""Tell by its end whether an answer is whole, so that later calls may be given it.

LangChain keeps the provider's word on why the model stopped. :mod:`gptcache_magics.identity.providers` lists the words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from functools import lru_cache

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import Generation

from gptcache_magics.identity.call import Call
from gptcache_magics.identity.providers import (
    CALLING,
    COMPLETE,
    CUT_AT_LENGTH,
    EXTRAS_OF_EMPTY,
    FAILED,
    FINISH_REASONS,
    RESPONSE_STATUSES,
    TEXT_BLOCKS,
    WITHHELD,
)
from gptcache_magics.store import reasons
from gptcache_magics.store.reasons import not_stored

__all__ = ["check_finished", "check_storable", "finish_reason", "finish_reasons", "incomplete"]


def check_storable(generations: Sequence[Generation], call: Call | None = None, *, keep: bool = False) -> str:
    """Raise ``NotStorable`` for an answer that later calls should not get: missing, empty, cut off or withheld.

    Parameters
    ----------
    call
        Call that the model answered, which tells how the answer must end; None where it is not known.
    keep
        Whether answers that are empty, cut off at their length or withheld are stored, if nothing else is wrong.

    Returns
    -------
    The finish reason to store, from which :func:`incomplete` tells such an answer; empty for a complete one.
    """
    kept = ""
    if not generations:
        raise not_stored("no answer")
    if call is not None and len(generations) < call.answers:
        raise not_stored(f"{len(generations)} of {call.answers} answers came apart")
    for generation in generations:
        if not isinstance(generation, Generation):
            raise not_stored(f"a {type(generation).__name__} is not a generation")
        words = list(dict.fromkeys(finish_reasons(generation)))
        check_finished(words, call, keep=keep)
        kept = kept or next(filter(incomplete, words), "")
        message = getattr(generation, "message", None)
        if not generation.text.strip() and (message is None or _empty(message)):
            if not keep:
                raise not_stored(reasons.EMPTY)
            kept = kept or reasons.EMPTY
        if getattr(message, "invalid_tool_calls", None) and (kept or not getattr(message, "tool_calls", None)):
            raise not_stored("its tool calls are invalid")
        if isinstance(message, AIMessage) and not _has_calls(message):
            for reason in finish_reasons(generation):
                if reason.lower() in CALLING:
                    raise not_stored(f"it has no tool call, and ended with {reason}")
    return kept


def _has_calls(message: AIMessage) -> bool:
    extras = message.additional_kwargs
    return bool(message.tool_calls or extras.get("tool_calls") or extras.get("function_call"))


def check_finished(words: Sequence[str], call: Call | None, *, keep: bool = False) -> None:
    """Raise ``NotStorable`` unless one finish reason ended the answer, or its class gives none.

    The reason must be a complete one, or, to ``keep`` incomplete answers, one of those.
    """
    for word in words:
        if word.lower() in FAILED:
            raise not_stored(f"broken off ({word})")
        if not keep and incomplete(word):
            raise not_stored(incomplete(word))
    if len(words) > 1:
        raise not_stored(f"it ended more than once ({', '.join(words)})")
    if words and words[0].lower() not in COMPLETE and not incomplete(words[0]):
        raise not_stored(f"unknown finish reason ({words[0]})")
    if not words and call is not None and call.ends_with_reason:
        raise not_stored("broken off: it has no finish reason")


@lru_cache(maxsize=64)
def incomplete(word: str) -> str:
    """Return what a finish reason says of an incomplete answer, such as ``cut off at max_tokens (length)``.

    An answer that is :data:`~gptcache_magics.store.reasons.EMPTY` is stored with that word. Empty for other words.
    """
    known = word.lower()
    if known in CUT_AT_LENGTH:
        return f"{reasons.CUT_OFF} ({word})"
    if known in WITHHELD:
        return f"{reasons.WITHHELD} ({word})"
    return reasons.EMPTY if known == reasons.EMPTY else ""


def finish_reason(generations: Sequence[Generation]) -> str:
    """Return why the model stopped, in the provider's word; empty if it did not say."""
    return next(finish_reasons(generations[0]), "")


def finish_reasons(generation: Generation) -> Iterator[str]:
    """Yield each word on why the model stopped: LangChain keeps it in up to two places."""
    metadata = getattr(getattr(generation, "message", None), "response_metadata", None) or {}
    for source in (metadata, generation.generation_info or {}):
        for name in FINISH_REASONS:
            reason = source.get(name)
            reason = reason.name if isinstance(reason, Enum) and not isinstance(reason, str) else reason
            # OllamaLLM keeps its list of stop words there.
            if reason not in (None, "") and not isinstance(reason, list):
                yield str(getattr(reason, "value", reason))
    if isinstance(metadata.get("status"), str) and metadata["status"] in RESPONSE_STATUSES:
        details = metadata.get("incomplete_details")  # of OpenAI's Responses API
        yield (details.get("reason") if isinstance(details, dict) else None) or metadata["status"]


def _empty(message: BaseMessage) -> bool:
    extra = {name for name, value in message.additional_kwargs.items() if value}
    calls = getattr(message, "tool_calls", None) or getattr(message, "invalid_tool_calls", None)
    blocks = [b for b in message.content if not isinstance(b, dict) or b.get("type") not in TEXT_BLOCKS]
    return not calls and not (isinstance(message.content, list) and blocks) and extra <= EXTRAS_OF_EMPTY
