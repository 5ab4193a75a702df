"""The four figures above the tables: money saved, money paid, hit rate and time saved.

Money leads, with its tokens beside it. Where no price is known, tokens and time lead instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from gptcache_magics.store.protocol import Period
from gptcache_magics.tables import frames
from gptcache_magics.text.amounts import counted, short, tokens
from gptcache_magics.widgets.formats import shown
from gptcache_magics.widgets.view import ALL

if TYPE_CHECKING:
    from gptcache_magics.widgets.view import PanelSource, View

HOW_TO_PRICE: Final = ": %config GPTCacheMagics.prices"
_SINCE = {"run": "This run", "today": "Today", "7d": "7 days", "all": "All"}


def periods(source: PanelSource) -> dict[str, str]:
    """Return the names of the periods to choose from, the default first; a store that is off has no run."""
    others = [since for since in _SINCE if since != source.since and not (since == "run" and source.mode == "off")]
    return {since: _SINCE[since] for since in (source.since, *others)}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its label, its value as text, and small remarks."""

    label: str
    value: str
    remark: str
    of_all: str = ""
    """The same figure of all time: ``all time $0.84``; empty if the period has everything."""
    detail: str = ""
    """The tokens by direction, to be shown on demand."""


def figures(source: PanelSource, view: View) -> tuple[Figure, ...]:
    """Return the figures for the filters of `view`."""
    total = _total(source, view, source.period(view.since))
    saved, paid = (_Cost.of(total, way) for way in ("saved", "paid"))
    return tuple(
        replace(figure, of_all=f"all time {of_all}" if of_all else "")
        for figure, of_all in zip(
            (
                Figure("Saved", saved.value, saved.remark("by cache hits"), detail=saved.tokens_by_direction),
                Figure(
                    "Paid",
                    paid.value,
                    paid.remark("for model calls", _without_cache(saved, paid), explain=saved.priced),
                    detail=paid.tokens_by_direction,
                ),
                Figure("Hit rate", shown("percent", total.get("hit_rate")), _counted(total) or _none(view)),
                Figure("Time saved", shown("duration", total.get("saved_seconds")), "of waiting"),
            ),
            _of_all(source, view, total),
            strict=True,
        )
    )


def _total(source: PanelSource, view: View, period: Period) -> Mapping[Any, Any]:
    sums = frames.sums(source.store, "total", period=period, model=view.model, **view.of_lookups)
    return frames.tally(sums, "total", wide=True).iloc[0].to_dict()


def _of_all(source: PanelSource, view: View, total: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return the values of all time, empty where they are those of this run.

    Cells have their numbers in one run only. Of a tag and an entry no sums are stored, and reading every lookup that is
    kept would take too long.
    """
    nothing = ("",) * 4
    if view.since != "run" or (view.cell, view.tag, view.entry) != (None, None, None):
        return nothing
    ever = _total(source, view, Period())
    if ever["lookups"] <= total["lookups"]:
        return nothing
    costs = (_Cost.of(ever, way).value for way in ("saved", "paid"))
    return *costs, shown("percent", ever["hit_rate"]), shown("duration", ever["saved_seconds"])


@dataclass(frozen=True, slots=True)
class _Cost:
    """What answers cost, or would have cost: money, tokens and time, NaN where nothing is known."""

    usd: float
    seconds: float
    sent: float
    received: float
    unpriced: int
    """Number of answers that the money lacks."""

    @classmethod
    def of(cls, total: Mapping[Any, Any], way: str) -> _Cost:
        names = (f"{way}_usd", f"{way}_seconds", f"{way}_input_tokens", f"{way}_output_tokens")
        usd, seconds, sent, received = (math.nan if pd.isna(total[name]) else float(total[name]) for name in names)
        return cls(usd, seconds, sent, received, int(total[f"unpriced_{way}"]))

    @property
    def priced(self) -> bool:
        """Whether all of the money is known."""
        return not math.isnan(self.usd) and not self.unpriced

    @property
    def tokens(self) -> str:
        """Tokens in and out: ``12.3k tokens``; empty if none are known."""
        known = [round(each) for each in (self.sent, self.received) if each > 0]
        return f"{short(sum(known))} {'token' if sum(known) == 1 else 'tokens'}" if known else ""

    @property
    def tokens_by_direction(self) -> str:
        """Tokens in full: ``10,000 tokens in, 2,300 out``; empty unless both are known."""
        return tokens(round(self.sent), round(self.received)) if self.sent + self.received > 0 else ""

    @property
    def value(self) -> str:
        """The money; the tokens if that is unknown, and the time if they are unknown, too."""
        return shown("money", self.usd) if not math.isnan(self.usd) else self.tokens or shown("duration", self.seconds)

    def remark(self, otherwise: str, more: str = "", *, explain: bool = True) -> str:
        """Return tokens, ``more``, and the answers whose price is unknown; ``otherwise`` if nothing of that is known.

        ``explain`` says how a price is made known.
        """
        if math.isnan(self.usd):
            parts = [shown("duration", self.seconds) if self.tokens and self.seconds > 0 else ""]
        else:
            parts = [self.tokens, more]
        if not self.priced:
            count = "" if math.isnan(self.usd) else f"{self.unpriced:,} of "
            parts.append(f"{count}unknown price{HOW_TO_PRICE if explain else ''}")
        return ", ".join(filter(None, parts)) or otherwise


def _without_cache(saved: _Cost, paid: _Cost) -> str:
    """Return what the same calls would have cost; empty if nothing was saved, or a price is unknown."""
    known = saved.priced and paid.priced and saved.usd > 0
    return f"without the cache {shown('money', saved.usd + paid.usd)}" if known else ""


def _none(view: View) -> str:
    filtered = any(getattr(view, name) is not None for name in ALL)
    return "no lookups with these filters" if filtered else "no lookups yet"


def _counted(total: Mapping[Any, Any]) -> str:
    """Return what the hit rate counts and leaves out: ``2 of 5, 4 bypassed, 1 error``."""
    hits, misses, bypassed, errors = (int(total.get(name, 0)) for name in ("hits", "misses", "bypassed", "errors"))
    decided = hits + misses
    left_out = [f"{bypassed:,} bypassed"] * bool(bypassed)
    left_out += [counted(errors, "error")] * bool(errors)
    if not left_out:
        return f"{hits:,} of {counted(decided, 'lookup')}" if decided else ""
    return ", ".join([f"{hits:,} of {decided:,}"] * bool(decided) + left_out)
