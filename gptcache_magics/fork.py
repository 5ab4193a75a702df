"""Live through ``os.fork`` while other threads are at work.

A child gets its parent's memory, but only the thread that forked. A lock that another thread held stays locked in the
child for ever, and so does a lock inside SQLite, which nobody can renew. So an object with locks renews them in the
child, and an object that calls libraries with locks of their own keeps threads out of them during a fork.
The same holds for the locks of modules that are being imported, and of cached properties that are being computed.
Windows cannot fork.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from types import MethodType
from typing import Any, Final, Protocol

__all__ = ["Quiet", "free_cached", "in_child", "lineage", "quiet"]

lineage = ""
"""The forks that led from the first process to this one, such as ``-2-1``: the number of each among its parent's."""
_forks = 0

PATIENCE_SECONDS: Final = 5.0
"""Time that a fork waits for threads that are inside a library or import a module."""

_functions: list[Callable[[], None]] = []
_methods: weakref.WeakKeyDictionary[Any, Callable[[Any], None]] = weakref.WeakKeyDictionary()
"""Methods to call in a child, by their objects."""
_quiet: list[weakref.ref[Quiet]] = []
_module_locks: Final[dict[str, weakref.ref[Any]]] = vars(sys.modules["_frozen_importlib"]).get("_module_locks", {})
"""Python's own locks of the modules that are being found or imported now, by name."""
_forking = threading.RLock()
"""Held by the thread that forks: of two at once, one would release the locks that the other holds."""


class Quiet(Protocol):
    """An object whose library no thread may be inside of during a fork."""

    def before_fork(self, deadline: float) -> None:
        """Wait, until ``deadline`` on the monotonic clock at most, and let nobody in."""

    def after_fork(self) -> None:
        """Let everybody in again, in the parent."""


def in_child(renew: Callable[[], None]) -> None:
    """Call ``renew`` in each forked child; a method as long as its object lives."""
    if isinstance(renew, MethodType):
        _methods[renew.__self__] = renew.__func__
    else:
        _functions.append(renew)


def free_cached(owner: type) -> None:
    """Let a child compute the cached properties of a class that another thread of its parent was computing.

    Before Python 3.12 a cached property has one lock for all objects of its class.
    """
    for member in vars(owner).values():
        if isinstance(member, cached_property) and "lock" in vars(member):
            vars(member)["lock"] = threading.RLock()


def quiet(each: Quiet) -> None:
    """Keep threads out of the library that ``each`` uses during a fork, as long as ``each`` lives."""
    _quiet.append(weakref.ref(each, _quiet.remove))


def _before() -> None:
    global _forks
    _forking.acquire()
    _forks += 1
    deadline = time.monotonic() + PATIENCE_SECONDS
    for reference in [*_quiet]:
        if (each := reference()) is not None:
            each.before_fork(deadline)
    while _others_import() and time.monotonic() < deadline:
        time.sleep(0.005)


def _others_import() -> bool:
    """Return whether another thread holds Python's lock of a module, which would stay locked in the child."""
    locks = [reference() for reference in [*_module_locks.values()]]
    return any(map(_is_held_elsewhere, locks))


def _is_held_elsewhere(lock: Any) -> bool:
    return getattr(lock, "owner", None) not in (None, threading.get_ident())


def _forget_imports() -> None:
    """Let the child import what another thread of its parent was importing."""
    for name, reference in [*_module_locks.items()]:
        if _is_held_elsewhere(reference()):
            _module_locks.pop(name, None)
            if _is_begun(sys.modules.get(name)):
                del sys.modules[name]


def _is_begun(module: object) -> bool:
    """Return whether a module is imported in part."""
    names = object.__getattribute__(module, "__dict__") if module is not None else {}  # a lazy one would be imported
    return bool(getattr(names.get("__spec__"), "_initializing", False))


def _in_parent() -> None:
    for reference in [*_quiet]:
        if (each := reference()) is not None:
            each.after_fork()
    with suppress(RuntimeError):  # an interrupt kept it from being acquired
        _forking.release()


def _in_child() -> None:
    global _forking, _forks, lineage
    _forking = threading.RLock()
    lineage, _forks = f"{lineage}-{_forks}", 0
    _forget_imports()
    for renew in _functions:
        renew()
    for each, method in [*_methods.items()]:
        method(each)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
