"""Encode a list of LangChain generations as bytes, and decode it.

The fast form is JSON of the fields of plain messages. It is proved when written: the bytes are decoded and compared
with the original. Generations that do not come back equal take LangChain's own serialisation, with an explicit list of
classes. Generations that do not survive that either are not stored.

The answer of an SDK (:mod:`gptcache_magics.protocols.wire`) is read here as the generations that it amounts to.

This is the ``AnswerCodec`` of LangChain's answers; whether an answer is whole is told by :mod:`gptcache_magics.finish`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar, cast

import orjson
from langchain_core import messages as lc_messages
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk
from pydantic import BaseModel, ValidationError

from gptcache_magics.finish import check_storable, finish_reason
from gptcache_magics.identity.providers import INPUT_TOKENS, OUTPUT_TOKENS
from gptcache_magics.marks import set_mark
from gptcache_magics.protocols import wire
from gptcache_magics.protocols.wire import WIRE
from gptcache_magics.store.protocol import AnswerText, Usage
from gptcache_magics.store.reasons import not_stored
from gptcache_magics.text.messages import call_text
from gptcache_magics.text.unicode import readable

__all__ = [
    "ANSWERS",
    "Ids",
    "check_storable",
    "decode",
    "encode",
    "finish_reason",
    "load",
    "message_id",
    "of_fields",
    "reworded",
    "surely_readable",
    "text_if_readable",
    "text_of",
    "uninterrupted",
    "usage",
    "with_text",
    "without_chunks",
]

FAST, SLOW = b"F", b"S"
"""First bytes of the two forms of an encoded answer."""
CHUNKED: Final = b"C"
"""First byte of a streamed answer: chunks and a line break come before the whole (:mod:`gptcache_magics.chunks`)."""

Ids = Callable[[str, int], str]
"""Gives a message its id, from the id that was stored and the number of the message in the answer."""

PARSED: Final = "parsed"
"""Name in ``additional_kwargs`` of the object that an SDK has parsed from the text of the answer."""
FROM_TEXT: Final = {"gptcache": "parsed from the text"}
"""Value that is stored for that object: only the text of the answer is what the model sent."""

SAID: Final = frozenset({"content", "tool_calls", "invalid_tool_calls", "additional_kwargs"})
"""Fields of a message with what the model said; LangChain keeps its reasoning in one of them."""

TOKEN_USAGE: Final = "token_usage"
"""Name in ``response_metadata`` of the tokens as the provider counts them."""

_MESSAGE: Final = AIMessage(content="")
_FIELDS: Final = vars(_MESSAGE)
_CONTAINERS: Final = [(name, type(value)) for name, value in _FIELDS.items() if isinstance(value, list | dict)]
_GENERATION: Final = ChatGeneration(message=_MESSAGE, generation_info=None)
_TEXT: Final = type(_GENERATION.text)
"""Class of a generation's text: that of its message's, or in earlier versions of LangChain a plain text."""
_ALLOWED: Final = [
    ChatGeneration,
    ChatGenerationChunk,
    Generation,
    GenerationChunk,
    *(
        getattr(lc_messages, name)
        for name in (
            "AIMessage",
            "AIMessageChunk",
            "HumanMessage",
            "SystemMessage",
            "ToolMessage",
            "ChatMessage",
            "FunctionMessage",
        )
    ),
]

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


def uninterrupted(build: Callable[P, T]) -> Callable[P, T]:
    """Let ``build`` run again where pydantic reports an interrupt as a value of a wrong class.

    To see whether a message is one, pydantic runs Python code, and takes whatever that raises for a no.
    """

    @wraps(build)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return build(*args, **kwargs)
        except ValidationError:
            return build(*args, **kwargs)

    return run


def encode(generations: Sequence[Generation]) -> bytes:
    """Return encoded generations that decode to equal ones.

    Raises
    ------
    NotStorable
        If the generations survive neither form.
    """
    generations = [_with_plain_usage(_without_parsed(generation)) for generation in generations]
    data = _encode_fast(generations)
    if data is not None and decode(data) == list(generations):
        return data
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = SLOW + json.dumps([dumps(generation) for generation in generations]).encode()
            same = _same(decode(data), list(generations))
    except Exception as error:
        raise not_stored(f"{type(error).__name__} while encoding the answer") from error
    if not same:
        raise not_stored("the answer holds objects that do not survive saving")
    return data


def decode(
    data: bytes,
    *,
    ids: Ids | None = None,
    mark: Mapping[str, Any] | None = None,
    validate: bool = False,
    parse: Callable[[str, Any], Any] | None = None,
) -> list[Generation]:
    """Decode generations into new objects.

    Parameters
    ----------
    ids
        Gives each message that has an id another, so that LangGraph adds it instead of replacing the first; without it,
        the stored ids stay.
    mark
        Mapping to give as ``response_metadata["gptcache"]``.
    validate
        Whether pydantic validates the fields of a message. :func:`encode` has done so; a stranger's file needs it.
    parse
        Makes the object that an SDK would parse, from the text of the answer and the stored value; without it, the
        stored value stays.
    """
    generations = _decode(data, ids, mark, validate)
    if parse is not None:
        for generation in generations:
            extras = generation.message.additional_kwargs if isinstance(generation, ChatGeneration) else {}
            if PARSED in extras:
                extras[PARSED] = parse("".join(_texts(generation)[-1:]), extras[PARSED])
    return generations


def _decode(data: bytes, ids: Ids | None, mark: Mapping[str, Any] | None, validate: bool) -> list[Generation]:
    form, content = data[:1], data[1:]
    if form == WIRE:
        protocol, answer = wire.unwired(data)
        return [*of_fields(protocol.answers(answer), mark, validate=validate)]
    if form == CHUNKED:
        return _decode(without_chunks(data), ids, mark, validate)
    if form == SLOW:
        loaded = [load(text) for text in _items(json.loads(content))]
        return [_served(each, ids, mark, number) for number, each in enumerate(loaded)]
    if form != FAST:
        raise ValueError("not an encoded answer")
    generations: list[Generation] = []
    for info, text, body in _items(orjson.loads(content)):
        if body is None:
            generations.append(_built(Generation, text=text, generation_info=info))
            continue
        if ids is not None and body.get("id") is not None:
            body["id"] = ids(body["id"], len(generations))
        message = _message(body, validate)
        if mark is not None:
            set_mark(message, mark)
        generations.append(_generation(message, info, validate))
    return generations


def of_fields(
    answers: Sequence[dict[str, Any]], mark: Mapping[str, Any] | None = None, *, validate: bool = True
) -> list[ChatGeneration]:
    """Return generations with messages of these fields."""
    made = []
    for fields in answers:
        message = _message(fields, validate)
        if mark is not None:
            set_mark(message, mark)
        made.append(_generation(message, None, validate))
    return made


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("not a list of generations")
    return value


def _message(body: dict[str, Any], validate: bool) -> AIMessage:
    """Return a new message with these fields."""
    if validate or "content" not in body or not body.keys() <= _FIELDS.keys():
        if not isinstance(body.get("additional_kwargs", {}), dict):
            raise ValueError("not a message")
        return _built(AIMessage, **body)
    fields = {**_FIELDS, **body}
    for name, container in _CONTAINERS:
        if name not in body:
            fields[name] = container()  # messages may not share a container
    return _like(_MESSAGE, fields, {*body})


def _generation(message: AIMessage, info: Any, validate: bool) -> ChatGeneration:
    """Return a new generation. Its text is that of the message, as pydantic sets it where the content is a text."""
    if validate or not isinstance(message.content, str):
        return _built(ChatGeneration, message=message, generation_info=info)
    text: str = message.text
    if type(text) is not _TEXT:
        text = message.content
    fields = {**vars(_GENERATION), "text": text, "message": message, "generation_info": info}
    return _like(_GENERATION, fields, {"text", "message", "generation_info"})


@uninterrupted
def _built(kind: Callable[..., T], /, **fields: Any) -> T:
    """Return a new object whose fields pydantic validates."""
    return kind(**fields)


def _like(model: M, fields: dict[str, Any], given: set[str]) -> M:
    """Return a new model of the same class, made as unpickling makes one: these fields were validated before."""
    made = object.__new__(type(model))
    _set(made, "__dict__", fields)
    _set(made, "__pydantic_fields_set__", given)
    _set(made, "__pydantic_extra__", None if model.__pydantic_extra__ is None else {})
    _set(made, "__pydantic_private__", None)
    return made


_set: Final = object.__setattr__  # the model's own would validate


@uninterrupted
def load(text: str) -> Generation:
    """Load a generation that LangChain's ``dumps`` wrote; only classes that an answer consists of are loaded."""
    loaded = _loaded(text)
    if not isinstance(loaded, Generation):
        raise not_stored(f"a {type(loaded).__name__} is not a generation")
    return loaded


def _loaded(text: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # loads() is in beta, which does not concern the user
        return loads(text, allowed_objects=_ALLOWED)


def text_of(data: bytes) -> str:
    """Return the text of encoded generations, for a table; the tool calls if there is no text."""
    return "\n\n".join(_shown(generation) for generation in decode(data))


def message_id(data: bytes) -> str | None:
    """Return the id of the first message of encoded generations; None if it has none."""
    id: str | None = getattr(getattr(decode(data)[0], "message", None), "id", None)
    return id


def text_if_readable(data: bytes) -> str | None:
    """Return the text of encoded generations in valid Unicode; None if they cannot be decoded."""
    try:
        return readable(text_of(data))
    except Exception:  # whatever the bytes make a class of LangChain raise
        return None


_IN_PIECES: Final = (
    *("%tool%", '%"function%'),  # a call is shown in a form of its own
    *('%"text":%"text":%', '%"content":["%'),  # blocks, which are put together
    r"%\"lc\":%",  # JSON within JSON: the slow form
)
ANSWERS: Final = AnswerText(text_if_readable, _IN_PIECES, WIRE)
"""Reads encoded generations for a search."""


def surely_readable(rows: Any) -> bool:
    """Return whether the JSON of a fast form surely decodes: messages of plain text that call no tool."""
    return all(
        type(row) is list
        and len(row) == 3
        and type(body := row[2]) is dict
        and type(body.get("content")) is str
        and not body.get("tool_calls")
        and body.keys() <= _FIELDS.keys()
        for row in rows
    )


def with_text(data: bytes, text: str) -> bytes:
    """Return encoded generations with the text of the first replaced; its tool calls and everything else stay."""
    if data[:1] == WIRE:
        return wire.with_text(data, text)
    first, *others = decode(data)
    if isinstance(first, ChatGeneration):
        first = ChatGeneration(
            message=first.message.model_copy(update={"content": text}), generation_info=first.generation_info
        )
    else:
        first = first.model_copy(update={"text": text})
    return encode([first, *others])


def without_chunks(data: bytes) -> bytes:
    """Return the whole answer of encoded generations that may have their chunks before it."""
    return data.partition(b"\n")[2] if data[:1] == CHUNKED else data


def reworded(data: bytes, change: Callable[[str], str]) -> bytes:
    """Return an encoded answer with every text of the model changed; its metadata stay.

    Its chunks are left out if that makes a difference.
    """
    whole = without_chunks(data)
    if whole[:1] == WIRE:
        return wire.reworded(whole, change)
    if whole[:1] == FAST:
        before = orjson.loads(whole[1:])
        after = [
            (info, change(text) if body is None else text, None if body is None else _reworded(body, change))
            for info, text, body in before
        ]
        encoded = orjson.dumps(after)
        return data if encoded == orjson.dumps(before) else FAST + encoded
    texts = json.loads(whole[1:])
    loaded = [json.loads(text) for text in texts]
    for generation in loaded:
        fields = generation["kwargs"]
        message = fields.get("message")
        if message is not None:
            message["kwargs"] = _reworded(message["kwargs"], change)
        if "text" in fields:
            fields["text"] = change(fields["text"])
    if loaded == [json.loads(text) for text in texts]:
        return data
    return SLOW + json.dumps([json.dumps(each) for each in loaded]).encode()


def _reworded(body: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Return the fields of a message with what the model said changed."""
    return {name: _changed(value, change) if name in SAID else value for name, value in body.items()}


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_changed(each, change) for each in value]
    if isinstance(value, dict):
        return {change(name): _changed(each, change) for name, each in value.items()}
    return value


def usage(generations: Sequence[Generation]) -> Usage:
    """Return the tokens of an answer. Several generations of one answer share one usage, which the first carries."""
    for generation in generations:
        metadata = getattr(getattr(generation, "message", None), "usage_metadata", None)
        if metadata:
            details = metadata.get("input_token_details") or {}
            return Usage(
                metadata.get("input_tokens"),
                metadata.get("output_tokens"),
                details.get("cache_read") or None,
                details.get("cache_creation") or None,
            )
        info = getattr(generation, "generation_info", None) or {}
        if isinstance(info.get(OUTPUT_TOKENS), int):
            return Usage(info.get(INPUT_TOKENS), info[OUTPUT_TOKENS])
    return Usage()


def _without_parsed(generation: Generation) -> Generation:
    """Return the generation without the object that an SDK has parsed from its text."""
    message = getattr(generation, "message", None)
    extras = getattr(message, "additional_kwargs", {})
    parsed = extras.get(PARSED)
    if isinstance(parsed, type) or not (isinstance(parsed, BaseModel) or is_dataclass(parsed)):
        return generation
    if len(_texts(generation)) != 1:
        raise not_stored(f"a {type(parsed).__name__} was not parsed from one text")
    extras = {**extras, PARSED: FROM_TEXT}
    return generation.model_copy(
        update={"message": cast(BaseMessage, message).model_copy(update={"additional_kwargs": extras})}
    )


def _with_plain_usage(generation: Generation) -> Generation:
    """Return the generation with the tokens in ``response_metadata`` as JSON, where ChatLiteLLM keeps an object."""
    message = getattr(generation, "message", None)
    tokens = getattr(message, "response_metadata", {}).get(TOKEN_USAGE)
    if not isinstance(tokens, BaseModel):
        return generation
    metadata = {**cast(BaseMessage, message).response_metadata, TOKEN_USAGE: tokens.model_dump(mode="json")}
    plain = cast(BaseMessage, message).model_copy(update={"response_metadata": metadata})
    return generation.model_copy(update={"message": plain})


def _texts(generation: Any) -> list[str]:
    """Return the texts that the content of a message consists of."""
    content = generation.message.content
    blocks = [content] if isinstance(content, str) else content
    texts = [b.get("text") if isinstance(b, dict) and b.get("type") == "text" else b for b in blocks]
    return [text for text in texts if isinstance(text, str) and text]


def _encode_fast(generations: Sequence[Generation]) -> bytes | None:
    rows: list[tuple[Any, str, Any]] = []
    for generation in generations:
        if type(generation) is ChatGeneration and type(generation.message) is AIMessage:
            message = generation.message
            body = {name: value for name, value in message if value or name in message.model_fields_set}
            body.pop("type", None)
            rows.append((generation.generation_info, "", body))
        elif type(generation) is Generation:
            rows.append((generation.generation_info, generation.text, None))
        else:
            return None
    try:
        return FAST + orjson.dumps(rows)
    except TypeError:
        return None


def _served(generation: Generation, ids: Ids | None, mark: Mapping[str, Any] | None, number: int) -> Generation:
    message = getattr(generation, "message", None)
    if isinstance(message, BaseMessage):
        if ids is not None and message.id is not None:
            message.id = ids(message.id, number)
        if mark is not None:
            set_mark(message, mark)
    return generation


def _shown(generation: Generation) -> str:
    calls = getattr(getattr(generation, "message", None), "tool_calls", None) or []
    return "\n".join(filter(None, (generation.text, *map(call_text, calls))))


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are equal; NaN equals NaN, and a tuple equals a list of its items."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, Generation | BaseMessage):
        return type(one) is type(other) and _same(dict(one), dict(other))
    return bool(one == other) or (one != one and other != other)
