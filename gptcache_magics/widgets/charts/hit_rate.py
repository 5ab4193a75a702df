"""The hit rate over time, above the hits and misses it is made of."""

from __future__ import annotations

import pandas as pd

from gptcache_magics.widgets.charts import words
from gptcache_magics.widgets.charts.axes import lasting, round_ticks, span, time_ticks
from gptcache_magics.widgets.charts.drawing import (
    LEFT,
    WIDTH,
    Field,
    bars,
    curve,
    hover,
    legend,
    note,
    right,
    rule,
    svg,
    text,
)

__all__ = ["hit_rate_chart"]

_WIDEST_BAR = 40.0
_TICK = 85.0  # width of a time below the bars


def hit_rate_chart(rates: pd.DataFrame, width: float = WIDTH) -> str:
    """Return the chart of a frame ``series.hit_rates``, or a sentence if it is empty."""
    if rates.empty:
        return note(words.NO_RATES)
    starts, ends = (rates[name].map(pd.Timestamp.timestamp).tolist() for name in ("start", "end"))
    hits, misses = (rates[name].astype("int64").tolist() for name in ("hits", "misses"))
    both = [hit + miss for hit, miss in zip(hits, misses, strict=True)]
    start, end, step = starts[0], ends[-1], ends[0] - starts[0]

    edge = right(width)
    room = (edge - LEFT) / len(starts)
    wide = min(room * 0.8, _WIDEST_BAR)
    middles = [LEFT + (at + 0.5) * room for at in range(len(starts))]
    counts = round_ticks(max(both), 2, whole=True)
    above, below = Field(70, 84, 1, width), Field(184, 56, counts[-1], width)

    all_hits = above.y(sum(hits) / sum(both))
    rate = [
        None if pd.isna(share) else (x, above.y(share)) for x, share in zip(middles, rates["hit_rate"], strict=True)
    ]
    parts = [
        text(0, 33, f"Overall {words.figures(sum(hits), sum(misses))}", soft=True),
        legend(54, ("good", "hits"), ("bad", "misses"), ("dashed", "overall")),
        above.levels({share: f"{share:.0%}" for share in (0, 0.5, 1)}),
        rule(LEFT, all_hits, edge, all_hits, "dashed"),
        curve(rate),
        text(LEFT, below.top - 8, "hits and misses", soft=True),
        below.levels({count: f"{count:,.0f}" for count in counts}),
        bars([below.box(x - wide / 2, wide, 0, hit) for x, hit in zip(middles, hits, strict=True)], "good"),
        bars([below.box(x - wide / 2, wide, *top) for x, *top in zip(middles, hits, both, strict=True)], "bad"),
    ]
    times = time_ticks(start, end, int(width / _TICK))
    ticks = {LEFT + (edge - LEFT) * (at - start) / (end - start): label for at, label in times}
    parts.append(below.ticks(ticks, f"{span(start, end)}, one bar is {lasting(step)}"))
    places = [(LEFT + at * room, above.top, room, below.base - above.top) for at in range(len(starts))]
    descriptions = [
        words.bucket(at, step, *each) if any(each) else "" for at, *each in zip(starts, hits, misses, strict=True)
    ]
    parts.append(hover(zip(places, descriptions, strict=True)))
    return svg("Hit rate over time", words.rates(rates), below.base + 40, parts, width)
