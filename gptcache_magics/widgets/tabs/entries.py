"""The Entries tab: the stored answers, the cost of each, and the actions on them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from gptcache_magics.store.protocol import Selection
from gptcache_magics.tables import frames
from gptcache_magics.text.masking import scrubbed
from gptcache_magics.widgets.entry.actions import Actions
from gptcache_magics.widgets.entry.beside import beside_html
from gptcache_magics.widgets.entry.search import OlderEntries
from gptcache_magics.widgets.entry.stored import marks_of, stored_entry
from gptcache_magics.widgets.entry.view import EntryView
from gptcache_magics.widgets.formats import BLANK, Column
from gptcache_magics.widgets.tabs.base import MOST_ROWS, TableTab
from gptcache_magics.widgets.unsaved import UnsavedHTML
from gptcache_magics.widgets.view import ALL, View

if TYPE_CHECKING:
    from gptcache_magics.widgets.view import PanelSource


@dataclass(frozen=True, kw_only=True)
class _Search(View):
    """The filters of the panel, and the search of this table."""

    query: str
    older: OlderEntries
    also: str
    """Key of an entry to show whatever the filters; empty for none."""


class EntriesTab(TableTab):
    """One row for each stored answer; one selected row is shown in full, and selected rows can be changed."""

    title = "Entries"
    rows = "entries"
    empty = "Nothing is stored yet. Run a cell that calls a model, then run it again."
    key = "id"
    sort = ("created", False)
    filters = (*ALL, "condition")
    multiple = True
    columns = (
        Column("id", "Id", width=11, level=1),
        Column("model", "Model", "model", 16, level=2),
        Column("question", "Question", "prompt", 20, grow=True, blank=BLANK),
        Column("answer", "Answer", width=18, level=1, blank=BLANK),
        Column("marks", "Marks", width=18, level=1),
        Column("hits", "Hits", "count", 8, level=3),
        Column("paid_usd", "Cost", "money", 11, level=3),
        Column("paid_seconds", "Took, s", "seconds", 11, level=5),
        Column("bytes", "Size", "bytes", 10, level=5),
        Column("created", "Stored", "time", 11),
    )

    def __init__(self) -> None:
        super().__init__()
        self._older = OlderEntries()
        self._also = ""
        self._comparing: Collection[tuple[frozenset[str], bool]] = ()
        """While two answers are side by side: the selections, and the redaction, for which they stay."""

    def compare(self, one: str, other: str = "") -> None:
        """Show two entries side by side, or an entry and the answer that it had before, until the selection changes."""
        assert self._source is not None
        assert self._view is not None
        with self._describing:
            try:
                html = beside_html(self._source.store, one, other, redact=self._view.redact)
            except LookupError as error:
                return self.actions.say(str(error), failed=True)
            self._end_comparison()
            # The selection that the table sends to the kernel may arrive after the press of the button.
            selections = (frozenset(self.grid.selection), frozenset((one, other)))
            self._comparing = [(each, self._view.redact) for each in selections]
            self.detail.show(None)
            self.beside.value = html

    def _end_comparison(self) -> None:
        with self._describing:
            if self._comparing:
                self._comparing, self._described, self.beside.value = (), "another row", ""

    @cached_property
    def detail(self) -> EntryView:
        """The selected entry in full."""
        return EntryView()

    @cached_property
    def actions(self) -> Actions:
        """The buttons for the selected entries."""
        return Actions(self.grid.model_id, lambda: self.repaint(), self.compare)

    @cached_property
    def beside(self) -> UnsavedHTML:
        """Two answers side by side, in place of the selected entry."""
        return UnsavedHTML()

    @staticmethod
    def read(source: PanelSource, view: View) -> pd.DataFrame:
        """Return the newest entries of any time; filtered by entry, tag, cell or the like only those."""
        ids, filters = None, view.of_lookups | {"tag": None}
        if view.entry is not None:  # it may have no lookups
            ids = [view.entry]
        elif any(each is not None for each in filters.values()):
            asked = frames.lookups(source.store, period=source.period(view.since), **filters)
            ids = asked["entry"].dropna().unique().tolist()
        conditions = view.condition.entries if view.condition is not None else Selection()
        selection = replace(conditions, ids=ids, tag=view.tag)
        frame = frames.entries(source.store, selection, model=view.model, limit=MOST_ROWS)
        if isinstance(view, _Search) and selection == Selection() and len(frame) == MOST_ROWS:
            older = view.older.of(source.store, view.query, frame, view.model, MOST_ROWS)
            frame = pd.concat([frame, older[~older.index.isin(frame.index)]])
        if isinstance(view, _Search) and view.also and not _is_in(frame, view.also):
            also = frames.entries(source.store, Selection(ids=[view.also]), limit=1)
            frame = pd.concat([also, frame]) if len(also) else frame
        marks = frame[["pinned", "edited", "tags"]].to_dict("records")
        return frame.assign(marks=[" ".join(marks_of(row)) for row in marks])

    def paint(self, source: PanelSource, view: View) -> pd.DataFrame:
        """Read the table again, show what changed, and return it. A search includes the older entries."""
        self._also = view.wanted or self._also
        if view.wanted:
            self._end_comparison()
        about: dict[str, Any] = {each.name: getattr(view, each.name) for each in fields(view)}
        query = str(self.grid.order.get("query", ""))
        return super().paint(source, _Search(**about, query=query, older=self._older, also=self._also))

    def row_of(self, frame: pd.DataFrame, wanted: str) -> str:
        """Return the id of the entry with the key `wanted`, as the table has it."""
        found = next((str(id) for id in frame.index if wanted.startswith(id)), "")
        if not found:
            self.actions.say("This entry is not stored any more.", failed=True)
        return found

    def selected(self) -> None:
        """Show the selected entry; one that the filters leave out stays in the table while it is selected."""
        if not self.wanted and not any(self._also.startswith(id) for id in self.grid.selection):
            self._also = ""
        super().selected()

    def parts(self) -> tuple[ipywidgets.Widget, ...]:
        """Return the table, the buttons for its selected rows, and the selected entry."""
        self.grid.observe(self._search, "order")
        return self.grid, self.actions, self.beside, self.detail

    def _search(self, change: Any) -> None:
        if change["new"].get("query") != change["old"].get("query"):
            self.repaint()

    def _show_detail(self) -> None:
        with self._describing:
            if self._source is None or self._view is None:
                return
            self.actions.about(self._source.store)
            if (frozenset(self.grid.selection), self._view.redact) in self._comparing:
                return
            self._end_comparison()
            rows = self.grid.selected()
            described = f"{rows.to_dict('records')} {self._view.redact}" if len(rows) == 1 else ""
            if described == self._described:
                return
            try:
                stored = stored_entry(self._source.store, rows["id"].iloc[0]) if described else None
                self.detail.show(stored, redact=self._view.redact)
                if described and stored is None:
                    self.actions.say("This entry is not stored any more.", failed=True)
            except Exception as error:  # such as a locked store: the next painting tries again
                self.actions.say(scrubbed(f"This entry cannot be shown: {type(error).__name__}: {error}"), failed=True)
            else:
                self._described = described


def _is_in(frame: pd.DataFrame, key: str) -> bool:
    return any(key.startswith(id) for id in frame.index)
