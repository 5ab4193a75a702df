"""OpenAI's chat completions, which most providers and servers speak, too.

https://platform.openai.com/docs/api-reference/chat. Azure, Groq, Mistral, DeepSeek, OpenRouter, vLLM, LM Studio and
others differ in the address and in further fields, which all count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from gptcache_magics.protocols.base import Json, NotRead
from gptcache_magics.protocols.events import event, pieces_of
from gptcache_magics.protocols.json_values import changed, joined
from gptcache_magics.protocols.messages import chat_message, function_call, sent_message, split_calls, usage_metadata
from gptcache_magics.protocols.openai_choices import OpenAIChoices, wants_usage, without_usage

__all__ = ["OpenAIChat"]

WORDS: Final = ("content", "refusal", "reasoning_content", "reasoning")
"""Fields of a message that hold words of the model."""
NAMES: Final = frozenset({"role", "id", "type", "name", "channel", "status", "phase", "tool_call_id"})
"""Fields that a piece says again, and does not go on with."""
TEXT: Final = frozenset({"type", "text"})
CALLS: Final = ("function", "custom")
"""The kinds of calls, each with the field that its words are in."""


class OpenAIChat(OpenAIChoices):
    """Chat completions."""

    name: ClassVar[str] = "openai-chat"
    api: ClassVar[str] = "chat completions"
    asked_with: ClassVar[str] = "messages"

    def fits(self, path: str) -> str | None:
        return path.removesuffix("/chat/completions") if path.endswith("/chat/completions") else None

    def messages(self, body: Json) -> list[Json]:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise NotRead("it has no messages")
        return [chat_message(each) for each in messages]

    def asking(self, messages: Sequence[Json]) -> Json:
        return {"messages": [*map(sent_message, messages)]}

    def goes_past(self, body: Json) -> str:
        return "audio" if body.get("audio") or "audio" in (body.get("modalities") or ()) else ""

    def answers(self, whole: Json) -> list[Json]:
        usage, found = usage_metadata(self.usage(whole)), list[Json]()
        for choice in whole["choices"]:
            said = choice["message"]
            extras = {name: said[name] for name in ("refusal", "reasoning_content", "function_call") if said.get(name)}
            reasoning = said.get("reasoning")  # as OpenRouter, Groq and vLLM name it
            if isinstance(reasoning, str) and reasoning:
                extras.setdefault("reasoning_content", reasoning)
            content = said.get("content")
            found.append(
                {
                    "content": content if isinstance(content, str | list) else "",
                    "response_metadata": {"finish_reason": choice.get("finish_reason")},
                    **split_calls([function_call(each) for each in said.get("tool_calls") or ()]),
                    **({"additional_kwargs": extras} if extras else {}),
                    **(usage if not found else {}),
                }
            )
        return found

    def fold(self, raw: bytes) -> Json:
        return {**super().fold(raw), "object": "chat.completion"}

    def _add(self, choice: Json, part: Json) -> None:
        choice.setdefault("message", {})
        _add_choice(choice, part)

    def _whole(self, choice: Json) -> Json:
        said = {"role": "assistant", "content": None, **choice["message"]}
        calls = choice.get("calls")
        if calls:
            said["tool_calls"] = [calls[each] for each in sorted(calls)]
        rest = {name: value for name, value in choice.items() if name != "calls"}
        return {**rest, "message": said, "logprobs": choice.get("logprobs")}

    def unfold(self, whole: Json, body: Json) -> bytes:
        head = {name: value for name, value in whole.items() if name not in ("choices", "usage")}
        head["object"] = "chat.completion.chunk"
        beside: Json = {"usage": None} if wants_usage(body) else {}
        groq = whole.get("x_groq")
        if isinstance(groq, dict):  # tells the tokens with the last piece
            head["x_groq"] = without_usage(groq)
        parts = list[bytes]()

        def say(choice: Json, delta: Json, **fields: Any) -> None:
            part = {"index": choice["index"], "delta": delta, "logprobs": None, "finish_reason": None, **fields}
            parts.append(event({**head, "choices": [part], **beside}))

        for choice in whole["choices"]:
            said = choice["message"]
            apart = {"content", "tool_calls"}
            first = {name: value for name, value in said.items() if name not in apart}
            content = said.get("content")
            say(choice, {**first, "content": "" if isinstance(content, str) else content})
            for piece in pieces_of(content) if isinstance(content, str) and content else ():
                say(choice, {"content": piece})
            for place, call in enumerate(said.get("tool_calls") or ()):
                say(choice, {"tool_calls": [{"index": place, **call}]})
            rest = {name: value for name, value in choice.items() if name not in ("index", "message")}
            if choice is whole["choices"][-1] and isinstance(whole.get("usage"), dict):
                if isinstance(groq, dict):
                    beside["x_groq"] = {**head["x_groq"], "usage": whole["usage"]}
                elif "stream_options" not in body:  # Mistral and DeepSeek say it there, unasked
                    beside["usage"] = whole["usage"]
            say(choice, {}, **rest)
        return b"".join(parts) + self._ending(head, whole, body)

    def reworded(self, whole: Json, change: Callable[[str], str]) -> Json:
        choices = [{**each, "message": _reworded(each["message"], change)} for each in whole["choices"]]
        return {**whole, "choices": choices}

    def with_text(self, whole: Json, text: str) -> Json:
        first, *others = whole["choices"]
        return {
            **self.kept(whole, {}),
            "choices": [{**first, "message": {**first["message"], "content": text}}, *others],
        }


def _add_choice(choice: Json, part: Json) -> None:
    """Add a piece of a choice to what came of it before."""
    for name, value in part.items():
        if name in ("index", "delta") or (name == "message" and "delta" in part):
            continue  # Perplexity says with each piece all that came before it, too
        if name == "logprobs":
            choice[name] = joined(choice.get(name), value)
        elif value is not None or name not in choice:
            choice[name] = value
    said = choice["message"]
    for name, value in (part.get("delta") or {}).items():
        if name == "tool_calls":
            for call in value or ():
                _add_call(choice.setdefault("calls", {}), call)
        elif name == "content":
            said[name] = _with_content(said.get(name), value)
        elif value is not None or name not in said:
            said[name] = (value or said.get(name, value)) if name in NAMES else joined(said.get(name), value)


def _with_content(before: Any, piece: Any) -> Any:
    """Return a content with its next piece: Mistral's are texts until a block comes, and then blocks, too."""
    if isinstance(before, list) and isinstance(piece, str):
        piece = [{"type": "text", "text": piece}] if piece else []
    if isinstance(before, str) and isinstance(piece, list):
        before = [{"type": "text", "text": before}] if before else []
    if isinstance(before, list) and isinstance(piece, list) and before and piece:
        return [*before[:-1], *_with_block(before[-1], piece[0]), *piece[1:]]
    return joined(before, piece)


def _with_block(last: Any, block: Any) -> list[Any]:
    """Return a block and the one that comes after it: one block if that goes on with the text or the thought."""
    if isinstance(last, dict) and isinstance(block, dict):
        if last.keys() == block.keys() == TEXT:
            return [{**last, "text": joined(last["text"], block["text"])}]
        if last.get("type") == block.get("type") == "thinking" and not last.get("signature"):
            return [{**last, **block, "thinking": _with_content(last.get("thinking"), block.get("thinking"))}]
    return [last, block]


def _add_call(calls: dict[int, Json], piece: Json) -> None:
    place = piece.get("index")
    if not isinstance(place, int):  # a call that has no number comes whole, or goes on with the last
        goes_on = calls and not piece.get("id") and not any((piece.get(kind) or {}).get("name") for kind in CALLS)
        place = max(calls, default=-1) + (0 if goes_on else 1)
    call = calls.setdefault(place, {})
    for name, value in piece.items():
        if name in CALLS and isinstance(value, dict):
            function = call.setdefault(name, {})
            for key, each in value.items():
                function[key] = joined(function.get(key), each)
        elif name != "index" and (value or name not in call):
            call[name] = value


def _reworded(said: Json, change: Callable[[str], str]) -> Json:
    new = {**said, **{name: change(said[name]) for name in WORDS if isinstance(said.get(name), str)}}
    if isinstance(said.get("content"), list):
        new["content"] = changed(said["content"], change, {"text"})
    if said.get("tool_calls"):
        new["tool_calls"] = changed(said["tool_calls"], change, {"arguments"})
    return new
