"""Messages of a request as the fields of LangChain's, and back as they were sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from gptcache_magics.protocols.base import Json, NotRead
from gptcache_magics.store.records import Usage

__all__ = [
    *("ROLES", "absent_from", "chat_message", "function_call", "message", "place_of", "role_of", "sent_message"),
    *("sent_with", "split_calls", "tool_call", "usage_metadata"),
]

SENT: Final = "sent"
"""Name in ``additional_kwargs`` of what a message was sent with, beside its content."""
PLACE: Final = "in"
"""Name in ``additional_kwargs`` of the field of the request that a message stands in, if it is not among the others."""
ABSENT: Final = "absent"
"""Name in ``additional_kwargs`` of fields that a message was sent without, though it reads as if it had them."""
ROLES: Final = {"user": "human", "assistant": "ai", "system": "system", "tool": "tool"}
"""The roles of OpenAI's messages, which others have taken over, each with the type of LangChain's."""


def message(
    kind: str, content: Any, sent: Mapping[str, Any], *, place: str = "", absent: Sequence[str] = (), **fields: Any
) -> Json:
    """Return the fields of a message of LangChain's.

    Parameters
    ----------
    kind
        ``human``, ``ai``, ``system`` or ``tool``.
    content
        The content as it was sent. One that is neither a text nor a list of blocks is kept with what was ``sent``.
    sent
        Everything else that was sent with the message.
    place
        The field of the request that it stands in, if it is not one of the messages.
    absent
        Fields that it was sent without: unlike an empty text, and unlike null.
    """
    if not _is_content(content):
        sent, content = {**sent, "content": content}, ""
    made: Json = {"content": content, "type": kind, **fields}
    if kind == "tool":
        made.setdefault("tool_call_id", "")
    beside = {SENT: {**sent}, PLACE: place, ABSENT: [*absent]}
    if extras := {name: value for name, value in beside.items() if value}:
        made["additional_kwargs"] = extras
    return made


def _is_content(content: Any) -> bool:
    """Return whether a message of LangChain's can have a content."""
    if not isinstance(content, list):
        return isinstance(content, str)
    for block in content:
        if isinstance(block, dict):
            if not isinstance(block.get("text", ""), str) or not isinstance(block.get("type", ""), str):
                return False
        elif not isinstance(block, str):
            return False
    return True


def role_of(sent: Json, kind: str | None) -> tuple[Json, list[str]]:
    """Return what a message was sent with beside its content, and what it was sent without.

    Parameters
    ----------
    kind
        The type of LangChain's that its role stands for; None if there is none, so that the role is kept.
    """
    rest = {name: value for name, value in sent.items() if name != "content" and (name != "role" or kind is None)}
    return rest, [name for name in ("role", "content") if name not in sent]


def chat_message(sent: Any) -> Json:
    """Return a message with a role and a content, as OpenAI's and those after them. Raises ``NotRead``."""
    if not isinstance(sent, dict):
        raise NotRead("a message is no object")
    role = sent.get("role")
    kind = ROLES.get(role) if isinstance(role, str) else None
    rest, absent = role_of(sent, kind)
    fields: Json = {"absent": absent}
    if kind == "ai" and isinstance(sent.get("tool_calls"), list):
        fields |= split_calls([function_call(each) for each in sent["tool_calls"] if isinstance(each, dict)])
    if kind == "tool":
        fields["tool_call_id"] = str(sent.get("tool_call_id") or sent.get("tool_name") or "")
    return message(kind or ("system" if role == "developer" else "human"), sent.get("content", ""), rest, **fields)


def sent_message(read: Json, roles: Mapping[str, str] = ROLES) -> Json:
    """Return a message as it was sent: the opposite of :func:`chat_message`."""
    sent = sent_with(read)
    known = {*sent, *absent_from(read)}
    role = next((name for name, kind in roles.items() if kind == read["type"]), "")
    told = {"role": role, "content": read["content"]}
    return {**{name: each for name, each in told.items() if name not in known}, **sent}


def sent_with(read: Json) -> Json:
    """Return what a message was sent with, beside its content."""
    return {**(read.get("additional_kwargs") or {}).get(SENT, {})}


def place_of(read: Json) -> str:
    """Return the field of the request that a message stands in; empty for one among the others."""
    return str((read.get("additional_kwargs") or {}).get(PLACE, ""))


def absent_from(read: Json) -> list[str]:
    """Return what a message was sent without."""
    return [*(read.get("additional_kwargs") or {}).get(ABSENT, ())]


def function_call(call: Json) -> Json:
    """Return a call of a function, as OpenAI and those after it write one, as LangChain has it."""
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    return tool_call(function.get("name"), function.get("arguments") or {}, call.get("id"))


def tool_call(name: Any, arguments: Any, id: Any = None) -> Json:
    """Return a call of a tool as LangChain has it; one whose arguments are no JSON object is not valid there."""
    given = arguments
    if isinstance(given, str):
        try:
            given = orjson.loads(given or "{}")
        except ValueError:
            given = None
    id = id if isinstance(id, str) else None
    if not isinstance(given, dict):
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        return {"name": name, "args": text, "id": id, "error": None, "type": "invalid_tool_call"}
    return {"name": str(name or ""), "args": given, "id": id, "type": "tool_call"}


def split_calls(calls: Sequence[Json]) -> Json:
    """Return the fields of a message with its calls: those that are valid, and the others."""
    kinds = {"tool_calls": "tool_call", "invalid_tool_calls": "invalid_tool_call"}
    found = {name: [each for each in calls if each["type"] == kind] for name, kind in kinds.items()}
    return {name: each for name, each in found.items() if each}


def usage_metadata(usage: Usage) -> Json:
    """Return tokens as LangChain has them; nothing if they are unknown."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return {}
    details = {"cache_read": usage.cache_read_tokens, "cache_creation": usage.cache_write_tokens}
    known = {name: number for name, number in details.items() if number}
    return {
        "usage_metadata": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            **({"input_token_details": known} if known else {}),
        }
    }
