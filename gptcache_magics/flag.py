"""A flag that one thread waits for, which an interrupt cannot leave locked.

``threading.Event`` and ``threading.Condition`` take their lock in Python code. An interrupt between that and the block
that gives the lock back keeps it locked: whoever needs it next waits for ever.
"""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue

__all__ = ["Flag"]


class Flag:
    """A ``threading.Event`` for one waiting thread."""

    def __init__(self) -> None:
        self.raised = False
        """Whether it is raised."""
        self._news: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Raise the flag."""
        self.raised = True
        if self._news.empty():
            self._news.put(None)

    def clear(self) -> None:
        """Lower the flag."""
        self.raised = False
        with suppress(Empty):
            while True:
                self._news.get_nowait()

    def wait(self, seconds: float | None = None) -> bool:
        """Return whether the flag is raised, after ``seconds`` at the latest."""
        if not self.raised:
            with suppress(Empty):
                self._news.get(timeout=seconds)
        return self.raised
