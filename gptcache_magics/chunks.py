"""Encode a streamed answer: its chunks as they came, and the whole answer as ``invoke`` would have stored it.

A hit of ``stream`` gives the chunks again. Where an answer came from ``invoke``, a hit cuts it into chunks: reasoning
first, then words, then tool calls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from functools import cached_property, reduce
from operator import add
from typing import Any, Final

import orjson
from langchain_core.messages import AIMessageChunk, message_chunk_to_message
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk
from pydantic import BaseModel

from gptcache_magics import finish, generations
from gptcache_magics.generations import CHUNKED, FROM_TEXT, PARSED, Ids, uninterrupted
from gptcache_magics.identity.call import Call
from gptcache_magics.marks import set_mark
from gptcache_magics.store.protocol import Usage
from gptcache_magics.store.reasons import not_stored

__all__ = ["Streamed", "check_storable", "checked", "decode", "encode", "finish_reason", "usage"]

_WORDS: Final = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+$")
_DERIVED: Final = frozenset({"id", "type", "tool_calls", "invalid_tool_calls"})
"""Fields of a chunk that a hit has anew, or that follow from the other fields."""
_IN_EACH: Final = ("model_provider", "output_version")
"""Names in ``response_metadata`` that say how to read the content, which each chunk has."""


@dataclass
class Streamed:
    """An answer that came in chunks."""

    v1: bool = False
    """Whether the model gives standard content blocks: ``output_version="v1"``."""
    chunks: list[Any] = field(default_factory=list)
    """Copies of the chunks, taken before anybody else had them."""
    ended: bool = False
    """Whether the model gave its last chunk."""
    broken_off: str = ""
    """Reason why the chunks are not all of them; an interrupt may keep it from being noted."""
    charged: Usage = Usage()
    """The tokens that are charged for an answer that was broken off, as far as they are known."""
    id: str | None = None
    """Id that LangChain gave to the message of all chunks."""
    given: list[Generation] = field(default_factory=list)
    """The whole answer, where the model gave that beside the chunks."""

    @cached_property
    @uninterrupted
    def joined(self) -> Any:
        """One chunk of all; None if there was not one."""
        if self.chunks and isinstance(self.chunks[0], ChatGenerationChunk):
            first, *others = _as_blocks(self.chunks) if self.v1 else map(_with_metadata, self.chunks)
            return first + others
        return reduce(add, self.chunks) if self.chunks else None

    @cached_property
    @uninterrupted
    def whole(self) -> list[Generation]:
        """The answer of all chunks, as ``invoke`` would have given it."""
        if self.given:
            return self.given
        joined = self.joined
        if joined is None:
            return []
        if not isinstance(joined, ChatGenerationChunk):
            return [Generation(text=joined.text, generation_info=joined.generation_info)]
        message = message_chunk_to_message(joined.message)
        message.id = message.id or self.id or "lc_run--streamed"  # a hit gets an id where there was one
        return [ChatGeneration(message=message, generation_info=joined.generation_info)]


def check_storable(answer: Streamed, call: Call | None = None, *, keep: bool = False) -> str:
    """Raise ``NotStorable`` for an answer whose end did not come, or that is not whole for another reason.

    ``keep`` and the returned word are those of :func:`gptcache_magics.finish.check_storable`.
    """
    if answer.broken_off or not answer.ended:
        raise not_stored(answer.broken_off or "broken off")
    if answer.chunks:
        # Joining the chunks glues their reasons together: "stop" and "length" become "stoplength".
        each = [reason for chunk in answer.chunks for reason in dict.fromkeys(finish.finish_reasons(chunk))]
        finish.check_finished(each, call, keep=keep)
        _check_end(answer.chunks)
        _check_inputs(getattr(answer.joined, "message", None))
    return finish.check_storable(answer.whole, call, keep=keep)


def usage(answer: Streamed) -> Usage:
    """Return the tokens of an answer; if that was broken off, those that are known to be charged for."""
    if answer.broken_off:
        return answer.charged
    return generations.usage(answer.given or ([answer.joined] if answer.chunks else []))


def finish_reason(answer: Streamed) -> str:
    """Return why the model stopped, in the provider's word."""
    return finish.finish_reason(answer.whole)


def encode(answer: Streamed) -> bytes:
    """Return the encoded answer: the whole alone if its chunks do not come back equal.

    Raises
    ------
    NotStorable
        If the whole does not come back equal either.
    """
    whole = generations.encode(answer.whole)
    try:
        plain = [_without_parsed(chunk) for chunk in answer.chunks]
        chunks = orjson.dumps(_rows(plain)) if plain else b""
        chunks = chunks if plain and _chunks(orjson.loads(chunks)) == plain else b""
    except Exception:  # a class of its own, an object, a number or a text that is not JSON
        chunks = b""
    return CHUNKED + chunks + b"\n" + whole if chunks else whole


def decode(
    data: bytes,
    *,
    ids: Ids | None = None,
    mark: Mapping[str, Any] | None = None,
    validate: bool = False,
    parse: Callable[[str, Any], Any] | None = None,
) -> list[Any]:
    """Decode an answer into new chunks; ``mark`` is in the last one, and pydantic validates all of them.

    Without ``ids``, the chunks have none.
    """
    if data[:1] == CHUNKED:
        chunks = _chunks(orjson.loads(data[1 : data.index(b"\n")]))
        for chunk in chunks:
            extras = chunk.message.additional_kwargs if isinstance(chunk, ChatGenerationChunk) else {}
            if PARSED in extras and parse is not None:
                extras[PARSED] = parse("".join(each.text for each in chunks), extras[PARSED])
    else:
        chunks = list(_cut(generations.decode(data, validate=validate, parse=parse)[0]))
    message = getattr(chunks[-1], "message", None)
    if mark is not None and message is not None:
        set_mark(message, mark)
    if ids is not None and message is not None:
        id = ids(generations.message_id(data) or "", 0)  # without one, LangChain gives that of the run
        for chunk in chunks:
            chunk.message.id = id
    return chunks


def checked(data: bytes) -> bytes:
    """Return an encoded answer of a stranger, without its chunks if these do not make the whole, which people read."""
    whole = generations.without_chunks(data)
    try:
        answers = [Streamed(v1=v1, chunks=decode(data), id=generations.message_id(data)) for v1 in (False, True)]
        made = [generations.encode(answer.whole) for answer in answers]
    except Exception:  # whatever a class of LangChain raises for its arguments
        return whole
    return data if whole in made else whole


def _without_parsed(chunk: Any) -> Any:
    """Return the chunk without the object that an SDK has parsed from the text of all chunks."""
    extras = chunk.message.additional_kwargs if isinstance(chunk, ChatGenerationChunk) else {}
    if not isinstance(extras.get(PARSED), BaseModel) and not is_dataclass(extras.get(PARSED)):
        return chunk
    message = chunk.message.model_copy(update={"additional_kwargs": {**extras, PARSED: FROM_TEXT}})
    return chunk.model_copy(update={"message": message})


def _with_metadata(chunk: ChatGenerationChunk) -> ChatGenerationChunk:
    """Return the chunk with its information in the message, where LangChain puts it."""
    metadata = {**(chunk.generation_info or {}), **chunk.message.response_metadata}
    message = chunk.message.model_copy(update={"response_metadata": metadata})
    return chunk.model_copy(update={"message": message})


def _as_blocks(chunks: Sequence[ChatGenerationChunk]) -> Iterator[ChatGenerationChunk]:
    """Yield chunks with standard content blocks, numbered as LangChain's ``stream`` does it, and a last one."""
    number, kind = -1, ""
    for chunk in map(_with_metadata, chunks):
        blocks: list[Any] = [dict(block) for block in chunk.message.content_blocks]
        for block in blocks:
            number, kind = (number, kind) if block["type"] == kind else (number + 1, block["type"])
            block.setdefault("index", number)
        metadata = {**chunk.message.response_metadata, "output_version": "v1"}
        message = chunk.message.model_copy(update={"content": blocks, "response_metadata": metadata})
        yield chunk.model_copy(update={"message": message})
    yield ChatGenerationChunk(message=AIMessageChunk(content=[], chunk_position="last"))


def _check_end(chunks: Sequence[Any]) -> None:
    """Raise ``NotStorable`` if the answer goes on after its finish reason: then another end was to come."""
    ended = False
    for chunk in chunks:
        if ended and (chunk.text or getattr(getattr(chunk, "message", None), "tool_call_chunks", None)):
            raise not_stored("it went on after its finish reason")
        ended = ended or any(finish.finish_reasons(chunk))


def _check_inputs(message: Any) -> None:
    """Raise ``NotStorable`` if the input of a tool is the beginning of a JSON text, which LangChain completes."""
    for call in getattr(message, "tool_call_chunks", ()):
        try:
            json.loads(call["args"] or "{}", strict=False)
        except ValueError as error:
            raise not_stored(f"the input of the tool {call['name']} is not whole") from error


def _rows(chunks: Sequence[Any]) -> list[Any]:
    """Return chunks as JSON: fields and information, or only a text where the rest is as in the chunk before."""
    rows: list[Any] = []
    before: Any = None
    for chunk in chunks:
        text: Any
        if type(chunk) is GenerationChunk:
            text, fields = chunk.text, {}
        elif type(chunk) is ChatGenerationChunk and type(chunk.message) is AIMessageChunk:
            text = chunk.message.content
            known = chunk.message.model_fields_set
            fields = {name: value for name, value in chunk.message if value or name in known}
            fields = {name: value for name, value in fields.items() if name not in _DERIVED and name != "content"}
        else:
            raise not_stored(f"a {type(chunk).__name__} is not kept in chunks")
        rest = (type(chunk) is GenerationChunk, fields, chunk.generation_info)
        rows.append(text if isinstance(text, str) and rest == before else [text, *rest[1:], rest[0]])
        before = rest
    return rows


@uninterrupted
def _chunks(rows: Sequence[Any]) -> list[Any]:
    """Return new chunks from their JSON."""
    chunks: list[Any] = []
    before: list[Any] = []
    for row in rows:
        text, fields, info, plain = before = [row, *before[1:]] if isinstance(row, str) else row
        fields, info = _copied(fields), _copied(info)
        if plain:
            chunks.append(GenerationChunk(text=text, generation_info=info))
        else:
            message = AIMessageChunk(content=text, **fields)
            chunks.append(ChatGenerationChunk(message=message, generation_info=info))
    return chunks


def _copied(value: Any) -> Any:
    """Return JSON in new containers: chunks share a row, and their readers may change them."""
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _cut(generation: Generation) -> Iterator[Any]:
    """Yield a whole answer in chunks: reasoning before words, words before tool calls; all else comes last."""
    if not isinstance(generation, ChatGeneration):
        *texts, last = _WORDS.findall(generation.text) or [""]
        yield from (GenerationChunk(text=text) for text in texts)
        yield GenerationChunk(text=last, generation_info=generation.generation_info)
        return
    message = generation.message
    metadata, extras = dict(message.response_metadata), dict(message.additional_kwargs)
    each = {name: metadata.pop(name) for name in _IN_EACH if name in metadata}
    empty: Any = "" if isinstance(message.content, str) else []

    @uninterrupted
    def chunk(content: Any = empty, **fields: Any) -> ChatGenerationChunk:
        return ChatGenerationChunk(message=AIMessageChunk(content=content, response_metadata=dict(each), **fields))

    if isinstance(extras.get("reasoning_content"), str):
        for word in _WORDS.findall(extras.pop("reasoning_content")):
            yield chunk(additional_kwargs={"reasoning_content": word})
    if isinstance(message.content, str):
        yield from map(chunk, _WORDS.findall(message.content))
    else:
        for index, block in enumerate(message.content):
            yield from map(chunk, _cut_block(block, index))
    for index, call in enumerate(_calls(message)):
        yield chunk(tool_call_chunks=[{**call, "index": index, "type": "tool_call_chunk"}])
    last = chunk(
        additional_kwargs=extras, usage_metadata=getattr(message, "usage_metadata", None), chunk_position="last"
    )
    last.message.response_metadata.update(metadata)
    last.generation_info = generation.generation_info
    yield last


def _cut_block(block: Any, index: int) -> Iterator[list[Any]]:
    """Yield one content block in pieces that join to it again."""
    text = block.get("text") if isinstance(block, dict) and block.get("type") == "text" else None
    words = _WORDS.findall(text) if isinstance(text, str) else []
    if len(words) < 2:
        yield [block]
        return
    block = {"index": index, **block}
    for word in words[:-1]:
        yield [{"type": "text", "text": word, "index": block["index"]}]
    yield [{**block, "text": words[-1]}]


def _calls(message: Any) -> Iterator[dict[str, Any]]:
    for call in getattr(message, "tool_calls", ()):
        yield {"name": call["name"], "args": json.dumps(call["args"]), "id": call["id"]}
    for call in getattr(message, "invalid_tool_calls", ()):
        yield {"name": call["name"], "args": call["args"], "id": call["id"]}
