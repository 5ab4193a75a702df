"""A loopback server that sends what a test wrote, byte by byte, and closes the connection cleanly after it.

A proxy that gives up closes like this: the reader sees an ordinary end, and only the protocol tells that something is
missing.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_ollama import ChatOllama, OllamaLLM
from langchain_openai import ChatOpenAI, OpenAI

__all__ = ["Script", "anthropic", "ollama", "ollama_text", "openai", "openai_text", "responses", "scripted"]

Json = dict[str, Any]
Script = Sequence[Json]
"""The events of one answer; one of key ``body`` is a whole answer without a stream."""


class ScriptedServer:
    """Sends one script after another, the last one again and again."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        self.scripts, self.calls = scripts, 0

    def next(self) -> Script:
        """Count a call, and return its script."""
        self.calls += 1
        return self.scripts[min(self.calls, len(self.scripts)) - 1]

    def model(self, protocol: str, **fields: Any) -> Any:
        """Return the LangChain class that speaks a protocol to this server."""
        openai = {"model": "gpt-4o-mini", "api_key": "sk-test", "base_url": f"{self.url}/v1", "max_retries": 0}
        match protocol:
            case "openai":
                return ChatOpenAI(**{**openai, **fields})
            case "responses":
                return ChatOpenAI(**{**openai, "use_responses_api": True, **fields})
            case "openai_text":
                return OpenAI(**{**openai, **fields})
            case "anthropic":
                return ChatAnthropic(**{**openai, "model": "claude-haiku-4-5", "base_url": self.url, **fields})
            case "ollama":
                return ChatOllama(model="llama3", base_url=self.url, **fields)
            case _:
                return OllamaLLM(model="llama3", base_url=self.url, **fields)


@contextmanager
def scripted(*scripts: Script) -> Iterator[ScriptedServer]:
    """Serve on a free port while the block lasts."""
    server = ScriptedServer(scripts)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            events = server.next()
            whole = events[0].get("body") if events else None
            by_line = self.path.startswith("/api/")
            kind = "application/json" if whole else "application/x-ndjson" if by_line else "text/event-stream"
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            for event in [whole] if whole else events:
                data = json.dumps(event)
                name = f"event: {event['type']}\n" if "type" in event else ""
                text = data if whole else f"{data}\n" if by_line else f"{name}data: {data}\n\n"
                self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads, http.block_on_close = True, False
    server.url = f"http://127.0.0.1:{http.server_address[1]}"  # type: ignore[attr-defined]
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


def openai(*deltas: Json | str, end: str | None = None, index: int = 0, usage: Json | None = None) -> list[Json]:
    """Return a stream of OpenAI's chat protocol; without ``end`` it has no finish reason."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}

    def chunk(delta: Json, finish_reason: str | None = None) -> Json:
        return head | {"choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]}

    events = [chunk({"content": delta} if isinstance(delta, str) else delta) for delta in deltas]
    events += [chunk({}, end)] if end is not None else []
    return events + ([head | {"choices": [], "usage": usage}] if usage else [])


def openai_text(*texts: str, end: str | None = None) -> list[Json]:
    """Return a stream of OpenAI's completion protocol."""
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "gpt-3.5-turbo-instruct"}
    events = [head | {"choices": [{"index": 0, "text": text, "finish_reason": None}]} for text in texts]
    return events + ([head | {"choices": [{"index": 0, "text": "", "finish_reason": end}]}] if end else [])


def anthropic(*blocks: tuple[Json, Sequence[Json]] | str, end: str | None = None) -> list[Json]:
    """Return a stream of Anthropic's protocol: each block with its deltas, or a text."""
    usage = {"input_tokens": 7, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": []}
    events: list[Json] = [
        {"type": "message_start", "message": message | {"stop_reason": None, "stop_sequence": None, "usage": usage}}
    ]
    for index, given in enumerate(blocks):
        block, deltas = ({"type": "text", "text": ""}, [text(given)]) if isinstance(given, str) else given
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    if end is not None:
        delta = {"stop_reason": end, "stop_sequence": None}
        events += [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}}, {"type": "message_stop"}]
    return events


def text(given: str) -> Json:
    """Return a delta of Anthropic's."""
    return {"type": "text_delta", "text": given}


def ollama(*messages: Json | str, end: str | None = None) -> list[Json]:
    """Return a stream of Ollama's chat protocol; without ``end`` it is not done."""
    head = {"model": "llama3", "created_at": "2026-01-01T00:00:00Z"}
    given = [{"content": each} if isinstance(each, str) else {"content": "", **each} for each in messages]
    events: list[Json] = [head | {"message": {"role": "assistant", **each}, "done": False} for each in given]
    last = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": end}
    counts = {"prompt_eval_count": 7, "eval_count": 5}
    return events + ([head | last | counts] if end is not None else [])


def ollama_text(*texts: str, end: str | None = None) -> list[Json]:
    """Return a stream of Ollama's completion protocol."""
    head = {"model": "llama3", "created_at": "2026-01-01T00:00:00Z"}
    events: list[Json] = [head | {"response": text, "done": False} for text in texts]
    return events + ([head | {"response": "", "done": True, "done_reason": end}] if end is not None else [])


def responses(*texts: str, end: str | None = None, items: Sequence[Json] = ()) -> list[Json]:
    """Return a stream of OpenAI's Responses API that ends with the event ``end``."""
    content = [{"type": "output_text", "text": "".join(texts), "annotations": []}]
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
    place = {"item_id": "msg_1", "output_index": len(items), "content_index": 0}
    whole = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-4o-mini", "tools": []}
    whole |= {"parallel_tool_calls": True, "tool_choice": "auto", "output": [*items, *([item] if texts else [])]}
    usage = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    usage |= {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    events: list[Json] = [{"type": "response.created", "response": whole | {"output": [], "status": "in_progress"}}]
    for index, each in enumerate(items):
        events.append({"type": "response.output_item.added", "output_index": index, "item": each | {"arguments": ""}})
        delta = {"item_id": each["id"], "output_index": index}
        pieces = [each["arguments"][at : at + 3] for at in range(0, len(each["arguments"]), 3)]
        events += [{"type": "response.function_call_arguments.delta", **delta, "delta": piece} for piece in pieces]
        events.append({"type": "response.output_item.done", "output_index": index, "item": each})
    if texts:
        events.append(
            {"type": "response.output_item.added", "output_index": len(items), "item": item | {"content": []}}
        )
        events += [{"type": "response.output_text.delta", **place, "delta": text, "logprobs": []} for text in texts]
        events.append({"type": "response.output_text.done", **place, "text": "".join(texts), "logprobs": []})
    if end is not None:
        details = {"reason": "max_output_tokens"} if end == "incomplete" else None
        error = {"code": "server_error", "message": "failed"} if end == "failed" else None
        last = whole | {"status": end, "usage": usage, "incomplete_details": details, "error": error}
        events.append({"type": f"response.{end}", "response": last})
    return [event | {"sequence_number": number} for number, event in enumerate(events)]
