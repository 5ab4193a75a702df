"""Live through ``os.fork`` while other threads are at work.

A child gets its parent's memory, but only the thread that forked. A lock that another thread held stays locked in the
child for ever, and so does a lock inside SQLite, which nobody can renew. So whoever keeps locks renews them in the
child, and whoever calls libraries that keep locks of their own lets no thread be inside of them during a fork.
Windows cannot fork.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable
from inspect import ismethod
from typing import Final, Protocol

__all__ = ["Quiet", "in_child", "quiet"]

PATIENCE_SECONDS: Final = 3.0
"""Time that a fork waits for threads that are inside a library."""

_renewals: list[Callable[[], Callable[[], None] | None]] = []
_quiet: list[weakref.ref[Quiet]] = []


class Quiet(Protocol):
    """An object whose library no thread may be inside of during a fork."""

    def before_fork(self, deadline: float) -> None:
        """Wait, until ``deadline`` on the monotonic clock at most, and let nobody in."""

    def after_fork(self) -> None:
        """Let everybody in again, in the parent."""


def in_child(renew: Callable[[], None]) -> None:
    """Call ``renew`` in each forked child; a method as long as its object lives."""
    _renewals.append(weakref.WeakMethod(renew, _renewals.remove) if ismethod(renew) else lambda: renew)


def quiet(each: Quiet) -> None:
    """Keep threads out of the library that ``each`` uses during a fork, as long as ``each`` lives."""
    _quiet.append(weakref.ref(each, _quiet.remove))


def _before() -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    for reference in [*_quiet]:
        if (each := reference()) is not None:
            each.before_fork(deadline)


def _in_parent() -> None:
    for reference in [*_quiet]:
        if (each := reference()) is not None:
            each.after_fork()


def _in_child() -> None:
    for reference in [*_renewals]:
        if (renew := reference()) is not None:
            renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
