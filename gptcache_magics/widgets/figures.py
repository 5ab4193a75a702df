"""The four figures above the tables: money saved, money paid, hit rate and time saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gptcache_magics.tables import frames
from gptcache_magics.text.amounts import counted
from gptcache_magics.widgets.formats import shown

if TYPE_CHECKING:
    from gptcache_magics.widgets.view import PanelSource, View

_SINCE = {"run": "This run", "today": "Today", "7d": "7 days", "all": "All"}


def periods(source: PanelSource) -> dict[str, str]:
    """Return the names of the periods to choose from, the default first; a store that is off has no run."""
    others = [since for since in _SINCE if since != source.since and not (since == "run" and source.mode == "off")]
    return {since: _SINCE[since] for since in (source.since, *others)}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its label, its value as text, and a small remark."""

    label: str
    value: str
    remark: str


def figures(source: PanelSource, view: View) -> tuple[Figure, ...]:
    """Return the figures for the filters of `view`."""
    sums = frames.sums(
        source.store,
        "total",
        period=source.period(view.since),
        model=view.model,
        **view.of_lookups,
    )
    table = frames.tally(sums, "total", wide=True)
    total = table.iloc[0].to_dict() if len(table) else {}
    return (
        Figure("Saved", shown("money", total.get("saved_usd")), _priced("by cache hits", total, "saved")),
        Figure("Paid", shown("money", total.get("paid_usd")), _priced("for model calls", total, "paid")),
        Figure("Hit rate", shown("percent", total.get("hit_rate")), _counted(total)),
        Figure("Time saved", shown("duration", total.get("saved_seconds")), "of waiting"),
    )


def _priced(remark: str, total: Mapping[Any, Any], way: str) -> str:
    """Return the remark of an amount, with the number of answers that the amount lacks."""
    unpriced = int(total.get(f"unpriced_{way}", 0))
    return f"{remark}, {unpriced:,} of unknown price" if unpriced else remark


def _counted(total: Mapping[Any, Any]) -> str:
    """Return what the hit rate counts and leaves out: ``2 of 5, 4 bypassed, 1 error``."""
    hits, misses, bypassed, errors = (int(total.get(name, 0)) for name in ("hits", "misses", "bypassed", "errors"))
    decided = hits + misses
    left_out = [f"{bypassed:,} bypassed"] * bool(bypassed)
    left_out += [counted(errors, "error")] * bool(errors)
    if not left_out:
        return f"{hits:,} of {counted(decided, 'lookup')}" if decided else "no lookups yet"
    return ", ".join([f"{hits:,} of {decided:,}"] * bool(decided) + left_out)
