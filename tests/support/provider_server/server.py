"""A loopback server that counts its calls, and the LangChain models that talk to it."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.provider_server import anthropic, cohere, embeddings, google, ollama, openai
from tests.support.provider_server.answers import Answer, Json, Mind, answer_to

__all__ = ["CHAT_MODELS", "COMPLETION_MODELS", "KEY", "Model", "ProviderServer"]

Model = Any  # chat and completion models share no result type
KEY = "sk-test-0123456789abcdef"
CHAT_MODELS = ("ChatOpenAI", "ChatAnthropic", "ChatOllama")
COMPLETION_MODELS = ("OpenAI", "OllamaLLM")
_SAME = re.compile(r"^/openai/(v1|deployments/[^/]+)|^/api/v1")
"""Paths of Azure, Groq and OpenRouter, which speak OpenAI's protocol."""
Whole = Callable[[Answer], Json]
Stream = Callable[[Answer, Json], Iterator[bytes]]
ROUTES: dict[str, tuple[Whole, Stream]] = {
    **openai.ROUTES,
    **anthropic.ROUTES,
    **ollama.ROUTES,
    **cohere.ROUTES,
}


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
            self.paths: list[str] = []  # of all that was sent, known or not
            self.delay = 0.0
            self.text: str | None = None
            self.texts: list[str] = []  # of the first answers, before ``text``
            self.cached = (0, 0)  # of the input tokens, those that the provider read from its own cache, and wrote
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
            server.paths.append(self.path)
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            path = _SAME.sub("/v1", urlsplit(self.path).path)  # a client with a proxy sends the whole URL
            vectors = embeddings.embedded(path, body)
            if vectors is not None:
                _, failure = server.accept(body)
                time.sleep(server.delay)
                return self._send(failure or 200, _error(path, failure) if failure else vectors)
            asked = google.PATH.fullmatch(path)
            if path not in ROUTES and asked is None:
                return self._send(404, _error(path, 404))
            number, failure = server.accept(body)
            answer = answer_to(server, number, body if asked is None else google.as_chat(body, asked[1]))
            time.sleep(server.delay)
            if failure not in (None, 200):
                return self._send(failure, _error(path, failure))
            whole, stream = ROUTES[path] if asked is None else (google.whole, google.stream)
            # Ollama streams by default, Google by its path, and the others only on request.
            if body.get("stream", path.startswith("/api/")) or path.endswith(":streamGenerateContent"):
                told = {"stream_options": {"include_usage": True}} if "mistral" in self.headers["User-Agent"] else {}
                events = list(stream(answer, body | told))
                return self._stream(path, events[: len(events) // 2] if failure else events, broken=failure == 200)
            return self._send(200, whole(answer))

        do_PATCH = do_POST

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
