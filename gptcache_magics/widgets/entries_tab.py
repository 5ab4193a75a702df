"""The Entries tab: the stored answers, with what each cost when it was bought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from gptcache_magics import frames
from gptcache_magics.widgets.formats import Column, shown
from gptcache_magics.widgets.table_tab import MOST_ROWS, TableTab, detail_html

if TYPE_CHECKING:
    from gptcache_magics.stores.base import Period
    from gptcache_magics.widgets.panel import PanelSource


class EntriesTab(TableTab):
    """One row a stored answer; the selected one is shown in full."""

    title = "Entries"
    empty = "Nothing is stored yet. Run a cell that calls a model, then run it again."
    key = "id"
    sort = ("created", False)
    columns = (
        Column("id", "Id", width=10, level=5),
        Column("model", "Model", width=18, level=3),
        Column("question", "Question", width=24, grow=True),
        Column("answer", "Answer", width=28, level=1),
        Column("hits", "Hits", "count", 9),
        Column("paid_usd", "Cost", "money", 12, level=2),
        Column("paid_seconds", "Took, s", "seconds", 11, level=4),
        Column("bytes", "Size", "bytes", 10, level=5),
        Column("created", "Stored", "time", 12, level=4),
    )

    @staticmethod
    def read(source: PanelSource, period: Period) -> pd.DataFrame:
        """Return the newest entries, whenever they were stored."""
        return frames.entries(source.store, limit=MOST_ROWS)

    def describe(self, row: dict[str, Any]) -> str:
        """Return the question and the answer in full, and what they cost."""
        facts = [
            ("Model", str(row["configuration"])),
            ("Hits", shown("count", row["hits"])),
            ("Cost", shown("money", row["paid_usd"])),
            ("Took", f"{shown('seconds', row['paid_seconds'])} s"),
            ("Tokens", f"{shown('count', row['input_tokens'])} in, {shown('count', row['output_tokens'])} out"),
            ("Stored", shown("time", row["created"])),
            ("Last used", shown("time", row["accessed"])),
        ]
        texts = [("Question", str(row["question"])), ("Answer", str(row["answer"]))]
        return detail_html(f"Entry {row['id']}", facts, texts)
