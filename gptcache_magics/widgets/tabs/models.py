"""The Models tab: cost and savings of every model in the period, and its stored entries."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from gptcache_magics.tables import chart_data, frames
from gptcache_magics.widgets.formats import Column, one_line, shown
from gptcache_magics.widgets.tabs.base import TableTab, detail_html
from gptcache_magics.widgets.tabs.two_models import TwoModels

if TYPE_CHECKING:
    from gptcache_magics.widgets.view import PanelSource, View


class ModelsTab(TableTab):
    """One row for each model: the figures of the period, and the entries stored at any time."""

    title = "Models"
    rows = "models"
    empty = "No model has been asked in this period, and nothing is stored yet. Run a cell that calls a model."
    key = "model"
    sort = ("saved_usd", False)
    multiple = True
    lets_go = True
    hint = "Select a model to filter every tab, and a second with Ctrl or Space to compare both."
    columns = (
        Column("model", "Model", "model", 11, grow=True),
        Column("provider", "Provider", width=12, level=5),
        Column("face", "Asked by", width=14, level=2),
        Column("lookups", "Lookups", "count", 12, level=2),
        Column("hits", "Hits", "count", 8, level=3),
        Column("misses", "Misses", "count", 9, level=3),
        Column("bypassed", "Bypassed", "count", 11, level=3),
        Column("errors", "Errors", "count", 9, level=5),
        Column("hit_rate", "Hit rate", "percent", 11),
        Column("over_time", "Over time", "shares", 12, level=3),
        Column("saved_usd", "Saved", "money", 11),
        Column("paid_usd", "Paid", "money", 11, level=1),
        Column("saved_seconds", "Saved, s", "seconds", 10, level=2),
        Column("entries", "Entries", "count", 10, level=3),
        Column("bytes", "Size", "bytes", 9, level=4),
        Column("last_used", "Last used", "time", 11, level=4),
    )

    @staticmethod
    def read(source: PanelSource, view: View) -> pd.DataFrame:
        """Return the statistics of the period joined with what is stored, for models that have either.

        Any filter but a model leaves only models with such lookups. What is stored is not filtered.
        """
        period = source.period(view.since)
        stored = frames.models(source.store)[["provider", "entries", "bytes", "last_used"]]
        stats = frames.stats(source.store, by="model", period=period, **view.of_lookups)
        filtered = any(each is not None for each in view.of_lookups.values())
        asked = frames.faces(source.store, period, by="model")
        asked = asked if asked.nunique() > 1 or asked.str.contains(",").any() else asked.iloc[:0]  # else all are alike
        table = stats.join(stored, how="left" if filtered else "outer").join(asked).rename_axis("model")
        if view.model is not None and view.model not in table.index:  # so that the filter can be seen and removed
            table = table.reindex([*table.index, view.model]).rename_axis("model")
        outcomes = frames.outcomes(source.store, period=period, **view.of_lookups)
        table["over_time"] = chart_data.hits_over_time(outcomes).reindex(table.index)
        counts = ["lookups", "hits", "misses", "bypassed", "errors", "entries", "bytes"]
        return table.fillna(dict.fromkeys(counts, 0)).sort_values("lookups", ascending=False, kind="stable")

    @cached_property
    def compare(self) -> ipywidgets.Button:
        """The button that compares the two selected models."""
        button = ipywidgets.Button(layout={"display": "none"})
        button.add_class("gptcache-button")
        button.add_class("gptcache-compare")
        button.on_click(lambda _: self._compare())
        return button

    @cached_property
    def two(self) -> TwoModels:
        """Both selected models over the questions that both were asked."""
        return TwoModels()

    def parts(self) -> tuple[ipywidgets.Widget, ...]:
        """Return the table, the selected model in full, and two models side by side."""
        return self.grid, self.compare, self.detail, self.two

    def paint(self, source: PanelSource, view: View) -> pd.DataFrame:
        """Read the table again, show what changed, and return it; a comparison ends when its texts are to be hidden."""
        if view.redact != self.two.redact:
            self.two.hide()
        return super().paint(source, view)

    def selected(self) -> None:
        """Filter the panel by the selected model, or remove the filter; two models can be compared."""
        models = self.grid.selected()["model"]
        if len(self.grid.selection) > 1:
            self.narrow("model", None)
        elif len(models) or not self.grid.selection:  # else the next reading will bring the selected model
            self.narrow("model", str(models.iloc[0]) if len(models) else None)
        super().selected()
        if self.opened:
            self.two.hide()
            names = [one_line(each, 40) for each in models]
            self.compare.description = f"Compare {' with '.join(names)}" if len(names) == 2 else ""
            self.compare.layout.display = "" if len(names) == 2 else "none"

    def narrowed(self, view: View) -> None:
        """Mark the model that the panel is filtered by."""
        if self.opened and not (view.model is None and len(self.grid.selection) > 1):
            self.grid.select([] if view.model is None else [view.model])

    def _compare(self) -> None:
        assert self._source is not None
        assert self._view is not None
        models = self.grid.selected()["model"].tolist()
        if len(models) == 2:
            self.two.show(self._source.store, *models, redact=self._view.redact)

    def describe(self, row: dict[str, Any]) -> str:
        """Return every figure of the model, including those of hidden columns; nothing for several models."""
        if len(self.grid.selection) > 1:
            return ""
        facts = [(column.label, shown(column.kind, row[column.name])) for column in self.columns[1:]]
        return detail_html(str(row["model"]), facts, [])
