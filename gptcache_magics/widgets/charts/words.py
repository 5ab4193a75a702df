"""The figures of the charts in words."""

from __future__ import annotations

import bisect
import itertools
import math
import unicodedata
from typing import Final, Literal

import pandas as pd

from gptcache_magics.text.amounts import counted, duration, money, percent
from gptcache_magics.widgets.charts.axes import lasting, moment, span
from gptcache_magics.widgets.formats import one_line

__all__ = [
    *("EMPTY", "NO_COSTS", "NO_LATENCIES", "NO_RATES"),
    *("amount", "bucket", "figures", "fitted", "latency", "quantiles_of", "rates", "wide"),
]

EMPTY: Final = "Nothing to draw yet: no model was asked here. Run a cell that calls one, or look at a longer time."
NO_RATES: Final = "No hit and no miss here, so there is no hit rate to draw."
NO_LATENCIES: Final = "No hit and no miss here, so there is no latency to draw."
NO_COSTS: Final = "Neither the cost nor the duration of these answers is known, so there is nothing to compare."


def figures(hits: int, misses: int) -> str:
    """Return a hit rate with its hits and misses: ``75%: 3 hits, 1 miss``."""
    return f"{percent(hits / (hits + misses))}: {counted(hits, 'hit')}, {counted(misses, 'miss')}"


def bucket(start: float, step: float, hits: int, misses: int) -> str:
    """Return the hit rate of a bucket of time, with its moment."""
    return f"{moment(start, step)}, {figures(hits, misses)}"


def rates(table: pd.DataFrame) -> str:
    """Return the hit rates of a frame ``series.hit_rates``: of all, the lowest and the highest."""
    starts, ends = (table[name].map(pd.Timestamp.timestamp).tolist() for name in ("start", "end"))
    step, hits, misses = ends[0] - starts[0], int(table["hits"].sum()), int(table["misses"].sum())
    message = f"Overall {figures(hits, misses)}; {span(starts[0], ends[-1])}, by {lasting(step)}."
    shares = table["hit_rate"].astype("float64").tolist()
    known = [(share, start) for share, start in zip(shares, starts, strict=True) if not math.isnan(share)]
    if len(known) > 1:
        (low, low_at), (high, high_at) = min(known), max(known)
        message += (
            f" Lowest {percent(low)} at {moment(low_at, step)}, highest {percent(high)} at {moment(high_at, step)}."
        )
    return message


def fitted(name: str, columns: int) -> str:
    """Return a foreign name on one line, cut to the columns of a terminal or the letters of a drawing."""
    name = one_line(name)
    ends = list(itertools.accumulate(wide(character) for character in name))
    return name if not ends or ends[-1] <= columns else name[: bisect.bisect_right(ends, columns - 1)] + "…"


def wide(character: str) -> int:
    """Return how many columns a character takes: 2 in the scripts of East Asia."""
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def amount(value: float, unit: Literal["usd", "seconds"]) -> str:
    """Return dollars or a length of time; ``unknown`` if it is not known."""
    if math.isnan(value):
        return "unknown"
    return money(value) if unit == "usd" else duration(value)


def quantiles_of(outcome: str, table: pd.DataFrame) -> tuple[int, float, float]:
    """Return the number of hits, or misses, in a frame ``series.quantiles``, their median and 95th percentile."""
    count, median, p95 = table.astype("float64").to_numpy()[list(table.index).index(outcome)].tolist()
    return int(count), median, p95


def latency(outcome: str, table: pd.DataFrame) -> str:
    """Return the latency of hits, or misses: ``70 hits: median 0.12 ms, 95% within 0.28 ms``."""
    count, median, p95 = quantiles_of(outcome, table)
    if not count:
        return f"No {outcome}"
    return f"{counted(count, outcome)}: median {duration(median / 1000)}, 95% within {duration(p95 / 1000)}"
