"""Split a call into the question, which may be matched by meaning, and the context, which must be equal.

The question is the text of the last human message. Everything else, from the model to the earlier turns, is the
*context*: questions are compared within one context and never across, so that "and in winter?" asked about Paris is not
answered with what was said about Oslo. Embedding LangChain's JSON instead would make unrelated questions look alike:
the braces outweigh the words, and the median cosine is 0.94.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import orjson

from gptcache_magics.identity.canonical import dumps
from gptcache_magics.store.reasons import exact_only

__all__ = ["SearchableQuestion", "searchable_question"]

FEWEST_WORDS: Final = 3
"""Shorter questions say too little: "and now?"."""
MOST_WORDS: Final = 60
"""In longer questions a word that matters changes the cosine by less than chance does."""
_TURN: Final = re.compile(r"^[ \t]*(?:human|user|ai|assistant|system|bot|question|answer|q|a)[ \t]*:", re.I | re.M)
"""Beginning of a turn in a prompt for a completion model that holds several."""
CANONICAL: Final = b'[{"id"'
"""Beginning of a canonical chat prompt."""


@dataclass(frozen=True, slots=True)
class SearchableQuestion:
    """A question that may be matched by meaning, with its context."""

    question: str
    context: str
    """blake2b-128 over the configuration and everything of the prompt but the question."""


def searchable_question(seen: bytes, configuration: str) -> SearchableQuestion:
    """Return the question of a canonical prompt, with its context.

    Raises
    ------
    ExactOnly
        If the prompt may not be matched by meaning, with the reason.
    """
    messages = _messages(seen)
    if messages is None:
        text = _text(seen)
        if len(_TURN.findall(text)) > 1:
            raise exact_only("it is a conversation in one text")
        return _meaning(text, configuration, b"")
    *earlier, last = (each["kwargs"] for each in messages)
    if last.get("type") != "human":
        raise exact_only("the last message is not a person's")
    for each in (*earlier, last):
        _check(each)
    content = last.get("content")
    if isinstance(content, list):
        texts = [block if isinstance(block, str) else block["text"] for block in content]
        rest: Any = ["" if isinstance(block, str) else {**block, "text": ""} for block in content]
    else:
        texts, rest = [str(content or "")], ""
    last["content"] = rest
    return _meaning("\n\n".join(texts), configuration, dumps(messages))


def _messages(seen: bytes) -> list[dict[str, Any]] | None:
    """Return the messages of a chat prompt; None for a text, which is itself the question."""
    if not seen.startswith(CANONICAL):
        return None
    try:
        messages = orjson.loads(seen)
    except ValueError:
        return None
    if not all(isinstance(each, dict) and isinstance(each.get("kwargs"), dict) for each in messages):
        return None
    return messages or None


def _text(seen: bytes) -> str:
    try:
        return seen.decode()
    except UnicodeDecodeError:
        raise exact_only("it is not valid Unicode") from None


def _check(message: dict[str, Any]) -> None:
    """Raise ``ExactOnly`` for a message that says more than its words."""
    extra = message.get("additional_kwargs") or {}
    calls = [
        message.get("tool_calls"),
        message.get("invalid_tool_calls"),
        *map(extra.get, ("tool_calls", "function_call")),
    ]
    if message.get("type") in ("tool", "function") or any(calls):
        raise exact_only("the conversation uses tools")
    content = message.get("content")
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, str) and not (block.get("type") == "text" and isinstance(block.get("text"), str)):
            raise exact_only(f"the conversation holds more than text ({block.get('type', '?')})")


def _meaning(question: str, configuration: str, rest: bytes) -> SearchableQuestion:
    words = len(question.split())
    if words < FEWEST_WORDS:
        raise exact_only(f"fewer than {FEWEST_WORDS} words")
    if words > MOST_WORDS:
        raise exact_only(f"more than {MOST_WORDS} words")
    return SearchableQuestion(question, blake2b(bytes.fromhex(configuration) + rest, digest_size=16).hexdigest())
