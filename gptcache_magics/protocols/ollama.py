"""Ollama's ``/api/chat`` and ``/api/generate``: https://github.com/ollama/ollama/blob/main/docs/api.md."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, Final

import orjson

from gptcache_magics.protocols.base import Incomplete, Json, NotRead, Protocol
from gptcache_magics.protocols.events import pieces_of
from gptcache_magics.protocols.json_values import changed, count, loads
from gptcache_magics.protocols.messages import (
    chat_message,
    function_call,
    message,
    place_of,
    sent_message,
    sent_with,
    split_calls,
    usage_metadata,
)
from gptcache_magics.store.records import Usage

__all__ = ["OllamaChat", "OllamaGenerate"]

ARRIVING: Final = frozenset({"stream", "keep_alive"})
EMPTY: Final = ("options", "tools")
"""Fields that are as good as absent if there is nothing in them."""
NOT_SAID: Final = frozenset({"load", "unload"})
"""Words of Ollama's for a model that was loaded, and asked nothing."""


class _Ollama(Protocol):
    provider: ClassVar[str] = "ollama"
    stream_type: ClassVar[str] = "application/x-ndjson"
    arriving: ClassVar[frozenset[str]] = ARRIVING
    path: ClassVar[str]
    asked_with: ClassVar[frozenset[str]]
    """The fields of a request that hold what is asked."""

    def fits(self, path: str) -> str | None:
        return path.removesuffix(self.path) if path.endswith(self.path) else None

    def streams(self, body: Json, path: str) -> bool:
        return body.get("stream") is not False

    def parameters(self, body: Json) -> Json:
        left_out = {*self.asked_with, "model", *self.arriving}
        left_out |= {name for name in EMPTY if body.get(name) in (None, [], {})}
        return {name: value for name, value in body.items() if name not in left_out}

    def usage(self, whole: Json) -> Usage:
        return Usage(count(whole.get("prompt_eval_count")), count(whole.get("eval_count")))

    def fold(self, raw: bytes) -> Json:
        whole: Json = {}
        for line in raw.splitlines():
            if line.strip():
                piece = loads(line)
                if piece.get("error"):
                    raise Incomplete("an error in the stream")
                whole = self._added(whole, piece)
                if piece.get("done"):
                    break
        if not whole.get("done"):
            raise Incomplete("no end of the answer")
        return whole

    @abstractmethod
    def _added(self, whole: Json, piece: Json) -> Json:
        """Return what a stream has said with one more line of it."""

    def unfold(self, whole: Json, body: Json) -> bytes:
        head = {name: whole[name] for name in ("model", "created_at") if name in whole}
        said, rest = self._parted(whole)
        lines = [orjson.dumps({**head, **piece, "done": False}) for piece in said]
        return b"\n".join([*lines, orjson.dumps(rest), b""])

    @abstractmethod
    def _parted(self, whole: Json) -> tuple[list[Json], Json]:
        """Return what the lines of a stream say before the last, and the last line: readers look for no words there."""

    def ended(self, tail: bytes) -> bool:
        return any(b'"done"' in line and _is_last(line) for line in tail.split(b"\n")[:-1])

    def error(self, kind: str, message: str, status: int) -> Json:
        return {"error": message}

    def _metadata(self, whole: Json) -> Json:
        # An old server gives no reason, and says that it is done.
        word = whole.get("done_reason") or ("stop" if whole.get("done") else None)
        return {"response_metadata": {"done_reason": word}, **usage_metadata(self.usage(whole))}


class OllamaChat(_Ollama):
    """Chats."""

    name: ClassVar[str] = "ollama-chat"
    api: ClassVar[str] = "ollama chat"
    path: ClassVar[str] = "/api/chat"
    asked_with: ClassVar[frozenset[str]] = frozenset({"messages"})

    def messages(self, body: Json) -> list[Json]:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise NotRead("it has no messages")
        return [*map(chat_message, messages)]

    def asking(self, messages: Sequence[Json]) -> Json:
        return {"messages": [*map(sent_message, messages)]}

    def answers(self, whole: Json) -> list[Json]:
        said = whole["message"]
        thinking = said.get("thinking")
        return [
            {
                "content": said.get("content") or "",
                **split_calls([function_call(each) for each in said.get("tool_calls") or ()]),
                **({"additional_kwargs": {"reasoning_content": thinking}} if thinking else {}),
                **self._metadata(whole),
            }
        ]

    def _added(self, whole: Json, piece: Json) -> Json:
        before, now = whole.get("message") or {}, piece.get("message") or {}
        said = {**before, **now}
        for name in ("content", "thinking"):
            if isinstance(before.get(name), str) or isinstance(now.get(name), str):
                said[name] = (before.get(name) or "") + (now.get(name) or "")
        if before.get("tool_calls"):
            said["tool_calls"] = [*before["tool_calls"], *(now.get("tool_calls") or ())]
        return {**whole, **piece, **_logprobs(whole, piece), "message": said}

    def _parted(self, whole: Json) -> tuple[list[Json], Json]:
        said = whole["message"]
        pieces: list[Json] = [
            {"message": {"role": said.get("role"), "content": "", **each}} for each in _pieces(said, "content")
        ]
        if said.get("tool_calls"):
            apart = {name: each for name, each in said.items() if name not in ("content", "thinking")}
            pieces.append({"message": {**apart, "content": ""}})
        return pieces, {**whole, "message": {"role": said.get("role"), "content": ""}}

    def reworded(self, whole: Json, change: Callable[[str], str]) -> Json:
        said = {**whole["message"]}
        for name in ("content", "thinking"):
            if isinstance(said.get(name), str):
                said[name] = change(said[name])
        if said.get("tool_calls"):
            said["tool_calls"] = [*map(partial(_reworded, change), said["tool_calls"])]
        return {**whole, "message": said}

    def with_text(self, whole: Json, text: str) -> Json:
        return {**whole, "message": {**whole["message"], "content": text}}


class OllamaGenerate(_Ollama):
    """Completions of a prompt."""

    name: ClassVar[str] = "ollama-generate"
    api: ClassVar[str] = "ollama generate"
    path: ClassVar[str] = "/api/generate"
    asked_with: ClassVar[frozenset[str]] = frozenset({"prompt", "system", "images"})

    def messages(self, body: Json) -> list[Json]:
        prompt = body.get("prompt")
        if not isinstance(prompt, str) or not prompt:
            raise NotRead("it has no prompt")
        system = [message("system", body["system"], {}, place="system")] if "system" in body else []
        images = {"images": body["images"]} if "images" in body else {}
        return [*system, message("human", prompt, images)]

    def asking(self, messages: Sequence[Json]) -> Json:
        body: Json = {}
        for each in messages:
            sent = sent_with(each)
            name = place_of(each) or "prompt"
            body |= {name: sent.pop("content", each["content"]), **sent}
        return body

    def answers(self, whole: Json) -> list[Json]:
        thinking = whole.get("thinking")
        beside = {"additional_kwargs": {"reasoning_content": thinking}} if thinking else {}
        return [{"content": whole["response"], **beside, **self._metadata(whole)}]

    def _added(self, whole: Json, piece: Json) -> Json:
        texts: Json = {
            name: (whole.get(name) or "") + (piece.get(name) or "")
            for name in ("response", "thinking")
            if name in whole or name in piece
        }
        return {**whole, **piece, **texts, **_logprobs(whole, piece)}

    def _parted(self, whole: Json) -> tuple[list[Json], Json]:
        pieces: list[Json] = [{"response": "", **each} for each in _pieces(whole, "response")]
        return pieces, {**{name: each for name, each in whole.items() if name != "thinking"}, "response": ""}

    def reworded(self, whole: Json, change: Callable[[str], str]) -> Json:
        said = {**whole}
        for name in ("response", "thinking"):
            if isinstance(said.get(name), str):
                said[name] = change(said[name])
        return said

    def with_text(self, whole: Json, text: str) -> Json:
        return {**whole, "response": text}


def _is_last(line: bytes) -> bool:
    """Return whether a line says that nothing follows it."""
    try:
        piece = orjson.loads(line)
    except ValueError:  # it has lost its beginning
        return False
    return isinstance(piece, dict) and piece.get("done") is True


def _pieces(said: Json, name: str) -> list[Json]:
    """Return the thinking and the words of an answer in pieces."""
    return [
        {field: piece}
        for field in ("thinking", name)
        if isinstance(said.get(field), str) and said[field]
        for piece in pieces_of(said[field])
    ]


def _logprobs(whole: Json, piece: Json) -> Json:
    """Return how likely the words of an answer are, which comes in pieces as they do."""
    found = [*(whole.get("logprobs") or ()), *(piece.get("logprobs") or ())]
    return {"logprobs": found} if found else {}


def _reworded(change: Callable[[str], str], call: Json) -> Json:
    function = call.get("function") or {}
    return {**call, "function": {**function, "arguments": changed(function.get("arguments"), change)}}
