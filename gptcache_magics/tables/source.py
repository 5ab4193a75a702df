"""Name the store that tables are read from, and the period of their lookups."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, Protocol

from gptcache_magics.errors import CommandError
from gptcache_magics.settings import THRESHOLD, Settings, strictest
from gptcache_magics.store.protocol import Configuration, Lookup, Period, Store, team_behind
from gptcache_magics.text.amounts import seconds_of

__all__ = ["By", "RunLog", "Source", "place", "shared_place"]

EXPLAIN_SECONDS: Final = 0.3
By = Literal["model", "configuration", "face", "cell", "notebook", "day", "cause", "author", "total"]
"""The subject of each row in a table of figures."""


class RunLog(Protocol):
    """The log of the run that is on, as far as tables read it."""

    run: str
    settings: Settings
    failures: int
    """Number of errors inside the cache that no call noticed."""
    last_error: str

    @property
    def limit(self) -> float | None:
        """Dollars that the run may spend; None if it has no budget."""

    @property
    def waiting(self) -> str:
        """A sentence about what waits for a busy store; empty if nothing does."""

    @property
    def recent(self) -> Sequence[Lookup]:
        """The newest lookups of this run, oldest first."""

    def configuration_of(self, lookup: Lookup) -> Configuration | None:
        """Return the configuration of a lookup of this run, if it is known."""

    def flush(self) -> None:
        """Write the pending lookups to the store."""

    def explain(self, seconds: float) -> None:
        """Find the causes of recorded misses, for as long as ``seconds``, and record them."""

    def settled(self) -> Store:
        """Return the store with every lookup and answer of each call that returned before."""

    def start_run(self) -> None:
        """Begin a new run."""

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` after each lookup. Returns a function that ends this."""


@dataclass(frozen=True, slots=True)
class Source:
    """A store to read tables from: the one that is on, or another place."""

    store: Store
    ledger: RunLog | None = None
    """The log of the cache that is on; another place has none."""
    since: str = "all"
    """The default period of tables."""

    @property
    def where(self) -> str:
        """The place, as a person would type it."""
        return place(self.store)

    @property
    def state(self) -> str:
        """``on``, ``off``, or ``replaced``: another cache is LangChain's global cache now."""
        if self.ledger is None:
            return "off"
        from langchain_core.globals import get_llm_cache

        return "on" if getattr(get_llm_cache(), "ledger", None) is self.ledger else "replaced"

    @property
    def mode(self) -> str:
        """The mode of the cache, or ``off``."""
        if self.ledger is None:
            return "off"
        mode = self.ledger.settings.options.kernel.mode
        return strictest("readonly", mode) if self.store.readonly else mode

    @property
    def threshold(self) -> float:
        """The smallest cosine at which a question counts as the same; for another place the default."""
        return self.ledger.settings.options.threshold if self.ledger is not None else THRESHOLD

    @property
    def failures(self) -> int:
        """Number of errors inside the cache."""
        return self.ledger.failures if self.ledger is not None else 0

    def flush(self) -> str:
        """Write pending lookups and their causes to the store before it is read. Returns the error, empty if none."""
        if self.ledger is None:
            return ""
        failures = self.ledger.failures
        self.ledger.flush()
        self.ledger.explain(EXPLAIN_SECONDS)
        return self.ledger.waiting or (self.ledger.last_error if self.ledger.failures > failures else "")

    def settled(self) -> Source:
        """Return the same source with every lookup and answer of each call that returned before."""
        return self if self.ledger is None else replace(self, store=self.ledger.settled())

    def period(self, since: str | None = None) -> Period:
        """Return the period that ``run``, ``today``, ``all``, ``1h`` or ``7d`` names."""
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
        """Call ``changed`` after each lookup. Returns a function that ends this."""
        return self.ledger.subscribe(changed) if self.ledger is not None else lambda: None


def place(store: Store) -> str:
    """Return the place of a store, as short as a person would type it: from here, from home, or in full."""
    for beginning, short in ((Path.cwd(), ""), (Path.home(), "~")):
        if Path(store.where).is_relative_to(beginning):
            return str(Path(short) / Path(store.where).relative_to(beginning))
    return store.where


def shared_place(store: Store) -> str:
    """Return the place of a store, and that of the team behind it."""
    team = team_behind(store)
    if team is None:
        return place(store)
    address = team.database.address
    pooled = ", pooled" if address.pooled else ""
    return f"{place(store)} and the team's store {address.shown}, space {address.space}{pooled}"
