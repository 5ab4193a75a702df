"""Tell damaged rows from sound ones, by a checksum of each answer and by the type and size of every value.

SQLite keeps a value of any type in any column, and notices neither a flipped bit in a text nor one in the type of a
value. A row with such a value is skipped and counted; an answer that does not fit its checksum is never served.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from types import NoneType
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

from gptcache_magics.store.records import Entry
from gptcache_magics.store.rows import EntryRow
from gptcache_magics.store.sums import FIGURES
from gptcache_magics.text.amounts import counted

__all__ = ["LARGEST", "Damage", "checksum", "column_fits", "fits", "label_checksum", "types_of", "vector_checksum"]

R = TypeVar("R", bound=tuple[Any, ...])
LARGEST: Final = 2**33
"""Largest number of tokens or seconds: as a moment the year 2242, and pandas ends in 2262."""
_UNBOUNDED: Final = frozenset({"number_in_run", "prompt_digest", "shape", "checksum", "digest", *FIGURES})
"""Columns of numbers that begin with a process id, of digests and of sums."""


def checksum(entry: Entry | EntryRow) -> int:
    """Return blake2b-64 over everything that decides whether an answer is served, as SQLite gives it back."""
    expires = None if entry.expires is None else float(entry.expires)
    prompt, question = entry.prompt.encode("utf-8", "surrogatepass"), entry.question.encode("utf-8", "replace")
    facts = f"{entry.key} {entry.configuration} {entry.prompt_digest} {entry.sample} {expires} {len(prompt)} "
    return _number(b"".join((facts.encode(), prompt, question, entry.answer)))


def vector_checksum(id: int, embedder: str, context: bytes | None, vector: bytes | None) -> int:
    """Return blake2b-64 over the vector of an entry, and the place where searches find it."""
    return _number(b"%d %b %b%b" % (id, embedder.encode(), context or b"", vector or b""))


def label_checksum(asked: int, entry: int, right: bool) -> int:
    """Return blake2b-64 over a verdict."""
    return _number(f"{asked} {entry} {right:d}".encode())


def _number(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big", signed=True)


def fits(kind: type, row: Sequence[Any]) -> bool:
    """Return whether each value of a row has a type that its field allows, and each number a possible size."""
    numbers = _numbers(kind, tuple(map(type, row)))
    return numbers is not None and False not in [-LARGEST <= row[place] <= LARGEST for place in numbers]


def column_fits(kind: type, name: str, values: Sequence[Any]) -> bool:
    """Return whether ``fits`` holds for all values of one field, quicker than row by row."""
    types = {*map(type, values)}
    if not types <= types_of(kind)[name]:
        return False
    numbers = types <= {float, int, NoneType} and name not in _UNBOUNDED
    return not numbers or max(map(abs, filter(None, values)), default=0) <= LARGEST


@lru_cache(maxsize=4096)
def _numbers(kind: type, types: tuple[type, ...]) -> list[int] | None:
    """Return the places of numbers in a row with values of these types; None if the fields do not allow them."""
    allowed = types_of(kind)
    if len(types) != len(allowed) or not all(one in of for one, of in zip(types, allowed.values(), strict=True)):
        return None
    names = enumerate(zip(allowed, types, strict=True))
    return [place for place, (name, one) in names if one in (float, int) and name not in _UNBOUNDED]


@cache
def types_of(kind: type) -> dict[str, frozenset[type]]:
    """Return the types that SQLite may give for each field: an integer for a bool."""
    hints = get_type_hints(kind, localns={})  # without the fields, of which one is named bytes
    return {name: frozenset(_types(hint)) for name, hint in hints.items()}


def _types(hint: Any) -> Iterable[type]:
    if get_origin(hint) is Literal:
        return map(type, get_args(hint))
    if hint is None or hint is NoneType:
        return [NoneType]
    if get_args(hint):
        return {one for part in get_args(hint) for one in _types(part)}
    if hint is bool:
        return [int]
    return [float, int] if hint is float else [hint]


class Damage:
    """Counts the damaged rows that were found in a store, each of them once, however often it is read."""

    def __init__(self) -> None:
        self.entries: set[str] = set()
        """Ids of entries that were found damaged and are still in their place."""
        self.undecodable: set[str] = set()
        """Those of them that only their reader knows to be damaged."""
        self._set_aside: set[str] = set()
        self._skipped: Counter[str] = Counter()

    def skip(self, noun: str, number: int) -> None:
        """Count the rows that one reading skipped; ``noun`` says what a row is."""
        self._skipped[noun] = max(self._skipped[noun], number)

    def set_aside(self, entry: str) -> None:
        """Count an entry that was moved out of the way."""
        self.mend(entry)
        self._set_aside.add(entry)

    def mend(self, entry: str) -> None:
        """Forget that an entry was found damaged."""
        self.entries.discard(entry)
        self.undecodable.discard(entry)

    def sound(self, kind: type[R], found: Iterable[Sequence[Any]], noun: str) -> list[R]:
        """Return the sound rows of a query as a ``NamedTuple`` of that kind; the others are skipped."""
        rows = list(found)
        sound = [tuple.__new__(kind, row) for row in rows if fits(kind, row)]
        self.skip(noun, len(rows) - len(sound))
        return sound

    @property
    def notices(self) -> list[str]:
        """Sentences for the user; none if no damage was found."""
        skipped = Counter(entry=len(self.entries)) + self._skipped
        found = (("set aside", Counter(entry=len(self._set_aside))), ("skipped", skipped))
        return [_sentence(done, +numbers) for done, numbers in found if numbers.total()]


def _sentence(done: str, numbers: Counter[str]) -> str:
    shown = " and ".join(counted(number, f"damaged {noun}") for noun, number in numbers.items())
    return f"{shown} {'was' if numbers.total() == 1 else 'were'} {done}."
