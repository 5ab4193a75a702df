"""The data that an object holds: its attributes, and what its class in C tells of itself when it is pickled."""

from __future__ import annotations

import copyreg
from functools import cached_property
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from gptcache_magics.identity import classes
from gptcache_magics.identity.origin import is_installed, name_of
from gptcache_magics.identity.providers import left_out
from gptcache_magics.identity.unreadable import Unreadable
from gptcache_magics.text.masking import HIDDEN

if TYPE_CHECKING:
    from gptcache_magics.identity.canonical import Reader

__all__ = ["MOST_BYTES", "attributes", "content"]

MOST_BYTES: Final = 64 * 2**20
"""Bytes of one call's configuration; a larger one is not read."""
_INERT: Final = frozenset({"_thread", "threading", "asyncio.locks", "concurrent.futures.thread", "ssl", "logging"})
"""Modules of locks, pools, loggers and the like, which hold nothing that a model could see."""
_NOT_INERT: Final = frozenset({"local", "_local", "Thread", "Timer"})
_PICKLING: Final = ("__reduce__", "__reduce_ex__", "__getstate__")
_POINTER: Final = object.__basicsize__ // 2


def content(value: Any, reader: Reader) -> Any:
    """Return class and data of an object, and for a class of the user its code. Raises ``Unreadable``."""
    kind = type(value)
    found: dict[str, Any] = {HIDDEN: name_of(kind)}
    if kind is count or (kind.__module__ in _INERT and kind.__name__ not in _NOT_INERT):
        return found
    if _size(value) > MOST_BYTES:
        raise Unreadable(f"{name_of(kind)} is too large")
    counted = reader.counted
    if not is_installed(kind.__module__):
        found["code"] = classes.members(kind, reader)
        counted |= classes.counting(kind, reader)
    if _pickles_itself(kind):
        found["data"] = reader.plain(_pickled(value))
        return found
    found["data"] = reader.plain(
        {name: each for name, each in attributes(value).items() if not (name in counted and type(each) is int)}
    )
    if _hides_data(kind):
        found["items"] = reader.plain(_pickled(value))
    return found


def attributes(value: Any) -> dict[str, Any]:
    """Return the attributes of an object, public or not, without those computed from them."""
    kind = type(value)
    found = dict(getattr(value, "__dict__", {}))
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if slot.startswith("__") and slot.endswith("__"):
                continue
            name = f"_{base.__name__.lstrip('_')}{slot}" if slot.startswith("__") else slot
            if hasattr(value, name):
                found[name] = getattr(value, name)
        for name in found.keys() & vars(base).keys():
            if isinstance(vars(base)[name], cached_property):
                del found[name]
    for extra in ("__pydantic_private__", "__pydantic_extra__"):
        found.update(getattr(value, extra, None) or {})
    return {name: each for name, each in found.items() if not left_out(kind, name)}


def _size(value: Any) -> int:
    """Return the bytes of an array, or 0."""
    size = getattr(value, "nbytes", 0)
    return size if isinstance(size, int) else 0


def _pickled(value: Any) -> Any:
    """Return what pickle would store, with the class first."""
    kind = type(value)
    reduce = copyreg.dispatch_table.get(kind)
    try:
        reduced = reduce(value) if reduce else value.__reduce_ex__(4)
    except Exception:  # the class says in any way that its data stays inside
        raise Unreadable(name_of(kind)) from None
    if isinstance(reduced, str):
        return reduced
    _, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    of = [each for each in arguments if each is not kind]
    return [of, state, None if items is None else list(items), None if pairs is None else list(pairs)]


def _pickles_itself(kind: type) -> bool:
    """Return whether an installed package says how its objects are pickled."""
    if kind is SimpleNamespace or not is_installed(kind.__module__) or hasattr(kind, "__pydantic_fields__"):
        return False
    return kind in copyreg.dispatch_table or any(
        name in vars(base) for base in kind.__mro__ if base is not object for name in _PICKLING
    )


def _hides_data(kind: type) -> bool:
    """Return whether objects of a class hold data that is no attribute, as objects of classes written in C do."""
    while kind is not object:
        base = kind.__base__ or object
        slots = vars(kind).get("__slots__", ())
        names = {slots} if isinstance(slots, str) else {*slots}
        offsets = kind.__dictoffset__, kind.__weakrefoffset__
        extra = sum(base.__basicsize__ <= offset < kind.__basicsize__ for offset in offsets)
        room = _POINTER * (len(names - {"__dict__", "__weakref__"}) + extra)
        if kind.__itemsize__ != base.__itemsize__ or kind.__basicsize__ - base.__basicsize__ > room:
            return True
        kind = base
    return False
