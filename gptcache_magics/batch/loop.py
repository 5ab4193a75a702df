"""An event loop in a thread of its own, for functions that are ``async``.

A notebook's own loop waits while ``map`` runs, so it cannot serve them. The loop stays for later calls: the client of
an SDK keeps connections that belong to the loop in which they were made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from threading import Lock, Thread
from typing import Any

from gptcache_magics import fork

__all__ = ["waited_for"]

_lock = Lock()
_loop: asyncio.AbstractEventLoop | None = None


def waited_for(awaitable: Awaitable[Any]) -> Any:
    """Return the result of an awaitable; the calling thread has no event loop that runs."""
    return asyncio.run_coroutine_threadsafe(_awaited(awaitable), _running()).result()


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _running() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            Thread(target=_loop.run_forever, name="gptcache-map-loop", daemon=True).start()
        return _loop


def _begin_in_child() -> None:
    """Forget the loop in a forked child, which has none of its parent's threads."""
    global _lock, _loop
    _lock, _loop = Lock(), None


fork.in_child(_begin_in_child)
