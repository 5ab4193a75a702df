"""Lookups grouped by cell: the newest cell first, and in each cell the misses first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from gptcache_magics.tables import frames
from gptcache_magics.text.amounts import counted, money
from gptcache_magics.widgets.formats import one_line
from gptcache_magics.widgets.grid.groups import Groups

if TYPE_CHECKING:
    from gptcache_magics.widgets.view import PanelSource, View

__all__ = ["by_cell"]

COUNTED = {"hits": "hit", "misses": "miss", "errors": "error"}


def by_cell(source: PanelSource, view: View, lookups: pd.DataFrame) -> Groups:
    """Return the cells of `lookups`, which are newest first, with the totals of each cell."""
    df = frames.outcomes(
        source.store,
        period=source.period(view.since),
        model=view.model,
        execution_count=view.cell,
    )
    names = frames.cells(df).reindex(lookups.index).fillna(frames.UNATTRIBUTED)
    figures = frames.tally(df, by="cell")
    groups, cells = pd.factorize(names)
    return Groups(
        of=groups.tolist(),
        headings=[(_name(cell, view.redact), _figures(figures, cell)) for cell in cells],
        leading=(lookups["outcome"] != "hit").tolist(),
    )


def _name(cell: str, redact: bool) -> str:
    """Return notebook, number and first line of a cell; `redact` leaves out the line, which may quote a prompt."""
    if cell == frames.UNATTRIBUTED:
        return "Not from a cell"
    return one_line(cell.partition("]")[0] + "]" if redact else cell)


def _figures(table: pd.DataFrame, cell: str) -> str:
    if cell not in table.index:  # its lookups came between the two readings
        return ""
    row = table.loc[[cell]].fillna({"saved_usd": 0.0, "paid_usd": 0.0}).iloc[0]
    counts = [counted(int(row[name]), word) for name, word in COUNTED.items() if row[name]]
    sums = [f"{name} {money(row[f'{name}_usd'])}" for name in ("saved", "paid") if row[f"{name}_usd"] > 0]
    return " · ".join([", ".join(counts), *sums])
