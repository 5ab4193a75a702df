"""Read the messages of a prompt and of an answer in their parts, whoever asked: words, calls of tools, images."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from gptcache_magics.text.amounts import byte_size, counted
from gptcache_magics.text.messages import chat_messages
from gptcache_magics.text.secret_names import is_secret

__all__ = ["Call", "Image", "Other", "Part", "Said", "Text", "in_words", "said_in", "said_in_prompt"]

IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Kinds of images that are shown: they hold pixels and nothing that runs."""
BEGINNINGS: Final = {"iVBOR": "image/png", "/9j/": "image/jpeg", "R0lG": "image/gif", "UklG": "image/webp"}
"""Beginnings of images in base64."""
MOST_PARTS: Final = 100
"""Parts of one message that are read; the rest is counted."""
THOUGHTS: Final = ("reasoning_content", "reasoning", "thinking", "tool_plan")
"""Names of what a model thinks before it speaks, beside its content."""
CODE: Final = {"executableCode": "code", "codeExecutionResult": "output"}
"""Google's blocks of code that ran, each with the name of its text."""


class Text(NamedTuple):
    """Words. ``kind`` is empty for an ordinary answer, else ``reasoning`` or ``refusal``."""

    text: str
    kind: str = ""


class Call(NamedTuple):
    """A call of a tool."""

    name: str
    arguments: str


class Image(NamedTuple):
    """An image that the message itself holds."""

    mime: str
    base64: str

    @property
    def size(self) -> int:
        """Approximate number of bytes."""
        return len(self.base64) * 3 // 4

    @property
    def label(self) -> str:
        """The image in words: ``png image, 72 B``."""
        return f"{self.mime.partition('/')[2]} image, {byte_size(self.size)}"


class Other(NamedTuple):
    """A block that is named and not shown: ``file report.pdf``."""

    label: str


Part = Text | Call | Image | Other


class Said(NamedTuple):
    """One message in its parts."""

    role: str
    name: str
    """The speaker within the role: a tool, or a person."""
    parts: tuple[Part, ...]


def said_in_prompt(prompt: str) -> list[Said]:
    """Return the messages of a prompt in their parts; one of role ``prompt`` if it is not a chat."""
    messages = chat_messages(prompt)
    if messages is None:
        return [Said("prompt", "", (Text(prompt),))]
    tools = {
        call["id"]: call.get("name")
        for m in messages
        for call in _dicts(m["kwargs"].get("tool_calls"))
        if call.get("id")
    }
    return [said_in(message["kwargs"], tools) for message in messages]


def said_in(kwargs: Mapping[str, Any], tools: Mapping[Any, Any]) -> Said:
    """Return a message by its fields.

    Parameters
    ----------
    tools
        Names of the tools that the conversation calls, by the id of the call.
    """
    role = str(kwargs.get("role") or kwargs.get("type") or "message").removesuffix("MessageChunk").lower()
    extras = _extras(kwargs)
    named = "" if role in ("ai", "assistant") else extras.get("name") or extras.get("tool_name")
    name = kwargs.get("name") or tools.get(kwargs.get("tool_call_id")) or named or _answering(kwargs)
    if kwargs.get("status") == "error":
        name = f"{name or ''} failed".strip()
    parts = tuple(_parts(kwargs))
    if len(parts) > MOST_PARTS:
        parts = (*parts[:MOST_PARTS], Other(counted(len(parts) - MOST_PARTS, "more part")))
    return Said(role, str(name or ""), parts)


def _parts(kwargs: Mapping[str, Any]) -> Iterator[Part]:
    extras = _extras(kwargs)
    for thought in dict.fromkeys(extras[name] for name in THOUGHTS if isinstance(extras.get(name), str)):
        if thought:
            yield Text(thought, "reasoning")
    calls = _dicts(kwargs.get("tool_calls"))
    content = kwargs.get("content")
    blocks = content if isinstance(content, list) else [content]
    if kwargs.get("type") == "tool" and len(blocks) == 1:  # which the heading says
        blocks = [*_inside(blocks[0])]
    for block in blocks:
        for part in _block(block):
            if not (calls and isinstance(part, Call)):  # some providers also list the calls among the blocks
                yield part
    for image in _list(extras.get("images")):
        yield _bare_image(image)
    for call in [*calls, *_dicts(kwargs.get("invalid_tool_calls"))]:
        yield _call(call.get("name"), call.get("args"))
    if isinstance(extras.get("refusal"), str):
        yield Text(extras["refusal"], "refusal")


def _extras(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a message has beside its content, and what an SDK sent it with."""
    extras = kwargs.get("additional_kwargs")
    extras = extras if isinstance(extras, Mapping) else {}
    sent = extras.get("sent")
    return {**sent, **extras} if isinstance(sent, Mapping) else extras


def _answering(kwargs: Mapping[str, Any]) -> str:
    """Return the name of the function that a message of Google's answers."""
    for block in _dicts(kwargs.get("content")):
        answer = block.get("functionResponse")
        if isinstance(answer, Mapping):
            return str(answer.get("name") or "")
    return ""


def _inside(block: Any) -> Sequence[Any]:
    """Return what a block with the result of a tool holds; the block itself if it is none."""
    if isinstance(block, Mapping) and block.get("type") == "tool_result":
        nested = block.get("content")
        return nested if isinstance(nested, list) else [nested]
    return [block]


def _block(block: Any) -> Iterator[Part]:
    if isinstance(block, str):
        if block:
            yield Text(block)
        return
    if not isinstance(block, Mapping):
        return
    if block.get("type") == "non_standard":
        yield from _block(block.get("value"))
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
    elif kind == "functionCall" and isinstance(block[kind], Mapping):
        yield _call(block[kind].get("name"), block[kind].get("args") or {})
    elif kind == "functionResponse" and isinstance(block[kind], Mapping):
        response = block[kind].get("response")
        alone = response.get("result") if isinstance(response, Mapping) and response.keys() == {"result"} else response
        yield Text(alone if isinstance(alone, str) else _json(alone))
    elif kind in CODE and isinstance(block.get(kind), Mapping):
        yield Text(str(block[kind].get(CODE[kind]) or ""), "code")
    elif "image" in kind:
        yield _image(block)
    elif kind == "tool_result" and isinstance(nested, str | list):
        yield Other("tool result")
        for each in nested if isinstance(nested, list) else [nested]:
            yield from _block(each)
    else:
        yield Other(" ".join(filter(None, (kind, _file_name(block)))))


def _call(name: Any, arguments: Any) -> Call:
    """Return ``weather`` and ``city="Paris"`` without values named as secret; the raw text if it is not JSON."""
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
    """Return an image in the forms of OpenAI, Anthropic, Google, Ollama and LangChain."""
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
    # Not fetched: the owner of the picture would learn who reads the conversation, and when.
    return Other(f"image at {url}" if url and not url.startswith("data:") else "image")


def _bare_image(data: Any) -> Part:
    """Return an image of which only the bytes were sent, as Ollama's are."""
    mime = next((each for begin, each in BEGINNINGS.items() if isinstance(data, str) and data.startswith(begin)), "")
    return Image(mime, data) if mime else Other("image")


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


def in_words(said: Said) -> str:
    """Return a message as plain text: ``[png image, 72 B]`` stands for an image."""
    return "\n".join(filter(None, map(_part_in_words, said.parts)))


def _part_in_words(part: Part) -> str:
    match part:
        case Text(text, kind):
            return f"({kind}) {text}" if kind else text
        case Call(name, arguments):
            return f"{name}({arguments})"
        case _:
            return f"[{part.label}]"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(values: Any) -> Sequence[Mapping[str, Any]]:
    return [each for each in values if isinstance(each, Mapping)] if isinstance(values, list) else []


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
