"""Remember what was read of a model, as long as the model and its clients are as they were."""

from __future__ import annotations

import marshal
from collections.abc import Hashable, Mapping
from operator import is_
from types import NoneType
from typing import Any, Final
from weakref import ref

import orjson

from gptcache_magics.identity import clients
from gptcache_magics.identity.call import ReadCall
from gptcache_magics.identity.facts import Facts
from gptcache_magics.identity.local_file import is_place
from gptcache_magics.identity.model import sent_of
from gptcache_magics.identity.origin import is_installed
from gptcache_magics.identity.providers import MODEL_NAMES

__all__ = ["ARGUMENTS", "Reading", "plain_values", "reading_of"]


class Reading:
    """A plain model as it was when it was read, with what was read of its calls."""

    __slots__ = (
        *("_awaited", "_changing", "_clients", "_calls", "_content", "_extra", "_facts", "_kind", "_names"),
        *("_values", "model"),
    )

    def __init__(self, model: Any, facts: Facts, *, awaited: bool, forget: Any) -> None:
        values: dict[str, Any] = vars(model)
        counted = map(values.get, facts.names)
        self.model, self._kind, self._awaited, self._facts = ref(model, forget), type(model), awaited, facts
        self._calls: dict[bytes, ReadCall] = {}
        """The calls that were read, by the content of their arguments."""
        self._names, self._values, self._extra = [*values], [*values.values()], model.__pydantic_extra__
        self._changing = [self._extra, *(each for each in counted if type(each) not in _UNCHANGING)]
        self._content = _content(self._changing)
        names = (*facts.sync_clients, *facts.async_clients)
        self._clients = clients.Remembered(values[name] for name in names if values.get(name))

    def call(self, kwargs: Mapping[str, Any]) -> ReadCall | None:
        """Return what was read of a call with these arguments, if it is remembered."""
        try:
            return self._calls.get(_content(kwargs) if kwargs else b"")
        except (TypeError, ValueError):  # not plain data
            return None

    def remember(self, kwargs: Mapping[str, Any], call: ReadCall) -> None:
        """Remember what was read of a call, whose arguments are plain data."""
        if len(self._calls) >= ARGUMENTS:
            self._calls.clear()
        self._calls[_content(kwargs) if kwargs else b""] = call

    def holds(self, model: Any, *, awaited: bool) -> bool:
        """Return whether the model is as it was, so that its calls are read as in this reading."""
        alive: Any = self.model()
        values: dict[str, Any] = vars(model)
        try:
            return (
                alive is model
                and awaited is self._awaited
                and type(model) is self._kind
                and self._facts.hold()
                and [*values] == self._names
                and all(map(is_, values.values(), self._values))
                and model.__pydantic_extra__ is self._extra
                and self._clients.hold()
                and _content(self._changing) == self._content
            )
        except (TypeError, ValueError):  # what changes holds other data now
            return False


ARGUMENTS: Final = 64
"""Calls with other arguments of one model that are remembered."""
_UNCHANGING: Final = frozenset({NoneType, bool, int, float, str, bytes})


def reading_of(model: Any, facts: Facts, *, awaited: bool, forget: Any) -> Reading | None:
    """Return the reading of a plain model, without its configuration; None if it is not to be remembered.

    Parameters
    ----------
    forget
        Called with the weak reference to the model when that is gone.
    """
    values, private = vars(model), model.__pydantic_private__ or {}
    names = (*facts.sync_clients, *facts.async_clients)
    if names and (not any(map(values.get, names)) or any(map(private.get, names))):
        return None  # the first call makes the client, or it is not a field
    if not all(is_installed(type(each).__module__) for each in [*values.values()]):
        return None  # an object of the user's may hold the model
    return Reading(model, facts, awaited=awaited, forget=forget)


def plain_values(model: Any, facts: Facts, kwargs: Mapping[str, Any], *, awaited: bool = False) -> Hashable | None:
    """Return all that :func:`fields` and :func:`model_name` read, and the arguments, by content and type.

    Returns
    -------
    A value that is equal only where theirs are; None if the model must be read in full: a value is not plain data, or
    the class is not known, or the model is named by a path, whose file may change.
    """
    attributes = vars(model)
    if not facts.known or not facts.attributes.issuperset(attributes) or (sent := sent_of(model, facts)) is None:
        return None
    for each in (*sent[0], *sent[1]):
        if each.by_itself:
            return None
    named = (*map(kwargs.get, MODEL_NAMES), *map(attributes.get, MODEL_NAMES))
    if any(type(name) is str and is_place(name) for name in named):
        return None
    values: Any = tuple(map(attributes.get, facts.names)), model.__pydantic_extra__, kwargs
    try:
        return _content(values), *sent[0], None, *sent[1], awaited and sent[0] != sent[1]
    except (TypeError, ValueError):  # marshal refuses all that is not of Python's own types
        return None


def _content(values: Any) -> bytes:
    """Return plain data as bytes; raise ``TypeError`` or ``ValueError`` for other data."""
    orjson.dumps(values, option=_PLAIN)  # refuses arrays and whatever else marshal takes for bytes
    return marshal.dumps(values, 2)


_PLAIN: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
