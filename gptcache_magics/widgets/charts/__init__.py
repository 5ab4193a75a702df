"""The charts as SVG, one function each, from a frame of :mod:`gptcache_magics.tables.chart_data` to a string.

The same strings are in the panel, in a saved notebook and in what ``%gptcache stats --plot`` and ``%gptcache tune``
return. Every chart gives its figures twice: drawn, and in words for people who do not see it.
"""

from __future__ import annotations

from typing import Final

import pandas as pd

from gptcache_magics.tables.chart_data import Series
from gptcache_magics.widgets.charts.costs import costs_chart
from gptcache_magics.widgets.charts.drawing import WIDTH, note
from gptcache_magics.widgets.charts.hit_rate import hit_rate_chart
from gptcache_magics.widgets.charts.latency import latency_chart
from gptcache_magics.widgets.charts.plain_text import charts_text
from gptcache_magics.widgets.charts.similarity import similarity_chart
from gptcache_magics.widgets.charts.threshold import threshold_chart
from gptcache_magics.widgets.charts.words import EMPTY

__all__ = [
    *("Plot", "charts_html", "charts_text", "costs_chart", "hit_rate_chart", "latency_chart"),
    *("similarity_chart", "threshold_chart", "tuning_html"),
]

_NARROW: Final = 330
"""Pixels that a chart needs beside another."""
_LEAST: Final = 330
"""Width of a chart on a narrower page, which shows it smaller."""
_GAP: Final = 36


def charts_html(series: Series, room: int = 0) -> str:
    """Return all charts, side by side if there is room; a sentence if there is nothing to draw.

    Parameters
    ----------
    room
        Width of the page in pixels, so that the charts use it all; 0 if it is not known.
    """
    if series.costs.empty:
        return note(EMPTY)
    first, others = _widths(room, 3)
    return _beside(
        hit_rate_chart(series.hit_rates, first),
        costs_chart(series.costs, others),
        latency_chart(series.latencies, series.quantiles, others),
        least=others if room else 0,
        wide=first > others,
    )


def tuning_html(table: pd.DataFrame, threshold: float, room: int = 0) -> str:
    """Return the charts of a frame ``tuning.thresholds`` side by side, with the present threshold marked."""
    width, _ = _widths(room, 2)
    charts = similarity_chart(table, threshold, width), threshold_chart(table, threshold, width)
    return _beside(*charts, least=width if room else 0)


def _widths(room: int, charts: int) -> tuple[float, float]:
    """Return the width of the first chart and of each other: one line, the first above the others, or a column."""
    if not room:
        return WIDTH, WIDTH
    for columns in (charts, 2):
        if room >= columns * _NARROW + (columns - 1) * _GAP:
            each = (room - (columns - 1) * _GAP) / columns
            return each if columns == charts else room, each
    return max(room, _LEAST), max(room, _LEAST)


def _beside(*charts: str, least: float = 0, wide: bool = False) -> str:
    """Return charts in a grid with fewer columns on a narrower page; `wide` gives the first a line of its own."""
    column = f"{0.8 * least:.0f}px" if least else "360px"
    first, *others = charts
    if wide:
        first = f'<div style="grid-column:1/-1">{first}</div>'
    # Typesetting would read two dollar amounts as a formula.
    return (
        f'<div class="tex2jax_ignore mathjax_ignore" style="display:grid;max-width:100%;padding:4px 0;'
        f'gap:28px {_GAP}px;grid-template-columns:repeat(auto-fit,minmax(min(100%,{column}),1fr))">'
        f"{''.join([first, *others])}</div>"
    )


class Plot:
    """All charts of one moment: HTML in a notebook, text in a terminal."""

    def __init__(self, series: Series) -> None:
        self._html, self._text = charts_html(series), charts_text(series)

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text
