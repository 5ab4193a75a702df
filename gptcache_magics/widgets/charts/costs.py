"""Saved and paid by model, in dollars, or in time where the price is not known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import pandas as pd

from gptcache_magics.text.amounts import counted
from gptcache_magics.widgets.charts import words
from gptcache_magics.widgets.charts.axes import number, round_ticks, usd
from gptcache_magics.widgets.charts.drawing import WIDTH, Box, bars, legend, note, rule, svg, text

__all__ = ["MOST_MODELS", "UNITS", "costs_chart", "costs_of"]

Unit = Literal["usd", "seconds"]

UNITS: Final[tuple[Unit, ...]] = ("usd", "seconds")
MOST_MODELS: Final = 8
_LEFT = 1.0
_LABEL = 120.0  # room for the label of the longest bar
_BAR, _MODEL = 11, 52
_NAME = 50
_TIMES = ((7_200.0, "hours", 3_600.0), (120.0, "minutes", 60.0), (0.1, "seconds", 1.0), (0.0, "milliseconds", 0.001))


class Cost(NamedTuple):
    """Two bars of a chart, NaN where the length is not known."""

    model: str
    saved: float
    paid: float


def costs_of(costs: pd.DataFrame, unit: Unit) -> list[Cost]:
    """Return the models of a frame ``series.costs`` that are shown in this unit."""
    some = costs[costs["priced"] == (unit == "usd")]
    saved, paid = (some[f"{which}_{unit}"].astype("float64").tolist() for which in ("saved", "paid"))
    rows = map(Cost, some.index.astype("object").tolist(), saved, paid)
    return [row for row in rows if unit == "usd" or row.saved + row.paid > 0]


def costs_chart(costs: pd.DataFrame, width: float = WIDTH) -> str:
    """Return the chart of a frame ``series.costs``, or a sentence if nothing is known."""
    y, sentences = 34.0, []
    parts = [legend(y, ("good", "saved by hits"), ("bad", "paid for calls"))]
    for unit in UNITS:
        rows = costs_of(costs, unit)
        if not rows:
            continue
        if unit == "seconds":
            parts.append(text(0, y + 26, "No price is known for these: time instead", soft=True))
            y += 20
        drawn, y = _compared(rows[:MOST_MODELS], unit, y + 14, width)
        parts += drawn
        sentences += [_sentence(row, unit) for row in rows[:MOST_MODELS]]
        if len(rows) > MOST_MODELS:
            sentences.append(f"{counted(len(rows) - MOST_MODELS, 'more model')}.")
            parts.append(text(0, y + 14, sentences[-1].removesuffix("."), soft=True))
            y += 20
    if not sentences:
        return note(words.NO_COSTS)
    return svg("Saved and paid, by model", " ".join(sentences), y + 2, parts, width)


def _compared(rows: Sequence[Cost], unit: Unit, top: float, width: float) -> tuple[list[str], float]:
    """Return two bars for each model from `top` down, and their lower end."""
    most = max(value for row in rows for value in (row.saved, row.paid) if not math.isnan(value))
    size, name = 1.0, "US dollars"
    if unit == "seconds":
        name, size = next((name, size) for least, name, size in _TIMES if most >= least)
    ticks, base = round_ticks(most / size), top + _MODEL * len(rows)

    def x(value: float) -> float:
        return _LEFT + (width - _LABEL - _LEFT) * value / size / ticks[-1]

    parts = [text(width, base + 18, name, anchor="end", soft=True)]
    for tick in ticks:
        at, label = x(tick * size), (usd if unit == "usd" else number)(tick, ticks[1])
        parts.append(rule(at, top + 4, at, base + 4, "grid" if tick else "axis"))
        parts.append(text(at, base + 18, label, anchor="middle" if tick else "start", soft=True))
    boxes: dict[str, list[Box]] = {"saved": [], "paid": []}
    for at, row in enumerate(rows):
        y = top + _MODEL * at + 18
        parts.append(text(_LEFT + 5, y, words.fitted(row.model, _NAME), weight=600, over=True))
        for which, value, place in (("saved", row.saved, y + 6), ("paid", row.paid, y + 8 + _BAR)):
            wide = max(x(value) - _LEFT, 1.0) if value > 0 else 0.0
            boxes[which].append((_LEFT, place, wide, _BAR))
            parts.append(text(_LEFT + wide + 5, place + _BAR - 1.5, f"{words.amount(value, unit)} {which}", over=True))
    return [*parts, bars(boxes["saved"], "good"), bars(boxes["paid"], "bad")], base + 24


def _sentence(row: Cost, unit: Unit) -> str:
    saved, paid = words.amount(row.saved, unit), words.amount(row.paid, unit)
    return f"{words.fitted(row.model, _NAME)}: saved {saved}, paid {paid}."
