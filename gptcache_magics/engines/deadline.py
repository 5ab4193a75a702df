"""Bound the time that a model call waits for another cache, whose server may be slow, silent or gone.

A call that hangs in another library cannot be ended from outside. So it runs in a thread that can be left behind. After
one call that took too long, the cache is left alone for a while. Then the next call is tried in the background, and
nobody waits for it; the cache is asked again as soon as such a call has come back in time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as Late
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any, Final

from gptcache_magics import fork
from gptcache_magics.errors import GPTCacheMagicsError

__all__ = ["Away", "Deadline"]

CALL_SECONDS: Final = 1.0
"""Longest time for which a model call waits for one lookup or one update."""
SLOW_SECONDS: Final = 0.2
"""A failure that takes longer than this would slow down every call, so the cache is left alone after it, too."""
PAUSE_SECONDS: Final = 10.0, 60.0
"""Time for which the cache is left alone after a slow call: at first, and at most; it doubles in between."""
IDLE_SECONDS: Final = 10.0
"""A thread that has had nothing to do for this long ends."""

Start = Callable[[], "Future[Any]"]


class Away(GPTCacheMagicsError):
    """The other cache does not answer in time, or did not a moment ago."""


class Deadline:
    """The calls to one other cache."""

    def __init__(self) -> None:
        self._begin()
        fork.in_child(self._begin)

    def _begin(self) -> None:
        """Begin with no thread and no trouble: at first, and in a forked child, which lacks its parent's threads."""
        self._idle: list[SimpleQueue[tuple[Future[Any], Callable[[], Any]]]] = []
        self._until = 0.0
        self._pause = 0.0
        self._trying = False

    @property
    def away(self) -> bool:
        """Whether the cache is left alone now."""
        return self._pause > 0

    def run(self, start: Start) -> Any:
        """Return the result of a call, within ``CALL_SECONDS``.

        Parameters
        ----------
        start
            Starts the call and returns its future; :meth:`in_thread` starts one in a thread.

        Raises
        ------
        Away
            If the call takes longer, at once while the cache is left alone. Else whatever the call raises.
        """
        if self._pause:
            self._try(start)
            raise Away
        begun = time.monotonic()
        future = start()
        try:
            return future.result(CALL_SECONDS)
        except (Late, CancelledError) as late:
            if future.done() and not future.cancelled():  # the call itself has raised this error
                self._failed(begun)
                raise
            future.cancel()
            self._leave_alone()
            raise Away from late
        except Exception:
            self._failed(begun)
            raise

    def in_thread(self, work: Callable[[], Any]) -> Future[Any]:
        """Start ``work`` in a thread, in a copy of the context of the caller."""
        future: Future[Any] = Future()
        context = copy_context()
        try:
            jobs = self._idle.pop()
        except IndexError:
            jobs = SimpleQueue()
            threading.Thread(target=self._work, args=(jobs,), name="gptcache-wrapped", daemon=True).start()
        jobs.put((future, lambda: context.run(work)))
        return future

    def here(self, work: Callable[[], Any]) -> Any:
        """Return the result of a call that cannot hang, made in this thread. Raises ``Away``, and what it raises."""
        if time.monotonic() < self._until:
            raise Away
        begun = time.monotonic()
        try:
            result = work()
        except Exception:
            self._failed(begun)
            raise
        if time.monotonic() - begun > CALL_SECONDS:
            self._leave_alone()
        else:
            self._pause = 0.0
        return result

    def _failed(self, begun: float) -> None:
        if time.monotonic() - begun > SLOW_SECONDS:
            self._leave_alone()

    def _leave_alone(self) -> None:
        if time.monotonic() < self._until:  # of several calls at once, one counts
            return
        first, most = PAUSE_SECONDS
        self._pause = min(max(first, 2 * self._pause), most)
        self._until = time.monotonic() + self._pause

    def _try(self, start: Start) -> None:
        """Make a call in the background if it is time for that; nobody waits for it."""
        begun = time.monotonic()
        if self._trying or begun < self._until:
            return
        self._trying = True

        def ended(future: Future[Any]) -> None:
            self._trying = False
            if not future.cancelled() and not future.exception() and time.monotonic() - begun <= CALL_SECONDS:
                self._pause = 0.0

        self._leave_alone()
        try:
            future = start()
        except BaseException:
            self._trying = False
            raise
        future.add_done_callback(ended)

    def _work(self, jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]]]) -> None:
        """Do what is put in ``jobs``, until nothing has come for a while."""
        while True:
            try:
                future, work = jobs.get(timeout=IDLE_SECONDS)
            except Empty:
                try:
                    self._idle.remove(jobs)
                except ValueError:  # somebody has taken it and is about to put something in
                    continue
                return
            _do(future, work)
            del future, work  # an idle thread keeps nothing alive
            self._idle.append(jobs)


def _do(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():  # from here on nobody can cancel it
        return
    try:
        result = work()
    except BaseException as error:  # whatever another library raises
        future.set_exception(error)
    else:
        future.set_result(result)
