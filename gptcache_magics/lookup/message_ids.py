"""The ids of the messages of hits: new in a kernel, and the same in the next kernel that asks the same.

A prompt that quotes messages holds their ids. So the first request for an entry in a kernel gets the id that LangChain
gave to the model's own answer, and each later one an id that follows from the entry and the number of the request. In
the kernel that paid for an answer, no hit has its id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Final

from gptcache_magics import fork

__all__ = ["answered", "asked", "id_of"]

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


def id_of(entry: str, before: int, stored: str, number: int) -> str:
    """Return the id of a message of an entry.

    Parameters
    ----------
    before
        The number of requests for the entry that came before.
    stored
        The id that the message has in the store.
    number
        The place of the message in the answer.
    """
    if not before and entry not in _answered and not fork.lineage and _OF_A_RUN(stored):
        return stored
    return f"lc_run--{entry[:24]}{before:08x}{fork.lineage}-{number}"
