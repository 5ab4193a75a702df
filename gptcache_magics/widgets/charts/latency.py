"""How long lookups took, hits and misses apart, on a log scale."""

from __future__ import annotations

import math

import pandas as pd

from gptcache_magics.tables.chart_data import BINS_PER_DECADE
from gptcache_magics.text.amounts import counted, duration
from gptcache_magics.widgets.charts import words
from gptcache_magics.widgets.charts.axes import decades, number, round_ticks
from gptcache_magics.widgets.charts.drawing import (
    LEFT,
    WIDTH,
    Field,
    Kind,
    bars,
    hover,
    legend,
    note,
    right,
    rule,
    svg,
    swatch,
    text,
)

__all__ = ["latency_chart"]

_OUTCOMES: tuple[tuple[str, str, Kind], ...] = (("hit", "hits", "good"), ("miss", "misses", "bad"))


def latency_chart(latencies: pd.DataFrame, quantiles: pd.DataFrame, width: float = WIDTH) -> str:
    """Return the chart of the frames ``series.latencies`` and ``series.quantiles``, or a sentence if they are empty."""
    if latencies.empty:
        return note(words.NO_LATENCIES)
    starts, ends = (latencies[name].astype("float64").tolist() for name in ("from_ms", "to_ms"))
    low, high = _decade(starts[0], ends[-1])

    def x(value: float) -> float:
        share = math.log(min(max(value, low), high) / low) / math.log(high / low)
        return LEFT + (right(width) - LEFT) * share

    ticks = {x(tick): number(tick, tick) for tick in decades(low, high)}
    bins = [f"{duration(start / 1000)} to {duration(end / 1000)}" for start, end in zip(starts, ends, strict=True)]
    places = [(x(start), x(end) - x(start)) for start, end in zip(starts, ends, strict=True)]
    parts, y = [legend(34, ("mark", "median"), ("dashed", "95% are faster"))], 40.0
    for outcome, name, kind in _OUTCOMES:
        parts += [swatch(0, y + 20, kind), text(16, y + 20, words.latency(outcome, quantiles))]
        y += 34
        counts = latencies[name].astype("int64").tolist()
        asked, median, p95 = words.quantiles_of(outcome, quantiles)
        if not asked:
            continue
        shares = [100 * count / asked for count in counts]
        levels = round_ticks(max(shares), 2)
        field = Field(y, 58, levels[-1], width)
        descriptions = [
            f"{of}: {counted(count, outcome)}" if count else "" for of, count in zip(bins, counts, strict=True)
        ]
        parts += [
            field.levels({level: f"{number(level, levels[1])}%" for level in levels}),
            bars([field.box(at, wide - 1, 0, share) for (at, wide), share in zip(places, shares, strict=True)], kind),
            rule(x(median), y - 4, x(median), field.base, "mark"),
            rule(x(p95), y - 4, x(p95), field.base, "dashed"),
            field.ticks(ticks),
            hover(((at, y, wide, field.height), say) for (at, wide), say in zip(places, descriptions, strict=True)),
        ]
        y = field.base + 22
    parts.append(text((LEFT + right(width)) / 2, y + 13, "milliseconds, log scale", anchor="middle", soft=True))
    sentences = [f"{words.latency(outcome, quantiles)}." for outcome, _, _ in _OUTCOMES]
    return svg("Lookup latency", " ".join(sentences), y + 18, parts, width)


def _decade(low: float, high: float) -> tuple[float, float]:
    """Return an axis of at least one decade around the bins: a single bin would fill the chart."""
    missing = max(0, BINS_PER_DECADE - round(math.log10(high / low) * BINS_PER_DECADE))
    return low * 10 ** (-(missing // 2) / BINS_PER_DECADE), high * 10 ** ((missing + 1) // 2 / BINS_PER_DECADE)
