"""Sum up in a line what lookups saved and paid: those of a run, or of a cell for its badge."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from gptcache_magics.errors import StoreError
from gptcache_magics.store.protocol import Lookup
from gptcache_magics.tables.source import RunLog, Source
from gptcache_magics.text.amounts import counted, duration, money

__all__ = ["cell_totals", "run_totals", "served_again"]


def run_totals(source: Source) -> str:
    """Return a line about what the lookups of this run saved and paid; empty if there were none.

    A store that cannot be read leaves the newest lookups, which are in memory.
    """
    from gptcache_magics.tables import frames

    unwritten = source.flush()
    if source.ledger is not None and (source.store.readonly or unwritten):
        return cell_totals(source.ledger.recent, source.ledger)
    try:
        row = frames.stats(source.store, "total", period=source.period(), wide=True).astype("float64").iloc[0]
    except StoreError:
        return cell_totals(source.ledger.recent, source.ledger) if source.ledger is not None else ""
    counts = {name: int(row[name]) for name in ("hits", "misses", "bypassed", "errors")}
    saved, paid = (row["saved_usd"], row["saved_seconds"]), (row["paid_usd"], row["paid_seconds"])
    return _sentence(counts, int(row["semantic_hits"]), saved, paid)


def cell_totals(lookups: Iterable[Lookup], ledger: RunLog) -> str:
    """Return ``3 hits (1 by meaning), 1 miss · saved $0.0041, 4.2 s · paid $0.0014``; empty for no lookups."""
    from gptcache_magics import pricing

    names = {"hit": "hits", "miss": "misses", "bypass": "bypassed", "error": "errors"}
    counts = dict.fromkeys(names.values(), 0)
    saved, paid = [0.0, 0.0], [0.0, 0.0]
    by_meaning = 0
    for lookup in lookups:
        by_meaning += lookup.match == "semantic"
        counts[names[lookup.outcome]] += 1
        costs = saved if lookup.outcome == "hit" else paid
        configuration = ledger.configuration_of(lookup)
        if configuration is not None:
            dollars = pricing.usd(configuration.provider, configuration.model, lookup.usage)
            costs[0] += 0.0 if math.isnan(dollars) else dollars
        costs[1] += lookup.seconds or 0.0
    return _sentence(counts, by_meaning, saved, paid)


def served_again(lookups: Iterable[Lookup], ledger: RunLog) -> int:
    """Return how often one answer was served to identical calls with sampling: temperature above 0, or not set."""
    sampled = [
        lookup
        for lookup in lookups
        if lookup.key is not None
        and lookup.match != "semantic"
        and (configuration := ledger.configuration_of(lookup)) is not None
        and configuration.temperature != 0
    ]
    hits = Counter(lookup.key for lookup in sampled if lookup.outcome == "hit")
    bought = {lookup.key for lookup in sampled if lookup.outcome == "miss" and not lookup.refusal}
    return max((times + (key in bought) for key, times in hits.items()), default=0)


def _sentence(counts: dict[str, int], by_meaning: int, saved: Sequence[float], paid: Sequence[float]) -> str:
    nouns = {"hits": "hit", "misses": "miss", "errors": "error"}
    words = {name: counted(n, nouns[name]) if name in nouns else f"{n:,} {name}" for name, n in counts.items() if n}
    if by_meaning:
        words["hits"] += f" ({by_meaning:,} by meaning)"
    parts = [", ".join(words.values())]
    # A miss that was refused cost nothing, and nothing is said of it.
    for name, (dollars, seconds), happened in (("saved", saved, counts["hits"]), ("paid", paid, 0)):
        if happened or seconds or dollars:
            parts.append(f"{name} {f'{money(dollars)}, ' if dollars > 0 else ''}{duration(seconds)}")
    return " · ".join(parts)
