"""Sums of lookups: figures that stay right when the lookups themselves are no longer kept.

A sum counts the lookups that figures cannot tell apart, and adds up their tokens and seconds. Those of which tokens or
seconds are unknown have sums of their own, and so has each size of a prompt that its price may depend on. Therefore
sums give the figures that the lookups gave.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from gptcache_magics.store.records import Match, Outcome

__all__ = [
    *("FIGURES", "INPUT", "LARGE_TOKENS", "OUTPUT", "SIZE_TOKENS", "Additions", "Facts", "Sum"),
    *("combined", "day_of", "sum_of", "sums_of"),
]

NANOSECONDS: Final = 1_000_000_000
LARGE_TOKENS: Final = 32_000
"""Input tokens below which no price per token depends on their number."""
SIZE_TOKENS: Final = 1_000


class Facts(NamedTuple):
    """The fields of a lookup that figures are made of."""

    run: str
    at: float
    notebook: str
    cell_line: str
    execution_count: int | None
    configuration: bytes | None
    outcome: Outcome
    reason_kind: str
    match: Match | None
    seconds: float | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    face: str
    number: int
    """Place among all lookups of the store."""


class Sum(NamedTuple):
    """Lookups that figures cannot tell apart."""

    run: str
    day: str
    """The day of these lookups where they were asked, ``2026-11-27``; empty in sums by cell."""
    notebook: str
    """Empty in sums by day, as is the cell."""
    cell_line: str
    execution_count: int | None
    configuration: str | None
    outcome: Outcome
    reason_kind: str
    match: Match | None
    known: int
    """Which of their costs are known: see ``known_of``."""
    size: int
    """Thousands of input tokens if there are ``LARGE_TOKENS`` or more, else 0."""
    face: str
    """The library that asked."""
    lookups: int
    nanoseconds: int
    input: int
    """Tokens, as in the next three."""
    output: int
    cache_read: int
    cache_write: int
    first: float
    """Moment of the oldest of them."""
    last: float
    newest: int
    """Number of the newest of them."""

    @property
    def figures(self) -> tuple[int, ...]:
        """The values that add up."""
        return self.lookups, self.nanoseconds, self.input, self.output, self.cache_read, self.cache_write

    @property
    def seconds(self) -> float | None:
        """Seconds that the answers took; None if unknown."""
        return self.nanoseconds / NANOSECONDS if self.known & TIMED else None


INPUT, OUTPUT, TIMED, TOOK_TIME = 1, 2, 4, 8
KEY: Final = Sum._fields.index("lookups")
"""Number of the first fields of a sum: those that say what it counts."""
MOMENTS: Final = Sum._fields.index("first")
FIGURES: Final = Sum._fields[KEY:MOMENTS]
"""The fields of a sum that add up."""


def known_of(facts: Facts) -> int:
    """Return which costs of a lookup are known: input tokens, output tokens, seconds, and seconds that are not 0."""
    known = INPUT if facts.input_tokens is not None else 0
    known += OUTPUT if facts.output_tokens is not None else 0
    return known if facts.seconds is None else known + TIMED + (TOOK_TIME if facts.seconds else 0)


def size_of(input_tokens: int | None) -> int:
    """Return the thousand in which the input tokens lie, as prices do that change *above* a number of tokens."""
    return 0 if input_tokens is None or input_tokens < LARGE_TOKENS else (input_tokens - 1) // SIZE_TOKENS


def day_of(at: float) -> str:
    """Return the day of a moment, by the local clock."""
    return time.strftime("%Y-%m-%d", time.localtime(at))


def sum_of(facts: Facts, *, cells: bool) -> Sum:
    """Return the sum of one lookup: by cell, or by day."""
    return Sum(
        facts.run,
        "" if cells else day_of(facts.at),
        facts.notebook if cells else "",
        facts.cell_line if cells else "",
        facts.execution_count if cells else None,
        None if facts.configuration is None else facts.configuration.hex(),
        facts.outcome,
        facts.reason_kind,
        facts.match,
        known_of(facts),
        size_of(facts.input_tokens),
        facts.face,
        1,
        round((facts.seconds or 0.0) * NANOSECONDS),
        facts.input_tokens or 0,
        facts.output_tokens or 0,
        facts.cache_read_tokens or 0,
        facts.cache_write_tokens or 0,
        facts.at,
        facts.at,
        facts.number,
    )


def sums_of(facts: Facts) -> tuple[Sum, Sum]:
    """Return the sums of one lookup: by cell, and by day."""
    return sum_of(facts, cells=True), sum_of(facts, cells=False)


def combined(sums: Iterable[Sum], without: Iterable[Sum] = ()) -> list[Sum]:
    """Return the sums of sums, newest first, after those in ``without`` were taken away."""
    found = Additions()
    for each in sums:
        found.add(each)
    for each in without:
        found.add(each, times=-1)
    return sorted((each for each in found if each.lookups > 0), key=lambda each: -each.newest)


class Additions:
    """Sums that are being added up."""

    def __init__(self) -> None:
        self._sums: dict[tuple[Any, ...], list[Any]] = {}

    def add(self, more: Sum, times: int = 1) -> None:
        """Add a sum to the one of the same lookups, or with ``times=-1`` take it away."""
        figures = [times * figure for figure in more.figures]
        sum = self._sums.get(more[:KEY])
        if sum is None:
            self._sums[more[:KEY]] = [*figures, *more[MOMENTS:]]
            return
        for place, figure in enumerate(figures):
            sum[place] += figure
        _, _, _, _, _, _, first, last, newest = sum
        sum[-3:] = min(first, more.first), max(last, more.last), max(newest, more.newest)

    def __iter__(self) -> Iterator[Sum]:
        return (Sum(*key, *rest) for key, rest in self._sums.items())
