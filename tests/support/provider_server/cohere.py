"""Cohere's protocol, version 2."""

import json
from collections.abc import Iterator

from tests.support.provider_server.answers import Answer, Json, event_of, pieces

__all__ = ["ROUTES"]

REASONS = {"length": "MAX_TOKENS", "content_filter": "ERROR_TOXIC"}


def _finish(answer: Answer) -> str:
    word = answer.finish("COMPLETE", "TOOL_CALL")
    return REASONS.get(word, word)


def _usage(answer: Answer) -> Json:
    tokens = {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens}
    return {"billed_units": tokens, "tokens": tokens}


def _call(answer: Answer) -> Json:
    function = {"name": answer.tool, "arguments": json.dumps(answer.arguments)}
    return {"id": f"{answer.tool}_{answer.id}", "type": "function", "function": function}


def _chat(answer: Answer) -> Json:
    message: Json = {"role": "assistant", "content": [{"type": "text", "text": answer.text}]}
    if answer.tool:
        message = {"role": "assistant", "tool_plan": "I will use a tool.", "tool_calls": [_call(answer)]}
    return {"id": answer.id, "finish_reason": _finish(answer), "message": message, "usage": _usage(answer)}


def _chat_stream(answer: Answer, body: Json) -> Iterator[bytes]:
    def said(kind: str, **fields: object) -> bytes:
        return event_of({"type": kind, **fields}, named=True)

    empty: Json = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield said("message-start", id=answer.id, delta={"message": empty})
    if answer.tool:
        for piece in pieces("I will use a tool."):
            yield said("tool-plan-delta", delta={"message": {"tool_plan": piece}})
        call = _call(answer)
        begun = {**call, "function": {**call["function"], "arguments": ""}}
        yield said("tool-call-start", index=0, delta={"message": {"tool_calls": begun}})
        rest = {"function": {"arguments": call["function"]["arguments"]}}
        yield said("tool-call-delta", index=0, delta={"message": {"tool_calls": rest}})
        yield said("tool-call-end", index=0)
    else:
        yield said("content-start", index=0, delta={"message": {"content": {"type": "text", "text": ""}}})
        for piece in pieces(answer.text):
            yield said("content-delta", index=0, delta={"message": {"content": {"text": piece}}})
        yield said("content-end", index=0)
    yield said("message-end", id=answer.id, delta={"finish_reason": _finish(answer), "usage": _usage(answer)})


ROUTES = {"/v2/chat": (_chat, _chat_stream)}
