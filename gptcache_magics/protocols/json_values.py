"""Read JSON of which nothing is lost, and put together or change what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from typing import Any, Final

import orjson

from gptcache_magics.protocols.base import Incomplete

__all__ = ["WHOLE_NUMBERS", "changed", "count", "joined", "loads"]

WHOLE_NUMBERS: Final = range(-(2**63), 2**64)
"""The numbers that ``orjson`` reads as they are."""
_LONG_NUMBER: Final = re.compile(r"\d{19}")
_LONG_NUMBER_OF_BYTES: Final = re.compile(rb"\d{19}")


def changed(value: Any, change: Callable[[str], str], names: Collection[str] | None = None) -> Any:
    """Return JSON with every text changed; with ``names``, only the texts of these names."""
    if isinstance(value, str):
        return value if names is not None else change(value)
    if isinstance(value, list):
        return [changed(each, change, names) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: change(each)
        if names is not None and name in names and isinstance(each, str)
        else changed(each, change, names)
        for name, each in value.items()
    }


def joined(before: Any, piece: Any) -> Any:
    """Return a value with a piece that follows it: texts and lists grow, and so does what mappings hold.

    Raises
    ------
    Incomplete
        If one does not fit the other.
    """
    if before is None or piece is None:
        return before if piece is None else piece
    if isinstance(before, str) and isinstance(piece, str):
        return before + piece
    if isinstance(before, list) and isinstance(piece, list):
        return [*before, *piece]
    if isinstance(before, dict) and isinstance(piece, dict):
        return {**before, **{name: joined(before.get(name), each) for name, each in piece.items()}}
    if isinstance(before, str | list | dict) or isinstance(piece, str | list | dict):
        raise Incomplete("pieces of different kinds")
    return piece


def loads(text: str | bytes) -> Any:
    """Return the JSON that a provider wrote.

    Raises
    ------
    ValueError
        If it is none, or has a number that ``orjson`` does not read as Python's own reader does.
    """
    read = orjson.loads(text)
    if (_LONG_NUMBER_OF_BYTES if isinstance(text, bytes) else _LONG_NUMBER).search(text):  # type: ignore[arg-type]
        json.loads(text, parse_int=_exact)
    return read


def _exact(number: str) -> int:
    # Longer texts are not even read: Python takes seconds for some.
    if len(number) > 20 or int(number) not in WHOLE_NUMBERS:
        raise ValueError("a number is too large")
    return int(number)


def count(value: Any) -> int | None:
    """Return a number of tokens; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
