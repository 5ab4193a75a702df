"""Two neighbours of a server: a port that takes connections and is silent, and a proxy that is slow or cuts them."""

import select
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["Proxy", "SilentServer"]

BUFFER = 65_536


class _Listener:
    """A port of loopback, served by threads until the end of a ``with`` block."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._socket.getsockname()[1])
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.connections = 0
        """How many connections were taken."""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._socket.accept()
                with self._lock:
                    self.connections += 1
                    self._open.append(client)
                with suppress(OSError):  # cut already; the next one is taken
                    self.serve(client)

    def serve(self, client: socket.socket) -> None:
        raise NotImplementedError

    def url(self, database: str = "postgres", role: str = "postgres", password: str = "correct-horse-7") -> str:
        """Return the address of a database behind this port."""
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}"

    def cut(self) -> None:
        """Break every open connection."""
        with self._lock:
            connections, self._open = self._open, []
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def __enter__(self) -> Self:
        """Return the port, which is open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the port and every connection."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # accept() would wait on
        self._socket.close()
        self.cut()


class SilentServer(_Listener):
    """Takes connections, and never says a word."""

    def serve(self, client: socket.socket) -> None:
        """Keep the connection."""


class Proxy(_Listener):
    """Passes bytes on to another port, ``delay`` seconds after they came; ``held`` keeps all of them."""

    def __init__(self, port: int, delay: float = 0.0) -> None:
        """Listen on a port of its own."""
        self.target = port
        self.delay = delay
        self.held = False
        super().__init__()

    def serve(self, client: socket.socket) -> None:
        """Connect to the target, and pass on in both directions."""
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.settimeout(None)
        with self._lock:
            self._open.append(server)
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError, ValueError):  # cut, or the other end has closed
            while data := source.recv(BUFFER):
                if self.delay:
                    time.sleep(self.delay)
                while self.held:
                    select.select([], [], [source], 0.01)
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
