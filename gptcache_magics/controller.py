"""What is on: install the cache as LangChain's global cache, and put everything back exactly as it was.

There is one global LLM cache in a process, so there is one controller: ``controller``.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gptcache_magics.errors import CommandError
from gptcache_magics.settings import Settings
from gptcache_magics.stores import open_store
from gptcache_magics.stores.base import Lookup, Period, Store

if TYPE_CHECKING:
    from langchain_core.caches import BaseCache

    from gptcache_magics.ledger import Ledger
    from gptcache_magics.llm_cache import GPTCache

__all__ = ["Controller", "Source", "cell_totals", "controller", "place", "run_totals", "seconds_of"]

DEFAULT_STORE: Final = ".gptcache"
_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Source:
    """A store to read tables from: the one that is on, or another place."""

    store: Store
    ledger: Ledger | None = None
    """Of the cache that is on; another place has none."""
    since: str = "all"
    """What tables are about if nothing else is asked for."""

    @property
    def where(self) -> str:
        """The place, as a person would type it."""
        return place(self.store)

    @property
    def mode(self) -> str:
        """What the cache may do."""
        if self.ledger is None:
            return "off"
        return "readonly" if self.store.readonly else "auto"

    def flush(self) -> None:
        """Bring pending lookups into the store, before it is read."""
        if self.ledger is not None:
            self.ledger.flush()

    def period(self, since: str | None = None) -> Period:
        """Which lookups ``run``, ``today``, ``all``, ``1h`` or ``7d`` means."""
        since = str(since or self.since)
        if since == "all":
            return Period()
        if since == "run":
            if self.ledger is None:
                raise CommandError(
                    "--since run is about the cache that is on, and --at names a store. Type --since all."
                )
            return Period(run=self.ledger.run)
        if since == "today":
            return Period(after=datetime.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
        return Period(
            after=time.time() - seconds_of(since, "--since takes run, today, all, or a time such as 1h or 7d")
        )

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` after each lookup; returns the way to stop it."""
        return self.ledger.subscribe(changed) if self.ledger is not None else lambda: None


def place(store: Store) -> str:
    """Where a store is, as short as a person would type it: from here, from home, or in full."""
    for beginning, short in ((Path.cwd(), ""), (Path.home(), "~")):
        if Path(store.where).is_relative_to(beginning):
            return str(Path(short) / Path(store.where).relative_to(beginning))
    return store.where


def seconds_of(text: str, allowed: str) -> float:
    """Seconds in ``30m``, ``1h``, ``7d`` or ``2w``."""
    number, unit = text[:-1], _UNITS.get(text[-1:])
    if unit is None or not number.isdecimal() or len(number) > 6:
        raise CommandError(f"{allowed}. Got '{text}'.")
    return float(number) * unit


@dataclass
class Controller:
    """Turns the cache on and off, and knows what it replaced."""

    settings: Settings = field(default_factory=lambda: Settings(mark_hits=True))
    default_store: str = DEFAULT_STORE
    cache: GPTCache | None = None
    previous: BaseCache | None = None
    on_off: list[Callable[[], None]] = field(default_factory=list)
    """What else must end with the cache, such as an open panel."""

    def on(self, where: str | Path | None = None, init: Callable[..., None] | None = None) -> str:
        """Install the cache; the line to print. Already on at this place: keep it, and take the global cache back."""
        from langchain_core.globals import get_llm_cache, set_llm_cache

        from gptcache_magics.llm_cache import GPTCache

        if init is not None and not callable(init):
            raise CommandError(f"--init names a function of one or two parameters. Got {init!r}.")
        store = open_store(where or self.default_store or DEFAULT_STORE)
        if self.cache is not None:
            same = where is None or store.where == self.cache.store.where
            if not same or (init is not None and init is not self.cache.init_func):
                raise CommandError(
                    f"The cache is on at {place(self.cache.store)}. To change the store or its gptcache: "
                    f"%gptcache off, then %gptcache on {where or ''}".rstrip()
                )
            taken = get_llm_cache() is not self.cache
            set_llm_cache(self.cache)
            return f"Cache on{' again' if taken else ''}: {self._described()}"
        store.open()
        cache = GPTCache(init, store=store)
        cache.settings = cache.ledger.settings = self.settings
        self.previous, self.cache = get_llm_cache(), cache
        set_llm_cache(cache)
        aside = f" {type(self.previous).__name__} set aside (off restores it)." if self.previous is not None else ""
        return f"Cache on: {self._described()}.{aside}{''.join(f' {notice}' for notice in store.notices)}"

    def off(self) -> str:
        """Put LangChain back as it was; the line to print."""
        if self.cache is None:
            return "The cache is off already."
        from langchain_core.globals import get_llm_cache, set_llm_cache

        cache, previous = self.cache, self.previous
        totals = run_totals(self.source())
        self.cache = self.previous = None
        ends, self.on_off = self.on_off, []
        for end in ends:
            end()
        restored = ""
        if get_llm_cache() is cache:
            set_llm_cache(previous)
            restored = f" {type(previous).__name__} is back." if previous is not None else ""
        try:
            cache.store.forget_removed()
        finally:
            cache.close()
            cache.store.close()
        return f"Cache off. This run: {totals or 'no lookups'}.{restored}"

    def source(self, at: str | Path | None = None) -> Source:
        """What tables are read from: the cache that is on, or the store at ``at``."""
        live = Source(self.cache.store, self.cache.ledger, "run") if self.cache is not None else None
        if at is None:
            if live is None:
                raise CommandError(
                    "The cache is off. Turn it on: %gptcache on, or read a store: %gptcache stats --at .gptcache"
                )
            return live
        store = open_store(at)
        if live is not None and store.where == live.store.where:
            return replace(live, since="all")
        if not os.path.exists(os.path.join(store.where, "cache.db")):
            raise CommandError(f"There is no store in {at}. A store is a folder with a cache.db, such as .gptcache")
        store.open()
        return Source(store)

    def _described(self) -> str:
        assert self.cache is not None
        entries, _ = self.cache.store.count()
        hint = ". Run a cell twice, then %gptcache panel" if not entries else ""
        return f"{place(self.cache.store)}, {entries:,} {'entry' if entries == 1 else 'entries'}{hint}"


def run_totals(source: Source) -> str:
    """What the lookups of this run saved and paid, in a line; empty if there were none."""
    from gptcache_magics import frames

    source.flush()
    if source.store.readonly and source.ledger is not None:  # nothing is recorded there
        return cell_totals(source.ledger.recent, source.ledger)
    row = frames.stats(source.store, "total", period=source.period(), wide=True).astype("float64").iloc[0]
    counts = {name: int(row[name]) for name in ("hits", "misses", "bypassed", "errors")}
    return _told(counts, (row["saved_usd"], row["saved_seconds"]), (row["paid_usd"], row["paid_seconds"]))


def cell_totals(lookups: Iterable[Lookup], ledger: Ledger) -> str:
    """``3 hits, 1 miss · saved $0.0041, 4.2 s · paid $0.0014``; empty for no lookups."""
    from gptcache_magics import pricing

    names = {"hit": "hits", "miss": "misses", "bypass": "bypassed", "error": "errors"}
    counts = dict.fromkeys(names.values(), 0)
    costs = {"hit": [0.0, 0.0], "miss": [0.0, 0.0]}
    for lookup in lookups:
        counts[names[lookup.outcome]] += 1
        if lookup.outcome in costs:
            dollars = pricing.usd(*ledger.model_of(lookup), lookup.usage)
            costs[lookup.outcome][0] += 0.0 if math.isnan(dollars) else dollars
            costs[lookup.outcome][1] += lookup.seconds or 0.0
    return _told(counts, tuple(costs["hit"]), tuple(costs["miss"]))


def _told(counts: dict[str, int], saved: Sequence[float], paid: Sequence[float]) -> str:
    singular = {"hits": "hit", "misses": "miss", "errors": "error"}
    told = [", ".join(f"{n:,} {singular.get(name, name) if n == 1 else name}" for name, n in counts.items() if n)]
    for name, (dollars, seconds), happened in (("saved", saved, "hits"), ("paid", paid, "misses")):
        if counts[happened]:
            told.append(f"{name} {f'${dollars:.4f}, ' if dollars > 0 else ''}{seconds:.1f} s")
    return " · ".join(told)


controller: Final = Controller()
"""The one controller of this process."""
