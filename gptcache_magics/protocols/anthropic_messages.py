"""Anthropic's messages: https://docs.anthropic.com/en/api/messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Final

import orjson

from gptcache_magics.protocols.base import Incomplete, Json, NotRead, Protocol
from gptcache_magics.protocols.events import ends_with, event, events, pieces_of
from gptcache_magics.protocols.json_values import changed, count, loads
from gptcache_magics.protocols.messages import (
    message,
    place_of,
    role_of,
    sent_message,
    sent_with,
    split_calls,
    tool_call,
    usage_metadata,
)
from gptcache_magics.store.records import Usage

__all__ = ["AnthropicMessages"]

ROLES: Final = {"user": "human", "assistant": "ai", "system": "system"}
DELTAS: Final = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
"""Pieces of a block, each with the field of the block that it is part of."""
CALLING: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})


class AnthropicMessages(Protocol):
    """Messages."""

    name: ClassVar[str] = "anthropic-messages"
    api: ClassVar[str] = "messages"
    provider: ClassVar[str] = "anthropic"
    arriving: ClassVar[frozenset[str]] = frozenset({"stream"})

    def fits(self, path: str) -> str | None:
        return path.removesuffix("/v1/messages") if path.endswith("/v1/messages") else None

    def messages(self, body: Json) -> list[Json]:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise NotRead("it has no messages")
        system = [message("system", body["system"], {}, place="system")] if "system" in body else []
        return [*system, *map(_message, messages)]

    def asking(self, messages: Sequence[Json]) -> Json:
        body: Json = {"messages": []}
        for each in messages:
            sent = sent_with(each)
            if place_of(each) == "system":
                body["system"] = sent.get("content", each["content"])
            else:
                body["messages"].append(sent_message(each, ROLES))
        return body

    def parameters(self, body: Json) -> Json:
        left_out = {"messages", "model", "system", *self.arriving}
        return {name: value for name, value in body.items() if name not in left_out}

    def answers(self, whole: Json) -> list[Json]:
        blocks = whole["content"]
        calls = [tool_call(each["name"], each["input"], each["id"]) for each in blocks if each["type"] == "tool_use"]
        said = [each for each in blocks if each["type"] != "tool_use"]
        texts = [each["text"] for each in said if each["type"] == "text" and not each.get("citations")]
        return [
            {
                "content": "".join(texts) if len(texts) == len(said) else said,
                "response_metadata": {"stop_reason": whole.get("stop_reason")},
                **split_calls(calls),
                **usage_metadata(self.usage(whole)),
            }
        ]

    def usage(self, whole: Json) -> Usage:
        used = whole.get("usage")
        if not isinstance(used, dict):
            return Usage()
        plain, output = count(used.get("input_tokens")), count(used.get("output_tokens"))
        read = count(used.get("cache_read_input_tokens")) or 0
        written = count(used.get("cache_creation_input_tokens")) or 0
        return Usage(None if plain is None else plain + read + written, output, read or None, written or None)

    def fold(self, raw: bytes) -> Json:
        whole: Json = {}
        blocks: dict[int, Json] = {}
        texts: dict[int, str] = {}
        for _, data in events(raw):
            said = loads(data)
            match said.get("type"):
                case "message_start":
                    whole = {**said["message"]}
                case "content_block_start":
                    blocks[said["index"]] = {**said["content_block"]}
                    texts[said["index"]] = ""
                case "content_block_delta":
                    texts[said["index"]] += _add(blocks[said["index"]], said["delta"])
                case "content_block_stop":
                    if text := texts.pop(said["index"], ""):
                        blocks[said["index"]]["input"] = loads(text)
                case "message_delta":
                    known = {name: number for name, number in (said.get("usage") or {}).items() if number is not None}
                    beside = {name: each for name, each in said.items() if name not in ("type", "delta", "usage")}
                    whole = {**whole, **beside, **said["delta"], "usage": {**whole.get("usage", {}), **known}}
                case "error":
                    raise Incomplete("an error in the stream")
                case "message_stop":
                    break
        if not whole.get("stop_reason") or any(texts.values()):
            raise Incomplete("no stop reason" if not whole.get("stop_reason") else "no end of a tool's input")
        return {**whole, "content": [blocks[each] for each in sorted(blocks)]}

    def unfold(self, whole: Json, body: Json) -> bytes:
        used = whole.get("usage") or {}
        beside = {"context_management": whole["context_management"]} if "context_management" in whole else {}
        begun = {**whole, "content": [], "stop_reason": None, "stop_sequence": None}
        begun["usage"] = {**used, "output_tokens": min(1, used.get("output_tokens") or 0)}
        parts = [_event("message_start", message=begun)]
        for place, block in enumerate(whole["content"]):
            parts += _block_events(place, block)
        ending = {name: whole.get(name) for name in ("stop_reason", "stop_sequence", "container") if name in whole}
        said = {"output_tokens": used.get("output_tokens")}
        parts.append(_event("message_delta", delta=ending, usage=said, **beside))
        return b"".join([*parts, _event("message_stop")])

    def ended(self, tail: bytes) -> bool:
        return ends_with(tail, "message_stop")

    def reworded(self, whole: Json, change: Callable[[str], str]) -> Json:
        return {**whole, "content": [_reworded(block, change) for block in whole["content"]]}

    def with_text(self, whole: Json, text: str) -> Json:
        new = {"type": "text", "text": text}
        first = next((at for at, block in enumerate(whole["content"]) if block["type"] == "text"), 0)
        kept = [block for block in whole["content"] if block["type"] != "text"]
        place = sum(block["type"] != "text" for block in whole["content"][:first])
        return {**whole, "content": [*kept[:place], new, *kept[place:]]}

    def error(self, kind: str, message: str, status: int) -> Json:
        return {"type": "error", "error": {"type": kind, "message": message}}


def _message(sent: Any) -> Json:
    if not isinstance(sent, dict):
        raise NotRead("a message is no object")
    role = sent.get("role")
    kind = ROLES.get(role) if isinstance(role, str) else None
    rest, absent = role_of(sent, kind)
    content = sent.get("content", "")
    blocks = [each for each in content if isinstance(each, dict)] if isinstance(content, list) else []
    if kind == "ai":
        calls = [each for each in blocks if each.get("type") == "tool_use"]
        made = [tool_call(each.get("name"), each.get("input"), each.get("id")) for each in calls]
        return message("ai", content, rest, absent=absent, **split_calls(made))
    results = [each for each in blocks if each.get("type") == "tool_result"]
    if kind == "human" and results:
        id = str(results[0].get("tool_use_id") or "")
        return message("tool", content, {**rest, "role": role}, absent=absent, tool_call_id=id)
    return message(kind or "human", content, rest, absent=absent)


def _add(block: Json, delta: Json) -> str:
    """Add a piece to a block. Returns a piece of a tool's input, which is read when it is whole."""
    kind = delta.get("type")
    if kind == "input_json_delta":
        return str(delta["partial_json"])
    if kind == "citations_delta":
        block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
    elif kind == "compaction_delta":
        block |= {name: each for name, each in delta.items() if name != "type"}
    elif kind in DELTAS:
        field = DELTAS[kind]
        block[field] = (block.get(field) or "") + delta[field]
    else:
        raise Incomplete(f"a piece of an unknown kind ({kind})")
    return ""


def _event(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def _block_events(place: int, block: Json) -> Iterator[bytes]:
    """Yield the events that say one block of an answer."""

    def delta(kind: str, **fields: Any) -> bytes:
        return _event("content_block_delta", index=place, delta={"type": kind, **fields})

    kind = block["type"]
    if kind == "text":
        yield _event("content_block_start", index=place, content_block={**block, "text": "", **_uncited(block)})
        for cited in block.get("citations") or ():
            yield delta("citations_delta", citation=cited)
        for piece in pieces_of(block["text"]):
            yield delta("text_delta", text=piece)
    elif kind == "thinking":
        signed: Json = {"signature": ""} if "signature" in block else {}
        empty = {**block, "thinking": "", **signed}
        yield _event("content_block_start", index=place, content_block=empty)
        for piece in pieces_of(block["thinking"]):
            yield delta("thinking_delta", thinking=piece)
        if signed:
            yield delta("signature_delta", signature=block["signature"] or "")
    elif kind in CALLING:
        yield _event("content_block_start", index=place, content_block={**block, "input": {}})
        yield delta("input_json_delta", partial_json=orjson.dumps(block["input"]).decode())
    else:
        yield _event("content_block_start", index=place, content_block=block)
    yield _event("content_block_stop", index=place)


def _uncited(block: Json) -> Json:
    return {"citations": []} if block.get("citations") else {}


def _reworded(block: Json, change: Callable[[str], str]) -> Json:
    if block["type"] in CALLING:
        return {**block, "input": changed(block["input"], change)}
    return {**block, **{name: change(block[name]) for name in ("text", "thinking") if isinstance(block.get(name), str)}}
