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

from gptcache_magics.identity.canonical import dumps
from gptcache_magics.store.reasons import exact_only
from gptcache_magics.text.messages import chat_messages, more_than_text, uses_tools

__all__ = ["SearchableQuestion", "searchable_question"]

FEWEST_WORDS: Final = 3
"""Shorter questions say too little: "and now?"."""
MOST_WORDS: Final = 60
"""In longer questions a word that matters changes the cosine by less than chance does."""
_TURN: Final = re.compile(r"^[ \t]*(?:human|user|ai|assistant|system|bot|question|answer|q|a)[ \t]*:", re.I | re.M)
"""Beginning of a turn, in a completion prompt that holds several turns."""
CANONICAL: Final = '[{"id"'
"""Beginning of a canonical chat prompt."""


@dataclass(frozen=True, slots=True)
class SearchableQuestion:
    """A question that may be matched by meaning, with its context."""

    question: str
    context: str
    """blake2b-128 over the configuration and all of the prompt but the question."""


def searchable_question(seen: bytes, configuration: str) -> SearchableQuestion:
    """Return the question of a canonical prompt, with its context.

    Raises
    ------
    ExactOnly
        If the prompt may not be matched by meaning, with the reason.
    """
    messages = chat_messages(seen, CANONICAL)
    if not messages:
        text = seen.decode("utf-8", "surrogatepass")
        if len(_TURN.findall(text)) > 1:
            raise exact_only("it is a conversation in one text")
        return _searchable(text, configuration, b"")
    *earlier, last = (each["kwargs"] for each in messages)
    if last.get("type") != "human":
        raise exact_only("the last message is not a person's")
    for each in (*earlier, last):
        if uses_tools(each):
            raise exact_only("the conversation uses tools")
        if other := more_than_text(each.get("content")):
            raise exact_only(f"the conversation holds more than text ({other})")
        if isinstance(sent := (each.get("additional_kwargs") or {}).get("sent"), dict) and "images" in sent:
            raise exact_only("the conversation holds more than text (images)")
    content = last.get("content")
    if isinstance(content, list):
        texts = [block if isinstance(block, str) else block["text"] for block in content]
        rest: Any = ["" if isinstance(block, str) else {**block, "text": ""} for block in content]
    else:
        texts, rest = [str(content or "")], ""
    last["content"] = rest
    return _searchable("\n\n".join(texts), configuration, dumps(messages))


def _searchable(question: str, configuration: str, rest: bytes) -> SearchableQuestion:
    try:
        question.encode()
    except UnicodeEncodeError:
        raise exact_only("it is not valid Unicode") from None
    words = len(question.split())
    if words < FEWEST_WORDS:
        raise exact_only(f"fewer than {FEWEST_WORDS} words")
    if words > MOST_WORDS:
        raise exact_only(f"more than {MOST_WORDS} words")
    return SearchableQuestion(question, blake2b(bytes.fromhex(configuration) + rest, digest_size=16).hexdigest())
