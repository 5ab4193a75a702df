"""Cohere's chat, version 2: https://docs.cohere.com/reference/chat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from gptcache_magics.protocols.base import Incomplete, Json, NotRead, Protocol
from gptcache_magics.protocols.events import ends_with, event, events, pieces_of
from gptcache_magics.protocols.json_values import changed, count, loads
from gptcache_magics.protocols.messages import chat_message, function_call, sent_message, split_calls, usage_metadata
from gptcache_magics.store.records import Usage

__all__ = ["CohereChat"]


class CohereChat(Protocol):
    """Chats."""

    name: ClassVar[str] = "cohere-chat"
    api: ClassVar[str] = "cohere chat"
    provider: ClassVar[str] = "cohere"
    arriving: ClassVar[frozenset[str]] = frozenset({"stream"})

    def fits(self, path: str) -> str | None:
        return path.removesuffix("/v2/chat") if path.endswith("/v2/chat") else None

    def messages(self, body: Json) -> list[Json]:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise NotRead("it has no messages")
        return [chat_message(each) for each in messages]

    def asking(self, messages: Sequence[Json]) -> Json:
        return {"messages": [*map(sent_message, messages)]}

    def parameters(self, body: Json) -> Json:
        left_out = {"messages", "model", *self.arriving}
        return {name: value for name, value in body.items() if name not in left_out}

    def answers(self, whole: Json) -> list[Json]:
        said = whole["message"]
        blocks = said.get("content") or []
        plan = said.get("tool_plan")
        plain = all(block.get("type") == "text" for block in blocks)
        return [
            {
                "content": "".join(block["text"] for block in blocks) if plain else blocks,
                "response_metadata": {"finish_reason": whole.get("finish_reason")},
                **split_calls([function_call(each) for each in said.get("tool_calls") or ()]),
                **({"additional_kwargs": {"reasoning_content": plan}} if plan else {}),
                **usage_metadata(self.usage(whole)),
            }
        ]

    def usage(self, whole: Json) -> Usage:
        used = whole.get("usage")
        used = used if isinstance(used, dict) else {}
        tokens = used.get("tokens") or used.get("billed_units") or {}
        sent, said = (tokens.get(f"{name}_tokens") for name in ("input", "output"))
        whole_number = [int(each) if isinstance(each, float) and each.is_integer() else each for each in (sent, said)]
        return Usage(*map(count, whole_number))

    def fold(self, raw: bytes) -> Json:
        whole: Json = {}
        said: Json = {}
        for _, data in events(raw):
            if not data.startswith("{"):
                continue
            piece = loads(data)
            delta = piece.get("delta") or {}
            kind = piece.get("type")
            if kind == "message-start":
                whole = {"id": piece.get("id")}
                said = {name: each for name, each in (delta.get("message") or {}).items() if each or name == "role"}
            elif kind == "message-end":
                whole = {**whole, **{name: each for name, each in delta.items() if name != "error"}}
                if delta.get("error"):
                    raise Incomplete("an error in the stream")
                break
            else:
                _add(said, str(kind), delta.get("message") or {}, piece.get("index") or 0)
                if piece.get("logprobs"):
                    whole["logprobs"] = [*(whole.get("logprobs") or ()), piece["logprobs"]]
        if not whole.get("finish_reason"):
            raise Incomplete("no finish reason")
        # The pieces of several blocks and calls may come by turns.
        ordered = {name: [each[at] for at in sorted(each)] for name, each in said.items() if isinstance(each, dict)}
        return {**whole, "message": {**said, **ordered}}

    def unfold(self, whole: Json, body: Json) -> bytes:
        said = whole["message"]
        empty: Json = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        parts = [_event("message-start", id=whole.get("id"), delta={"message": empty})]
        for piece in pieces_of(said["tool_plan"]) if said.get("tool_plan") else ():
            parts.append(_event("tool-plan-delta", delta={"message": {"tool_plan": piece}}))
        for place, block in enumerate(said.get("content") or ()):
            parts += _block_events(place, block)
        for place, call in enumerate(said.get("tool_calls") or ()):
            begun = {**call, "function": {**call["function"], "arguments": ""}}
            rest = {"function": {"arguments": call["function"]["arguments"]}}
            parts.append(_event("tool-call-start", index=place, delta={"message": {"tool_calls": begun}}))
            parts.append(_event("tool-call-delta", index=place, delta={"message": {"tool_calls": rest}}))
            parts.append(_event("tool-call-end", index=place))
        for place, cited in enumerate(said.get("citations") or ()):
            parts.append(_event("citation-start", index=place, delta={"message": {"citations": cited}}))
            parts.append(_event("citation-end", index=place))
        ending = {name: value for name, value in whole.items() if name not in ("id", "message")}
        return b"".join([*parts, _event("message-end", id=whole.get("id"), delta=ending)])

    def ended(self, tail: bytes) -> bool:
        return ends_with(tail, "message-end")

    def reworded(self, whole: Json, change: Callable[[str], str]) -> Json:
        said = {**whole["message"]}
        for name in ("tool_plan", "content"):
            if said.get(name):
                said[name] = changed(said[name], change, {"text", "thinking"} if name == "content" else None)
        if said.get("tool_calls"):
            said["tool_calls"] = changed(said["tool_calls"], change, {"arguments"})
        return {**whole, "message": said}

    def with_text(self, whole: Json, text: str) -> Json:
        said = whole["message"]
        kept = [block for block in said.get("content") or () if block.get("type") != "text"]
        beside = {name: each for name, each in said.items() if name != "citations"}
        return {**whole, "message": {**beside, "content": [*kept, {"type": "text", "text": text}]}}

    def error(self, kind: str, message: str, status: int) -> Json:
        return {"message": message, "id": kind}


def _add(said: Json, kind: str, delta: Json, place: int) -> None:
    """Add a piece to what came of the message before, whose blocks, calls and citations are kept by their numbers."""
    if kind == "tool-plan-delta":
        said["tool_plan"] = (said.get("tool_plan") or "") + (delta.get("tool_plan") or "")
    elif kind == "content-start":
        said.setdefault("content", {})[place] = {**delta["content"]}
    elif kind == "content-delta":
        block = said["content"][place]
        for name, text in delta["content"].items():
            block[name] = (block.get(name) or "") + text if name in ("text", "thinking") else text
    elif kind == "tool-call-start":
        said.setdefault("tool_calls", {})[place] = delta["tool_calls"]
    elif kind == "tool-call-delta":
        function = said["tool_calls"][place]["function"]
        function["arguments"] = (function.get("arguments") or "") + delta["tool_calls"]["function"]["arguments"]
    elif kind == "citation-start":
        said.setdefault("citations", {})[place] = delta["citations"]


def _event(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def _block_events(place: int, block: Json) -> Iterator[bytes]:
    field = "thinking" if block.get("type") == "thinking" else "text"
    yield _event("content-start", index=place, delta={"message": {"content": {**block, field: ""}}})
    for piece in pieces_of(block.get(field) or ""):
        yield _event("content-delta", index=place, delta={"message": {"content": {field: piece}}})
    yield _event("content-end", index=place)
