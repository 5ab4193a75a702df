"""A loopback server that keeps every request, reduced to the parts that can change an answer."""

import json
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Wire"]

HEADERS_LEFT_OUT: Final = re.compile(
    r"host|connection|content-length|accept|accept-encoding|transfer-encoding|expect|cache-control"  # of the transport
    r"|user-agent|x-stainless-.*|x-goog-api-client|x-client-name|x-title|http-referer|x-fern-.*"  # names of the client
    r"|authorization|x-api-key|api-key|x-goog-api-key|x-session-token|cookie|x-amz-security-token"  # credentials
    r"|openai-organization|openai-project"  # the account that pays
    r"|x-(request|session)-id|traceparent|(x-)?idempotency-key|x-amz-date|amz-sdk-.*|x-amzn-trace-id"  # tracking
    r"|x-server-timeout"
)
"""Headers of which two values get the same answer. Every other header counts."""
QUERY_LEFT_OUT: Final = frozenset({"key", "alt"})
"""Parameters of the query of which two values get the same answer: Google's key, and its form of a stream."""
BODY_LEFT_OUT: Final = re.compile(r"stream|stream_options|(\w+_)?api_key")
"""Parts of the body that only cut the answer into pieces, and credentials that are sent in the wrong place."""
STREAMED_PATHS: Final = (("/converse-stream", "/converse"), (":streamGenerateContent", ":generateContent"))

ERROR: Final = {"error": {"message": "caught", "type": "invalid_request_error", "code": "caught"}, "message": "caught"}


@dataclass
class Wire:
    """Two addresses on 127.0.0.1 that refuse every request, or give the answer of its path, while ``with`` lasts."""

    answers: dict[str, Any] = field(default_factory=dict)
    """Answers by the end of the path; any other path gets an error that SDKs do not retry."""
    requests: list[str] = field(default_factory=list)
    """Canonical JSON of the requests so far."""

    def __enter__(self) -> Self:
        """Open the ports."""
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, number)) for number in range(2)]
        for server in self._servers:
            server.daemon_threads, server.block_on_close = True, False
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.url, self.other_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in self._servers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the ports."""
        for server in self._servers:
            server.shutdown()
            server.server_close()


def _canonical(origin: int, method: str, target: str, headers: dict[str, str], body: bytes) -> str:
    """Return a request without credentials, tracking and the names of clients."""
    parts = urlsplit(target)
    path = parts.path
    for streamed, whole in STREAMED_PATHS:
        path = path.replace(streamed, whole)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in QUERY_LEFT_OUT]
    content: Any = body.decode("latin-1")
    with suppress(ValueError):
        content = json.loads(body)
        content = {name: value for name, value in content.items() if not BODY_LEFT_OUT.fullmatch(name)}
        if isinstance(content.get("prompt"), list) and len(content["prompt"]) == 1:
            content["prompt"] = content["prompt"][0]  # OpenAI's class sends a list of one, or a text when it streams
    kept = {name.lower(): value for name, value in headers.items() if not HEADERS_LEFT_OUT.fullmatch(name.lower())}
    return json.dumps([origin, method, path, sorted(query), kept, content], sort_keys=True)


def _handler(wire: Wire, origin: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            wire.requests.append(_canonical(origin, self.command, self.path, dict(self.headers.items()), body))
            path = urlsplit(self.path).path
            answer = next((value for end, value in wire.answers.items() if path.endswith(end)), None)
            data = json.dumps(answer or ERROR).encode()
            self.send_response(200 if answer else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

        def handle(self) -> None:
            with suppress(ConnectionError):  # a client that is thrown away closes its connections
                super().handle()

    return Handler
