"""The Tuning tab: the hits of the threshold by the labels of people, and the pairs to label."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from gptcache_magics.semantic import tuning
from gptcache_magics.semantic.labels import label
from gptcache_magics.store.protocol import Near
from gptcache_magics.store.reasons import Objection, ObjectionKind
from gptcache_magics.tables import frames
from gptcache_magics.tables.model_names import named
from gptcache_magics.text.amounts import cosine, counted
from gptcache_magics.widgets.charts.drawing import note
from gptcache_magics.widgets.formats import Column, shown
from gptcache_magics.widgets.tabs.base import TableTab, detail_html
from gptcache_magics.widgets.tabs.nothing import unused
from gptcache_magics.widgets.tabs.pair import pair_html, verdict
from gptcache_magics.widgets.tabs.verdicts import Verdicts
from gptcache_magics.widgets.threshold_report import Tuned
from gptcache_magics.widgets.unsaved import UnsavedHTML

if TYPE_CHECKING:
    from gptcache_magics.widgets.view import PanelSource, View

__all__ = ["TuningTab"]


class TuningTab(TableTab):
    """One row for each pair of questions, the nearest to the threshold first; selected pairs can be labelled."""

    title = "Tuning"
    rows = "pairs of questions"
    filters = ("model", "cell")
    empty = (
        "No lookup was near another question here. To match by meaning: `%gptcache on --match semantic`. To serve "
        "nothing that way yet, and compare both answers: `%gptcache tune --shadow on`. Or look at a longer time."
    )
    key = "pair"
    sort = ("distance", True)
    multiple = True
    columns = (
        Column("asked", "Stored → asked", "diff", 24, grow=True, against="stored"),
        Column("similarity", "Cosine", "cosine", 10),
        Column("distance", "Distance", "cosine", 12, level=4),
        Column("blocked", "Blocked by", width=20, level=2),
        Column("verdict", "Verdict", "outcome", 14),
        Column("served", "Served", width=10, level=3),
    )

    room = 0
    """Width of the panel in pixels; 0 until the browser says it."""

    @cached_property
    def drawing(self) -> UnsavedHTML:
        """The report on the labels, with the charts."""
        return UnsavedHTML()

    @cached_property
    def verdicts(self) -> Verdicts:
        """The buttons for the selected pairs."""
        return Verdicts(self.grid.model_id, self.judge)

    @staticmethod
    def read(source: PanelSource, view: View) -> pd.DataFrame:
        """Return the pairs within the filters of `view`."""
        pairs = _pairs(source, view)
        ids = pairs[["asked_id", "stored_id"]].astype("object")
        return pairs.assign(
            blocked=pairs["guard" if view.redact else "blocked"],
            pair=pd.Series([f"{asked}/{stored}" for asked, stored in ids.itertuples(index=False)], dtype="string"),
            distance=(pairs["similarity"] - source.threshold).abs(),
            verdict=pd.Series([verdict(each) for each in pairs["right"].astype("object")], dtype="string"),
            served=pairs["served"].astype("object").map({True: "yes", False: "no"}).astype("string"),
        )

    @staticmethod
    def charts(source: PanelSource, view: View) -> str:
        """Return the report and the charts for places without widgets; empty if there are no pairs."""
        pairs = _pairs(source, view)
        return _report(Tuned(pairs, source.threshold), source) if len(pairs) else ""

    def paint(self, source: PanelSource, view: View) -> pd.DataFrame:
        """Read the pairs again, show what changed, and return them."""
        frame = super().paint(source, view)
        ignored = unused(view, self.filters)  # a pair is no lookup, but the nearest questions of some
        report = _report(Tuned(frame, source.threshold), source, self.room) if len(frame) else ""
        self.drawing.value = (note(ignored) if ignored else "") + report
        self.verdicts.shown = len(frame) > 0
        self.verdicts.writable = not source.store.readonly
        return frame

    def parts(self) -> tuple[ipywidgets.Widget, ...]:
        """Return the charts, the table, the buttons for its selected rows, and the selected pair."""
        return self.drawing, self.grid, self.verdicts, self.detail

    def judge(self, keys: Sequence[str], right: bool) -> str:
        """Label pairs and return a sentence about it."""
        assert self._source is not None
        said, table = "", self.table[self.table["pair"].isin(keys)]
        for row in table.to_dict("records"):
            objection = Objection(ObjectionKind.GUARD, row["difference"], row["guard"]) if row["guard"] else None
            near = Near(row["stored_id"], row["similarity"], row["embedder"], objection)
            said = label(self._source.store, row["number"], row["asked_id"], near, right=right)
        self.repaint()
        if len(table) == 1 and pd.notna(table["number"].iloc[0]):
            return said
        pairs = counted(len(table), "pair")
        if right:
            return f"{pairs} labelled right."
        return f"{pairs} labelled wrong. Nothing is served by meaning for these questions any more."

    def describe(self, row: dict[str, Any]) -> str:
        """Return both questions and both answers side by side."""
        assert self._source is not None
        assert self._view is not None
        if len(self.grid.selection) > 1:
            return ""
        facts = [
            ("Blocked by", row["blocked"]),
            ("Served", row["served"] if pd.notna(row["served"]) else ""),
            ("Lookup", str(row["number"]) if pd.notna(row["number"]) else ""),
            ("Asked", shown("time", row["at"])),
            ("Embedder", str(row["embedder"])),
        ]
        pair = pair_html(self._source.store, row | {"served": row["served"] == "yes"}, redact=self._view.redact)
        return detail_html(f"Cosine {cosine(row['similarity'])}, {row['verdict']}", facts, [], after=pair)


def _pairs(source: PanelSource, view: View) -> pd.DataFrame:
    configurations = None
    if view.model is not None:
        known = frames.configurations(source.store)
        configurations = list(known["key"][named(known, view.model)])
    return tuning.pairs(
        source.store,
        period=source.period(view.since),
        configurations=configurations,
        execution_count=view.cell,
    )


def _report(tuned: Tuned, source: PanelSource, room: int = 0) -> str:
    elsewhere = len(source.store.labels()) - int(tuned.pairs["right"].notna().sum())
    labels = counted(elsewhere, "more label is", "more labels are")
    more = f" {labels} about other times, models or cells." if elsewhere > 0 else ""
    return (
        f'<div style="padding-bottom:10px"><b>{escape(tuned.expected)}</b> {tuned.suggestion_html()}'
        f'<div style="opacity:.8">{escape(tuned.counts + more)}</div></div>'
        f'<div style="padding-bottom:10px">{tuned.charts(room)}</div>'
    )
