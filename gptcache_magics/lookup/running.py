"""The call that runs here, whichever face it came through: a call within it is not counted again.

A context variable holds the call, which so follows the code through ``batch``, ``asyncio`` and executors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # %gptcache help imports this module, and nothing of LangChain's
    from gptcache_magics.lookup.request import Caller

__all__ = ["CALL", "running", "within"]

CALL: ContextVar[Caller | None] = ContextVar("gptcache_magics_call", default=None)


def running() -> Caller | None:
    """Return the call that runs here; None where only a copy of its context is left, or an interrupt left it behind."""
    call = CALL.get()
    return call if call is not None and call.running.locked() else None


@contextmanager
def within(call: Caller) -> Iterator[None]:
    """Make ``call`` the running call."""
    token = CALL.set(call)
    try:
        yield
    finally:
        CALL.reset(token)
