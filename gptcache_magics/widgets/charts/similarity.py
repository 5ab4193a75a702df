"""The cosines of the pairs of questions: right, wrong and unlabelled."""

from __future__ import annotations

import pandas as pd

from gptcache_magics.semantic import tuning
from gptcache_magics.text.amounts import counted
from gptcache_magics.widgets.charts import cosines
from gptcache_magics.widgets.charts.axes import round_ticks
from gptcache_magics.widgets.charts.drawing import WIDTH, Box, Field, Kind, bars, hover, legend, svg, text

__all__ = ["similarity_chart"]

_VERDICTS: tuple[tuple[str, Kind], ...] = (("right", "good"), ("wrong", "bad"), ("unlabelled", "open"))
_NAMES = [name for name, _ in _VERDICTS]
_BLOCKED = ("blocked by a guard is", "blocked by a guard are")


def similarity_chart(table: pd.DataFrame, threshold: float, width: float = WIDTH) -> str:
    """Return the chart of a frame ``tuning.thresholds``: pairs that no guard blocks, one bar for each hundredth."""
    every, blocked = _counts(table, cosines.LOWEST), _blocked(table)
    # The difference of the hits of two neighbouring thresholds lies between them.
    bins = table[_NAMES].astype("int64").diff(-1).iloc[:-1]
    bins.iloc[-1] += table[_NAMES].iloc[-1].astype("int64")  # the last bin includes a cosine of 1
    bins = bins.astype("int64")
    levels = round_ticks(float(bins.sum(axis=1).max()), 3, whole=True)
    field = Field(54 + cosines.MARKS, 150, levels[-1], width)
    boxes: dict[Kind, list[Box]] = {kind: [] for _, kind in _VERDICTS}
    places = []
    for start, row in zip(bins.index.tolist(), bins.to_dict("records"), strict=True):
        at, low = cosines.x(start, width), 0
        wide = cosines.x(start + 0.01, width) - at
        for name, kind in _VERDICTS:
            boxes[kind].append(field.box(at + 0.5, wide - 1, low, low + row[name]))
            low += row[name]
        counts = ", ".join(f"{row[name]:,} {name}" for name in _NAMES if row[name])
        places.append(
            ((at, field.top, wide, field.height), f"{start:.2f} to {start + 0.01:.2f}: {counts}" if counts else "")
        )
    left_out = f"{counted(blocked, *_BLOCKED)} left out" if blocked else ""
    parts = [
        legend(34, *((kind, f"{name} {count:,}") for (name, kind), count in zip(_VERDICTS, every, strict=True))),
        field.levels({level: f"{level:,.0f}" for level in levels}),
        *(bars(boxes[kind], kind) for _, kind in _VERDICTS),
        *cosines.marks(threshold, field),
        cosines.axis(field, "cosine of the two questions"),
        text(0, field.base + 55, left_out, soft=True) if left_out else "",
        hover(places),
    ]
    counts = ", ".join(f"{count:,} {name}" for name, count in zip(_NAMES, every, strict=True))
    above = _counts(table, threshold)
    hits = ", ".join(f"{count:,} {name}" for name, count in zip(_NAMES, above, strict=True))
    words = f"From {cosines.LOWEST:.2f} to 1: {counts}. At the threshold {cosines.named(threshold)} or above: {hits}."
    return svg("Similarity of the pairs", f"{words} {left_out}.".removesuffix(" ."), field.base + 60, parts, width)


def _counts(table: pd.DataFrame, threshold: float) -> list[int]:
    row = table.index.tolist().index(tuning.step_of(table, threshold))
    return [int(count) for count in table[_NAMES].iloc[row].tolist()]


def _blocked(table: pd.DataFrame) -> int:
    """Return the number of pairs that a guard blocks at any threshold."""
    return int(table["unguarded_hits"].iloc[0] - table["hits"].iloc[0])
