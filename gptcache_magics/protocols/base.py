"""The face that every protocol shows: requests and answers as plain JSON, in the terms of the cache.

A request becomes messages, each as the fields of one of LangChain's, and parameters, which are everything else. No part
of a request is lost: what LangChain's messages have no place for is kept as it was sent, so that two requests which
differ never look alike. An answer is kept as the provider's own JSON, and read as the fields of LangChain's answers.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Final

import orjson

from gptcache_magics.store.records import Usage

__all__ = [
    *("SENT", "Incomplete", "Json", "NotRead", "Protocol"),
    *("absent_from", "changed", "chat_message", "count", "function_call", "joined", "loads", "message", "place_of"),
    *("role_of", "sent_message", "sent_with", "split_calls", "tool_call", "usage_metadata"),
]

Json = dict[str, Any]
SENT: Final = "sent"
"""Name in ``additional_kwargs`` of what a message was sent with, beside its content."""
PLACE: Final = "in"
"""Name in ``additional_kwargs`` of the field of the request that a message stands in, if it is not among the others."""
ABSENT: Final = "absent"
"""Name in ``additional_kwargs`` of fields that a message was sent without, though it reads as if it had them."""
ROLES: Final = {"user": "human", "assistant": "ai", "system": "system", "tool": "tool"}
"""The roles of OpenAI's messages, which others have taken over, each with the type of LangChain's."""


WHOLE_NUMBERS: Final = range(-(2**63), 2**64)
"""The numbers that ``orjson`` reads as they are."""
_LONG_NUMBER: Final = re.compile(r"\d{19}")
_LONG_NUMBER_OF_BYTES: Final = re.compile(rb"\d{19}")


class NotRead(Exception):
    """The body is none that this protocol sends. The message says what is missing."""


class Incomplete(Exception):
    """The stream did not come to its end. The message says how it ended."""


class Protocol(ABC):
    """What one API says over HTTP."""

    name: ClassVar[str]
    """Kept with each answer, so it never changes: ``openai-chat``."""
    api: ClassVar[str]
    """Name for people, among the parameters of a configuration: ``chat completions``."""
    provider: ClassVar[str]
    """The provider whose protocol it is (:data:`gptcache_magics.identity.providers.PROVIDERS`)."""
    stream_type: ClassVar[str] = "text/event-stream; charset=utf-8"
    """Content type of a stream."""
    arriving: ClassVar[frozenset[str]] = frozenset({"stream", "stream_options"})
    """Parameters that change how an answer arrives and not the answer."""

    @abstractmethod
    def fits(self, path: str) -> str | None:
        """Return the beginning of a path that names the server, such as ``/v1``; None if this is another protocol."""

    def model(self, body: Json, path: str) -> str:
        """Return the name of the model that is asked."""
        name = body.get("model")
        if not isinstance(name, str) or not name:
            raise NotRead("it names no model")
        return name

    def api_at(self, path: str) -> str:
        """Return the name of the API for people, with its version where a path names another than the usual one."""
        return self.api

    def streams(self, body: Json, path: str) -> bool:
        """Return whether the answer is to come in pieces."""
        return bool(body.get("stream"))

    @abstractmethod
    def messages(self, body: Json) -> list[Json]:
        """Return the messages as fields of LangChain's. Raises ``NotRead``."""

    @abstractmethod
    def asking(self, messages: Sequence[Json]) -> Json:
        """Return the fields of a body that hold these messages: the opposite of :meth:`messages`."""

    @abstractmethod
    def parameters(self, body: Json) -> Json:
        """Return everything of a request but messages, model and what changes how the answer arrives."""

    def goes_past(self, body: Json) -> str:
        """Return why the answer to a request is not one to keep; empty if it is."""
        return ""

    @abstractmethod
    def answers(self, whole: Json) -> list[Json]:
        """Return the choices of an answer, each as the fields of an ``AIMessage``."""

    @abstractmethod
    def usage(self, whole: Json) -> Usage:
        """Return the tokens of an answer."""

    @abstractmethod
    def fold(self, raw: bytes) -> Json:
        """Return the whole answer that a stream amounts to.

        Raises
        ------
        Incomplete
            If the end of the answer was not seen, or an error came in its place.
        """

    @abstractmethod
    def unfold(self, whole: Json, body: Json) -> bytes:
        """Return the stream that says a whole answer, as a request asks for it."""

    def kept(self, whole: Json, body: Json) -> Json:
        """Return the answer to a request as it is kept."""
        return whole

    def lacks(self, whole: Json, body: Json) -> bool:
        """Return whether a kept answer lacks the tokens that a request asks for."""
        return False

    @abstractmethod
    def ended(self, tail: bytes) -> bool:
        """Return whether the last bytes of a stream say that the answer is whole: readers may stop there."""

    def settled(self, raw: bytes, body: Json) -> bool:
        """Return whether nothing of an answer can follow a stream that folds, though its end was not read."""
        return True

    @abstractmethod
    def reworded(self, whole: Json, change: Callable[[str], str]) -> Json:
        """Return an answer with every text of the model changed; everything else stays."""

    @abstractmethod
    def with_text(self, whole: Json, text: str) -> Json:
        """Return an answer with the text of its first choice replaced; its tool calls stay."""

    def error(self, kind: str, message: str, status: int) -> Json:
        """Return the body of an error, in which SDKs of this protocol find the message."""
        return {"error": {"message": message, "type": kind, "code": status, "status": kind}}


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


def changed(value: Any, change: Callable[[str], str], names: Collection[str] | None = None) -> Any:
    """Return JSON with every text changed; with ``names``, only the texts of these names."""
    if isinstance(value, str):
        return value if names is not None else change(value)
    if isinstance(value, list):
        return [changed(each, change, names) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: change(each)
        if names is not None and name in names and isinstance(each, str)
        else changed(each, change, names)
        for name, each in value.items()
    }


def joined(before: Any, piece: Any) -> Any:
    """Return a value with a piece that follows it: texts and lists grow, and so does what mappings hold.

    Raises
    ------
    Incomplete
        If one does not fit the other.
    """
    if before is None or piece is None:
        return before if piece is None else piece
    if isinstance(before, str) and isinstance(piece, str):
        return before + piece
    if isinstance(before, list) and isinstance(piece, list):
        return [*before, *piece]
    if isinstance(before, dict) and isinstance(piece, dict):
        return {**before, **{name: joined(before.get(name), each) for name, each in piece.items()}}
    if isinstance(before, str | list | dict) or isinstance(piece, str | list | dict):
        raise Incomplete("pieces of different kinds")
    return piece


def loads(text: str | bytes) -> Any:
    """Return the JSON that a provider wrote.

    Raises
    ------
    ValueError
        If it is none, or has a number that ``orjson`` does not read as Python's own reader does.
    """
    read = orjson.loads(text)
    if (_LONG_NUMBER_OF_BYTES if isinstance(text, bytes) else _LONG_NUMBER).search(text):  # type: ignore[arg-type]
        json.loads(text, parse_int=_exact)
    return read


def _exact(number: str) -> int:
    # Longer texts are not even read: Python takes seconds for some.
    if len(number) > 20 or int(number) not in WHOLE_NUMBERS:
        raise ValueError("a number is too large")
    return int(number)


def count(value: Any) -> int | None:
    """Return a number of tokens; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


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
