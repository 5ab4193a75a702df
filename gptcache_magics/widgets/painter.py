"""The thread that paints a panel, at most four times a second and for a small share of the time.

A lookup must not wait for a widget, so it only raises a flag here. Commands and other kernels raise none: while the
panel is visible, the thread polls for their changes.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable

from gptcache_magics.flag import Flag

__all__ = ["Painter"]

SHORTEST_PAUSE = 0.25
# Length of a pause, as a multiple of the painting before it: while cells compute, and while they wait.
PAUSE_WHEN_BUSY, PAUSE_WHEN_QUIET = 30, 8
QUIET = 0.25  # largest share of a processor with which cells count as waiting
LONGEST_TAKEN = 0.5  # seconds; a painting that took longer waited for something else, such as a locked file
PAUSE_AFTER_ERROR = 2.0
LONGEST_PAINTING = 10.0


class Painter:
    """A thread that paints when something changed. It ends with the object that it paints.

    Parameters
    ----------
    paint
        A method that paints and returns whether it could; its object is not kept alive.
    outdated
        A method of the same object that says whether the painting is out of date although no lookup raised the flag.
        The thread calls it four times a second while `watching`.
    """

    def __init__(self, paint: Callable[[], bool], outdated: Callable[[], bool]) -> None:
        self._woken, self._now = Flag(), Flag()
        self._changed = self._watching = self._ended = False
        self._paint, self._outdated = weakref.WeakMethod(paint, lambda _: self._end()), weakref.WeakMethod(outdated)
        self.thread = threading.Thread(target=self._run, name="gptcache-panel", daemon=True)
        self.thread.start()

    def note(self) -> None:
        """Paint at the next chance, because something changed."""
        self._changed = True
        self._woken.set()

    def hurry(self) -> None:
        """Paint as soon as possible, because a person is waiting."""
        self.note()
        self._now.set()

    def watch(self, watching: bool) -> None:
        """Start or stop polling for changes that raise no flag."""
        self._watching = watching
        self._woken.set()

    @property
    def behind(self) -> bool:
        """Whether something changed that was not painted yet."""
        return self._changed

    def close(self) -> None:
        """End the thread and wait for it, because the store may be closed next."""
        self._end()
        if threading.current_thread() is not self.thread:
            self.thread.join(LONGEST_PAINTING)

    def _end(self) -> None:
        self._ended = True
        self.hurry()

    def _run(self) -> None:
        while True:
            self._woken.wait(SHORTEST_PAUSE if self._watching else None)
            self._woken.clear()
            paint, outdated = self._paint(), self._outdated()
            if paint is None or outdated is None or self._ended:
                return  # asked last, so that a panel closed in the meantime is not waited for
            due = self._changed or (self._watching and outdated())
            if due:
                self._changed = False
                self._now.clear()
            started = time.monotonic()  # waiting for the interpreter counts: the thread that runs cells waited as well
            well = not due or paint()
            took = min(time.monotonic() - started, LONGEST_TAKEN)
            del paint, outdated  # holds no panel while it waits
            if not well:
                self.note()
                self._now.wait(PAUSE_AFTER_ERROR)
            elif due:
                self._rest(took)

    def _rest(self, took: float) -> None:
        """Wait before painting again: briefly if cells are idle, else long enough to take a small share of the time."""
        if self._now.wait(max(SHORTEST_PAUSE, PAUSE_WHEN_QUIET * took)):
            return
        end = time.monotonic() + (PAUSE_WHEN_BUSY - PAUSE_WHEN_QUIET) * took
        while time.monotonic() < end:
            used = time.process_time()
            if self._now.wait(SHORTEST_PAUSE) or time.process_time() - used < QUIET * SHORTEST_PAUSE:
                return
