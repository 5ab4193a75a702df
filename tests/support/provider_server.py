"""A loopback server that speaks OpenAI's, Anthropic's and Ollama's protocols, so that the real LangChain classes run.

Every answer names the model, the last question and the running number of the call, so an answer that was bought again
never looks like the stored one. Tools, forced tools and JSON schemas are honoured with the simplest values that fit.
A test that needs other answers gives the server a ``mind``.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

__all__ = ["CHAT_MODELS", "COMPLETION_MODELS", "KEY", "Json", "Mind", "Model", "ProviderServer"]

Json = dict[str, Any]
Model = Any  # chat and completion models share no result type
Mind = Callable[[Json, int], str | tuple[str, Json]]
"""Answers the body and the number of a call: a text, or the name and the arguments of a tool."""

KEY = "sk-test-0123456789abcdef"
CHAT_MODELS = ("ChatOpenAI", "ChatAnthropic", "ChatOllama")
COMPLETION_MODELS = ("OpenAI", "OllamaLLM")
CREATED = 1_767_225_600
ANY_JSON: Json = {"type": "object", "properties": {"answer": {"type": "string"}}}


class ProviderServer:
    """Answers on a free port of 127.0.0.1 while the ``with`` block lasts."""

    def __init__(self) -> None:
        """Start with no calls; the socket opens in ``__enter__``."""
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget every call and every override."""
        with self._lock:
            self.calls = 0
            self.requests: list[Json] = []
            self.delay = 0.0
            self.text: str | None = None
            self.texts: list[str] = []  # of the first answers, before ``text``
            self.finish_reason: str | None = None
            self.mind: Mind | None = None
            self._failures: list[int] = []

    def fail_next(self, n: int, status: int = 500) -> None:
        """Answer the next ``n`` calls with an HTTP error; 200 breaks a stream off in the middle instead."""
        with self._lock:
            self._failures = [status] * n

    def accept(self, body: Json) -> tuple[int, int | None]:
        """Count one call; return its number and the status it must fail with."""
        with self._lock:
            self.calls += 1
            self.requests.append(body)
            return self.calls, self._failures.pop() if self._failures else None

    def __enter__(self) -> Self:
        """Open the port."""
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.openai_url = f"{self.url}/v1"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the port."""
        self._http.shutdown()
        self._http.server_close()

    def model(self, class_name: str, **fields: object) -> Model:
        """Return a real LangChain model that talks to this server and never retries; ``None`` leaves a field out."""
        given = {**self._defaults(class_name), **fields}
        model = _model_class(class_name)(**{name: value for name, value in given.items() if value is not None})
        _ = model._serialized  # LangChain computes it at the first call, where two threads at once may fail
        return model

    def _defaults(self, class_name: str) -> Json:
        openai = {"api_key": KEY, "base_url": self.openai_url, "max_retries": 0}
        return {
            "ChatOpenAI": {"model": "gpt-4o-mini", **openai},
            "ChatAnthropic": {"model": "claude-haiku-4-5", **openai, "base_url": self.url},
            "ChatOllama": {"model": "llama3", "base_url": self.url},
            "OpenAI": {"model": "gpt-3.5-turbo-instruct", **openai},
            "OllamaLLM": {"model": "llama3", "base_url": self.url},
        }[class_name]


def _model_class(class_name: str) -> type[Model]:
    from langchain_anthropic import ChatAnthropic
    from langchain_ollama import ChatOllama, OllamaLLM
    from langchain_openai import ChatOpenAI, OpenAI

    classes = (ChatOpenAI, ChatAnthropic, ChatOllama, OpenAI, OllamaLLM)
    return next(cls for cls in classes if cls.__name__ == class_name)


# The question of a request, in any protocol


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
class _Answer:
    """The answer of a model, before a protocol dresses it."""

    number: int
    model: str
    texts: list[str]  # one per choice, then per prompt
    tool: str | None
    arguments: Json
    finish_reason: str | None
    input_tokens: int

    @property
    def id(self) -> str:
        """Random letters and digits, as the ids of providers hold."""
        return hashlib.sha256(str(self.number).encode()).hexdigest()[:24]

    @property
    def text(self) -> str:
        return self.texts[0]

    @property
    def output_tokens(self) -> int:
        return sum(len(_pieces(text)) for text in self.texts) + len(self.arguments)

    def finish(self, stop: str, tool: str) -> str:
        """Return why the model stopped, in the protocol's word."""
        return self.finish_reason or (tool if self.tool else stop)


def _answer(server: ProviderServer, number: int, body: Json) -> _Answer:
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
        if limit and len(_pieces(texts[0])) > limit:
            texts, finish_reason = ["".join(_pieces(texts[0])[:limit])], "length"
    elif tool:
        parameters = tool.get("parameters") or tool.get("input_schema") or {}
        arguments = _fill(parameters, texts[0], parameters.get("$defs", {}))
        texts = [""]
    elif server.text is not None or number <= len(server.texts):
        text = server.texts[number - 1] if number <= len(server.texts) else server.text
        texts = [text or "" for _ in texts]
    elif schema:
        texts = [json.dumps(_fill(schema, text, schema.get("$defs", {}))) for text in texts]
    return _Answer(
        number=number,
        model=model,
        texts=texts,
        tool=tool["name"] if tool else None,
        arguments=arguments,
        finish_reason=finish_reason,
        input_tokens=sum(len(_pieces(_text(message.get("content") or ""))) for message in _messages(body)) + 7,
    )


def _pieces(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


# OpenAI


def _openai_usage(answer: _Answer) -> Json:
    prompt, completion = answer.input_tokens, answer.output_tokens
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _openai_tool_calls(answer: _Answer) -> list[Json]:
    function = {"name": answer.tool, "arguments": json.dumps(answer.arguments)}
    return [{"index": 0, "id": f"call_{answer.id}", "type": "function", "function": function}]


def _chat_completion(answer: _Answer) -> Json:
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


def _openai_head(answer: _Answer, kind: str) -> Json:
    return {"id": f"chatcmpl-{answer.id}", "object": kind, "created": CREATED, "model": answer.model}


def _chat_completion_stream(answer: _Answer, body: Json) -> Iterator[bytes]:
    def chunk(index: int, delta: Json, finish_reason: str | None = None) -> bytes:
        choices = [{"index": index, "delta": delta, "finish_reason": finish_reason, "logprobs": None}]
        return _event(head | {"choices": choices})

    head = _openai_head(answer, "chat.completion.chunk")
    for index, text in enumerate(answer.texts):
        yield chunk(index, {"role": "assistant", "content": ""})
        if answer.tool:
            yield chunk(index, {"tool_calls": _openai_tool_calls(answer)})
        for piece in _pieces(text):
            yield chunk(index, {"content": piece})
        yield chunk(index, {}, answer.finish("stop", "tool_calls"))
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _event(head | {"choices": [], "usage": _openai_usage(answer)})
    yield b"data: [DONE]\n\n"


def _completion(answer: _Answer) -> Json:
    choices = [
        {"index": index, "text": text, "finish_reason": answer.finish("stop", "stop"), "logprobs": None}
        for index, text in enumerate(answer.texts)
    ]
    return _openai_head(answer, "text_completion") | {"choices": choices, "usage": _openai_usage(answer)}


def _completion_stream(answer: _Answer, body: Json) -> Iterator[bytes]:
    head = _openai_head(answer, "text_completion")
    for piece in _pieces(answer.text):
        yield _event(head | {"choices": [{"index": 0, "text": piece, "finish_reason": None, "logprobs": None}]})
    last = {"index": 0, "text": "", "finish_reason": answer.finish("stop", "stop"), "logprobs": None}
    yield _event(head | {"choices": [last]})
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _event(head | {"choices": [], "usage": _openai_usage(answer)})
    yield b"data: [DONE]\n\n"


def _response(answer: _Answer) -> Json:
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
        "input_tokens_details": {"cached_tokens": 0},
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


def _response_stream(answer: _Answer, body: Json) -> Iterator[bytes]:
    whole = _response(answer)
    item = whole["output"][0]
    place = {"item_id": item["id"], "output_index": 0}
    text_place = place | {"content_index": 0}
    number = iter(range(1_000_000))

    def event(kind: str, fields: Json) -> bytes:
        return _event({"type": f"response.{kind}", "sequence_number": next(number)} | fields, named=True)

    yield event("created", {"response": whole | {"status": "in_progress", "output": [], "usage": None}})
    if answer.tool:
        yield event("output_item.added", {"output_index": 0, "item": item | {"arguments": ""}})
        yield event("function_call_arguments.delta", place | {"delta": item["arguments"]})
        yield event("function_call_arguments.done", place | {"arguments": item["arguments"]})
    else:
        yield event("output_item.added", {"output_index": 0, "item": item | {"content": []}})
        yield event("content_part.added", text_place | {"part": item["content"][0] | {"text": ""}})
        for piece in _pieces(answer.text):
            yield event("output_text.delta", text_place | {"delta": piece, "logprobs": []})
        yield event("output_text.done", text_place | {"text": answer.text, "logprobs": []})
        yield event("content_part.done", text_place | {"part": item["content"][0]})
    yield event("output_item.done", {"output_index": 0, "item": item})
    yield event("completed" if whole["status"] == "completed" else "incomplete", {"response": whole})


# Anthropic


def _message(answer: _Answer) -> Json:
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
        "usage": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens},
    }


def _message_stream(answer: _Answer, body: Json) -> Iterator[bytes]:
    whole = _message(answer)

    def event(kind: str, fields: Json) -> bytes:
        return _event({"type": kind} | fields, named=True)

    usage = {"input_tokens": answer.input_tokens, "output_tokens": 1}
    yield event("message_start", {"message": whole | {"content": [], "stop_reason": None, "usage": usage}})
    for index, block in enumerate(whole["content"]):
        if block["type"] == "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
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


# Ollama


def _ollama_end(answer: _Answer) -> Json:
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


def _ollama_head(answer: _Answer) -> Json:
    return {"model": answer.model, "created_at": "2026-01-01T00:00:00Z"}


def _ollama_message(answer: _Answer, text: str) -> Json:
    message: Json = {"role": "assistant", "content": text}
    if answer.tool:
        message["tool_calls"] = [{"function": {"name": answer.tool, "arguments": answer.arguments}}]
    return {"message": message}


def _ollama_chat(answer: _Answer) -> Json:
    return _ollama_head(answer) | _ollama_message(answer, answer.text) | _ollama_end(answer)


def _ollama_chat_stream(answer: _Answer, body: Json) -> Iterator[bytes]:
    for piece in _pieces(answer.text) or [""]:
        yield _line(_ollama_head(answer) | _ollama_message(answer, piece) | {"done": False})
    yield _line(_ollama_head(answer) | {"message": {"role": "assistant", "content": ""}} | _ollama_end(answer))


def _ollama_generate(answer: _Answer) -> Json:
    return _ollama_head(answer) | {"response": answer.text} | _ollama_end(answer)


def _ollama_generate_stream(answer: _Answer, body: Json) -> Iterator[bytes]:
    for piece in _pieces(answer.text):
        yield _line(_ollama_head(answer) | {"response": piece, "done": False})
    yield _line(_ollama_head(answer) | {"response": ""} | _ollama_end(answer))


# HTTP

Whole = Callable[[_Answer], Json]
Stream = Callable[[_Answer, Json], Iterator[bytes]]

ROUTES: dict[str, tuple[Whole, Stream]] = {
    "/v1/chat/completions": (_chat_completion, _chat_completion_stream),
    "/v1/completions": (_completion, _completion_stream),
    "/v1/responses": (_response, _response_stream),
    "/v1/messages": (_message, _message_stream),
    "/api/chat": (_ollama_chat, _ollama_chat_stream),
    "/api/generate": (_ollama_generate, _ollama_generate_stream),
}


def _line(event: Json) -> bytes:
    return json.dumps(event).encode() + b"\n"


def _event(event: Json, *, named: bool = False) -> bytes:
    name = f"event: {event['type']}\n".encode() if named else b""
    return name + b"data: " + json.dumps(event).encode() + b"\n\n"


def _error(path: str, status: int) -> Json:
    message = f"the server fails with {status}, as told"
    if path.startswith("/api/"):
        return {"error": message}
    return {"type": "error", "error": {"type": "api_error", "message": message, "code": None, "param": None}}


def _handler(server: ProviderServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            path = urlsplit(self.path).path  # a client with a proxy sends the whole URL
            if path not in ROUTES:
                return self._send(404, _error(path, 404))
            number, failure = server.accept(body)
            answer = _answer(server, number, body)
            time.sleep(server.delay)
            if failure not in (None, 200):
                return self._send(failure, _error(path, failure))
            whole, stream = ROUTES[path]
            # Ollama streams by default, the others only on request.
            if body.get("stream", path.startswith("/api/")):
                events = list(stream(answer, body))
                return self._stream(path, events[: len(events) // 2] if failure else events, broken=failure == 200)
            return self._send(200, whole(answer))

        def _start(self, status: int, kind: str, **headers: str) -> None:
            self.send_response(status)
            headers = {"Content-Type": kind, "Connection": "close", **headers}  # leaves no socket to a dropped client
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()

        def _send(self, status: int, content: Json) -> None:
            data = json.dumps(content).encode()
            self._start(status, "application/json", Content_Length=str(len(data)))
            self.wfile.write(data)

        def _stream(self, path: str, events: list[bytes], *, broken: bool) -> None:
            kind = "application/x-ndjson" if path.startswith("/api/") else "text/event-stream"
            self._start(200, kind, Transfer_Encoding="chunked")
            for event in events:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            if not broken:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

        def handle(self) -> None:
            with suppress(ConnectionError):  # a reader may leave in the middle
                super().handle()

    return Handler
