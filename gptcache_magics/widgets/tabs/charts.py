"""The Charts tab: hit rate over time, money by model, how long lookups take."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import ipywidgets

from gptcache_magics.tables.chart_data import Series
from gptcache_magics.widgets.charts import charts_html, words
from gptcache_magics.widgets.charts.drawing import note
from gptcache_magics.widgets.tabs.nothing import nothing
from gptcache_magics.widgets.view import ALL

if TYPE_CHECKING:
    from gptcache_magics.widgets.view import PanelSource, View

__all__ = ["ChartsTab"]


class ChartsTab(ipywidgets.VBox):
    """All charts, side by side if there is room, drawn again when a figure changes."""

    title = "Charts"
    room = 0
    """Width of the panel in pixels; 0 until the browser says it."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = False

    @cached_property
    def drawing(self) -> ipywidgets.HTML:
        """The charts, made when the tab is first opened, and closed with it."""
        return ipywidgets.HTML()

    @staticmethod
    def html(source: PanelSource, view: View, room: int = 0) -> str:
        """Return the charts as HTML, for the tab, which has `room`, and for places without widgets."""
        period = source.period(view.since)
        series = Series.read(source.store, period=period, model=view.model, **view.of_lookups)
        if series.costs.empty:
            return note(nothing(source, view, "lookups", ALL, words.EMPTY))
        return charts_html(series, room)

    def paint(self, source: PanelSource, view: View) -> str:
        """Read again, show what changed, and return the HTML."""
        self.drawing.value = html = self.html(source, view, self.room)  # sent only if it differs
        if not self.opened:
            self.children = (self.drawing,)
            self.opened = True
        return html
