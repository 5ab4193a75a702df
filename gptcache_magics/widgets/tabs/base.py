"""The common base of the tabs: a table, and below it the selected row in full."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

import ipywidgets
import pandas as pd

from gptcache_magics.text.amounts import counted
from gptcache_magics.text.masking import scrubbed
from gptcache_magics.widgets.formats import Column, one_line, plain
from gptcache_magics.widgets.grid.grid import Grid
from gptcache_magics.widgets.grid.groups import Groups
from gptcache_magics.widgets.links import Html
from gptcache_magics.widgets.redaction import redacted
from gptcache_magics.widgets.tabs.nothing import nothing
from gptcache_magics.widgets.unsaved import UnsavedHTML
from gptcache_magics.widgets.view import ALL, Filter

if TYPE_CHECKING:
    from gptcache_magics.widgets.view import PanelSource, View

# The newest rows that a tab reads: few enough to be read again while calls go on.
MOST_ROWS = 5_000
DETAIL_CHARACTERS = 20_000


class TableTab(ipywidgets.VBox):
    """A tab of the panel. A new one is a subclass in a separate file, and a line in ``panel.TABS``."""

    title: ClassVar[str]
    rows: ClassVar[str]
    """What the rows are, such as ``lookups``."""
    filters: ClassVar[Sequence[Filter]] = ALL
    """The filters that the table follows, besides the time."""
    empty: ClassVar[str]
    """Sentence for a store without any rows."""
    key: ClassVar[str]
    columns: ClassVar[Sequence[Column]]
    sort: ClassVar[tuple[str, bool]] = ("", True)
    multiple: ClassVar[bool] = False
    lets_go: ClassVar[bool] = False
    """Whether pressing the only selected row deselects it, also where several can be selected."""
    hint: ClassVar[str] = ""
    """Hint about the actions on a row."""
    groupings: ClassVar[Sequence[str]] = ()
    """The ways to group rows under the headings of `groups`."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = False
        self.wanted = ""
        """Key of a row to select and to scroll to at the next painting; empty for none."""
        self._described = ""
        self.table = pd.DataFrame()
        self._source: PanelSource | None = None
        self._view: View | None = None
        # A row is selected in the kernel's message loop, and tables come from the panel's thread.
        self._describing = threading.RLock()
        # The panel sets both: one sets a filter (None removes it), the other reads everything again.
        self.narrow: Callable[[Filter, Any], None] = lambda name, value: None
        self.repaint: Callable[[], None] = lambda: None

    def close(self) -> None:
        """Close the tab and forget its table."""
        super().close()
        self.unobserve_all()
        self.children = ()
        self.table = pd.DataFrame()
        self._source, self.narrow, self.repaint = None, lambda name, value: None, lambda: None

    @cached_property
    def grid(self) -> Grid:
        """The table, made when the tab is first opened, so that a panel sends only the tables it shows."""
        grid = Grid(
            self.columns,
            key=self.key,
            label=self.title,
            empty=self.empty,
            sort=self.sort,
            multiple=self.multiple,
            lets_go=self.lets_go,
            hint=self.hint,
            groupings=self.groupings,
        )
        grid.observe(lambda _: self.selected(), "selection")
        grid.observe(self._regroup, "order")
        return grid

    @cached_property
    def detail(self) -> UnsavedHTML:
        """The selected row in full."""
        return UnsavedHTML()

    @staticmethod
    @abstractmethod
    def read(source: PanelSource, view: View) -> pd.DataFrame:
        """Return the table, from `frames`."""

    def describe(self, row: dict[str, Any]) -> str:
        """Return the selected row in full, as HTML with all foreign text escaped; empty by default."""
        return ""

    def paint(self, source: PanelSource, view: View) -> pd.DataFrame:
        """Read the table again, show what changed, and return it."""
        self._source, self._view = source, view
        frame = self.read(source, view)
        self.table = frame = redacted(frame) if view.redact else frame
        groups = self.groups(source, view, frame, self.grid.grouped) if self.grid.grouped else None
        empty = nothing(source, view, self.rows, self.filters, self.empty) if frame.empty else ""
        self.grid.update(frame, newest=len(frame) == MOST_ROWS, groups=groups, empty=empty)
        self._show_detail()
        if not self.opened:
            self.children = self.parts()
            self.opened = True
        if view.wanted:
            self.grid.reveal(self.row_of(frame, view.wanted))
            if self.wanted == view.wanted:  # else another row is wanted since this painting began
                self.wanted = ""
        return frame

    def row_of(self, frame: pd.DataFrame, wanted: str) -> str:
        """Return the key of the row that is `wanted`."""
        return wanted

    def parts(self) -> tuple[ipywidgets.Widget, ...]:
        """Return the widgets of the tab from top to bottom."""
        return self.grid, self.detail

    def groups(self, source: PanelSource, view: View, frame: pd.DataFrame, by: str) -> Groups | None:
        """Return the headings of the rows of `frame` in one of the `groupings`, if the table has any."""
        return None

    def narrowed(self, view: View) -> None:
        """Mark the filters of `view` in the table; do nothing by default."""

    def selected(self) -> None:
        """Show the row that has just been selected."""
        self._show_detail()

    def _regroup(self, change: Any) -> None:
        if change["new"].get("grouped") not in ("", change["old"].get("grouped")):
            self.repaint()

    def _show_detail(self) -> None:
        with self._describing:
            rows = self.grid.selected().to_dict("records")
            if repr(rows) == self._described:
                return
            try:
                html = self.describe({str(name): value for name, value in rows[0].items()}) if rows else ""
            except Exception as error:  # such as a locked store: the next painting tries again
                html = error_html(scrubbed(f"This row cannot be shown: {type(error).__name__}: {error}"))
            else:
                self._described = repr(rows)
            self.detail.value = html


def detail_html(
    heading: str,
    facts: Sequence[tuple[str, str]],
    texts: Sequence[tuple[str, str]],
    *,
    first: str = "",
    sentence: str = "",
    table: str = "",
    after: str = "",
) -> str:
    """Return a selected row as HTML: a heading, short facts on a line, then long texts, each under its name.

    `sentence` sums the row up, after `first`. `first`, `table` and `after` are HTML already, and a fact may be.
    """
    heading = _escaped(heading)
    parts = [f'<div class="gptcache-detail" role="region" aria-label="{heading}"><h4>{heading}</h4>{first}']
    if sentence:
        parts.append(f"<p>{_escaped(sentence)}</p>")
    parts.append(table)
    shown_facts = [f"<div><dt>{_escaped(name)}</dt><dd>{_escaped(value)}</dd></div>" for name, value in facts if value]
    if shown_facts:
        parts.append(f"<dl>{''.join(shown_facts)}</dl>")
    for name, text in texts:
        if len(text) > DETAIL_CHARACTERS:
            text = f"{text[:DETAIL_CHARACTERS]}\n… {counted(len(text) - DETAIL_CHARACTERS, 'more character')}"
        parts.append(f'<h5>{_escaped(name)}</h5><pre dir="auto">{_escaped(text)}</pre>')
    return "".join([*parts, after, "</div>"])


def error_html(text: str) -> str:
    """Return an error as HTML that a screen reader reads aloud."""
    return f'<div class="gptcache-error" role="alert">{escape(one_line(text, 300))}</div>'


def _escaped(text: str) -> str:
    return text if isinstance(text, Html) else escape(plain(text))
