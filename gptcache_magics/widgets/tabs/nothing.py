"""What an empty tab says: why nothing is there, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from gptcache_magics.text.amounts import counted
from gptcache_magics.text.enumeration import enumerated
from gptcache_magics.widgets.choices import word
from gptcache_magics.widgets.view import NAMES, Filter

if TYPE_CHECKING:
    from gptcache_magics.widgets.view import PanelSource, View

__all__ = ["nothing", "unused"]

WHEN: Final = {"run": " in this run", "today": " today", "7d": " in these 7 days", "all": ""}


def nothing(source: PanelSource, view: View, rows: str, filters: Sequence[Filter], otherwise: str) -> str:
    """Return the sentence of an empty tab; `otherwise` is the one for a store without anything.

    Parameters
    ----------
    rows
        What the tab has rows of, such as ``lookups``.
    filters
        The filters that the tab follows.
    """
    named = [f"{NAMES[name]} {word(name, value)}" for name in filters if (value := getattr(view, name)) is not None]
    when = "" if rows == "entries" else WHEN[view.since]  # most filters find entries of any time
    if named:
        several = "a filter" if len(named) > 1 else "the filter"
        return f"No {rows} with {enumerated(named)}{when}. To remove {several}, press its chip above."
    entries = source.store.count()[0]
    if rows != "lookups" or not entries or view.since == "all":
        return otherwise
    stored = counted(entries, "entry")
    return f"No {rows}{when}. The store has {stored}: run a cell that calls a model, or choose All above."


def unused(view: View, filters: Sequence[Filter]) -> str:
    """Return a sentence about the filters that are set and that a tab does not follow; empty if there are none."""
    names = [NAMES[name] for name in NAMES if name not in (*filters, "since") and getattr(view, name) is not None]
    return f"Not filtered by {enumerated(names)}." if names else ""
