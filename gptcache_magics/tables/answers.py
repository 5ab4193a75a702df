"""Read the answer of an entry in its parts, as the panel and ``%gptcache show`` show it."""

from __future__ import annotations

from langchain_core.outputs import ChatGeneration, Generation

from gptcache_magics import generations
from gptcache_magics.text.said import Said, Text, said_in

__all__ = ["said_in_answer"]


def said_in_answer(answer: bytes) -> list[Said]:
    """Return every generation of an encoded answer: one, unless several choices were asked for."""
    if generations.text_if_readable(answer) is None:
        return [Said("ai", "", (Text("(damaged)"),))]
    return [_said_in_generation(each) for each in generations.decode(answer)]


def _said_in_generation(generation: Generation) -> Said:
    if not isinstance(generation, ChatGeneration):
        return Said("ai", "", (Text(generation.text),))
    message = generation.message
    fields = message.model_dump()
    try:
        extras = {**message.additional_kwargs, "reasoning_content": None}  # the blocks hold it
        return said_in({**fields, "content": message.content_blocks, "additional_kwargs": extras}, {})
    except Exception:  # blocks that langchain-core's translators do not expect
        return said_in(fields, {})
