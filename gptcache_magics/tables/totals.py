"""Sum up in a line what lookups saved and paid: those of a run, or of a cell for its badge."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gptcache_magics.errors import StoreError
from gptcache_magics.store.protocol import Lookup
from gptcache_magics.store.reasons import FAILURES, Kind, sentence, without_word
from gptcache_magics.tables.source import RunLog, Source
from gptcache_magics.text.amounts import counted, duration, money

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["cell_totals", "counts_and_money", "not_stored", "run_totals", "served_again"]


NOUNS: Final = {"hits": "hit", "misses": "miss", "bypassed": "", "errors": "error"}
WAYS: Final = ("saved", "paid")


@dataclass(slots=True)
class _Costs:
    """What answers cost."""

    usd: float = 0.0
    seconds: float = 0.0
    unpriced: int = 0
    """Number of answers whose money is unknown."""

    @property
    def money(self) -> str:
        """The dollars: ``$0.0001 and 4 calls of unknown price``; empty if none are known."""
        unknown = f" and {counted(self.unpriced, 'call')} of unknown price" if self.unpriced else ""
        return f"{money(self.usd)}{unknown}" if self.usd > 0 else ""

    def said(self, of: str = "") -> str:
        """Return ``$0.0001 and 4 calls of unknown price, 2.0 s of model time``; ``of`` says what the time is."""
        time = "unknown time" if math.isnan(self.seconds) else f"{duration(self.seconds)}{of}"
        return ", ".join(filter(None, (self.money, time)))


def run_totals(source: Source) -> str:
    """Return a line about what the lookups of this run saved and paid; empty if there were none.

    A store that cannot be read leaves the newest lookups, which are in memory.
    """
    from gptcache_magics.tables import frames

    unwritten = source.flush()
    if source.ledger is not None and (source.store.readonly or unwritten):
        return _newest_totals(source.ledger)
    try:
        of_run = frames.sums(source.store, "total", period=source.period())
        row = frames.tally(of_run, "total", wide=True).astype("float64").iloc[0]
    except StoreError:
        return _newest_totals(source.ledger) if source.ledger is not None else ""
    counts, saved, paid = _figures(row)
    ways = {"by meaning": int(row["semantic_hits"]), "but for what is ignored": int(row["ignoring_hits"])}
    return _sentence(counts, ways, saved, paid)


def _newest_totals(ledger: RunLog) -> str:
    return cell_totals([*ledger.recent], ledger)  # a copy: calls go on meanwhile


def counts_and_money(row: pd.Series[float]) -> str:
    """Return ``3 hits, 1 miss, 2 bypassed · saved $0.0041 · paid $0.0014`` for a row of ``stats --wide``."""
    counts, *costs = _figures(row)
    sums = [f"{way} {each.money}" for way, each in zip(WAYS, costs, strict=True) if each.money]
    return " · ".join([", ".join(_counted(counts).values()), *sums])


def cell_totals(lookups: Iterable[Lookup], ledger: RunLog, elapsed: float = math.inf) -> str:
    """Return ``3 hits (1 by meaning), 1 miss · saved $0.0041, 4.2 s · paid $0.0014, 2.0 s``; empty for no lookups.

    Parameters
    ----------
    elapsed
        Seconds that passed: calls at the same time may take more in all, which is called model time.
    """
    from gptcache_magics import pricing

    names = {"hit": "hits", "miss": "misses", "bypass": "bypassed"}
    counts = dict.fromkeys(NOUNS, 0)
    saved, paid = _Costs(), _Costs()
    ways: Counter[str] = Counter()
    timed = 0
    for lookup in lookups:
        if lookup.match == "semantic":
            ways["by meaning"] += 1
        elif lookup.ignored:
            ways[f"but for {lookup.reason.detail}" if lookup.reason else "ignoring"] += 1
        elif lookup.outcome == "hit" and lookup.reason is not None and lookup.reason.kind is Kind.TEAM:
            ways[sentence(lookup.reason)] += 1
        failed = lookup.outcome == "error"
        if not failed:
            counts[names[lookup.outcome]] += 1
        counts["errors"] += failed or (lookup.reason is not None and lookup.reason.kind in FAILURES)
        costs = saved if lookup.outcome == "hit" else paid
        configuration = ledger.configuration_of(lookup)
        dollars = math.nan
        if configuration is not None:
            dollars = pricing.usd(configuration.provider, configuration.model, lookup.usage)
        costs.usd += 0.0 if math.isnan(dollars) else dollars
        costs.seconds += lookup.seconds or 0.0
        timed += lookup.outcome == "hit" and lookup.seconds is not None
        unknown = bool(lookup.seconds) if lookup.outcome == "hit" else lookup.seconds != 0
        costs.unpriced += math.isnan(dollars) and unknown
    if counts["hits"] and not timed:
        saved.seconds = math.nan
    return _sentence(counts, ways, saved, paid, " of model time" if paid.seconds > elapsed else "")


def not_stored(lookups: Iterable[Lookup]) -> Counter[str]:
    """Return why how many answers were not stored, the most frequent reason first."""
    reasons = [lookup.reason for lookup in lookups if lookup.reason is not None]
    details = Counter(without_word(each.detail) for each in reasons if each.kind is Kind.NOT_STORED)
    return Counter(dict(details.most_common()))


def served_again(lookups: Iterable[Lookup], ledger: RunLog) -> int:
    """Return how often one answer was served to identical calls with sampling: temperature above 0, or not set."""
    sampled = [
        lookup
        for lookup in lookups
        if lookup.key is not None
        and lookup.match != "semantic"
        and not lookup.ignored
        and (configuration := ledger.configuration_of(lookup)) is not None
        and configuration.temperature != 0
    ]
    hits = Counter(lookup.key for lookup in sampled if lookup.outcome == "hit")
    bought = {lookup.key for lookup in sampled if lookup.outcome == "miss" and not lookup.refusal}
    return max((times + (key in bought) for key, times in hits.items()), default=0)


def _figures(row: pd.Series[float]) -> tuple[dict[str, int], _Costs, _Costs]:
    """Return the counts of a row of ``stats --wide``, and what was saved and paid."""
    saved, paid = (_Costs(row[f"{way}_usd"], row[f"{way}_seconds"], int(row[f"unpriced_{way}"])) for way in WAYS)
    return {name: int(row[name]) for name in NOUNS}, saved, paid


def _counted(counts: Mapping[str, int]) -> dict[str, str]:
    """Return the counts that are not zero in words: ``2 misses``, ``3 bypassed``."""
    return {name: counted(n, noun) if (noun := NOUNS[name]) else f"{n:,} {name}" for name, n in counts.items() if n}


def _sentence(counts: Mapping[str, int], ways: Mapping[str, int], saved: _Costs, paid: _Costs, of: str = "") -> str:
    words = _counted(counts)
    found = [f"{n:,} {way}" for way, n in ways.items() if n]
    if found:
        words["hits"] += f" ({', '.join(found)})"
    parts = [", ".join(words.values())]
    if counts["hits"] or saved.seconds or saved.usd > 0:
        parts.append(f"saved {saved.said()}")
    if paid.seconds or paid.usd > 0:  # a miss that was refused cost nothing, and nothing is said of it
        parts.append(f"paid {paid.said(of)}")
    elif paid.unpriced:
        parts.append(f"{counted(paid.unpriced, 'call')} of unknown price")
    return " · ".join(parts)
