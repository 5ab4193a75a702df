"""Close the async generators that run inside another one.

An event loop that ends closes every async generator it has heard of, all at once. One that runs inside another would
be closed twice at the same time, and the second attempt fails. So the event loop hears of the outermost one only.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Self

__all__ = ["Inner"]


class Inner:
    """An async generator that its reader closes, and the event loop does not."""

    def __init__(self, generator: AsyncGenerator[Any, None]) -> None:
        self._generator = generator

    async def __aenter__(self) -> Self:
        """Return what is to be read."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the generator."""
        await self.aclose()

    def __aiter__(self) -> Self:
        """Return what is to be read."""
        return self

    def __anext__(self) -> Coroutine[Any, Any, Any]:
        """Read the next item."""
        return _unheard(self._generator.__anext__)

    def aclose(self) -> Coroutine[Any, Any, None]:
        """Close the generator."""
        return _unheard(self._generator.aclose)


def _unheard(step: Callable[[], Coroutine[Any, Any, Any]]) -> Coroutine[Any, Any, Any]:
    """Prepare a step of a generator: Python tells the event loop of a generator when its first step is prepared."""
    hooks = sys.get_asyncgen_hooks()
    try:
        sys.set_asyncgen_hooks(None, None)
        return step()
    finally:
        sys.set_asyncgen_hooks(*hooks)
