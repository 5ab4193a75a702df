"""Google's protocol: its paths name the model."""

import re
from collections.abc import Iterator

from tests.support.provider_server.answers import Answer, Json, event_of, pieces

__all__ = ["PATH", "as_chat", "stream", "whole"]

PATH = re.compile(r"(?:/v1(?:beta|alpha)?)?/models/([^/:]+):(generateContent|streamGenerateContent)")
REASONS = {"length": "MAX_TOKENS", "content_filter": "SAFETY", "stop": "STOP"}
ROLES = {"model": "assistant"}


def as_chat(body: Json, model: str) -> Json:
    """Return a request in the words of OpenAI's, which the answers are made from."""
    messages = []
    for content in body["contents"]:
        parts = content["parts"]
        answers = any("functionResponse" in part for part in parts)
        text = [{"type": "text", "text": part["text"]} for part in parts if "text" in part]
        role = content.get("role") or "user"
        messages.append({"role": "tool" if answers else ROLES.get(role, role), "content": text})
    lists = [tool.get("functionDeclarations") or tool.get("function_declarations") for tool in body.get("tools") or ()]
    declared = [each for declarations in lists for each in declarations or ()]
    tools = [
        {"name": each["name"], "parameters": _schema(each, "parameters", "parametersJsonSchema")} for each in declared
    ]
    schema = _schema(body.get("generationConfig") or {}, "responseSchema", "responseJsonSchema")
    wanted = {"type": "json_schema", "schema": schema} if schema else None
    return {"model": model, "messages": messages, "tools": tools, "response_format": wanted}


def _schema(fields: Json, name: str, as_json: str) -> object:
    """Return a schema, which clients give in Google's words or as JSON Schema, in two spellings."""
    snake = re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", as_json)
    return fields.get(as_json) or fields.get(snake) or _lower(fields.get(name) or {})


def _lower(schema: object) -> object:
    """Return a schema with the types of JSON Schema: Google writes them in capitals."""
    if isinstance(schema, list):
        return [_lower(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: each.lower() if name == "type" and isinstance(each, str) else _lower(each)
        for name, each in schema.items()
    }


def _piece(answer: Answer, parts: list[Json], **fields: object) -> Json:
    candidate = {"content": {"parts": parts, "role": "model"}, "index": 0, **fields}
    used = {"promptTokenCount": answer.input_tokens, "candidatesTokenCount": answer.output_tokens}
    used["totalTokenCount"] = answer.input_tokens + answer.output_tokens
    used |= {"cachedContentTokenCount": answer.cached[0]} if answer.cached[0] else {}
    return {"candidates": [candidate], "usageMetadata": used, "modelVersion": answer.model, "responseId": answer.id}


def _parts(answer: Answer) -> list[Json]:
    call = {"functionCall": {"name": answer.tool, "args": answer.arguments}}
    return [call] if answer.tool else [{"text": answer.text}]


def _finish(answer: Answer) -> str:
    word = answer.finish("STOP", "STOP")
    return REASONS.get(word, word)


def whole(answer: Answer) -> Json:
    """Return the answer at once."""
    return _piece(answer, _parts(answer), finishReason=_finish(answer))


def stream(answer: Answer, body: Json) -> Iterator[bytes]:
    """Yield the answer in pieces."""
    parts = [[part] for part in _parts(answer)] if answer.tool else [[{"text": each}] for each in pieces(answer.text)]
    for place, each in enumerate(parts):
        last = {"finishReason": _finish(answer)} if place == len(parts) - 1 else {}
        yield event_of(_piece(answer, each, **last))
