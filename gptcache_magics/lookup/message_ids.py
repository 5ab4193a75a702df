"""The ids of the messages of hits: new in a kernel, and the same in the next kernel that asks the same.

A prompt that quotes messages holds their ids. So the first request for an entry in a kernel gets the id that LangChain
gave to the model's own answer, and each later one an id that follows from the entry and the number of the request. In
the kernel that paid for an answer, no hit has its id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from itertools import count
from typing import Final

from gptcache_magics import fork
from gptcache_magics.generations import Ids

__all__ = ["answered", "asked", "ids"]

_OF_A_RUN: Final = re.compile(r"lc_run--[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-\d+)?").fullmatch
"""An id that LangChain made from that of a run. One that a server gave may stand in several answers."""

_asked: dict[str, Iterator[int]] = {}
"""Counts the requests for each key, in all caches of this kernel. A lock could be held when the collector asks."""

_answered: set[str] = set()
"""The keys that the model has answered in this kernel. Of equal requests at once, it is not always the first."""


def asked(key: str) -> int:
    """Count a request for a key. Returns how many came before it."""
    return next(_asked.setdefault(key, count()))


def answered(key: str) -> None:
    """Note that this kernel has the model's own answer to a request, with its id."""
    _answered.add(key)


def ids(entry: str, before: int) -> Ids:
    """Return what gives the messages of an entry their ids, if so many requests came ``before``."""
    return partial(_id, entry, before)


def _id(entry: str, before: int, stored: str, number: int) -> str:
    if not before and entry not in _answered and not fork.lineage and _OF_A_RUN(stored):
        return stored
    content = f"{entry} {before} {fork.lineage}".encode()
    return f"lc_run--{blake2b(content, digest_size=16).hexdigest()}-{number}"
