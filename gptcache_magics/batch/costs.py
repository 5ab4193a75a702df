"""The money of rows: what those that are done have cost, and what the others may cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isnan, nan
from typing import Final

from gptcache_magics import pricing
from gptcache_magics.batch.asking import Row
from gptcache_magics.store.protocol import Configuration, Lookup
from gptcache_magics.text.amounts import counted, money

__all__ = ["Costs", "paid_usd", "saved_usd"]

NOUNS: Final = {"hit": "hit", "miss": "miss", "bypass": "bypassed call", "error": "error"}
ConfigurationOf = Callable[[Lookup], Configuration | None]


def paid_usd(row: Row, configuration_of: ConfigurationOf) -> float:
    """Return what the row's calls of models cost, in US dollars; NaN if a price is unknown."""
    return _usd([each for each in row.lookups if each.outcome != "hit" and each.seconds != 0], configuration_of)


def saved_usd(row: Row, configuration_of: ConfigurationOf) -> float:
    """Return what the row's hits saved, in US dollars; NaN if a price is unknown."""
    return _usd([each for each in row.lookups if each.outcome == "hit"], configuration_of)


def _usd(lookups: list[Lookup], configuration_of: ConfigurationOf) -> float:
    return sum((_of_lookup(each, configuration_of(each)) for each in lookups), 0.0)


def _of_lookup(lookup: Lookup, configuration: Configuration | None) -> float:
    return nan if configuration is None else pricing.usd(configuration.provider, configuration.model, lookup.usage)


@dataclass(slots=True)
class Costs:
    """The sums of the rows that are done.

    What a row costs is the average of those that were done: what they paid, and what their hits were bought for.
    """

    total: int
    """Number of rows with a question that no earlier row has."""
    done: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """Number of rows with each outcome; empty for rows that did not ask the cache."""
    paid: float = 0.0
    unpriced: int = 0
    """Number of rows whose price is unknown."""
    priced: int = 0
    full: float = 0.0
    """Cost, without the cache, of the rows whose price is known; ``priced`` is their number."""

    def add(self, row: Row, paid: float, saved: float) -> None:
        """Count a row."""
        self.done += 1
        self.outcomes[row.outcome] += 1
        self.paid += 0.0 if isnan(paid) else paid
        self.unpriced += isnan(paid)
        if row.lookups and not isnan(paid + saved) and not row.error:
            self.priced += 1
            self.full += paid + saved

    @property
    def expected(self) -> float:
        """US dollars that the other rows cost if nothing of them is stored; NaN if no price is known yet."""
        return self.full / self.priced * max(0, self.total - self.done) if self.priced else nan

    def __str__(self) -> str:
        parts = [counted(self.outcomes[each], noun) for each, noun in NOUNS.items() if self.outcomes[each]]
        if self.paid or not self.unpriced:
            parts.append(f"paid {money(self.paid)}")
        if self.unpriced:
            parts.append(f"{self.unpriced:,} of unknown price")
        if self.total > self.done and not isnan(self.expected):
            parts.append(f"{money(self.expected)} more at most")
        return ", ".join(parts)
