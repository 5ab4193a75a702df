"""OpenAI's Responses API: https://platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count as numbers
from operator import itemgetter
from typing import Any, ClassVar, Final

from gptcache_magics.protocols.base import Incomplete, Json, NotRead, Protocol
from gptcache_magics.protocols.events import event, events, pieces_of
from gptcache_magics.protocols.json_values import changed, count, loads
from gptcache_magics.protocols.messages import (
    ROLES,
    absent_from,
    message,
    place_of,
    role_of,
    sent_with,
    split_calls,
    tool_call,
    usage_metadata,
)
from gptcache_magics.store.records import Usage

__all__ = ["OpenAIResponses"]

CALLS: Final = frozenset({"function_call", "custom_tool_call"})
RESULTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})
ENDS: Final = frozenset({"response.completed", "response.incomplete"})
PARTS: Final = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text"}
"""The parts of a message that come in pieces, each with the name of its text."""
WRITTEN: Final = {
    "function_call": ("function_call_arguments", "arguments"),
    "custom_tool_call": ("custom_tool_call_input", "input"),
    "mcp_call": ("mcp_call_arguments", "arguments"),
    "code_interpreter_call": ("code_interpreter_call_code", "code"),
}
"""Items of which a text comes in pieces, each with the name of the pieces and that of the text."""
TEXTS: Final = frozenset({"text", "refusal"})
NAMES: Final = frozenset({"id", "type", "status", "role", "call_id", "name"})
"""Fields of an item that hold no words of the model."""


class OpenAIResponses(Protocol):
    """Responses."""

    name: ClassVar[str] = "openai-responses"
    api: ClassVar[str] = "responses"
    provider: ClassVar[str] = "openai"

    def fits(self, path: str) -> str | None:
        return path.removesuffix("/responses") if path.endswith("/responses") else None

    def messages(self, body: Json) -> list[Json]:
        items = body.get("input")
        found = []
        if "instructions" in body:
            found.append(message("system", body["instructions"], {}, place="instructions"))
        if isinstance(items, str):
            return [*found, message("human", items, {}, place="input")]
        if not isinstance(items, list) or not items:
            raise NotRead("it has no input")
        return [*found, *map(_message, items)]

    def asking(self, messages: Sequence[Json]) -> Json:
        body: Json = {}
        for each in messages:
            sent = sent_with(each)
            place = place_of(each)
            if place == "instructions" or (place and isinstance(each["content"], str)):
                body[place] = sent.get("content", each["content"])
            else:
                body.setdefault("input", []).append(each["content"][0] if place else _item(each, sent))
        return body

    def parameters(self, body: Json) -> Json:
        left_out = {"input", "instructions", "model", *self.arriving}
        return {name: value for name, value in body.items() if name not in left_out}

    def goes_past(self, body: Json) -> str:
        if body.get("conversation"):
            return "the provider keeps the conversation"
        return "it runs in the background" if body.get("background") else ""

    def answers(self, whole: Json) -> list[Json]:
        blocks, calls = list[Any](), list[Json]()
        for item in whole["output"]:
            kind = item.get("type")
            if kind == "message":
                blocks += [_block(part) for part in item.get("content") or ()]
            elif kind in CALLS:
                arguments = item.get("arguments") if "arguments" in item else {"input": item.get("input")}
                calls.append(tool_call(item.get("name"), arguments, item.get("call_id")))
            else:
                blocks.append(item)
        plain = len(blocks) == 1 and blocks[0].keys() == {"type", "text"}
        return [
            {
                "content": blocks[0]["text"] if plain else blocks,
                "response_metadata": {
                    "status": whole.get("status"),
                    "incomplete_details": whole.get("incomplete_details"),
                },
                **split_calls(calls),
                **usage_metadata(self.usage(whole)),
            }
        ]

    def usage(self, whole: Json) -> Usage:
        used = whole.get("usage")
        if not isinstance(used, dict):
            return Usage()
        details = used.get("input_tokens_details")
        details = details if isinstance(details, dict) else {}
        read, written = (count(details.get(f"cache{name}_tokens")) or None for name in ("d", "_write"))
        return Usage(count(used.get("input_tokens")), count(used.get("output_tokens")), read, written)

    def fold(self, raw: bytes) -> Json:
        passed = list[str]()
        for _, data in events(raw):
            passed.append(data)
            said = loads(data) if any(end in data for end in ENDS) else {}
            if said.get("type") in ENDS:
                whole: Json = said["response"]
                # Some servers name the items of an answer only as they come.
                return whole if whole.get("output") else {**whole, "output": _items(passed)}
        raise Incomplete("no end of the response")

    def unfold(self, whole: Json, body: Json) -> bytes:
        number = numbers()
        begun = {**whole, "status": "in_progress", "output": [], "usage": None}

        def say(kind: str, **fields: Any) -> bytes:
            kind = f"response.{kind}"
            return event({"type": kind, "sequence_number": next(number), **fields}, kind)

        parts = [say("created", response=begun), say("in_progress", response=begun)]
        for place, item in enumerate(whole["output"]):
            parts += _item_events(say, place, item)
        parts.append(say("completed" if whole.get("status") == "completed" else "incomplete", response=whole))
        return b"".join(parts)

    def ended(self, tail: bytes) -> bool:
        return False  # the last event holds all of the answer

    def reworded(self, whole: Json, change: Callable[[str], str]) -> Json:
        return {**whole, "output": [_reworded(item, change) for item in whole["output"]]}

    def with_text(self, whole: Json, text: str) -> Json:
        output, replaced = [], False
        for item in whole["output"]:
            if item.get("type") == "message":
                parts = item.get("content") or []
                texts = [part for part in parts if part.get("type") == "output_text"]
                if texts and replaced:
                    continue
                if texts:
                    replaced = True
                    item = {**item, "content": [{**texts[0], "text": text, "annotations": []}]}
            output.append(item)
        if not replaced:
            part = {"type": "output_text", "text": text, "annotations": []}
            said = {"id": "msg_edited", "type": "message", "role": "assistant", "status": "completed"}
            output.append({**said, "content": [part]})
        return {**whole, "output": output}


def _message(item: Any) -> Json:
    """Return an item of the input as a message."""
    if not isinstance(item, dict):
        raise NotRead("an item of the input is no object")
    kind = item.get("type")
    role = item.get("role")
    if isinstance(role, str):
        sent, absent = role_of(item, None)
        lc_kind = ROLES.get(role, "system" if role == "developer" else "human")
        return message(lc_kind, item.get("content", []), sent, absent=absent)
    sent = {**item}
    if not isinstance(kind, str):
        return message("ai", [], sent)
    if kind in CALLS:
        arguments = item.get("arguments") if "arguments" in item else {"input": item.get("input")}
        return message("ai", "", sent, **split_calls([tool_call(item.get("name"), arguments, item.get("call_id"))]))
    if kind in RESULTS:
        output = sent.pop("output") if isinstance(item.get("output"), str | list) else ""
        absent = [] if "output" in item else ["output"]
        return message("tool", output, {"item": sent}, absent=absent, tool_call_id=str(item.get("call_id") or ""))
    return message("ai", [item], {}, place="input")


def _items(passed: Iterable[str]) -> list[Json]:
    """Return the items of an answer, each as the event says it that ends it."""
    found = [loads(data) for data in passed if data.startswith("{")]
    done = [each for each in found if each.get("type") == "response.output_item.done"]
    return [each["item"] for each in sorted(done, key=itemgetter("output_index"))]


def _item(read: Json, sent: Json) -> Json:
    """Return an item as it was sent, from its message."""
    absent, content = absent_from(read), sent.get("content", read["content"])
    if isinstance(sent.get("role"), str):
        return sent if "content" in absent else {**sent, "content": content}
    if read["type"] != "tool":
        return sent
    item: Json = sent["item"]
    return item if "output" in item or "output" in absent else {**item, "output": content}


def _block(part: Json) -> Json:
    """Return a part of an answer as a block of content; a text without anything beside it as a plain one."""
    kind = part.get("type")
    if kind == "output_text" and not part.get("annotations") and not part.get("logprobs"):
        return {"type": "text", "text": part.get("text", "")}
    return {**part, "type": "text"} if kind == "output_text" else part


def _item_events(say: Callable[..., bytes], place: int, item: Json) -> Iterator[bytes]:
    """Yield the events that say one item of an answer."""
    where = {"output_index": place, "item_id": item.get("id")}
    kind = item.get("type")
    if kind in ("message", "reasoning"):
        begun: Json = {name: [] for name in ("summary", "content") if isinstance(item.get(name), list)}
        begun |= {"status": "in_progress"} if "status" in item else {}
        yield say("output_item.added", output_index=place, item={**item, **begun})
        for number, part in enumerate(item.get("summary") or ()):
            yield from _summary_events(say, {**where, "summary_index": number}, part)
        for number, part in enumerate(item.get("content") or ()):
            yield from _part_events(say, {**where, "content_index": number}, part)
    elif kind in WRITTEN:
        name, field = WRITTEN[kind]
        text = item.get(field) or ""
        beside = {"name": item.get("name")} if kind == "function_call" else {}
        yield say("output_item.added", output_index=place, item={**item, field: "", "status": "in_progress"})
        yield say(f"{name}.delta", **where, delta=text)
        yield say(f"{name}.done", **where, **{field: text}, **beside)
    else:
        yield say("output_item.added", output_index=place, item=item)
    yield say("output_item.done", output_index=place, item=item)


def _summary_events(say: Callable[..., bytes], where: Json, part: Json) -> Iterator[bytes]:
    text = part.get("text") or ""
    yield say("reasoning_summary_part.added", **where, part={**part, "text": ""})
    for piece in pieces_of(text):
        yield say("reasoning_summary_text.delta", **where, delta=piece)
    yield say("reasoning_summary_text.done", **where, text=text)
    yield say("reasoning_summary_part.done", **where, part=part)


def _part_events(say: Callable[..., bytes], where: Json, part: Json) -> Iterator[bytes]:
    kind = str(part.get("type"))
    field = PARTS.get(kind)
    if field is None:
        yield say("content_part.added", **where, part=part)
    else:
        text = part.get(field) or ""
        beside = {"logprobs": part.get("logprobs") or []} if kind == "output_text" else {}
        empty: Json = {"annotations": []} if "annotations" in part else {}
        yield say("content_part.added", **where, part={**part, field: "", **empty})
        for piece in pieces_of(text):
            yield say(f"{kind}.delta", **where, delta=piece, **({"logprobs": []} if beside else {}))
        for number, note in enumerate(part.get("annotations") or ()):
            yield say("output_text.annotation.added", **where, annotation_index=number, annotation=note)
        yield say(f"{kind}.done", **where, **{field: text}, **beside)
    yield say("content_part.done", **where, part=part)


def _reworded(item: Json, change: Callable[[str], str]) -> Json:
    names = TEXTS if item.get("type") in ("message", "reasoning") else None
    return {name: each if name in NAMES else changed(each, change, names) for name, each in item.items()}
