"""Convert prompts and answers to the readable forms of a bundle, and back to the exact text and bytes.

A chat prompt is written as its messages, and an answer as the JSON in its bytes. Where the readable form would not give
back exactly the stored text or bytes, a JSON string is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import orjson

from gptcache_magics.generations import CHUNKED, FAST, SLOW
from gptcache_magics.protocols.wire import WIRE, unwired, wire
from gptcache_magics.text.messages import chat_messages, serialised

__all__ = ["answer_bytes", "answer_form", "dumps", "json_form", "messages_of", "object_of", "parsed", "slow"]


def parsed(text: str | bytes) -> Any:
    """Return the value of a JSON text, lone surrogates included."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text, parse_constant=_no_json)


def slow(objects: Any) -> bytes:
    """Return the slow form of an answer, from the objects that LangChain's ``dumps`` wrote of its generations."""
    return SLOW + json.dumps([json.dumps(each) for each in objects]).encode()


def dumps(fields: Mapping[str, Any]) -> bytes:
    """Return a line, without a line break."""
    try:
        return orjson.dumps(fields)
    except TypeError:  # a lone surrogate, or nested too deep for orjson
        return json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def object_of(text: str) -> Any:
    """Return the object of a JSON text if that gives the text again, else the text."""
    try:
        found = orjson.loads(text)
        return found if isinstance(found, dict) and orjson.dumps(found).decode() == text else text
    except (ValueError, TypeError):
        return text


def messages_of(prompt: str) -> list[Any] | None:
    """Return the messages of a chat prompt if they give the prompt again."""
    try:
        messages = [message["kwargs"] for message in chat_messages(prompt) or ()]
        return messages if messages and serialised(messages) == prompt else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def answer_form(data: bytes) -> Any:
    """Return a list for the fast form of an answer, an object for the others, else the exact text."""
    form = json_form(data)
    return data.decode() if form is None else form


def json_form(data: bytes) -> list[Any] | dict[str, Any] | None:
    """Return a list for the fast form of an answer, an object for the others; None if neither gives the bytes again."""
    try:
        if data[:1] == WIRE:
            protocol, answer = unwired(data)
            if wire(protocol.name, orjson.dumps(answer)) == data:
                return {"http": protocol.name, "answer": answer}
        elif data[:1] == CHUNKED:
            head, _, whole = data[1:].partition(b"\n")
            rows = orjson.loads(head)
            if orjson.dumps(rows) == head:
                return {"chunks": rows, "answer": answer_form(whole)}
        elif data[:1] == FAST:
            rows = orjson.loads(data[1:])
            if isinstance(rows, list) and orjson.dumps(rows) == data[1:]:
                return rows
        else:
            objects = [parsed(text) for text in orjson.loads(data[1:])]
            if slow(objects) == data:
                return {"langchain": objects}
    except (ValueError, TypeError, RecursionError):
        pass
    return None


def answer_bytes(form: Any) -> bytes:
    """Return the bytes of an ``answer_form``. Raises an error of any class if ``form`` is not one."""
    if isinstance(form, list):
        return FAST + orjson.dumps(form)
    if isinstance(form, dict) and "chunks" in form:
        return CHUNKED + orjson.dumps(form["chunks"]) + b"\n" + answer_bytes(form["answer"])
    if isinstance(form, dict) and "http" in form:
        sent = wire(form["http"], orjson.dumps(form["answer"]))
        unwired(sent)  # it may name an API that nobody knows
        return sent
    data: bytes = slow(form["langchain"]) if isinstance(form, dict) else form.encode()
    if data[:1] not in (CHUNKED, FAST, SLOW, WIRE):
        raise ValueError("not of a known form")
    return data
