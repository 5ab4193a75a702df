"""The charts for a terminal: bars of block characters, each with its figure."""

from __future__ import annotations

import math

import pandas as pd

from gptcache_magics.tables.chart_data import Series
from gptcache_magics.text.amounts import UNKNOWN, counted, duration
from gptcache_magics.widgets.charts import words
from gptcache_magics.widgets.charts.axes import clock, lasting, span
from gptcache_magics.widgets.charts.costs import MOST_MODELS, UNITS, costs_of

__all__ = ["charts_text"]

_BAR, _NAME = 24, 26
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = " ▁▂▃▄▅▆▇█"


def charts_text(series: Series) -> str:
    """Return all charts as text, or a sentence if there is nothing to draw."""
    if series.costs.empty:
        return words.EMPTY
    parts = [_hit_rates(series.few_hit_rates), _costs(series.costs), _latencies(series.latencies, series.quantiles)]
    return "\n\n".join("\n".join(lines) for lines in parts)


def _hit_rates(rates: pd.DataFrame) -> list[str]:
    if rates.empty:
        return [words.NO_RATES]
    start, end = (rates[name].map(pd.Timestamp.timestamp).tolist() for name in ("start", "end"))
    hits, misses = (rates[name].astype("int64").tolist() for name in ("hits", "misses"))
    step = end[0] - start[0]
    lines = [
        f"Hit rate over time, overall {words.figures(sum(hits), sum(misses))}",
        f"{span(start[0], end[-1])}, one line is {lasting(step)}",
    ]
    for at, hit, miss in zip(start, hits, misses, strict=True):
        bar, figure = (_bar(hit / (hit + miss)), words.figures(hit, miss)) if hit + miss else ("", UNKNOWN)
        lines.append(f"  {clock(at, step, end[-1] - start[0]):<8}  {bar:<{_BAR}}  {figure}")
    return lines


def _costs(costs: pd.DataFrame) -> list[str]:
    lines = ["Saved and paid, by model"]
    for unit in UNITS:
        rows = costs_of(costs, unit)
        if rows and unit == "seconds":
            lines.append("No price is known for these: time instead")
        most = max((value for row in rows for value in (row.saved, row.paid) if value > 0), default=1.0)
        for row in rows[:MOST_MODELS]:
            label = _padded(words.fitted(row.model, _NAME))
            for which, value in (("saved", row.saved), ("paid", row.paid)):
                bar = _bar(value / most) if value > 0 else ""
                lines.append(f"  {label}  {which:<5}  {bar:<{_BAR}}  {words.amount(value, unit)}")
                label = " " * _NAME
        if len(rows) > MOST_MODELS:
            lines.append(f"  {counted(len(rows) - MOST_MODELS, 'more model')}")
    return lines if len(lines) > 1 else [words.NO_COSTS]


def _latencies(latencies: pd.DataFrame, quantiles: pd.DataFrame) -> list[str]:
    if latencies.empty:
        return [words.NO_LATENCIES]
    lines = ["Lookup latency, log scale"]
    for outcome, name in (("hit", "hits"), ("miss", "misses")):
        counts = latencies[name].astype("int64").tolist()
        if any(counts):
            low, high = latencies["from_ms"].iloc[0], latencies["to_ms"].iloc[-1]
            heights = "".join(_HEIGHTS[math.ceil(8 * count / max(counts))] for count in counts)
            lines.append(f"  {duration(low / 1000)} {heights} {duration(high / 1000)}")
        lines.append(f"  {words.latency(outcome, quantiles)}")
    return lines


def _bar(share: float) -> str:
    """Return a bar of up to 24 characters, to an eighth of one; a small share stays visible."""
    eighths = max(round(share * _BAR * 8), 1 if share > 0 else 0)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _padded(name: str) -> str:
    """Return a name with spaces to the width that a terminal gives it."""
    return name + " " * (_NAME - sum(map(words.wide, name)))
