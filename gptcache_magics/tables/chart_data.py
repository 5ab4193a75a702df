"""Make the data of charts from lookups: small frames of figures over time, by model and by latency.

Each function takes the frame that ``frames.outcomes`` reads, so that one read serves all of them. Times are
``datetime64[us, UTC]``, counts ``Int64``, milliseconds, seconds and US dollars ``float64`` (unknown is NaN).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from gptcache_magics.store.protocol import LookupLog, Period
from gptcache_magics.tables import frames
from gptcache_magics.tables.columns import COUNT, NUMBER, TEXT, TIME, typed

__all__ = ["STEPS", "Series", "bucket_start", "hit_rates"]

HIT_RATES: Final = {"start": TIME, "end": TIME, "hits": COUNT, "misses": COUNT, "hit_rate": NUMBER}
"""One row for each bucket of time, without gaps; ``hit_rate`` is hits / (hits + misses), NaN where there is neither."""
COSTS: Final = {
    **{"lookups": COUNT, "saved_usd": NUMBER, "paid_usd": NUMBER, "saved_seconds": NUMBER, "paid_seconds": NUMBER},
    "priced": "bool",
}
"""One row for each model, the most money first; ``priced`` says whether dollars are known, or only seconds."""
LATENCIES: Final = {"from_ms": NUMBER, "to_ms": NUMBER, "hits": COUNT, "misses": COUNT}
"""One row for each bin, all as wide on a log scale, from the fastest lookup to the slowest without gaps."""
QUANTILES: Final = {"lookups": COUNT, "median_ms": NUMBER, "p95_ms": NUMBER}
"""Two rows, ``hit`` and ``miss``: the latency below which half of them, and 95 % of them, stayed."""

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
STEPS: Final = (
    *(1, 2, 5, 10, 30),
    *(each * _MINUTE for each in (1, 2, 5, 10, 30)),
    *(each * _HOUR for each in (1, 3, 6, 12)),
    *(each * _DAY for each in (1, 7, 28, 91, 364)),
)
"""Seconds that a bucket of time may last."""
_MONDAY = 4 * _DAY  # the first one, of 1970: weeks begin there
BUCKETS, FEW_BUCKETS = 48, 12
BINS_PER_DECADE: Final = 8
_FASTEST_MS, _SLOWEST_MS = 0.001, 3_600_000.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Series:
    """Everything that the charts show at one moment."""

    hit_rates: pd.DataFrame
    few_hit_rates: pd.DataFrame
    """The same in fewer buckets, for reading line by line."""
    costs: pd.DataFrame
    latencies: pd.DataFrame
    quantiles: pd.DataFrame

    @classmethod
    def read(
        cls,
        store: LookupLog,
        *,
        period: Period = Period(),
        model: str | Collection[str] | None = None,
        outcome: str | None = None,
        execution_count: int | None = None,
        cause: str | None = None,
        face: str | None = None,
        tag: str | None = None,
        entry: str | None = None,
    ) -> Series:
        """Read the lookups and their sums once."""
        chosen: dict[str, Any] = {
            **{"period": period, "model": model, "outcome": outcome, "execution_count": execution_count},
            **{"cause": cause, "face": face, "tag": tag, "entry": entry},
        }
        return cls.of(frames.outcomes(store, **chosen), frames.sums(store, "model", **chosen))

    @classmethod
    def of(cls, df: pd.DataFrame, sums: pd.DataFrame) -> Series:
        """Return everything about these lookups; money and time are summed up from ``sums``."""
        return cls(hit_rates(df), hit_rates(df, FEW_BUCKETS), costs(sums), latencies(df), quantiles(df))


def hit_rates(df: pd.DataFrame, buckets: int = BUCKETS) -> pd.DataFrame:
    """Return hits and misses over time, in at most ``buckets`` buckets."""
    at, hit = _decided(df, "at")
    if not len(at):
        return typed(pd.DataFrame(columns=list(HIT_RATES)), HIT_RATES)
    first, step, count = _buckets(at, buckets)
    number = _bucket(at, first, step)
    hits, misses = (np.bincount(number[which], minlength=count) for which in (hit, ~hit))
    start, asked = first + step * np.arange(count), hits + misses
    rate = np.divide(hits, asked, out=np.full(count, np.nan), where=asked > 0)
    figures = {"start": start, "end": start + step, "hits": hits, "misses": misses, "hit_rate": rate}
    return typed(pd.DataFrame(figures), HIT_RATES)


def hits_over_time(df: pd.DataFrame, buckets: int = FEW_BUCKETS) -> pd.Series[Any]:
    """Return for each model its hit rates in the same buckets of time: a tuple, with None where it was not asked."""
    every, _ = _decided(df, "at")
    if not len(every):
        return pd.Series(dtype="object")
    first, step, count = _buckets(every, buckets)
    found = {}
    for model, asked in df.groupby("model", sort=False):
        at, hit = _decided(asked, "at")
        number = _bucket(at, first, step)
        hits, decided = (np.bincount(each, minlength=count).tolist() for each in (number[hit], number))
        found[model] = tuple(h / n if n else None for h, n in zip(hits, decided, strict=True))
    return pd.Series(found, dtype="object")


def costs(df: pd.DataFrame) -> pd.DataFrame:
    """Return the savings of hits and the cost of everything else, by model."""
    table = frames.tally(df, "model", wide=True)
    dollars = table[["saved_usd", "paid_usd"]]
    table["priced"] = dollars.notna().all(axis=1) | (dollars.fillna(0.0) > 0).any(axis=1)
    order = pd.DataFrame({"usd": dollars.sum(axis=1).where(table["priced"])}, index=table.index)
    order["seconds"] = table["saved_seconds"].fillna(0.0) + table["paid_seconds"]
    order = order.sort_values(["usd", "seconds"], ascending=False, kind="stable", na_position="last")
    return typed(table.loc[order.index], COSTS)


def latencies(df: pd.DataFrame) -> pd.DataFrame:
    """Return the durations of hits and of misses, without the calls of a model."""
    milliseconds, hit = _decided(df, "lookup_ms")
    if not len(milliseconds):
        return typed(pd.DataFrame(columns=list(LATENCIES)), LATENCIES)
    within = np.clip(milliseconds, _FASTEST_MS, _SLOWEST_MS)
    number = np.floor(np.log10(within) * BINS_PER_DECADE + 1e-9).astype("int64")
    first, count = number.min(), int(number.max() - number.min()) + 1
    hits, misses = (np.bincount(number[which] - first, minlength=count) for which in (hit, ~hit))
    edges = 10 ** ((first + np.arange(count + 1)) / BINS_PER_DECADE)
    return typed(pd.DataFrame({"from_ms": edges[:-1], "to_ms": edges[1:], "hits": hits, "misses": misses}), LATENCIES)


def quantiles(df: pd.DataFrame) -> pd.DataFrame:
    """Return the number of hits and misses, with their median and 95th percentile in milliseconds."""
    milliseconds, hit = _decided(df, "lookup_ms")
    rows = []
    for which in (hit, ~hit):
        some = milliseconds[which]
        median, p95 = np.quantile(some, [0.5, 0.95]) if len(some) else (np.nan, np.nan)
        rows.append({"lookups": len(some), "median_ms": median, "p95_ms": p95})
    return typed(pd.DataFrame(rows, index=pd.Index(["hit", "miss"], name="outcome", dtype=TEXT)), QUANTILES)


def bucket_start(at: Any, step: float) -> Any:
    """Return the beginning of the bucket that contains a moment, by the local clock and week."""
    shift = _MONDAY - datetime.now().astimezone().utcoffset().total_seconds()  # type: ignore[union-attr]
    return np.floor((at - shift) / step) * step + shift


def _buckets(at: Floats, most: int) -> tuple[float, int, int]:
    """Return the beginning of the first bucket of some moments, the seconds of each bucket, and their number."""
    step = next(step for step in _steps() if _span(at, step) <= most)
    return bucket_start(at.min(), step), step, _span(at, step)


def _bucket(at: Floats, first: float, step: int) -> npt.NDArray[np.int64]:
    """Return the number of the bucket of each moment."""
    return np.asarray(((bucket_start(at, step) - first) / step).round(), "int64")


def _span(at: Floats, step: float) -> int:
    return int((bucket_start(at.max(), step) - bucket_start(at.min(), step)) / step + 1.5)


def _steps() -> Iterator[int]:
    """Return the steps, followed by ever longer ones for a clock that went wrong."""
    return itertools.chain(STEPS, (STEPS[-1] * 2**power for power in itertools.count(1)))


def _decided(df: pd.DataFrame, name: str) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the known values of a column for hits and misses, and which of them are hits."""
    hit, miss = ((df["outcome"] == outcome).to_numpy("bool") for outcome in ("hit", "miss"))
    values = df[name].to_numpy("float64")
    known = (hit | miss) & np.isfinite(values)
    return values[known], hit[known]
