"""Any value as canonical JSON: equal values give equal bytes in every process, and different values different bytes.

JSON data stands for itself. Every other value becomes a mapping with :data:`HIDDEN` in it, which names its class and
holds all of its data. A value whose data cannot be read raises :class:`Unreadable`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import partial
from hashlib import blake2b
from math import isfinite
from operator import itemgetter
from types import ModuleType
from typing import Any, Final
from weakref import ReferenceType

import orjson

from gptcache_magics.identity import classes, clients, functions, model, objects
from gptcache_magics.identity.objects import MOST_BYTES
from gptcache_magics.identity.origin import is_installed, name_of, original, tagged
from gptcache_magics.identity.unreadable import Unreadable
from gptcache_magics.text.masking import HIDDEN, ORDER
from gptcache_magics.text.secret_names import is_secret

__all__ = ["ADDRESS", "Reader", "Unreadable", "dumps"]

ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
"""The address of an object in memory, as its ``repr`` writes it."""
MOST_VALUES: Final = 200_000
"""Values of one call's configuration; a larger one is not read."""
SHORT: Final = 4096
"""Bytes that are written down; longer ones are represented by their digest."""

_VIEWS: Final[Any] = (type({}.keys()), type({}.values()))
_ITEMS: Final[Any] = type({}.items())
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
_PLAIN: Final = _OPTIONS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def dumps(value: Any) -> bytes:
    """Return JSON with sorted keys, the same for equal values in every process."""
    try:
        return orjson.dumps(value, option=_PLAIN | orjson.OPT_PASSTHROUGH_SUBCLASS)
    except (TypeError, ValueError):
        return orjson.dumps(Reader().plain(value), option=_OPTIONS)


class Reader:
    """Reads the values of one configuration.

    An object that was read before is represented by its ordinal, so that a cycle ends.
    """

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self._read: list[Any] = []
        """Everything with a place: an object that is alive keeps its ``id``."""
        self._around: list[int] = []
        """The containers around the value that is read, by ``id``."""
        self.counted = frozenset[str]()
        """Names of attributes that the functions read so far count with: ``stats.calls += 1``."""
        self.counting: dict[type, frozenset[str]] = {}
        """Names of attributes that count what happened, by class: see :func:`classes.counting`."""
        self._bytes = self._values = 0

    def plain(self, value: Any) -> Any:
        """Return a value as JSON data. Raises ``Unreadable``."""
        self._values += 1
        if self._values > MOST_VALUES:
            raise Unreadable("too many values")
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return self._text(value)
        if kind is int:
            return value if -(2**63) <= value < 2**64 else tagged(kind, hex(value))
        if kind is float:
            return value if isfinite(value) else tagged(kind, repr(value))
        if kind is list or kind is tuple:
            return self._within(value, self._items)
        if kind is dict:
            return self._within(value, self._mapping)
        try:
            return self._other(value, kind)
        except RecursionError:
            raise Unreadable(f"{name_of(kind)} is nested too deep") from None
        except Unreadable:
            raise
        except Exception as error:  # its text is the user's, and may hold a secret
            raise Unreadable(f"{name_of(kind)} raises {type(error).__name__}") from None

    def _other(self, value: Any, kind: type) -> Any:
        if isinstance(value, Enum):
            data = self.plain(value.value)
            return data if isinstance(value, str | int) else tagged(kind, [value.name, data])
        if hasattr(kind, "get_secret_value"):
            return None
        if isinstance(value, bytes | bytearray | memoryview):
            return tagged(kind, self._data(bytes(value)))
        if isinstance(value, type):
            return self._once(value, classes.class_as_value)
        if functions.is_code(value):
            return self._once(original(value), functions.function)
        if isinstance(value, partial):
            return tagged(kind, [self.plain(each) for each in (value.func, value.args, value.keywords)])
        if isinstance(value, ModuleType):
            return tagged(kind, value.__name__)
        if isinstance(value, ReferenceType):
            return tagged(kind, self.plain(value()))
        if isinstance(value, set | frozenset):
            return tagged(kind, self.sorted(value))
        if isinstance(value, _VIEWS):
            return tagged(kind, self._within(value, self._items))
        if isinstance(value, _ITEMS):  # a mapping names its secrets
            return tagged(kind, [self.plain([name for name, _ in value]), self.plain(dict(value))])
        if hasattr(kind, "_asdict"):
            return tagged(kind, self._mapping(value._asdict()))
        if is_installed(kind.__module__) and isinstance(value, Mapping):
            return self._within(value, self._mapping)
        if model.is_model(value):
            return self._once(value, model.content)
        if clients.is_http_client(kind):
            return self._once(value, clients.content)
        return self._once(value, objects.content)

    def _text(self, text: str) -> str:
        self._count(len(text))
        if text.isascii():
            return text
        try:
            text.encode()
        except UnicodeEncodeError:  # a lone surrogate, which JSON cannot hold
            escaped = text.replace("\\", r"\\").encode("utf-8", "backslashreplace").decode()
            return f"\0{escaped}"
        return text

    def _data(self, data: bytes) -> str:
        self._count(len(data))
        return repr(data) if len(data) <= SHORT else f"{len(data)} {blake2b(data, digest_size=32).hexdigest()}"

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MOST_BYTES:
            raise Unreadable("too many bytes")

    def _items(self, values: Iterable[Any]) -> list[Any]:
        return [self.plain(item) for item in [*values]]

    def _mapping(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        named: dict[str, Any] = {}
        pairs = [*values.items()]  # a thread may change the mapping meanwhile
        for name, item in sorted(((self._name(key), item) for key, item in pairs), key=itemgetter(0)):
            if is_secret(name) and not isinstance(item, str | int | float | Mapping | list | tuple | None):
                continue
            if name in named:  # 1 and "1"
                return {HIDDEN: "pairs", "data": [[self.plain(key), self.plain(item)] for key, item in pairs]}
            named[name] = self.plain(item)
            if name == "properties" and isinstance(item, Mapping) and (names := [*map(str, item)]) != sorted(names):
                named[ORDER] = names  # a model fills a schema in that order
        return named

    def _name(self, key: Any) -> str:
        if isinstance(key, str) and not isinstance(key, Enum):
            return f"{HIDDEN}{key}" if key.startswith(HIDDEN) else self._text(str.__str__(key))
        if key is None or isinstance(key, bool | int | float | Enum) or hasattr(key, "get_secret_value"):
            return str(key)
        return orjson.dumps(self.plain(key), option=_OPTIONS).decode()

    def fork(self) -> Reader:
        """Return a reader that knows what this one has read, and does not tell it what follows."""
        other = Reader()
        other._places, other._around, other._read = dict(self._places), list(self._around), self._read
        other.counted, other.counting = self.counted, self.counting
        return other

    def sorted(self, values: Iterable[Any]) -> list[Any]:
        """Return values in an order that does not depend on how they came."""
        return sorted((self.fork().plain(value) for value in [*values]), key=partial(orjson.dumps, option=_OPTIONS))

    def _within(self, value: Any, read: Callable[[Any], Any]) -> Any:
        """Read a container; within itself, it is represented by the number of containers between."""
        if id(value) in self._around:
            return tagged(type(value), len(self._around) - self._around.index(id(value)))
        self._around.append(id(value))
        try:
            return read(value)
        except RecursionError:
            raise Unreadable(f"a {type(value).__name__} is nested too deep") from None
        finally:
            self._around.pop()

    def _once(self, value: Any, read: Callable[[Any, Reader], Any]) -> Any:
        """Read an object whose second occurrence is represented by its ordinal."""
        if (place := self._places.get(id(value))) is not None:
            return {HIDDEN: "seen before", "data": place}
        self._places[id(value)] = len(self._places)
        self._read.append(value)
        return read(value, self)
