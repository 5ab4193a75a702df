"""Wrap the methods that send every request of httpx, httpx2 and DSPy, and put them back as they were.

Each library is wrapped when it is imported: importing it takes longer than turning the cache on. The first cache
installs the wraps, and the last one takes them away.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Final

from gptcache_magics import fork
from gptcache_magics.engines import safe_import
from gptcache_magics.sdk import dspy_calls, google_async, lm15
from gptcache_magics.sdk.capture import Capture

__all__ = ["Wrap", "install", "installed", "release", "wrapped_over"]


_lock = threading.RLock()
_captures: list[Capture] = []
_wraps: list[Wrap] = []
_covered: list[Wrap] = []
"""Wraps that another library had wrapped over when they were to be taken away: it may put them back later."""


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


fork.in_child(_renew)


def install(capture: Capture) -> None:
    """Let a cache answer the requests of SDKs, until ``release``."""
    with _lock:
        if not _captures:
            _undo()  # the rest of a release that was interrupted
        _captures.append(capture)
    for name in WRAPPED:
        safe_import.on_import(name, _wrap)
    safe_import.on_import(google_async.MODULE, _switch)


def release(capture: Capture) -> None:
    """Take the wraps away if no other cache needs them. Releasing twice, or before ``install``, does no harm."""
    with _lock:
        _captures[:] = filter(lambda each: each is not capture, _captures)
        if not _captures:
            _undo()


def installed() -> list[str]:
    """Return the methods that are wrapped now, such as ``httpx.Client.send``."""
    return [each.name for each in [*_wraps] if each.in_place]


def wrapped_over() -> dict[str, str]:
    """Return the methods over which another library has wrapped, and that library."""
    return {each.name: each.over for each in [*_wraps] if not each.in_place}


def _switch(module: ModuleType) -> None:
    with _lock:
        if _captures:
            google_async.put(module)


def _undo() -> None:
    google_async.take_away()
    while _wraps:
        _wraps[-1].undo()
        _wraps.pop()


def _wrap(library: ModuleType) -> None:
    for class_name, method, make in WRAPPED[library.__name__]:
        kind = getattr(library, class_name, None)
        if method not in vars(kind or object):
            continue  # a version that sends in another way
        with _lock:
            if not _captures or any(each.names(kind, method) for each in _wraps):
                continue
            wrap = Wrap(library, kind, method, make)
            _wraps.append(wrap)  # listed first: an interrupt may come at any instruction, and release must find it
            setattr(kind, method, wrap.wrapper)


class Wrap:
    """The wrap of one class's method."""

    def __init__(self, library: ModuleType, kind: Any, method: str, make: Callable[[Wrap], Callable[..., Any]]) -> None:
        self.library, self.kind, self.method = library, kind, method
        found: Callable[..., Any] = vars(kind)[method]
        self.original: Callable[..., Any] = next((each.original for each in _covered if each.wrapper is found), found)
        self.active = True
        """Whether it acts: one over which another library has wrapped passes requests on later."""
        self.wrapper: Callable[..., Any] = functools.wraps(self.original)(make(self))

    @property
    def capture(self) -> Capture | None:
        """The cache that answers; None if none does."""
        return _captures[-1] if self.active and _captures else None

    @property
    def name(self) -> str:
        """The method as Python names it, such as ``httpx.Client.send``."""
        return f"{self.library.__name__}.{self.kind.__name__}.{self.method}"

    @property
    def in_place(self) -> bool:
        """Whether the class still has it: another library may have wrapped over it."""
        return vars(self.kind).get(self.method) is self.wrapper

    @property
    def over(self) -> str:
        """The module of what the class has in its place; ``functools.wraps`` and wrapt make that look like ours."""
        now = vars(self.kind).get(self.method)
        theirs = getattr(now, "_self_wrapper", now)
        return str(getattr(theirs, "__globals__", {}).get("__name__") or type(theirs).__module__)

    def names(self, kind: Any, method: str) -> bool:
        """Return whether it is the wrap of this method."""
        return self.kind is kind and self.method == method

    def undo(self) -> None:
        """Put the original back, unless another library has wrapped over it."""
        self.active = False
        if self.in_place:
            setattr(self.kind, self.method, self.original)
        else:
            _covered.append(self)


def _send(wrap: Wrap) -> Callable[..., Any]:
    original, library = wrap.original, wrap.library

    def send(client: Any, request: Any, *, stream: bool = False, **kwargs: Any) -> Any:
        capture = wrap.capture
        way = None if capture is None else capture.way(library, client, request, stream=stream)
        if way is None:
            return original(client, request, stream=stream, **kwargs)
        return way.send(lambda other=request: original(client, other, stream=stream, **kwargs))

    return send


def _asend(wrap: Wrap) -> Callable[..., Any]:
    original, library = wrap.original, wrap.library

    async def send(client: Any, request: Any, *, stream: bool = False, **kwargs: Any) -> Any:
        capture = wrap.capture
        way = None if capture is None else capture.way(library, client, request, stream=stream)
        if way is None:
            return await original(client, request, stream=stream, **kwargs)
        return await way.asend(lambda other=request: original(client, other, stream=stream, **kwargs))

    return send


CLIENTS: Final = (("Client", "send", _send), ("AsyncClient", "send", _asend))
WRAPPED: Final[dict[str, Sequence[tuple[str, str, Callable[[Wrap], Callable[..., Any]]]]]] = {
    "httpx": CLIENTS,
    "httpx2": CLIENTS,
    "dspy._vendor.lm15.transports": (
        ("StdlibTransport", "stream", lm15.stream),
        ("StdlibAsyncTransport", "stream", lm15.astream),
    ),
    "dspy.clients.base_lm": (("BaseLM", "__call__", dspy_calls.call), ("BaseLM", "acall", dspy_calls.acall)),
    "dspy.clients.cache": (("Cache", "get", dspy_calls.get), ("Cache", "put", dspy_calls.put)),
}
"""The methods that are wrapped, by module: class, method, and the function that makes the wrap."""
