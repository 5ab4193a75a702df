"""The Models tab: cost and savings of every model in the period, and its stored entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from gptcache_magics.tables import chart_data, frames
from gptcache_magics.widgets.formats import Column, shown
from gptcache_magics.widgets.tabs.base import TableTab, detail_html

if TYPE_CHECKING:
    from gptcache_magics.widgets.view import PanelSource, View


class ModelsTab(TableTab):
    """One row for each model: the figures of the period, and the entries stored at any time."""

    title = "Models"
    rows = "models"
    empty = "No model has been asked in this period, and nothing is stored yet. Run a cell that calls a model."
    key = "model"
    sort = ("saved_usd", False)
    hint = "Select a model to filter every tab."
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
        stored = frames.models(source.store)[["provider", "entries", "bytes", "last_used"]]
        stats = frames.stats(source.store, by="model", period=source.period(view.since), **view.of_lookups)
        filtered = any(each is not None for each in view.of_lookups.values())
        asked = frames.faces(source.store, source.period(view.since), by="model")
        asked = asked if asked.nunique() > 1 or asked.str.contains(",").any() else asked.iloc[:0]  # else all are alike
        table = stats.join(stored, how="left" if filtered else "outer").join(asked).rename_axis("model")
        if view.model is not None and view.model not in table.index:  # so that the filter can be seen and removed
            table = table.reindex([*table.index, view.model]).rename_axis("model")
        outcomes = frames.outcomes(source.store, period=source.period(view.since), **view.of_lookups)
        table["over_time"] = chart_data.hits_over_time(outcomes).reindex(table.index)
        counts = ["lookups", "hits", "misses", "bypassed", "errors", "entries", "bytes"]
        return table.fillna(dict.fromkeys(counts, 0)).sort_values("lookups", ascending=False, kind="stable")

    def selected(self) -> None:
        """Filter the panel by the selected model, or remove the filter."""
        models = self.grid.selected()["model"]
        if len(models) or not self.grid.selection:  # else the next reading will bring the selected model
            self.narrow("model", str(models.iloc[0]) if len(models) else None)
        super().selected()

    def narrowed(self, view: View) -> None:
        """Mark the model that the panel is filtered by."""
        if self.opened:
            self.grid.select([] if view.model is None else [view.model])

    def describe(self, row: dict[str, Any]) -> str:
        """Return every figure of the model, including those of hidden columns."""
        facts = [(column.label, shown(column.kind, row[column.name])) for column in self.columns[1:]]
        return detail_html(str(row["model"]), facts, [])
