"""The event loop that a coroutine of a caller's runs in: asyncio's, trio's, or none.

In a notebook trio runs inside a step of the kernel's asyncio loop: then both run, and trio refuses what asyncio awaits.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["asyncio_loop", "in_thread", "in_trio"]

T = TypeVar("T")


def asyncio_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop of asyncio, if what runs can await it."""
    loop = asyncio._get_running_loop()
    return None if loop is None or in_trio() else loop


def in_trio() -> bool:
    """Return whether a task of trio runs in this thread."""
    trio = sys.modules.get("trio")
    if trio is None:
        return False
    try:
        trio.lowlevel.current_task()
    except (RuntimeError, AttributeError):  # no task runs, or another thread imports trio
        return False
    return True


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    """Run work that may wait for a store: in a thread where asyncio can await that, or else here."""
    if asyncio_loop() is None:
        return work(*args)
    return await asyncio.to_thread(work, *args)
