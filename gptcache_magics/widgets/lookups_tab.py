"""The Lookups tab: every question to the cache, newest first, with its outcome and the reason for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from gptcache_magics import frames
from gptcache_magics.stores.base import Selection
from gptcache_magics.widgets.formats import Column, Kind, shown
from gptcache_magics.widgets.table_tab import MOST_ROWS, TableTab, detail_html

if TYPE_CHECKING:
    from gptcache_magics.stores.base import Period
    from gptcache_magics.widgets.panel import PanelSource


class LookupsTab(TableTab):
    """One row a lookup; the selected one says why it hit or missed."""

    title = "Lookups"
    empty = "No lookups yet in this period. Run a cell that calls a model."
    key = "number"
    sort = ("number", False)
    columns = (
        Column("number", "#", "count", 9, level=4),
        Column("at", "At", "time", 11),
        Column("outcome", "Outcome", "outcome", 11),
        Column("model", "Model", width=18, level=1),
        Column("question", "Question", width=26, grow=True),
        Column("reason", "Reason", width=20, level=5),
        Column("similarity", "Similar", "similarity", 10, level=5),
        Column("lookup_ms", "Lookup, ms", "ms", 13, level=3),
        Column("saved_usd", "Saved", "money", 12, level=2),
        Column("paid_usd", "Paid", "money", 12, level=2),
    )

    @staticmethod
    def read(source: PanelSource, period: Period) -> pd.DataFrame:
        """Return the newest lookups of the period."""
        return frames.lookups(source.store, period=period, limit=MOST_ROWS)

    def describe(self, row: dict[str, Any]) -> str:
        """Return the outcome and its reason, what was asked and where."""
        tokens = [_text(row[name], "count") for name in ("input_tokens", "output_tokens")]
        facts = [
            ("Reason", _text(row["reason"])),
            ("Match", _text(row["match"])),
            ("Similarity", _text(row["similarity"], "similarity")),
            ("Model", _text(row["configuration"]) or _text(row["model"])),
            ("Cell", f"[{count}]" if (count := _text(row["execution_count"])) else ""),
            ("Notebook", _text(row["notebook"])),
            ("Lookup", f"{shown('ms', row['lookup_ms'])} ms"),
            ("Tokens", f"{tokens[0]} in, {tokens[1]} out" if all(tokens) else ""),
            ("Saved" if row["outcome"] == "hit" else "Paid", _cost(row)),
            ("Entry", _text(row["entry"])),
        ]
        heading = f"Lookup {row['number']}: {row['outcome']}, {shown('time', row['at'])}"
        texts = [("Question", _text(row["question"])), ("Answer", self._answer(_text(row["entry"])))]
        return detail_html(heading, facts, [(name, text) for name, text in texts if text])

    def _answer(self, entry: str) -> str:
        """Return the answer that is stored now under an id, if there is one."""
        if not entry or self._source is None:
            return ""
        found = frames.entries(self._source.store, Selection(ids=[entry]))
        return str(found["answer"].iloc[0]) if len(found) else ""


def _text(value: Any, kind: Kind = "text") -> str:
    """Return a fact as text, empty when it is not known."""
    if pd.isna(value):
        return ""
    return str(value) if kind == "text" else shown(kind, value)


def _cost(row: dict[str, Any]) -> str:
    """Return what a hit saved or a miss cost, in money and seconds, as far as it is known."""
    name = "saved" if row["outcome"] == "hit" else "paid"
    seconds = _text(row[f"{name}_seconds"], "seconds")
    return ", ".join(part for part in (_text(row[f"{name}_usd"], "money"), seconds and f"{seconds} s") if part)
