"""Keep the values that were used last. An interrupt at any instruction leaves them in order.

cachetools keeps the values and their order in two mappings. An interrupt between the changes of both leaves a key in
one of them, and from then on changes fail. Here each change is one step of C, which no interrupt divides.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from typing import TypeVar

__all__ = ["RecentlyUsed"]

V = TypeVar("V")


class RecentlyUsed(MutableMapping[str, V]):
    """A mapping that drops the value used least recently when it grows too large. Threads share it under a lock.

    Parameters
    ----------
    most
        The largest sum of the sizes.
    size
        The size of a value; each counts as 1 by default.
    """

    def __init__(self, most: int, size: Callable[[V], int] = lambda _: 1) -> None:
        self._most, self._size_of = most, size
        self._values: OrderedDict[str, V] = OrderedDict()
        """The values, the most recently used last."""
        self._size = 0

    def __getitem__(self, key: str) -> V:
        self._values.move_to_end(key)
        return self._values[key]

    def __setitem__(self, key: str, value: V) -> None:
        self.pop(key, None)
        self._size += self._size_of(value)
        self._values[key] = value
        while self._values and self._size > self._most:
            del self[next(iter(self._values))]

    def __delitem__(self, key: str) -> None:
        self._size -= self._size_of(self._values.pop(key))
        if not self._values:
            self._size = 0  # an interrupt may have left the size of a value that is gone

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def clear(self) -> None:
        """Drop every value."""
        self._values.clear()
        self._size = 0
