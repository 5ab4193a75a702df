"""Take what does not reach the model away from the messages of a prompt, and number the ids of tool calls.

An id of a tool call only ties the call to its result: two prompts that differ in such ids only are the same. An id
stays as it is where it may say more: where it stands in another text of the prompt, where two calls have it or none has
it, and where a server keeps what it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from gptcache_magics.identity.canonical import dumps
from gptcache_magics.identity.carried import Carried, Part

__all__ = ["reduce"]

Fields = dict[str, Any]
_OF_LANGCHAIN: Final = ["langchain", "schema", "messages"]
_CALLS: Final = {"tool_use": "id", "tool_call": "id", "function_call": "call_id"}
"""Types of content blocks that are calls, each with the name of the id."""
_RESULTS: Final = {"tool_result": "tool_use_id"}
_ID: Final = re.compile(r"(?!srvtoolu_|mcptoolu_)[\w.:-]+", re.ASCII)
"""An id that a model or a framework made up; the two others are known to Anthropic's server."""
_LIKE_NUMBERED: Final = re.compile(rb"call-\d")


def reduce(messages: list[Fields], carried: Carried) -> bool:
    """Reduce messages in place to what their requests carry. Returns whether anything changed."""
    changed, calls = False, False
    for message in messages:
        fields: Fields = message["kwargs"]
        kind = fields.get("type")
        calls = calls or kind in ("ai", "tool")
        part = carried.parts.get(kind) if isinstance(kind, str) else None
        more = len(fields) > 2 or isinstance(fields.get("content"), list)  # than the type and a text
        if more and part is not None and message["id"][:-1] == _OF_LANGCHAIN:
            changed |= _reduce(fields, part)
    return (calls and not carried.ids and _number(messages)) or changed


def _reduce(fields: Fields, part: Part) -> bool:
    changed = False
    if not part.name and fields.pop("name", None) is not None:
        changed = True
    if not part.status and fields.get("status", "success") != "success":
        fields["status"], changed = "success", True
    extras = fields.get("additional_kwargs")
    if isinstance(extras, dict):
        calls = fields.get("tool_calls") or fields.get("invalid_tool_calls")
        sent = part.extras - part.beside_calls if calls else part.extras
        if not extras.keys() <= sent:
            changed = True
            fields["additional_kwargs"] = {name: each for name, each in extras.items() if name in sent}
            if not fields["additional_kwargs"]:
                del fields["additional_kwargs"]
    content = fields.get("content")
    if part.blocks and isinstance(content, list) and "output_version" not in fields.get("response_metadata", ()):
        for block in content:
            names = part.blocks.get(str(block.get("type"))) if isinstance(block, dict) else None
            if names is not None and not block.keys() <= names:
                changed = True
                for name in block.keys() - names:
                    del block[name]
    return changed


class _Place(NamedTuple):
    """A place in a prompt that holds the id of a tool call."""

    holder: Fields
    name: str
    message: int
    form: str
    """``call``, ``raw`` or ``block`` for one of the three forms of a call, or ``result``."""


def _number(messages: list[Fields]) -> bool:
    """Replace the ids of tool calls by numbers, in the order of their first use."""
    places = [place for place in _places(messages) if _is_id(place.holder[place.name])]
    if not places:
        return False
    ids = [str(place.holder[place.name]) for place in places]
    tied = _tied(places, ids)
    for place in places:
        place.holder[place.name] = ""
    text, found = dumps(messages), [each for each in {*ids} if each not in tied]
    found += [each for each in tied if each.encode() in text]
    while found:
        text = b"\n".join([text, *map(str.encode, found)])
        tied = [each for each in tied if each not in found]
        found = [each for each in tied if each.encode() in text]
    numbers = {} if _LIKE_NUMBERED.search(text) else {each: f"call-{at}" for at, each in enumerate(tied, 1)}
    for place, each in zip(places, ids, strict=True):
        place.holder[place.name] = numbers.get(each, each)
    return any(numbers.get(each, each) != each for each in ids)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _tied(places: list[_Place], ids: list[str]) -> list[str]:
    """Return the ids that one call has, by first use."""
    calling: dict[str, int] = {}
    forms, several = set[tuple[str, str]](), set[str]()
    for (_, _, message, form), each in zip(places, ids, strict=True):
        if form == "result":
            continue
        if (each, form) in forms or calling.setdefault(each, message) != message:
            several.add(each)
        forms.add((each, form))
    return [each for each in dict.fromkeys(ids) if each in calling and each not in several]


def _places(messages: list[Fields]) -> Iterator[_Place]:
    for at, message in enumerate(messages):
        fields = message["kwargs"]
        for name in ("tool_calls", "invalid_tool_calls"):
            yield from (_Place(call, "id", at, "call") for call in _mappings(fields.get(name), "id"))
        extras = fields.get("additional_kwargs")
        if isinstance(extras, dict):
            yield from (_Place(call, "id", at, "raw") for call in _mappings(extras.get("tool_calls"), "id"))
        for block in _mappings(fields.get("content"), "type"):
            kind = str(block["type"])
            name = _CALLS.get(kind) or _RESULTS.get(kind, "")
            if name in block:
                yield _Place(block, name, at, "block" if kind in _CALLS else "result")
        if "tool_call_id" in fields:
            yield _Place(fields, "tool_call_id", at, "result")


def _mappings(values: Any, name: str) -> list[Fields]:
    """Return those of some values that are mappings with this name."""
    return [each for each in values if isinstance(each, dict) and name in each] if isinstance(values, list) else []
