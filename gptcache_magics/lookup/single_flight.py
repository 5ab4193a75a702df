"""One model call for identical lookups at the same time.

The first lookup that misses owns its key until its answer is stored, its call ends, or it fails. An identical lookup of
another task or thread waits for that and looks again. If the answer does not come, the waiters ask the model together.

A wait must never keep the owner from finishing. A task or thread that holds a key does not wait: two calls
``generate(["A", "B"])`` and ``generate(["B", "A"])`` would otherwise wait for each other for ever. A call inside
another call does not wait for it. A thread does not wait for a task, because the task may need the thread: its event
loop lends threads from a pool that waiters could fill, or the thread is joined by the one that runs the loop. For the
same reason a thread of a pool waits for threads of that pool only, and a task waits for tasks of its own loop.

An interrupt may come at any instruction, also between the end of a call and the news of it. So a waiter does not rely
on the news: it looks, now and then, whether the owner still runs.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final

from gptcache_magics import fork
from gptcache_magics.identity.call import task_or_thread
from gptcache_magics.lookup.request import Caller

__all__ = ["Flight", "SingleFlight"]

WAIT_SECONDS: Final = 300.0
STREAM_WAIT_SECONDS: Final = 1.0
"""How long a reader may pause in the middle of a stream before others stop waiting for its end."""
LOOK_SECONDS: Final = 0.05, 0.5
"""Pause between two looks at the owner: at first, and at last."""
REMEMBERED: Final = 1_000
"""Landings; a lookup ends long before this number of further landings."""


class Flight:
    """One model call on its way, made by the task or thread that runs now."""

    def __init__(self, call: Caller, *, blocking: bool) -> None:
        self.call = call
        self.holder = task_or_thread()
        """The task or thread that asks the model; LangChain gives each prompt of ``agenerate`` a task of its own."""
        self._loop = None if blocking else _running_loop()
        self._thread = threading.current_thread()
        self._landed = self._answered = False
        self._waiting: list[Callable[[], object]] = []

    @property
    def lost(self) -> bool:
        """Whether the answer will not come, or may take as long as the reader of a stream likes."""
        if self._landed or not self.call.running.locked() or not self._thread.is_alive():
            return True
        if isinstance(self.holder, asyncio.Task) and self.holder.done():
            return True
        paused = self.call.paused
        return paused is not None and time.monotonic() - paused > STREAM_WAIT_SECONDS

    @property
    def of_a_task(self) -> bool:
        """Whether an event loop must go on for the answer to come."""
        return self._loop is not None and not self.lost

    def may_be_awaited(self, call: Caller, *, blocking: bool) -> bool:
        """Return whether the owner surely goes on while ``call`` waits here and now, in this thread or task."""
        if self.call is call:
            return not blocking and self.holder is not task_or_thread()
        if self._loop is not None:
            return not blocking and self._loop is _running_loop()
        if not blocking:
            return True
        pool = _pool(threading.current_thread())
        return _running_loop() is None and (pool is None or pool is _pool(self._thread))

    def wait(self) -> bool:
        """Block this thread until the flight lands or is lost. Return whether the answer is stored."""
        news: SimpleQueue[None] = SimpleQueue()
        self._when_landed(partial(news.put, None))
        for seconds in self._looks():
            with suppress(Empty):
                news.get(timeout=seconds)
        return self._answered

    async def wait_async(self) -> bool:
        """Wait as ``wait`` does, without blocking the event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if isinstance(self.holder, asyncio.Task) and self._loop is loop:
            self.holder.add_done_callback(lambda _: self.land(answered=False))
        self._when_landed(partial(_wake, loop, future))
        for seconds in self._looks():
            await asyncio.wait([future], timeout=seconds)
        return self._answered

    def land(self, *, answered: bool) -> None:
        """Wake every waiter; only the first landing counts."""
        if not self._landed:
            self._answered = answered
            self._landed = True
        for wake in self._waiting:
            wake()

    def _looks(self) -> Iterator[float]:
        """Yield the seconds until the next look, as long as it makes sense to wait."""
        (pause, longest), end = LOOK_SECONDS, time.monotonic() + WAIT_SECONDS
        while not self.lost and time.monotonic() < end:
            yield pause
            pause = min(2 * pause, longest)

    def _when_landed(self, wake: Callable[[], object]) -> None:
        """Call ``wake`` on landing, perhaps twice: it is listed first, so a landing before the check is not missed."""
        self._waiting.append(wake)
        if self._landed:
            wake()


class SingleFlight:
    """The flights of one cache, by key."""

    def __init__(self) -> None:
        self._begin()
        fork.in_child(self._begin)

    def _begin(self) -> None:
        """Begin with nothing under way: at first, and in a forked child, which lacks its parent's threads."""
        self._flights: dict[str, Flight] = {}
        self._landed: dict[str, int] = {}
        """Ordinal of the most recent landing of each key whose answer was stored."""
        self.landings = 0
        """Number of answers that were stored."""
        self._lock = threading.RLock()

    def join(self, key: str, call: Caller, looked: int, *, blocking: bool) -> Flight | None:
        """Return the flight to wait for, or None if the caller is to ask the model and then ``land`` the key.

        Parameters
        ----------
        looked
            The number of ``landings`` before the caller looked for the answer. A flight that has landed since is
            returned as well: its answer is stored.
        blocking
            Whether waiting would block the thread.
        """
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None and not flight.lost:
                free = self._free(call, self._flights)
                return flight if free and flight.may_be_awaited(call, blocking=blocking) else None
            new = Flight(call, blocking=blocking)
            if self._landed.get(key, 0) > looked:
                new.land(answered=True)
                return new
            self._flights = dict(filter(lambda each: each[1].call.running.locked(), self._flights.items()))
            self._flights[key] = new
            return None

    def land(self, key: str, call: Caller, *, answered: bool) -> None:
        """Release a key that ``call`` owns: its answer is stored, or will not come."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is None or flight.call is not call:
                return
            if answered:
                self.landings += 1
                self._landed.pop(key, None)
                self._landed[key] = self.landings
                if len(self._landed) > REMEMBERED:
                    del self._landed[next(iter(self._landed))]
            del self._flights[key]
        flight.land(answered=answered)

    def land_all(self, call: Caller) -> None:
        """Release every key that ``call`` owns: the call has ended."""
        if self._flights:
            for key in [key for key, flight in self._flights.copy().items() if flight.call is call]:
                self.land(key, call, answered=False)

    def may_wait(self, key: str, call: Caller, *, blocking: bool) -> bool:
        """Return whether the owner of a key may wait for another process, without keeping others here waiting."""
        with self._lock:
            others = self._flights.copy()
        others.pop(key, None)
        return self._free(call, others) and not (blocking and any(each.of_a_task for each in others.values()))

    def _free(self, call: Caller, flights: Mapping[str, Flight]) -> bool:
        """Return whether nobody with a key of his own waits for ``call``: itself, its caller, or a call around it."""
        mine = {task_or_thread(), call.owner}
        around = set[Caller]()
        while call.outer is not None:
            call = call.outer
            around.add(call)
        return not any((each.holder in mine or each.call in around) and not each.lost for each in flights.values())


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that this thread runs, as a notebook's main thread does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _pool(thread: threading.Thread) -> object:
    """Return what tells the pool of a thread; None for a thread that is in none.

    A thread of the standard library's pools begins with the queue that all of them read, before it is registered
    anywhere; the threads of other pools have a class of theirs.
    """
    if getattr(thread, "_target", None) is getattr(concurrent.futures.thread, "_worker", thread):
        return next((each for each in getattr(thread, "_args", ()) if isinstance(each, SimpleQueue)), None)
    plain = (threading.Thread, threading.Timer, type(threading.main_thread()))
    return None if type(thread) in plain else type(thread)


def _wake(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    with suppress(RuntimeError):  # the loop is closed, and its waiters are gone
        loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(None))
