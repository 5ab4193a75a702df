"""The charts as SVG, one function each, from a frame of :mod:`gptcache_magics.tables.chart_data` to a string.

The same strings are in the panel, in a saved notebook and in what ``%gptcache stats --plot`` and ``%gptcache tune``
return. Every chart gives its figures twice: drawn, and in words for people who do not see it.
"""

from __future__ import annotations

import pandas as pd

from gptcache_magics.tables.chart_data import Series
from gptcache_magics.widgets.charts.costs import costs_chart
from gptcache_magics.widgets.charts.drawing import note
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


def charts_html(series: Series) -> str:
    """Return all charts, side by side if there is room; a sentence if there is nothing to draw."""
    if series.costs.empty:
        return note(EMPTY)
    return _beside(
        hit_rate_chart(series.hit_rates),
        costs_chart(series.costs),
        latency_chart(series.latencies, series.quantiles),
    )


def tuning_html(table: pd.DataFrame, threshold: float) -> str:
    """Return the charts of a frame ``tuning.thresholds`` side by side, with the present threshold marked."""
    return _beside(similarity_chart(table, threshold), threshold_chart(table, threshold))


def _beside(*charts: str) -> str:
    # Typesetting would read two dollar amounts as a formula.
    return (
        '<div class="tex2jax_ignore mathjax_ignore" style="display:grid;max-width:100%;gap:28px 36px;padding:4px 0;'
        f'grid-template-columns:repeat(auto-fit,minmax(min(100%,360px),1fr))">{"".join(charts)}</div>'
    )


class Plot:
    """All charts of one moment: HTML in a notebook, text in a terminal."""

    def __init__(self, series: Series) -> None:
        self._html, self._text = charts_html(series), charts_text(series)

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text
