"""Let google-genai send its asynchronous requests with httpx: those that aiohttp sends go past every cache.

The package asks a method of its own whether to use aiohttp, once when a client is made and before each request. Only
the requests get another answer, so that a client which was made meanwhile can use aiohttp later.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

__all__ = ["MODULE", "installed", "put", "take_away"]

MODULE: Final = "google.genai._api_client"
CLASS: Final = "BaseApiClient"
METHOD: Final = "_use_aiohttp"

_put: list[tuple[Any, Callable[..., Any], Callable[..., Any]]] = []


def installed() -> list[str]:
    """Return the method that is replaced now; empty if none is."""
    return [f"google.genai.{CLASS}.{METHOD}" for kind, _, wrapper in [*_put] if vars(kind).get(METHOD) is wrapper]


def put(module: ModuleType) -> None:
    """Let clients send with httpx. A package that asks another way stays as it is."""
    kind = getattr(module, CLASS, None)
    original = getattr(kind, METHOD, None)
    if original is None or _put:
        return

    def uses_aiohttp(self: Any) -> bool:
        in_use = any(each[2] is wrapper for each in _put)
        if in_use and sys._getframe(1).f_code.co_name != "__init__":
            return False
        return bool(original(self))

    wrapper = functools.wraps(original)(uses_aiohttp)
    _put.append((kind, original, wrapper))
    setattr(kind, METHOD, wrapper)


def take_away() -> None:
    """Put the method back, unless another library has wrapped over it."""
    while _put:
        kind, original, wrapper = _put[-1]
        if vars(kind).get(METHOD) is wrapper:
            setattr(kind, METHOD, original)
        _put.pop()
