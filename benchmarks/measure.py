"""Time calls so that noise hits every cache alike, and print the results.

Everything that is compared runs in one process, in many short rounds; within a round each cache has its turn, in an
order that changes. A figure is the median of the rounds; a ratio is the median of the ratios within the rounds.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Bar", "Options", "Samples", "median", "microseconds", "ratio", "rounds", "seconds_each", "table"]

Samples = dict[str, list[float]]
"""Seconds per call, one number for each round, by name."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to measure."""

    folder: Path
    """A scratch folder that is removed afterwards."""
    quick: bool = False
    cpu: bool = False
    """CPU seconds of the measuring thread: steadier on a busy machine, blind to waiting for a disk or a server."""
    million: bool = False
    results: dict[str, Any] = field(default_factory=dict)
    """What was measured, by part, for the file of results and its picture."""

    @property
    def clock(self) -> Callable[[], float]:
        """Function to read before and after."""
        return time.thread_time if self.cpu else time.perf_counter


@dataclass(frozen=True, slots=True)
class Bar:
    """One promise, what was measured, and whether it was kept."""

    promise: str
    measured: str
    kept: bool


def seconds_each(clock: Callable[[], float], work: Callable[..., object], calls: Sequence[tuple[Any, ...]]) -> float:
    """Return the seconds per call of ``work``, called with each of ``calls`` in turn."""
    gc.collect(0)
    collects = gc.isenabled()
    gc.disable()
    try:
        started = clock()
        for each in calls:
            work(*each)
        return (clock() - started) / len(calls)
    finally:
        if collects:
            gc.enable()


def rounds(names: Iterable[str], number: int, run: Callable[[str, int], Mapping[str, float]]) -> dict[str, Samples]:
    """Call ``run(name, round)`` for each name in each round, in changing order. Round 0 warms up and is not counted.

    Returns
    -------
    Samples by name, for each figure that ``run`` returned.
    """
    figures: dict[str, Samples] = {}
    order = list(names)
    for number_of_round in range(number + 1):
        random.Random(number_of_round).shuffle(order)
        for name in order:
            for figure, seconds in run(name, number_of_round).items():
                if number_of_round:
                    figures.setdefault(figure, {}).setdefault(name, []).append(seconds)
    return figures


def median(samples: Sequence[float]) -> float:
    """Return the median, or not a number if nothing was measured."""
    return statistics.median(samples) if samples else float("nan")


def ratio(samples: Samples, name: str, to: str) -> float:
    """Return how many times as long ``name`` takes as ``to``."""
    return median([one / other for one, other in zip(samples[name], samples[to], strict=True) if other > 0])


def microseconds(seconds: float) -> str:
    """Write seconds as microseconds, with a decimal where it matters."""
    return f"{seconds * 1e6:.1f}" if seconds < 1e-5 else f"{seconds * 1e6:,.0f}"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table; numbers to the right."""
    print("| " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * (len(columns) - 1))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print(flush=True)
