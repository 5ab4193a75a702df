"""One model call for identical lookups at the same time.

The first lookup that misses owns its key until its answer is stored, its call ends, or it fails. An identical lookup of
another task or thread waits for that and looks again. A task or thread that owns a key never waits: two calls
``generate(["A", "B"])`` and ``generate(["B", "A"])`` would otherwise wait for each other for ever. The wait for a
stream is shorter, because its reader may stop in the middle and keep it open.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

from gptcache_magics.lookup.request import Caller

__all__ = ["Flight", "SingleFlight", "runs_event_loop"]

WAIT_SECONDS: Final = 600.0
STREAM_WAIT_SECONDS: Final = 30.0
REMEMBERED: Final = 1_000
"""Landings; a lookup ends long before this number of further landings."""


class Flight:
    """One model call on its way."""

    def __init__(self, call: Caller) -> None:
        self.call = call
        self._patience = STREAM_WAIT_SECONDS if call.streams else WAIT_SECONDS
        self._landed = False
        self._waiting: list[Callable[[], object]] = []

    def wait(self) -> bool:
        """Block this thread until the flight lands. Returns False if that takes too long."""
        news: SimpleQueue[None] = SimpleQueue()
        self._when_landed(lambda: news.put(None))
        with suppress(Empty):
            news.get(timeout=self._patience)
        return self._landed

    async def wait_async(self) -> bool:
        """Wait until the flight lands, without blocking the event loop. Returns False if that takes too long."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._when_landed(lambda: _wake(loop, future))
        with suppress(TimeoutError):
            await asyncio.wait_for(future, self._patience)
        return self._landed

    def land(self) -> None:
        """Wake every waiter, to look again."""
        self._landed = True
        for wake in self._waiting:
            wake()

    def _when_landed(self, wake: Callable[[], object]) -> None:
        """Call ``wake`` on landing, perhaps twice: it is listed first, so a landing before the check is not missed."""
        self._waiting.append(wake)
        if self._landed:
            wake()


class SingleFlight:
    """The flights of one cache, by key."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}
        self._landed: dict[str, int] = {}
        """Ordinal of the most recent landing of each key."""
        self.landings = 0
        """Number of flights that have landed."""
        self._lock = threading.RLock()

    def join(self, key: str, call: Caller, looked: int) -> Flight | None:
        """Return the flight to wait for, or None if the caller is to ask the model and then ``land`` the key.

        Parameters
        ----------
        looked
            The number of ``landings`` before the caller looked for the answer. A flight that has landed since is
            returned as well: its answer is stored.
        """
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                if self._landed.get(key, 0) > looked:
                    flight = Flight(call)
                    flight.land()
                    return flight
                self._flights[key] = Flight(call)
                return None
            return None if any(each.call.owner == call.owner for each in [*self._flights.values()]) else flight

    def land(self, key: str, call: Caller) -> None:
        """Release a key that ``call`` owns: its answer is stored, or will not come."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is None or flight.call is not call:
                return
            del self._flights[key]
            self.landings += 1
            self._landed[key] = self.landings
            if len(self._landed) > REMEMBERED:
                del self._landed[next(iter(self._landed))]
        flight.land()

    def land_all(self, call: Caller) -> None:
        """Release every key that ``call`` owns: the call has ended."""
        if self._flights:
            with self._lock:
                keys = [key for key, flight in self._flights.copy().items() if flight.call is call]
            for key in keys:
                self.land(key, call)


def runs_event_loop() -> bool:
    """Return whether this thread runs an event loop, as a notebook's main thread does."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _wake(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    with suppress(RuntimeError):  # the loop is closed, and its waiters are gone
        loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(None))
