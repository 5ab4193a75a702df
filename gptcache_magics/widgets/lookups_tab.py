"""The Lookups tab: every question to the cache, newest first or by cell, with its outcome and the reason for it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from gptcache_magics import frames
from gptcache_magics.explain import explain
from gptcache_magics.explained import table_html
from gptcache_magics.nearest import records
from gptcache_magics.stores.base import Period, Selection
from gptcache_magics.widgets.cells import by_cell
from gptcache_magics.widgets.formats import Column, Kind, shown
from gptcache_magics.widgets.redaction import hidden
from gptcache_magics.widgets.table_tab import MOST_ROWS, TableTab, detail_html

if TYPE_CHECKING:
    from gptcache_magics.widgets.grouping import Groups
    from gptcache_magics.widgets.view import PanelSource, View


class LookupsTab(TableTab):
    """One row a lookup; the selected one says why it hit or missed."""

    title = "Lookups"
    empty = "No lookups to show. Run a cell that calls a model, or look at a longer time."
    key = "number"
    sort = ("number", False)
    grouping = "Group by cell"
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

    @cached_property
    def only_cell(self) -> ipywidgets.Button:
        """The button that makes the panel about the selected lookup's cell."""
        button = ipywidgets.Button(description="Only this cell", layout={"display": "none"})
        button.add_class("gptcache-button")
        button.add_class("gptcache-detail-button")
        button.on_click(lambda _: self.narrow("cell", self._cell()))
        return button

    def parts(self) -> tuple[ipywidgets.Widget, ...]:
        """Return the table, the selected row, and the button about its cell."""
        return self.grid, self.detail, self.only_cell

    @staticmethod
    def read(source: PanelSource, view: View) -> pd.DataFrame:
        """Return the newest lookups of what the panel is about."""
        return frames.lookups(
            source.store,
            period=source.period(view.since),
            model=view.model,
            execution_count=view.cell,
            limit=MOST_ROWS,
        )

    def groups(self, source: PanelSource, view: View, frame: pd.DataFrame) -> Groups:
        """Return a heading for each cell."""
        return by_cell(source, view, frame)

    def describe(self, row: dict[str, Any]) -> str:
        """Return why the lookup went as it went, what was asked and where, and what it cost."""
        tokens = [_text(row[name], "count") for name in ("input_tokens", "output_tokens")]
        facts = [
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
        sentence, table = self._why(int(row["number"]))
        texts = [(name, text) for name, text in texts if text]
        return detail_html(heading, facts, texts, sentence=sentence, table=table)

    def selected(self) -> None:
        """Show the selected lookup, and the button if there is a cell to narrow the panel to."""
        super().selected()
        self._offer_cell()

    def narrowed(self, view: View) -> None:
        """Offer the cell no more that the panel is about."""
        self._view = view
        self._offer_cell()

    def _offer_cell(self) -> None:
        if self.opened and self._view is not None:
            self.only_cell.layout.display = "none" if self._cell() in (None, self._view.cell) else ""

    def _cell(self) -> int | None:
        counts = self.grid.selected()["execution_count"].dropna()
        return int(counts.iloc[0]) if len(counts) else None

    def _why(self, number: int) -> tuple[str, str]:
        """Return the cause of what became of a lookup, and as a table what shows it."""
        assert self._source is not None
        assert self._view is not None
        store = self._source.store
        lookup = next(records(store.lookups(Period(number=number), 1)), None)
        if lookup is None:
            return "This lookup is not kept any more.", ""
        explanation = explain(store, lookup)
        texts = ("asked", "saved", *(("stored", "words") if self._view.redact else ()))
        return explanation.sentence, table_html(explanation, without=texts)

    def _answer(self, entry: str) -> str:
        """Return the answer that is stored now under an id, if there is one."""
        assert self._source is not None
        assert self._view is not None
        if not entry:
            return ""
        found = frames.entries(self._source.store, Selection(ids=[entry]), limit=1)
        answer = str(found["answer"].iloc[0]) if len(found) else ""
        return hidden(answer) if self._view.redact else answer


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
