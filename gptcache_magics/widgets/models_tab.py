"""The Models tab: what each model cost and saved in the period, and what is stored for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from gptcache_magics import frames
from gptcache_magics.widgets.formats import Column, shown
from gptcache_magics.widgets.table_tab import TableTab, detail_html

if TYPE_CHECKING:
    from gptcache_magics.stores.base import Period
    from gptcache_magics.widgets.panel import PanelSource


class ModelsTab(TableTab):
    """One row a model: the figures of the period beside the entries stored at any time."""

    title = "Models"
    empty = "No model has been asked in this period, and nothing is stored yet. Run a cell that calls a model."
    key = "model"
    sort = ("lookups", False)
    columns = (
        Column("model", "Model", width=22, grow=True),
        Column("provider", "Provider", width=12, level=5),
        Column("lookups", "Lookups", "count", 12),
        Column("hits", "Hits", "count", 9, level=3),
        Column("hit_rate", "Hit rate", "percent", 11, level=1),
        Column("saved_usd", "Saved", "money", 12),
        Column("paid_usd", "Paid", "money", 12, level=1),
        Column("saved_seconds", "Saved, s", "seconds", 11, level=2),
        Column("entries", "Entries", "count", 11, level=3),
        Column("bytes", "Size", "bytes", 10, level=4),
        Column("last_used", "Last used", "time", 12, level=4),
    )

    @staticmethod
    def read(source: PanelSource, period: Period) -> pd.DataFrame:
        """Return the statistics of the period joined with what is stored, for models that have either."""
        stored = frames.models(source.store)[["provider", "entries", "bytes", "last_used"]]
        stats = frames.stats(source.store, by="model", period=period)
        table = stats.join(stored, how="outer").rename_axis("model")
        counts = ["lookups", "hits", "misses", "errors", "entries", "bytes"]
        return table.fillna(dict.fromkeys(counts, 0)).sort_values("lookups", ascending=False, kind="stable")

    def describe(self, row: dict[str, Any]) -> str:
        """Return every figure of the model, those too for which the table has no room."""
        facts = [(column.label, shown(column.kind, row[column.name])) for column in self.columns[1:]]
        return detail_html(str(row["model"]), facts, [])
