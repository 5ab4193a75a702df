"""Lookups under headings: by cell, the newest first, or by cause, the most frequent first.

Under each heading the misses come first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from gptcache_magics.tables import frames
from gptcache_magics.tables.totals import counts_and_money
from gptcache_magics.widgets.formats import one_line
from gptcache_magics.widgets.grid.groups import Groups
from gptcache_magics.widgets.redaction import without_line

if TYPE_CHECKING:
    from gptcache_magics.tables.source import By
    from gptcache_magics.widgets.view import PanelSource, View

__all__ = ["headings"]


def headings(source: PanelSource, view: View, lookups: pd.DataFrame, by: By) -> Groups:
    """Return the groups of `lookups`, which are newest first, with the totals of each group."""
    chosen: dict[str, Any] = {"period": source.period(view.since), "model": view.model, **view.of_lookups}
    df = frames.outcomes(source.store, **chosen)
    names = frames.names(df, by).reindex(lookups.index).fillna(frames.UNATTRIBUTED)
    figures = frames.tally(frames.sums(source.store, by, **chosen), by, wide=True).astype("float64")
    present = set(names)
    # A lookup that came between the two readings has no figures yet.
    groups = [*(each for each in figures.index if each in present), *present.difference(figures.index)]
    return Groups(
        of=pd.Categorical(names, groups).codes.tolist(),
        headings=[
            (_name(each, by, view.redact), counts_and_money(figures.loc[each]) if each in figures.index else "")
            for each in groups
        ],
        leading=(lookups["outcome"] != "hit").tolist(),
    )


def _name(group: str, by: By, redact: bool) -> str:
    """Return a cause, or notebook, number and first line of a cell; `redact` leaves out the line, for its prompts."""
    if group == frames.UNATTRIBUTED:
        return "Not from a cell" if by == "cell" else "Not counted yet"
    return one_line(without_line(group) if redact and by == "cell" else group)
