"""A server of files on this machine, as a teacher may have one for a lesson."""

import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Site:
    """A server on this machine, whose answers a test says."""

    def __init__(self) -> None:
        self.pages: dict[str, Callable[[Any], None]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                with suppress(BrokenPipeError, ConnectionResetError):
                    site.pages[self.path.partition("?")[0]](self)

            def log_message(self, *said: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def at(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def gives(self, path: str, content: bytes, status: int = 200, **headers: str) -> str:
        """Let the server give a content, and say 304 to whoever has its ETag. Returns its address."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}

        def give(asked: Any) -> None:
            same = "ETag" in sent and asked.headers.get("If-None-Match") == sent["ETag"]
            asked.send_response(304 if same else status)
            for name, value in {"Content-Length": str(len(content)), **sent}.items():
                if not (same and name == "Content-Length"):
                    asked.send_header(name, value)
            asked.end_headers()
            if not same:
                asked.wfile.write(content)

        self.pages[path] = give
        return self.at(path)

    def leads(self, path: str, target: str) -> str:
        return self.gives(path, b"", 302, Location=target)
