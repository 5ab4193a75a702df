"""Wrap the two methods that send every request of httpx and httpx2, and put them back as they were.

Each library is wrapped when it is imported: importing it takes longer than turning the cache on. The first cache
installs the wraps, and the last one takes them away.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from gptcache_magics import fork
from gptcache_magics.engines import safe_import
from gptcache_magics.sdk import google_async
from gptcache_magics.sdk.capture import Capture

__all__ = ["LIBRARIES", "install", "installed", "release"]

LIBRARIES: Final = ("httpx", "httpx2")
CLIENTS: Final = ("Client", "AsyncClient")
METHOD: Final = "send"

_lock = threading.RLock()
_captures: list[Capture] = []
_wraps: list[_Wrap] = []


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
    for name in LIBRARIES:
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
    return [f"{each.library.__name__}.{each.kind.__name__}.{METHOD}" for each in [*_wraps] if each.in_place]


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
    for name in CLIENTS:
        kind = getattr(library, name)
        with _lock:
            if not _captures or any(each.kind is kind for each in _wraps):
                continue
            wrap = _Wrap(library, kind)
            _wraps.append(wrap)  # listed first: an interrupt may come at any instruction, and release must find it
            setattr(kind, METHOD, wrap.wrapper)


class _Wrap:
    """The wrap of one class's method."""

    def __init__(self, library: ModuleType, kind: Any) -> None:
        self.library, self.kind = library, kind
        self.original: Callable[..., Any] = vars(kind)[METHOD]
        self.active = True
        """Whether it acts: one over which another library has wrapped passes requests on later."""
        make = _asend if kind.__name__ == CLIENTS[1] else _send
        self.wrapper = functools.wraps(self.original)(make(self))

    @property
    def in_place(self) -> bool:
        """Whether the class still has it: another library may have wrapped over it."""
        return vars(self.kind).get(METHOD) is self.wrapper

    def undo(self) -> None:
        """Put the original back, unless another library has wrapped over it."""
        self.active = False
        if self.in_place:
            setattr(self.kind, METHOD, self.original)


def _send(wrap: _Wrap) -> Callable[..., Any]:
    original, library = wrap.original, wrap.library

    def send(client: Any, request: Any, *, stream: bool = False, **kwargs: Any) -> Any:
        capture = _captures[-1] if wrap.active and _captures else None
        way = None if capture is None else capture.way(library, client, request, stream=stream)
        if way is None:
            return original(client, request, stream=stream, **kwargs)
        return way.send(lambda: original(client, request, stream=stream, **kwargs))

    return send


def _asend(wrap: _Wrap) -> Callable[..., Any]:
    original, library = wrap.original, wrap.library

    async def send(client: Any, request: Any, *, stream: bool = False, **kwargs: Any) -> Any:
        capture = _captures[-1] if wrap.active and _captures else None
        way = None if capture is None else capture.way(library, client, request, stream=stream)
        if way is None:
            return await original(client, request, stream=stream, **kwargs)
        return await way.asend(lambda: original(client, request, stream=stream, **kwargs))

    return send
