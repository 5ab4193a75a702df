"""The hits of each threshold and the wrong ones among them, with and without guards."""

from __future__ import annotations

import itertools

import pandas as pd

from gptcache_magics.semantic import tuning
from gptcache_magics.semantic.options import PRESETS
from gptcache_magics.text.amounts import counted
from gptcache_magics.widgets.charts import cosines
from gptcache_magics.widgets.charts.axes import round_ticks
from gptcache_magics.widgets.charts.drawing import LEFT, WIDTH, Field, hover, legend, line, right, svg, text

__all__ = ["threshold_chart"]

_COLUMNS = ("hits", "wrong", "unguarded_hits", "unguarded_wrong")


def threshold_chart(table: pd.DataFrame, threshold: float, width: float = WIDTH) -> str:
    """Return the chart of a frame ``tuning.thresholds``: hits above, those labelled wrong below."""
    steps = table.index.tolist()
    counts = {name: table[name].astype("int64").tolist() for name in _COLUMNS}
    tops = [
        round_ticks(max(counts[name]), most, whole=True)
        for name, most in (("unguarded_hits", 3), ("unguarded_wrong", 2))
    ]
    hits = Field(54 + cosines.MARKS, 74, tops[0][-1], width)
    wrong = Field(hits.base + 26, 50, tops[1][-1], width)
    parts = [
        legend(34, ("mark", "with guards"), ("dashed", "without guards")),
        *(
            field.levels({level: f"{level:,.0f}" for level in ticks})
            for field, ticks in zip((hits, wrong), tops, strict=True)
        ),
        text(LEFT + 6, hits.base - 6, "hits", soft=True),
        text(LEFT + 6, wrong.top - 8, "hits that are labelled wrong", soft=True),
    ]
    for field, kind, name in ((hits, "good", "hits"), (wrong, "bad", "wrong")):
        for column, dashed in ((f"unguarded_{name}", True), (name, False)):
            points = [(cosines.x(at, width), field.y(count)) for at, count in zip(steps, counts[column], strict=True)]
            parts.append(line(points, kind, dashed=dashed))  # type: ignore[arg-type]
    parts += [
        *cosines.marks(threshold, hits),
        *cosines.marks(threshold, wrong, labels=False),
        cosines.axis(wrong, "threshold"),
    ]
    wide = (right(width) - LEFT) / (len(steps) - 1)
    edges = [LEFT, *(cosines.x(at, width) + wide / 2 for at in steps[:-1]), right(width)]
    places = [(low, hits.top, high - low, wrong.base - hits.top) for low, high in itertools.pairwise(edges)]
    descriptions = [_description(*row) for row in zip(*counts.values(), strict=True)]
    parts.append(
        hover((place, f"{at:.2f}: {words}") for place, at, words in zip(places, steps, descriptions, strict=True))
    )
    marked = {threshold, *PRESETS.values()}
    words = " ".join(
        f"At {cosines.named(at)}: {descriptions[steps.index(tuning.step_of(table, at))]}." for at in sorted(marked)
    )
    return svg("What a threshold serves", words, wrong.base + 60, parts, width)


def _description(hits: int, wrong: int, unguarded_hits: int, unguarded_wrong: int) -> str:
    message = f"{counted(hits, 'hit')}, {wrong:,} labelled wrong"
    return f"{message}; without guards {unguarded_hits:,} and {unguarded_wrong:,}"
