"""The panel without widgets: the same figures as HTML for a saved notebook, or as text for a terminal.

The HTML carries its style in the elements, has no script and follows the colours around it, because it is shown where
none of our code runs: in a notebook opened elsewhere, on a code host, in an exported page. A saved notebook may be
published, so prompts and answers are left out unless the user asked for everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

import pandas as pd

from gptcache_magics.widgets.figures import Figure, figures, periods
from gptcache_magics.widgets.formats import FOREIGN_KINDS, Column, most_digits, one_line, shown
from gptcache_magics.widgets.redaction import redacted
from gptcache_magics.widgets.tabs.base import TableTab
from gptcache_magics.widgets.tabs.charts import ChartsTab
from gptcache_magics.widgets.tabs.entries import EntriesTab
from gptcache_magics.widgets.tabs.lookups import LookupsTab
from gptcache_magics.widgets.tabs.models import ModelsTab
from gptcache_magics.widgets.tabs.tuning import TuningTab
from gptcache_magics.widgets.view import View

if TYPE_CHECKING:
    from gptcache_magics.settings import Settings
    from gptcache_magics.widgets.view import PanelSource

MOST_ROWS = 1_000
TEXT_CHARACTERS = 2_000

_STYLE = "padding:4px 10px;border-bottom:1px solid rgba(128,128,128,.35);vertical-align:top"
_STYLE_OF_TEXT = "min-width:8em;max-width:40em;overflow-wrap:anywhere"
_STYLE_OF_FIGURE = "white-space:nowrap"
_SMALL = "font-size:.85em;opacity:.75"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Figures and tables of one moment, for the filters with which a panel begins."""

    view: View
    mode: str
    where: str
    period: str
    """The period and the filters, in words."""
    at: datetime
    figures: Sequence[Figure]
    tables: Mapping[type[TableTab], pd.DataFrame]

    @classmethod
    def of(
        cls,
        source: PanelSource,
        view: View,
        shown_figures: Sequence[Figure],
        tables: Mapping[type[TableTab], pd.DataFrame],
    ) -> Snapshot:
        """Return a snapshot of figures and tables that were just read from a source."""
        period = ", ".join([periods(source)[view.since].lower(), *_filters(view)])
        mode = source.mode if source.state == "on" else source.state
        return cls(view, one_line(mode), one_line(source.where), period, datetime.now(), shown_figures, tables)

    @classmethod
    def take(
        cls,
        source: PanelSource,
        tabs: Sequence[type[TableTab]] = (ModelsTab,),
        *,
        view: View | None = None,
        redact: bool = False,
    ) -> Snapshot:
        """Return a snapshot of a source, read now."""
        source.flush()
        view = replace(view or View(next(iter(periods(source)))), redact=redact)
        tables = {tab: tab.read(source, view) for tab in tabs}
        if redact:
            tables = {tab: redacted(table) for tab, table in tables.items()}
        return cls.of(source, view, figures(source, view), tables)

    def html(self, charts: str = "") -> str:
        """Return the snapshot as HTML, with `charts`, which are HTML, below it."""
        caption = escape(f"GPTCache, {self.mode}, {self.period}, as of {self.at:%Y-%m-%d %H:%M:%S}")
        tables = "".join(_table_html(tab, table) for tab, table in self.tables.items())
        # Typesetting would read two dollar amounts, or a model name with dollars, as a formula.
        return (
            '<div class="tex2jax_ignore mathjax_ignore" style="max-width:100%;overflow-x:auto">'
            f'<div style="margin:4px 0;{_SMALL}">{caption}</div>{_figures_html(self.figures)}{tables}{charts}</div>'
        )

    def text(self) -> str:
        """Return the figures and the models table as text."""
        lines = [f"GPTCache, {self.mode}, at {self.where}, {self.period}", ""]
        lines += [
            f"{each.label:<12}{each.value:>14}  {', '.join(filter(None, (each.remark, each.of_all)))}"
            for each in self.figures
        ]
        return "\n".join([*lines, "", *_table_text(ModelsTab, self.tables[ModelsTab])])


class Static:
    """Figures, tables and charts of this moment without a widget: HTML in a notebook, text in a terminal.

    Parameters
    ----------
    source
        The source to read.
    settings
        Their ``redact`` hides prompts and answers.
    view
        The filters; None for the period of the source without any other.
    """

    def __init__(self, source: PanelSource, settings: Settings | None = None, view: View | None = None) -> None:
        redact = settings is not None and settings.config.redact
        self._snapshot = Snapshot.take(source, (ModelsTab, LookupsTab, EntriesTab), view=view, redact=redact)
        self._charts = ChartsTab.html(source, self._snapshot.view) + TuningTab.charts(source, self._snapshot.view)

    def _repr_html_(self) -> str:
        return self._snapshot.html(self._charts)

    def __repr__(self) -> str:
        return self._snapshot.text()


def _filters(view: View) -> list[str]:
    """Return the filters of lookups in words. A condition on entries is none: the figures do not follow it."""
    named = {"model": view.model, "tag": view.tag, "cell": None if view.cell is None else f"[{view.cell}]"}
    return [one_line(f"{name} {value}") for name, value in named.items() if value is not None]


def _table_text(tab: type[TableTab], table: pd.DataFrame) -> list[str]:
    if table.empty:
        return [tab.empty.replace("`", "")]
    table = table.reset_index()
    columns = _columns(tab, table)
    cells = [[column.label, *_cells(column, table)] for column in columns]
    widths = [max(map(len, texts)) for texts in cells]
    sides = [str.rjust if column.number else str.ljust for column in columns]
    rows = zip(*cells, strict=True)
    return ["  ".join(side(x, n) for x, side, n in zip(row, sides, widths, strict=True)).rstrip() for row in rows]


def _columns(tab: type[TableTab], table: pd.DataFrame) -> list[Column]:
    """Return the columns of a tab without pictures, and without who asked where one library asked all."""
    columns = [each for column in tab.columns if column.kind != "shares" for each in _apart(column)]
    return [each for each in columns if each.name != "face" or table["face"].notna().any()]


def _apart(column: Column) -> list[Column]:
    """Return both columns of a difference, which needs signs and colours; else the column itself."""
    if not column.against:
        return [column]
    return [replace(column, label=name.capitalize(), name=name, against="") for name in (column.name, column.against)]


def _cells(column: Column, table: pd.DataFrame, characters: int = 40) -> list[str]:
    values = table[column.name].astype(object)
    if column.kind in FOREIGN_KINDS:
        return [
            one_line(str(value), characters) or column.blank if pd.notna(value) else shown("text", None)
            for value in values
        ]
    digits = most_digits(values) if column.kind == "money" else 0
    return [column.text(value, digits) for value in values]


def _figures_html(shown_figures: Sequence[Figure]) -> str:
    cells = "".join(
        '<td style="text-align:left;padding:6px 24px 6px 0;vertical-align:top">'
        f'<div style="{_SMALL}">{figure.label}</div>'
        f'<div style="font-size:1.5em;font-weight:600">{escape(figure.value)}</div>'
        + "".join(f'<div style="{_SMALL}">{escape(words)}</div>' for words in (figure.remark, figure.of_all) if words)
        + "</td>"
        for figure in shown_figures
    )
    return f'<table style="border:0;margin:0 0 8px"><tbody><tr style="background:none">{cells}</tr></tbody></table>'


def _table_html(tab: type[TableTab], table: pd.DataFrame) -> str:
    table = table.reset_index()
    by, ascending = tab.sort
    if by in table:
        table = table.sort_values(by, ascending=ascending, kind="stable")
    first = table.head(MOST_ROWS)
    caption = tab.title if len(first) == len(table) else f"{tab.title}, {len(first):,} of {len(table):,}"
    columns = _columns(tab, table)
    styles = [_STYLE_OF_TEXT if column.kind in FOREIGN_KINDS else _STYLE_OF_FIGURE for column in columns]
    sides = [f"text-align:{'right' if column.number else 'left'};{_STYLE}" for column in columns]
    heads = "".join(
        f'<th style="{side};{_STYLE_OF_FIGURE}">{column.label}</th>'
        for column, side in zip(columns, sides, strict=True)
    )
    cells = [_cells(column, first, TEXT_CHARACTERS) for column in columns]
    rows = "".join(
        '<tr style="background:none">'
        + "".join(
            f'<td style="{side};{style}">{escape(x)}</td>' for x, side, style in zip(row, sides, styles, strict=True)
        )
        + "</tr>"
        for row in zip(*cells, strict=True)
    )
    none = f'<tr><td colspan="{len(columns)}" style="text-align:left;{_STYLE}">{tab.empty.replace("`", "")}</td></tr>'
    return (
        f'<table style="border-collapse:collapse;border:0;margin:0 0 12px">'
        f'<caption style="text-align:left;font-weight:600;padding:4px 0">{caption}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows or none}</tbody></table>"
    )
