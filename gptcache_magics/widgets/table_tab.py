"""What every tab of the panel is: a table, and below it the selected row in full."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

import ipywidgets
import pandas as pd

from gptcache_magics.widgets.formats import Column, plain
from gptcache_magics.widgets.grid import Grid

if TYPE_CHECKING:
    from gptcache_magics.stores.base import Period
    from gptcache_magics.widgets.panel import PanelSource

# The newest rows that a tab reads: enough to look through, few enough to be read again while calls go on.
MOST_ROWS = 5_000
DETAIL_CHARACTERS = 20_000


class TableTab(ipywidgets.VBox):
    """A tab of the panel. A new one is a subclass in a file of its own, and a line in ``panel.TABS``."""

    title: ClassVar[str]
    empty: ClassVar[str]
    key: ClassVar[str]
    columns: ClassVar[Sequence[Column]]
    sort: ClassVar[tuple[str, bool]] = ("", True)

    def __init__(self) -> None:
        super().__init__()
        self.opened = False
        self._described = ""
        self._source: PanelSource | None = None

    @cached_property
    def grid(self) -> Grid:
        """The table, which is made when the tab is opened first: a panel that shows one tab sends one."""
        grid = Grid(self.columns, key=self.key, label=self.title, empty=self.empty, sort=self.sort, multiple=False)
        grid.observe(lambda _: self._show_detail(), "selection")
        return grid

    @cached_property
    def detail(self) -> ipywidgets.HTML:
        """The selected row in full."""
        return ipywidgets.HTML()

    @staticmethod
    @abstractmethod
    def read(source: PanelSource, period: Period) -> pd.DataFrame:
        """Return the table, from `frames`."""

    def describe(self, row: dict[str, Any]) -> str:
        """Return the selected row in full, as HTML in which every foreign text is escaped; nothing by default."""
        return ""

    def paint(self, source: PanelSource, period: Period) -> pd.DataFrame:
        """Read the table again, show what changed, and return it."""
        self._source = source
        frame = self.read(source, period)
        self.grid.update(frame, newest=len(frame) == MOST_ROWS)
        self._show_detail()
        if not self.opened:
            self.children = (self.grid, self.detail)
            self.opened = True
        return frame

    def _show_detail(self) -> None:
        rows = self.grid.selected().to_dict("records")
        if repr(rows) != self._described:
            self.detail.value = self.describe({str(name): value for name, value in rows[0].items()}) if rows else ""
            self._described = repr(rows)


def detail_html(heading: str, facts: Sequence[tuple[str, str]], texts: Sequence[tuple[str, str]]) -> str:
    """Return a selected row as HTML: a heading, short facts on a line, then long texts, each under its name."""
    heading = _escaped(heading)
    parts = [f'<div class="gptcache-detail" role="region" aria-label="{heading}"><h4>{heading}</h4>']
    shown_facts = [f"<div><dt>{_escaped(name)}</dt><dd>{_escaped(value)}</dd></div>" for name, value in facts if value]
    if shown_facts:
        parts.append(f"<dl>{''.join(shown_facts)}</dl>")
    for name, text in texts:
        if len(text) > DETAIL_CHARACTERS:
            text = f"{text[:DETAIL_CHARACTERS]}\n… {len(text) - DETAIL_CHARACTERS:,} more characters"
        parts.append(f'<h5>{_escaped(name)}</h5><pre dir="auto">{_escaped(text)}</pre>')
    return "".join([*parts, "</div>"])


def _escaped(text: str) -> str:
    return escape(plain(text))
