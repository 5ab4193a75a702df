"""Anthropic's protocol."""

import json
from collections.abc import Iterator

from tests.support.provider_server.answers import Answer, Json, event_of, pieces

__all__ = ["ROUTES"]


def _message(answer: Answer) -> Json:
    content: list[Json] = [{"type": "text", "text": answer.text}] if answer.text else []
    if answer.tool:
        content = [{"type": "tool_use", "id": f"toolu_{answer.id}", "name": answer.tool, "input": answer.arguments}]
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": answer.finish("end_turn", "tool_use"),
        "stop_sequence": None,
        "usage": _input(answer) | {"output_tokens": answer.output_tokens},
    }


def _input(answer: Answer) -> Json:
    """Return the input tokens as Anthropic counts them: without those of its cache."""
    read, written = answer.cached
    plain: Json = {"input_tokens": answer.input_tokens - read - written}
    of_cache = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}
    return plain | (of_cache if read or written else {})


def _message_stream(answer: Answer, body: Json) -> Iterator[bytes]:
    whole = _message(answer)

    def event(kind: str, fields: Json) -> bytes:
        return event_of({"type": kind} | fields, named=True)

    usage = _input(answer) | {"output_tokens": 1}
    yield event("message_start", {"message": whole | {"content": [], "stop_reason": None, "usage": usage}})
    for index, block in enumerate(whole["content"]):
        if block["type"] == "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
            empty = {"text": ""}
        else:
            deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
            empty = {"input": {}}
        yield event("content_block_start", {"index": index, "content_block": block | empty})
        for delta in deltas:
            yield event("content_block_delta", {"index": index, "delta": delta})
        yield event("content_block_stop", {"index": index})
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield event("message_delta", {"delta": end, "usage": {"output_tokens": answer.output_tokens}})
    yield event("message_stop", {})


ROUTES = {"/v1/messages": (_message, _message_stream)}
