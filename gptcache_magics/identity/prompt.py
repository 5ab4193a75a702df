"""Reduce a prompt to its canonical form, the part that the model sees.

LangChain hands a cache the messages as JSON, with ids and usage figures. These differ between an answer from the model
and the same answer from a cache. If they counted, a conversation would miss at every turn.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from gptcache_magics.identity.canonical import dumps
from gptcache_magics.identity.carried import Carried
from gptcache_magics.identity.reduced_prompt import reduce
from gptcache_magics.text.messages import chat_messages, content_text

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

__all__ = ["Canonical", "canonical", "prompt_of", "question_of"]


class Canonical(NamedTuple):
    """A prompt as the model sees it."""

    seen: bytes
    """The canonical prompt."""
    prompt: str
    """The prompt as stock GPTCache should see it."""
    question: str
    reduced: bool = False
    """Whether something was taken away that the first versions counted."""


def prompt_of(messages: Sequence[BaseMessage]) -> str:
    """Return the prompt that LangChain hands to a cache when a chat model is invoked."""
    from langchain_core import load  # %gptcache help does not wait for it

    return load.dumps([m.model_copy(update={"id": None}) if m.id is not None else m for m in messages])


def canonical(prompt: str, carried: Carried) -> Canonical:
    """Return the part of a prompt that the model sees.

    Parameters
    ----------
    carried
        The parts of messages that the model's request carries.
    """
    messages = chat_messages(prompt)
    if messages is None:
        return Canonical(_bytes(prompt), prompt, prompt)
    changed = False
    question = None
    for message in messages:
        kwargs = message["kwargs"]
        if message["id"][-1] == "HumanMessage" or question is None:
            question = kwargs.get("content")
        metadata = kwargs.pop("response_metadata", None)
        changed |= bool(metadata)
        if isinstance(metadata, dict) and (kept := carried.metadata_of(metadata, kwargs.get("content"))):
            kwargs["response_metadata"] = kept
        extras = kwargs.get("additional_kwargs")
        if isinstance(extras, dict) and "parsed" in extras:  # made of the content, for the user
            changed = True
            kwargs["additional_kwargs"] = {name: each for name, each in extras.items() if name != "parsed"}
            if len(extras) == 1:
                del kwargs["additional_kwargs"]
        for name in ("id", "usage_metadata", "artifact", "tool_call_chunks", "chunk_position"):
            changed |= kwargs.pop(name, None) is not None
        if message["id"][-1].endswith("MessageChunk"):
            message["id"][-1] = message["id"][-1].removesuffix("Chunk")
            kwargs["type"] = str(kwargs.get("type", "")).removesuffix("MessageChunk").lower()
            changed = True
    reduced = reduce(messages, carried)
    text = json.dumps(messages) if changed or reduced else prompt
    return Canonical(dumps(messages), text, content_text(question), reduced)


def question_of(prompt: str) -> str:
    """Return what a person asked last, or the prompt itself."""
    return canonical(prompt, Carried()).question


def _bytes(prompt: str) -> bytes:
    return prompt.encode("utf-8", "surrogatepass")
