"""Find the causes of misses after the call, when nobody waits for them.

A lookup knows only that nothing is stored under its key. The cause, such as another parameter, follows from what is
stored beside it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from gptcache_magics import fork
from gptcache_magics.errors import StoreError, StoreLockedError
from gptcache_magics.store.protocol import Lookup, LookupRow, Period, Store
from gptcache_magics.store.reasons import Kind, Reason

__all__ = ["Causes", "find_recorded"]

NEWEST: Final = 2_000
"""Most rows of a run that are read, and most misses that wait for their cause."""
EARLIER_SECONDS: Final = 0.3
"""Longest search for the causes of earlier runs before a table is shown; the next table goes on with it."""


class Causes:
    """The misses of a cache whose causes are not known yet."""

    def __init__(self) -> None:
        self._misses: dict[tuple[str, int], Lookup] = {}
        self.more = False
        """Whether the time was too short for all of them."""
        self._begin()
        fork.in_child(self._begin)

    def _begin(self) -> None:
        self._lock = threading.RLock()  # a garbage collector may end a cache in the middle of a change
        self._misses = {}

    def __len__(self) -> int:
        return len(self._misses)

    def add(self, lookup: Lookup) -> None:
        """Remember a lookup if it is a miss of which nothing is known."""
        if lookup.outcome == "miss" and lookup.reason is not None and lookup.reason.kind is Kind.NEW:
            with self._lock:
                self._misses[lookup.run, lookup.number_in_run] = lookup
                if len(self._misses) > NEWEST:
                    del self._misses[next(iter(self._misses))]

    def find(self, store: Store, seconds: float, found: list[Lookup]) -> None:
        """Give recorded misses their causes, oldest first, for as long as ``seconds``, and add them to ``found``.

        Raises
        ------
        StoreError
            If the store cannot be read. One that cannot list its entries has no causes to show.
        """
        end = time.monotonic() + seconds
        with self._lock:
            misses = dict(self._misses)
        try:
            for lookup, row in _rows(store, misses):
                self.more = time.monotonic() > end
                if self.more:
                    break
                reason = _cause(store, row)
                self._forget(lookup)
                if lookup.reason is not None and lookup.reason.kind is Kind.NEW:
                    lookup.reason = reason
                    found.append(lookup)
        except StoreLockedError:
            raise
        except StoreError:
            with self._lock:
                self._misses.clear()
            raise

    def _forget(self, lookup: Lookup) -> None:
        with self._lock:
            self._misses.pop((lookup.run, lookup.number_in_run), None)


def find_recorded(store: Store) -> None:
    """Find the causes of misses that no process has looked for: it may have ended at once."""
    if store.readonly:
        return
    with suppress(StoreError):  # locked, or it cannot list its entries: the table is shown as it is
        causes = _unexplained(store)
        if causes:
            store.put_causes(causes)


def _unexplained(store: Store) -> dict[int, Reason]:
    """Return the causes of recorded misses that have none, by the number of the lookup."""
    end, causes = 0.0, dict[int, Reason]()
    for row in store.unexplained(NEWEST):
        causes[row.number] = _cause(store, row)  # the first time, this imports modules
        end = end or time.monotonic() + EARLIER_SECONDS
        if time.monotonic() > end:
            break
    return causes


def _rows(store: Store, misses: dict[tuple[str, int], Lookup]) -> Iterator[tuple[Lookup, LookupRow]]:
    """Yield misses with the rows that were recorded of them."""
    for run in dict.fromkeys(run for run, _ in misses):
        for row in reversed(store.lookups(Period(run=run), NEWEST)):
            lookup = misses.get((run, row.number_in_run))
            if lookup is not None:
                yield lookup, row


def _cause(store: Store, row: LookupRow) -> Reason:
    from gptcache_magics.explain.causes import cause_of  # not for %load_ext

    return cause_of(store, row)
