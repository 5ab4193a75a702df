"""The question of a request in any protocol, and the answer to it before a protocol dresses it."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["CREATED", "Answer", "Json", "Mind", "Teller", "answer_to", "event_of", "line_of", "pieces"]

Json = dict[str, Any]
Mind = Callable[[Json, int], str | tuple[str, Json]]
"""Answers the body and the number of a call: a text, or the name and the arguments of a tool."""
CREATED = 1_767_225_600
ANY_JSON: Json = {"type": "object", "properties": {"answer": {"type": "string"}}}


class Teller(Protocol):
    """The part of a server that says what to answer."""

    mind: Mind | None
    text: str | None
    texts: list[str]
    finish_reason: str | None


def _messages(body: Json) -> list[Json]:
    prompt = body.get("messages", body.get("input", body.get("prompt", "")))
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return [{"role": "user", "content": item} if isinstance(item, str) else item for item in prompt]


def _text(content: str | list[Json]) -> str:
    return content if isinstance(content, str) else " ".join(part["text"] for part in content if "text" in part)


def _answers_a_tool(message: Json) -> bool:
    blocks = message.get("content") if isinstance(message.get("content"), list) else []
    return (
        message.get("role") == "tool"
        or message.get("type") == "function_call_output"
        or any(block.get("type") == "tool_result" for block in blocks)
    )


def _questions(body: Json) -> list[str]:
    """Return the questions that need an answer: several only for a completion call with several prompts."""
    users = [message for message in _messages(body) if message.get("role") == "user" and not _answers_a_tool(message)]
    texts = [_text(message["content"]) for message in users] or [""]
    return texts if isinstance(body.get("prompt"), list) else texts[-1:]


def _tool(body: Json) -> Json | None:
    """Return the tool to call: the forced one, or the first one until its result is there."""
    offered = [entry.get("function", entry) for entry in body.get("tools") or []]
    tools = {tool["name"]: tool for tool in offered if "name" in tool}  # a server's tools have no name here
    choice = body.get("tool_choice")
    forced = choice.get("function", choice).get("name") if isinstance(choice, dict) else None
    if not tools or choice == "none" or _answers_a_tool(_messages(body)[-1]):
        return None
    return tools[forced] if forced else next(iter(tools.values()))


def _wanted_schema(body: Json) -> Json | None:
    wanted = body.get("response_format") or body.get("format") or body.get("output_format")
    wanted = wanted or (body.get("output_config") or body.get("text") or {}).get("format")
    if wanted == "json":
        return ANY_JSON
    if not wanted or wanted["type"] == "text":
        return None
    if wanted["type"] == "json_object":
        return ANY_JSON
    return wanted.get("json_schema", wanted)["schema"] if wanted["type"] == "json_schema" else wanted


def _fill(schema: Json, text: str, definitions: Json) -> object:
    """Return the simplest value that fits a JSON schema; strings hold ``text``."""
    if "$ref" in schema:
        return _fill(definitions[schema["$ref"].rsplit("/", 1)[-1]], text, definitions)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return _fill(options[0], text, definitions)
    match schema.get("type", "object" if "properties" in schema else "string"):
        case "object":
            return {name: _fill(part, text, definitions) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [_fill(schema.get("items", {"type": "string"}), text, definitions)]
        case kind:
            return {"string": text, "integer": 1, "number": 1.5, "boolean": True, "null": None}[kind]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a model, before a protocol dresses it."""

    number: int
    model: str
    texts: list[str]  # one per choice, then per prompt
    tool: str | None
    arguments: Json
    finish_reason: str | None
    input_tokens: int
    cached: tuple[int, int] = (0, 0)  # of the input tokens, those that the provider read from its own cache, and wrote

    @property
    def id(self) -> str:
        """Random letters and digits, as the ids of providers hold."""
        return hashlib.sha256(str(self.number).encode()).hexdigest()[:24]

    @property
    def text(self) -> str:
        return self.texts[0]

    @property
    def output_tokens(self) -> int:
        return sum(len(pieces(text)) for text in self.texts) + len(self.arguments)

    def finish(self, stop: str, tool: str) -> str:
        """Return why the model stopped, in the protocol's word."""
        return self.finish_reason or (tool if self.tool else stop)


def answer_to(server: Teller, number: int, body: Json) -> Answer:
    model, schema, tool = body["model"], _wanted_schema(body), _tool(body)
    choices = range(body.get("n") or 1)
    texts = [
        f"{model} answers {question!r} (call {number}{f', choice {choice + 1}' if choice else ''})"
        for question in _questions(body)
        for choice in choices
    ]
    arguments, finish_reason = {}, server.finish_reason
    if server.mind is not None:
        thought = server.mind(body, number)
        texts, name, arguments = ([thought], None, {}) if isinstance(thought, str) else ([""], *thought)
        tool = {"name": name} if name else None
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        if limit and len(pieces(texts[0])) > limit:
            texts, finish_reason = ["".join(pieces(texts[0])[:limit])], "length"
    elif tool:
        parameters = tool.get("parameters") or tool.get("input_schema") or {}
        arguments = _fill(parameters, texts[0], parameters.get("$defs", {}))
        texts = [""]
    elif server.text is not None or number <= len(server.texts):
        text = server.texts[number - 1] if number <= len(server.texts) else server.text
        texts = [text or "" for _ in texts]
    elif schema:
        texts = [json.dumps(_fill(schema, text, schema.get("$defs", {}))) for text in texts]
    return Answer(
        number=number,
        model=model,
        texts=texts,
        tool=tool["name"] if tool else None,
        arguments=arguments,
        finish_reason=finish_reason,
        input_tokens=sum(len(pieces(_text(message.get("content") or ""))) for message in _messages(body))
        + 7
        + sum(server.cached),
        cached=server.cached,
    )


def pieces(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


def line_of(event: Json) -> bytes:
    return json.dumps(event).encode() + b"\n"


def event_of(event: Json, *, named: bool = False) -> bytes:
    name = f"event: {event['type']}\n".encode() if named else b""
    return name + b"data: " + json.dumps(event).encode() + b"\n\n"
