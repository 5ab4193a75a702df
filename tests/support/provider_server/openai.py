"""OpenAI's three protocols."""

import json
from collections.abc import Iterator

from tests.support.provider_server.answers import CREATED, Answer, Json, event_of, pieces

__all__ = ["ROUTES"]


def _openai_usage(answer: Answer) -> Json:
    prompt, completion = answer.input_tokens, answer.output_tokens
    used: Json = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return used | ({"prompt_tokens_details": {"cached_tokens": answer.cached[0]}} if answer.cached[0] else {})


def _openai_tool_calls(answer: Answer) -> list[Json]:
    function = {"name": answer.tool, "arguments": json.dumps(answer.arguments)}
    return [{"index": 0, "id": f"call_{answer.id}", "type": "function", "function": function}]


def _chat_completion(answer: Answer) -> Json:
    def choice(index: int, text: str) -> Json:
        message: Json = {"role": "assistant", "content": text, "refusal": None}
        if answer.tool:
            message |= {"content": None, "tool_calls": _openai_tool_calls(answer)}
        return {
            "index": index,
            "message": message,
            "finish_reason": answer.finish("stop", "tool_calls"),
            "logprobs": None,
        }

    return {
        **_openai_head(answer, "chat.completion"),
        "choices": [choice(index, text) for index, text in enumerate(answer.texts)],
        "usage": _openai_usage(answer),
    }


def _openai_head(answer: Answer, kind: str) -> Json:
    return {"id": f"chatcmpl-{answer.id}", "object": kind, "created": CREATED, "model": answer.model}


def _chat_completion_stream(answer: Answer, body: Json) -> Iterator[bytes]:
    def chunk(index: int, delta: Json, finish_reason: str | None = None) -> bytes:
        choices = [{"index": index, "delta": delta, "finish_reason": finish_reason, "logprobs": None}]
        return event_of(head | {"choices": choices})

    head = _openai_head(answer, "chat.completion.chunk")
    for index, text in enumerate(answer.texts):
        yield chunk(index, {"role": "assistant", "content": ""})
        if answer.tool:
            yield chunk(index, {"tool_calls": _openai_tool_calls(answer)})
        for piece in pieces(text):
            yield chunk(index, {"content": piece})
        yield chunk(index, {}, answer.finish("stop", "tool_calls"))
    if (body.get("stream_options") or {}).get("include_usage"):
        yield event_of(head | {"choices": [], "usage": _openai_usage(answer)})
    yield b"data: [DONE]\n\n"


def _completion(answer: Answer) -> Json:
    choices = [
        {"index": index, "text": text, "finish_reason": answer.finish("stop", "stop"), "logprobs": None}
        for index, text in enumerate(answer.texts)
    ]
    return _openai_head(answer, "text_completion") | {"choices": choices, "usage": _openai_usage(answer)}


def _completion_stream(answer: Answer, body: Json) -> Iterator[bytes]:
    head = _openai_head(answer, "text_completion")
    for piece in pieces(answer.text):
        yield event_of(head | {"choices": [{"index": 0, "text": piece, "finish_reason": None, "logprobs": None}]})
    last = {"index": 0, "text": "", "finish_reason": answer.finish("stop", "stop"), "logprobs": None}
    yield event_of(head | {"choices": [last]})
    if (body.get("stream_options") or {}).get("include_usage"):
        yield event_of(head | {"choices": [], "usage": _openai_usage(answer)})
    yield b"data: [DONE]\n\n"


def _response(answer: Answer) -> Json:
    item: Json
    if answer.tool:
        arguments = json.dumps(answer.arguments)
        item = {"type": "function_call", "id": f"fc_{answer.id}", "call_id": f"call_{answer.id}"}
        item |= {"name": answer.tool, "arguments": arguments, "status": "completed"}
    else:
        content = [{"type": "output_text", "text": answer.text, "annotations": []}]
        item = {"type": "message", "id": f"msg_{answer.id}", "role": "assistant", "content": content}
        item |= {"status": "completed"}
    usage = {
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "input_tokens_details": {"cached_tokens": answer.cached[0]},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    reason = answer.finish_reason and {"length": "max_output_tokens"}.get(answer.finish_reason, answer.finish_reason)
    return {
        "id": f"resp_{answer.id}",
        "object": "response",
        "created_at": CREATED,
        "model": answer.model,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "error": None,
        "output": [item],
        "usage": usage,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def _response_stream(answer: Answer, body: Json) -> Iterator[bytes]:
    whole = _response(answer)
    item = whole["output"][0]
    place = {"item_id": item["id"], "output_index": 0}
    text_place = place | {"content_index": 0}
    number = iter(range(1_000_000))

    def event(kind: str, fields: Json) -> bytes:
        return event_of({"type": f"response.{kind}", "sequence_number": next(number)} | fields, named=True)

    yield event("created", {"response": whole | {"status": "in_progress", "output": [], "usage": None}})
    if answer.tool:
        yield event("output_item.added", {"output_index": 0, "item": item | {"arguments": ""}})
        yield event("function_call_arguments.delta", place | {"delta": item["arguments"]})
        yield event("function_call_arguments.done", place | {"arguments": item["arguments"]})
    else:
        yield event("output_item.added", {"output_index": 0, "item": item | {"content": []}})
        yield event("content_part.added", text_place | {"part": item["content"][0] | {"text": ""}})
        for piece in pieces(answer.text):
            yield event("output_text.delta", text_place | {"delta": piece, "logprobs": []})
        yield event("output_text.done", text_place | {"text": answer.text, "logprobs": []})
        yield event("content_part.done", text_place | {"part": item["content"][0]})
    yield event("output_item.done", {"output_index": 0, "item": item})
    yield event("completed" if whole["status"] == "completed" else "incomplete", {"response": whole})


ROUTES = {
    "/v1/chat/completions": (_chat_completion, _chat_completion_stream),
    "/v1/completions": (_completion, _completion_stream),
    "/v1/responses": (_response, _response_stream),
}
