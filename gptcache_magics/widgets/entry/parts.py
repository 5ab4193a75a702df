"""What a message is made of, whatever provider wrote it: texts, tool calls, images, and what can only be named.

The messages of a prompt and those of an answer come in as the plain fields that LangChain serialises.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from gptcache_magics import generations
from gptcache_magics.text.masking import is_secret
from gptcache_magics.text.messages import CHAT_PROMPT

__all__ = ["Call", "Image", "Other", "Part", "Said", "Text", "messages_of", "said_in_answer", "said_in_prompt"]

IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Kinds of images that are shown: they hold pixels and nothing that runs."""

MOST_PARTS: Final = 100
"""Of one message; the rest is counted."""


class Text(NamedTuple):
    """Words; ``kind`` says of which sort if they are not simply said: ``reasoning``, ``refusal``."""

    text: str
    kind: str = ""


class Call(NamedTuple):
    """A tool that is to be called."""

    name: str
    arguments: str


class Image(NamedTuple):
    """An image that the message itself holds."""

    mime: str
    base64: str

    @property
    def size(self) -> int:
        """About so many bytes."""
        return len(self.base64) * 3 // 4


class Other(NamedTuple):
    """What is only named: ``file report.pdf``."""

    label: str


Part = Text | Call | Image | Other


class Said(NamedTuple):
    """One message."""

    role: str
    name: str
    """Who speaks within the role: the tool, or a person's name."""
    parts: tuple[Part, ...]


def messages_of(prompt: str) -> list[dict[str, Any]] | None:
    """The messages of a chat prompt as LangChain serialises them, or None if it is anything else."""
    if not prompt.startswith(CHAT_PROMPT):
        return None
    try:
        messages = json.loads(prompt)
    except ValueError:
        return None
    sound = all(isinstance(m, dict) and isinstance(m.get("kwargs"), dict) and m.get("id") for m in messages)
    return messages if sound else None


def said_in_prompt(prompt: str) -> list[Said]:
    """The messages of a prompt; a single one of role ``prompt`` if it is no chat."""
    messages = messages_of(prompt)
    if messages is None:
        return [Said("prompt", "", (Text(prompt),))]
    tools = {
        call.get("id"): call.get("name") for m in messages for call in _dicts(m["kwargs"].get("tool_calls")) if call
    }
    return [_said(message["kwargs"], tools) for message in messages]


def said_in_answer(answer: bytes) -> list[Said]:
    """Every generation of an encoded answer: one, unless several choices were asked for."""
    said = []
    for generation in generations.decode(answer, fresh=False):
        message = getattr(generation, "message", None)
        if message is None:
            said.append(Said("ai", "", (Text(generation.text),)))
        else:
            said.append(_said(message.model_dump(), {}))
    return said


def _said(kwargs: Mapping[str, Any], tools: Mapping[Any, Any]) -> Said:
    role = str(kwargs.get("role") or kwargs.get("type") or "message").removesuffix("MessageChunk").lower()
    name = kwargs.get("name") or tools.get(kwargs.get("tool_call_id"))
    if kwargs.get("status") == "error":
        name = f"{name or ''} failed".strip()
    parts = tuple(_parts(kwargs))
    if len(parts) > MOST_PARTS:
        parts = (*parts[:MOST_PARTS], Other(f"{len(parts) - MOST_PARTS:,} more parts"))
    return Said(role, str(name or ""), parts)


def _parts(kwargs: Mapping[str, Any]) -> Iterator[Part]:
    extras = kwargs.get("additional_kwargs") or {}
    if isinstance(extras.get("reasoning_content"), str):
        yield Text(extras["reasoning_content"], "reasoning")
    calls = _dicts(kwargs.get("tool_calls"))
    content = kwargs.get("content")
    for block in content if isinstance(content, list) else [content]:
        for part in _block(block):
            if not (calls and isinstance(part, Call)):  # some providers list the calls among the blocks as well
                yield part
    for call in [*calls, *_dicts(kwargs.get("invalid_tool_calls"))]:
        yield _call(call.get("name"), call.get("args"))
    if isinstance(extras.get("refusal"), str):
        yield Text(extras["refusal"], "refusal")


def _block(block: Any) -> Iterator[Part]:
    if isinstance(block, str):
        if block:
            yield Text(block)
        return
    if not isinstance(block, Mapping):
        return
    kind = str(block.get("type") or "?")
    nested = block.get("content")
    if kind in ("text", "output_text", "input_text") and isinstance(block.get("text"), str):
        yield Text(block["text"])
    elif kind in ("reasoning", "thinking"):
        yield Text(_reasoning(block), "reasoning")
    elif kind == "refusal":
        yield Text(str(block.get("refusal", "")), "refusal")
    elif kind in ("tool_use", "tool_call", "function_call", "server_tool_use", "server_tool_call"):
        arguments: Any = next((block[name] for name in ("args", "input", "arguments") if name in block), {})
        yield _call(block.get("name"), arguments)
    elif "image" in kind:
        yield _image(block)
    elif kind == "tool_result" and isinstance(nested, str | list):
        yield Other("tool result")
        for each in nested if isinstance(nested, list) else [nested]:
            yield from _block(each)
    else:
        yield Other(" ".join(filter(None, (kind, _file_name(block)))))


def _call(name: Any, arguments: Any) -> Call:
    """``weather`` and ``city="Paris"``, without what is named as a secret; as it is if the model wrote no JSON."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return Call(str(name), arguments)
    if not isinstance(arguments, Mapping):
        return Call(str(name), _json(arguments))
    secret = {key for key, value in arguments.items() if isinstance(value, str) and is_secret(str(key))}
    shown = {key: "***" if key in secret else value for key, value in arguments.items()}
    return Call(str(name), ", ".join(f"{key}={_json(value)}" for key, value in shown.items()))


def _image(block: Mapping[str, Any]) -> Part:
    """An image as OpenAI, Anthropic, Google, Ollama and LangChain itself write one."""
    source = block.get("source")
    source = source if isinstance(source, Mapping) else block
    url = next((block[name] for name in ("image_url", "url") if block.get(name)), source.get("url", ""))
    url = str(url.get("url", "") if isinstance(url, Mapping) else url)
    data = source.get("base64") or source.get("data")
    mime = source.get("media_type") or source.get("mime_type") or ""
    if url.startswith("data:"):
        head, _, data = url.removeprefix("data:").partition(",")
        mime, _, coding = head.partition(";")
        data = data if coding == "base64" else ""
    if isinstance(data, str) and data and str(mime).lower() in IMAGES:
        return Image(str(mime).lower(), data)
    # Not fetched: a picture elsewhere would tell its owner who reads the conversation, and when.
    return Other(f"image at {url}" if url and not url.startswith("data:") else "image")


def _reasoning(block: Mapping[str, Any]) -> str:
    for name in ("reasoning", "thinking"):
        if isinstance(block.get(name), str):
            return str(block[name])
    return "\n".join(str(each.get("text", "")) for each in _dicts(block.get("summary")))


def _file_name(block: Mapping[str, Any]) -> str:
    places = (block, block.get("file"), block.get("source"), block.get("extras"))
    for place in places:
        if isinstance(place, Mapping):
            for name in ("filename", "file_name", "name", "title"):
                if isinstance(place.get(name), str):
                    return str(place[name])
    return ""


def _dicts(values: Any) -> Sequence[Mapping[str, Any]]:
    return [each for each in values if isinstance(each, Mapping)] if isinstance(values, list) else []


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
