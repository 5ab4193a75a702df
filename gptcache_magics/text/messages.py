"""Messages as LangChain serialises them: the one reader of prompts, messages and their content blocks.

A chat prompt reaches a cache as JSON: a list of constructors, whose ``kwargs`` are the fields of the messages. All
functions here read these plain fields and import no LangChain, so that a store can search its prompts without it.

langchain-core's ``content_blocks`` translate the blocks of a provider into standard ones, but only of a message that
names its provider, as an answer does. A prompt has lost the name, and ``content_blocks`` then leave a thinking, a
refusal, a tool use or an input image of OpenAI's as they came. So both forms are read here, the standard one and those.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import orjson

__all__ = [
    *(
        "CHAT_PROMPT",
        "CLASSES",
        "call_text",
        "chat_messages",
        "content_text",
        "more_than_text",
        "serialised",
        "uses_tools",
    ),
    *("Difference", "conversation", "first_difference"),
]

CHAT_PROMPT: Final = '[{"lc"'
"""Beginning of a chat prompt."""
TEXTS: Final = frozenset({"text", "input_text", "output_text"})
"""Types of blocks that are words."""
CLASSES: Final = {
    "human": "HumanMessage",
    "ai": "AIMessage",
    "system": "SystemMessage",
    "tool": "ToolMessage",
    "chat": "ChatMessage",
    "function": "FunctionMessage",
}
"""LangChain's own classes of messages, by the type in their fields."""

_as_json: Final = json.JSONEncoder(allow_nan=False).encode


def chat_messages(prompt: str | bytes, beginning: str = CHAT_PROMPT) -> list[dict[str, Any]] | None:
    """Return the messages of a chat prompt, each with its ``id`` and ``kwargs``; None for any other prompt.

    Parameters
    ----------
    beginning
        Beginning of a chat prompt: a canonical prompt has another order of fields.
    """
    if not prompt.startswith(beginning if isinstance(prompt, str) else beginning.encode()):  # type: ignore[arg-type]
        return None
    try:
        messages = orjson.loads(prompt)
    except ValueError:
        try:
            messages = json.loads(prompt)  # a lone surrogate
        except ValueError:
            return None
    if all(isinstance(m, dict) and isinstance(m.get("kwargs"), dict) and m.get("id") for m in messages):
        return messages  # type: ignore[no-any-return]
    return None


def serialised(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return messages, given by their fields, as the prompt that LangChain makes of them.

    Raises
    ------
    KeyError
        If a message is not of LangChain's own classes.
    ValueError
        If a field is a number that JSON does not have.
    """
    return f"[{', '.join(map(_constructor, messages))}]"


def _constructor(kwargs: Mapping[str, Any]) -> str:
    """Return a message as ``json.dumps`` writes it, which takes long for anything but a text."""
    identity = f'["langchain", "schema", "messages", "{CLASSES[kwargs["type"]]}"]'
    if all(type(each) is str for each in kwargs.values()):
        fields = f"{{{', '.join([f'{_as_json(name)}: {_as_json(each)}' for name, each in kwargs.items()])}}}"
    else:
        fields = _as_json(kwargs)
    return f'{{"lc": 1, "type": "constructor", "id": {identity}, "kwargs": {fields}}}'


def content_text(content: Any, *, names: bool = True) -> str:
    """Return the text of a message's content.

    Parameters
    ----------
    names
        Whether blocks without text are named, as in ``[image]``.

    Raises
    ------
    AttributeError, TypeError
        If a block is of a form that no model takes.
    """
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else ()
    texts = (
        block if isinstance(block, str) else block.get("text") or (f"[{block.get('type', '?')}]" if names else "")
        for block in blocks
    )
    return "\n".join(texts)


def call_text(call: Mapping[str, Any]) -> str:
    """Return a tool call as ``weather({"city": "Paris"})``."""
    return f"{call.get('name')}({json.dumps(call.get('args'), ensure_ascii=False, default=str)})"


def uses_tools(message: Mapping[str, Any]) -> bool:
    """Return whether a message calls a tool or answers a call."""
    extra = message.get("additional_kwargs") or {}
    calls = (message.get("tool_calls"), message.get("invalid_tool_calls"), extra.get("tool_calls"))
    return message.get("type") in ("tool", "function") or any((*calls, extra.get("function_call")))


def more_than_text(content: Any) -> str:
    """Return the type of the first block of a content that is not a text; empty if all of them are."""
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, str) and not (block.get("type") in TEXTS and isinstance(block.get("text"), str)):
            return str(block.get("type", "?"))
    return ""


class Message(NamedTuple):
    """One message of a prompt."""

    role: str
    text: str
    """The words and the tool calls."""
    seen: str
    """Every field that the model may see, as JSON."""


class Difference(NamedTuple):
    """A message that two prompts do not share."""

    where: str
    """``the system message``, ``message 3 (ai)``."""
    old: str
    new: str
    how: Literal["differs", "added", "removed"] = "differs"


def conversation(prompt: str) -> list[Message]:
    """Return the messages of a prompt as a store has it; one of role ``prompt`` if it is not a chat."""
    try:
        messages = [_message(each["kwargs"]) for each in chat_messages(prompt) or ()]
    except (AttributeError, TypeError):
        messages = []
    return messages or [Message("prompt", prompt, prompt)]


def first_difference(old: list[Message], new: list[Message]) -> Difference | None:
    """Return the first message that only one of two prompts has; None if the model sees the same."""
    start = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a.seen != b.seen), None)
    if start is None:
        if len(old) == len(new):
            return None
        start = min(len(old), len(new))
    longer, other = (new, old) if len(new) >= len(old) else (old, new)
    # An added message, such as a system message, is the difference; the messages that it moves are not.
    moved = len(longer) != len(other) and [m.seen for m in longer[start + 1 :]][: len(other) - start] == [
        m.seen for m in other[start:]
    ]
    a = old[start] if start < len(old) and not (moved and longer is new) else None
    b = new[start] if start < len(new) and not (moved and longer is old) else None
    one = b or a
    assert one is not None
    where = _where(start, one.role)
    if a is None or b is None:
        return Difference(where, a.text if a else "", b.text if b else "", "removed" if b is None else "added")
    return Difference(where, a.text, b.text) if a.text != b.text else Difference(where, *_other_fields(a, b))


def _other_fields(old: Message, new: Message) -> tuple[str, str]:
    """Return what differs of two messages with the same words: their fields by name, such as ``tool_call_id``."""
    if "prompt" in (old.role, new.role):  # a text, which has no fields
        return "", ""
    before, after = (dict(_leaves(json.loads(each.seen))) for each in (old, new))
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    one, other = (
        ", ".join(f"{name} {json.dumps(values[name], ensure_ascii=False)}" for name in names if name in values)
        for values in (before, after)
    )
    return one, other


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of fields with their names: ``tool_calls.1.id``, counted from 1."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _leaves(each, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value:
        for at, each in enumerate(value, 1):
            yield from _leaves(each, f"{name}.{at}")
    else:
        yield name, value


def _where(at: int, role: str) -> str:
    return "the system message" if role == "system" else f"message {at + 1} ({role})"


def _message(kwargs: Mapping[str, Any]) -> Message:
    calls = map(call_text, _dicts(kwargs.get("tool_calls")))
    seen = json.dumps({name: value for name, value in kwargs.items() if value}, sort_keys=True)
    text = "\n".join(filter(None, (content_text(kwargs.get("content")), *calls)))
    return Message(str(kwargs.get("type") or "message"), text, seen)


def _dicts(values: Any) -> Sequence[Mapping[str, Any]]:
    return [each for each in values if isinstance(each, Mapping)] if isinstance(values, list) else []
