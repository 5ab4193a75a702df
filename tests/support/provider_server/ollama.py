"""Ollama's two protocols."""

from collections.abc import Iterator

from tests.support.provider_server.answers import Answer, Json, line_of, pieces

__all__ = ["ROUTES"]


def _ollama_end(answer: Answer) -> Json:
    return {
        "done": True,
        "done_reason": answer.finish("stop", "stop"),
        "total_duration": 3_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": answer.input_tokens,
        "prompt_eval_duration": 1_000_000,
        "eval_count": answer.output_tokens,
        "eval_duration": 1_000_000,
    }


def _ollama_head(answer: Answer) -> Json:
    return {"model": answer.model, "created_at": "2026-01-01T00:00:00Z"}


def _ollama_message(answer: Answer, text: str) -> Json:
    message: Json = {"role": "assistant", "content": text}
    if answer.tool:
        message["tool_calls"] = [{"function": {"name": answer.tool, "arguments": answer.arguments}}]
    return {"message": message}


def _ollama_chat(answer: Answer) -> Json:
    return _ollama_head(answer) | _ollama_message(answer, answer.text) | _ollama_end(answer)


def _ollama_chat_stream(answer: Answer, body: Json) -> Iterator[bytes]:
    for piece in pieces(answer.text) or [""]:
        yield line_of(_ollama_head(answer) | _ollama_message(answer, piece) | {"done": False})
    yield line_of(_ollama_head(answer) | {"message": {"role": "assistant", "content": ""}} | _ollama_end(answer))


def _ollama_generate(answer: Answer) -> Json:
    return _ollama_head(answer) | {"response": answer.text} | _ollama_end(answer)


def _ollama_generate_stream(answer: Answer, body: Json) -> Iterator[bytes]:
    for piece in pieces(answer.text):
        yield line_of(_ollama_head(answer) | {"response": piece, "done": False})
    yield line_of(_ollama_head(answer) | {"response": ""} | _ollama_end(answer))


ROUTES = {
    "/api/chat": (_ollama_chat, _ollama_chat_stream),
    "/api/generate": (_ollama_generate, _ollama_generate_stream),
}
