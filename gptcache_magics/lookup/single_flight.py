"""One model call for identical lookups that are under way at the same time.

The first lookup that misses owns its key until its answer is stored, its call ends, or it fails; an identical lookup
of another task or thread waits for that and looks again. Who waits must not be waited for, so who owns any key never
waits: two calls ``generate(["A", "B"])`` and ``generate(["B", "A"])`` would otherwise wait for each other for ever. A
stream is waited for less long: whoever reads it may stop in the middle and keep it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

from gptcache_magics.identity.call import Call

__all__ = ["Flight", "SingleFlight", "runs_event_loop"]

WAIT_SECONDS: Final = 600.0
STREAM_WAIT_SECONDS: Final = 30.0
REMEMBERED: Final = 1_000
"""Landings; a lookup is over long before so many more."""


class Flight:
    """One model call on its way."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self._patience = STREAM_WAIT_SECONDS if call.streams else WAIT_SECONDS
        self._landed = False
        self._waiting: list[Callable[[], object]] = []

    def wait(self) -> bool:
        """Block this thread until the flight has landed; False if it took too long."""
        news: SimpleQueue[None] = SimpleQueue()
        self._when_landed(lambda: news.put(None))
        with suppress(Empty):
            news.get(timeout=self._patience)
        return self._landed

    async def wait_async(self) -> bool:
        """As ``wait``, without blocking the event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._when_landed(lambda: _wake(loop, future))
        with suppress(TimeoutError):
            await asyncio.wait_for(future, self._patience)
        return self._landed

    def land(self) -> None:
        """Let everyone who waits look again."""
        self._landed = True
        for wake in self._waiting:
            wake()

    def _when_landed(self, wake: Callable[[], object]) -> None:
        """Call ``wake``, perhaps twice. First on the list, then a look: so a landing in between is not missed."""
        self._waiting.append(wake)
        if self._landed:
            wake()


class SingleFlight:
    """The flights of one cache, by key."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}
        self._landed: dict[str, int] = {}
        """The last landings: the how manieth each was."""
        self.landings = 0
        """How many flights have landed."""
        self._lock = threading.RLock()

    def join(self, key: str, call: Call, looked: int) -> Flight | None:
        """The flight to wait for; None if the caller is to call the model, then ``land`` the key or end its call.

        ``looked`` is the number of ``landings`` before the caller looked for the answer: what landed since is a flight,
        too, and its answer is there.
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

    def land(self, key: str, call: Call) -> None:
        """The answer to a key that ``call`` owns is stored, or will not come."""
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

    def land_all(self, call: Call) -> None:
        """A call has ended: nothing that it owns will come any more."""
        if self._flights:
            with self._lock:
                keys = [key for key, flight in self._flights.copy().items() if flight.call is call]
            for key in keys:
                self.land(key, call)


def runs_event_loop() -> bool:
    """Whether this thread runs an event loop, as a notebook's main thread does."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _wake(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
        loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(None))
