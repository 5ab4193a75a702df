"""Let a hit take the time that its recorded answer took, whole or piece by piece: a lesson at its real pace."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from gptcache_magics.lookup.event_loop import asyncio_loop, in_trio

__all__ = ["MOST_SECONDS", "paced", "pause", "seconds_to_wait"]

T = TypeVar("T")
MOST_SECONDS: Final = 60.0
"""Longest time that a hit takes, however long its answer took."""


def seconds_to_wait(recorded: float | None, looked_up: float) -> float:
    """Return the seconds to let pass after a lookup.

    Parameters
    ----------
    recorded
        Seconds that the answer took when it was recorded; None if unknown, which lets no time pass.
    looked_up
        Seconds that the lookup took.
    """
    return max(0.0, min(recorded or 0.0, MOST_SECONDS) - looked_up)


def paced(pieces: Sequence[T], seconds: float) -> Iterator[tuple[float, T]]:
    """Yield each piece with the seconds to let pass before it, so that the last one comes after ``seconds``."""
    if not seconds:
        yield from ((0.0, piece) for piece in pieces)
        return
    begun, each = time.monotonic(), seconds / max(1, len(pieces))
    for number, piece in enumerate(pieces, 1):
        yield max(0.0, begun + number * each - time.monotonic()), piece


async def pause(seconds: float) -> None:
    """Let time pass in the event loop that runs."""
    if in_trio():
        await sys.modules["trio"].sleep(seconds)
    elif asyncio_loop() is not None:
        await asyncio.sleep(seconds)
    else:
        time.sleep(seconds)
