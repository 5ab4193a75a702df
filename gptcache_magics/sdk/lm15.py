"""Answer the requests of lm15, the client that DSPy sends with: it has a socket of its own, and knows no httpx.

Its transport takes a request and gives a response, as a client of httpx does. Both are put into the words of httpx for
the cache, and the response back into those of lm15.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import suppress
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gptcache_magics.sdk.hooks import Wrap

__all__ = ["astream", "stream"]

CLIENT: Final = SimpleNamespace(is_closed=False)


def stream(wrap: Wrap) -> Callable[..., Any]:
    """Return ``StdlibTransport.stream``, which the cache answers."""

    def stream(transport: Any, request: Any) -> Any:
        capture, httpx = wrap.capture, _http_library()
        if capture is None or httpx is None:
            return wrap.original(transport, request)
        way = capture.way(httpx, CLIENT, _http(httpx, request), stream=True)
        if way is None:
            return wrap.original(transport, request)
        response = way.send(lambda: _received(httpx, wrap.original(transport, request)))
        return wrap.library.TransportResponse(
            **_head(response), chunks=iter(response.stream), release=lambda whole: response.stream.close()
        )

    return stream


def astream(wrap: Wrap) -> Callable[..., Any]:
    """Return ``StdlibAsyncTransport.stream``, which the cache answers."""

    async def answered(transport: Any, request: Any, capture: Any, httpx: ModuleType) -> Any:
        way = capture.way(httpx, CLIENT, _http(httpx, request), stream=True)
        if way is None:
            return await wrap.original(transport, request)

        async def ask() -> Any:
            return _received(httpx, await wrap.original(transport, request))

        response = await way.asend(ask)

        async def release(whole: bool) -> None:
            await response.stream.aclose()

        return wrap.library.AsyncTransportResponse(**_head(response), chunks=aiter(response.stream), release=release)

    def stream(transport: Any, request: Any) -> Any:
        capture, httpx = wrap.capture, _http_library()
        if capture is None or httpx is None:
            return wrap.original(transport, request)
        return _Opening(lambda: answered(transport, request, capture, httpx))

    return stream


class _Opening:
    """A response that is awaited, or entered with ``async with``."""

    def __init__(self, opened: Callable[[], Any]) -> None:
        self._opened = opened
        self._response: Any = None

    def __await__(self) -> Generator[Any, None, Any]:
        opening: Generator[Any, None, Any] = self._opened().__await__()
        return opening

    async def __aenter__(self) -> Any:
        self._response = await self._opened()
        return self._response

    async def __aexit__(self, *error: object) -> None:
        if self._response is not None:
            await self._response.aclose()


def _http_library() -> ModuleType | None:
    """Return httpx or httpx2, whichever is installed; None if neither is."""
    for name in ("httpx", "httpx2"):
        with suppress(ImportError):
            return importlib.import_module(name)
    return None


def _http(httpx: ModuleType, request: Any) -> Any:
    made = httpx.Request(request.method, request.url, headers=request.headers, content=request.body)
    made.headers.setdefault("user-agent", "lm15")
    return made


def _received(httpx: ModuleType, response: Any) -> Any:
    return httpx.Response(response.status, headers=response.headers, stream=_body(httpx)(response))


def _head(response: Any) -> dict[str, Any]:
    return {
        "status": response.status_code,
        "reason": response.reason_phrase,
        "headers": response.headers.multi_items(),
        "http_version": "HTTP/1.1",
    }


@cache
def _body(httpx: ModuleType) -> Callable[[Any], Any]:
    """Return the class of the bodies that lm15 has received, as httpx reads them."""
    sync_stream: Any = httpx.SyncByteStream
    async_stream: Any = httpx.AsyncByteStream

    class Body(sync_stream, async_stream):  # type: ignore[misc]
        def __init__(self, response: Any) -> None:
            self._response = response

        def __iter__(self) -> Iterator[bytes]:
            yield from self._response

        def close(self) -> None:
            self._response.close()

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for piece in self._response:
                yield piece

        async def aclose(self) -> None:
            await self._response.aclose()

    return Body
