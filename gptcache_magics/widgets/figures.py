"""The four figures above the tables: money saved, money paid all the same, hit rate and time saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gptcache_magics import frames
from gptcache_magics.widgets.formats import UNKNOWN, duration, shown

if TYPE_CHECKING:
    from gptcache_magics.widgets.view import PanelSource, View

_SINCE = {"run": "This run", "today": "Today", "7d": "7 days", "all": "All"}


def periods(source: PanelSource) -> dict[str, str]:
    """Return the periods to choose from, the first of them first, with their names; a store that is off has no run."""
    others = [since for since in _SINCE if since != source.since and not (since == "run" and source.mode == "off")]
    return {since: _SINCE[since] for since in (source.since, *others)}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: what it is called, how it reads, and a remark in small."""

    label: str
    value: str
    remark: str


def figures(source: PanelSource, view: View) -> tuple[Figure, ...]:
    """Return the figures of what the panel is about."""
    table = frames.stats(
        source.store,
        by="total",
        period=source.period(view.since),
        model=view.model,
        execution_count=view.cell,
    )
    total = table.iloc[0].to_dict() if len(table) else {}
    lookups, hits, errors = (int(total.get(name, 0)) for name in ("lookups", "hits", "errors"))
    saved_seconds = total.get("saved_seconds")
    rate = f"{hits:,} of {lookups:,} {'lookup' if lookups == 1 else 'lookups'}" if lookups else "no lookups yet"
    if errors:
        rate += f", {errors:,} {'error' if errors == 1 else 'errors'}"
    return (
        Figure("Saved", shown("money", total.get("saved_usd")), "by cache hits"),
        Figure("Paid", shown("money", total.get("paid_usd")), "for model calls"),
        Figure("Hit rate", shown("percent", total.get("hit_rate")), rate),
        Figure("Time saved", UNKNOWN if saved_seconds is None else duration(float(saved_seconds)), "of waiting"),
    )
