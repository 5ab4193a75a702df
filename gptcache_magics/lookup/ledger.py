"""Record every lookup without slowing it down.

The ledger notes a lookup in memory and writes it with its neighbours in one transaction: every second, at the end of
each cell, before a table is read, and at exit. A killed kernel may lose a second of lookups, but never an entry.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from math import inf
from queue import SimpleQueue
from typing import Final, TypeVar
from uuid import uuid4

from gptcache_magics import fork
from gptcache_magics.errors import StoreError, StoreLockedError
from gptcache_magics.log import tell
from gptcache_magics.lookup.budget import Budget
from gptcache_magics.lookup.causes import Causes
from gptcache_magics.lookup.embedding_uses import Embedded, EmbeddingUses
from gptcache_magics.settings import CELL, NOTED, Scope, Settings
from gptcache_magics.store.patience import Patience, waiting
from gptcache_magics.store.protocol import Configuration, Found, Lookup, Near, Outcome, Store, Usage
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sums import Sum
from gptcache_magics.store.unwritten import with_dropped, with_unwritten
from gptcache_magics.text.amounts import counted
from gptcache_magics.text.masking import scrubbed

__all__ = ["Ledger"]

K = TypeVar("K")
V = TypeVar("V")
FLUSH_SECONDS: Final = 1.0
RECENT_LOOKUPS: Final = 10_000
IMPATIENT_SECONDS: Final = 10.0
EXPLAIN_SECONDS: Final = 1.0
BACKGROUND_SECONDS: Final = 0.05
"""Longest search for causes at once while calls go on."""


class Ledger:
    """The lookups of one run on their way to the store."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.recent: deque[Lookup] = deque(maxlen=RECENT_LOOKUPS)
        self.noted = 0
        """Number of lookups since the cache was made."""
        self.stored = False
        """Whether an answer was stored since the last look at the size of all answers."""
        self.last_error = ""
        self.failures = 0
        """Number of errors inside the cache that no call noticed."""
        self._store = store
        self.embeddings = EmbeddingUses(store)
        self.settings = settings
        self.budget: Budget | None = None
        """The budget of the run, if it has one."""
        self.journal: list[Lookup] | None = None
        """Every lookup, for the report on a notebook that is being verified."""
        self.locked = False
        """Whether the store was busy when an answer or a lookup was last to be written or read."""
        self._late: dict[tuple[str, int], tuple[Lookup, Reason | None]] = {}
        """The lookups whose answers are not written yet, each with its own reason."""
        self._pending: dict[tuple[str, int], tuple[Lookup]] = {}
        """The lookups to write, each in a tuple of its own: a lookup that is noted again while it is written stays."""
        self._dropped: list[Sum] = []
        """The sums of lookups that were too many to wait for the store."""
        self._configurations: dict[str, Configuration] = {}
        self._known: dict[str, Configuration] = {}
        self._causes = Causes()
        self._closed = False
        self._impatient_until = 0.0
        """Until then a command does not wait for a locked store, because one has just waited in vain."""
        self.start_run()
        self._begin()
        fork.in_child(self._begin_in_child)

    def _begin(self) -> None:
        self._lock = threading.RLock()  # close() may run from the garbage collector, in the middle of flush()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._listeners: list[Callable[[], None]] = []

    def _begin_in_child(self) -> None:
        """Start afresh in a forked child: its parent writes what it noted, and owns the panels that listen."""
        self._begin()
        self._pending, self._late, self._dropped = {}, {}, []
        self._numbers = itertools.count(os.getpid() << 32)

    def start_run(self) -> None:
        """Begin a new run: figures "of this run" start at zero, and nothing is deleted."""
        self.run = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid4().hex[:6]}"
        self.recent.clear()
        self.failures, self.last_error = 0, ""
        self._logged: set[str] = set()
        self._numbers = itertools.count(1)

    def note(
        self,
        outcome: Outcome,
        reason: Reason | None,
        lookup_seconds: float,
        *,
        scope: Scope = Scope(),
        key: str | None = None,
        question: str = "",
        configuration: Configuration | None = None,
        found: Found | None = None,
        prompt_digest: str = "",
        asked: str | None = None,
        near: Near | None = None,
        refusal: str = "",
        face: str = "langchain",
    ) -> Lookup:
        """Note one lookup of the running cell. A hit saves what ``found`` cost when it was bought."""
        lookup = Lookup(
            at=time.time(),
            run=self.run,
            number_in_run=next(self._numbers),
            outcome=outcome,
            reason=reason,
            mode=scope.mode,
            tag=scope.tag,
            configuration=configuration.key if configuration else None,
            key=key,
            question=question,
            lookup_seconds=lookup_seconds,
            prompt_digest=prompt_digest,
            near=near,
            refusal=refusal,
            face=face,
        )
        if found is not None:
            lookup.match, lookup.seconds, lookup.usage = found.match, found.seconds, found.usage
            lookup.asked = asked if found.similarity is not None or found.ignored else None
            lookup.ignored = found.ignored
        cell = CELL.get()
        if cell is not None:
            lookup.notebook, lookup.cell_id, lookup.cell_line = cell.notebook, cell.cell_id, cell.first_line
            lookup.execution_count = cell.execution_count
        self.recent.append(lookup)
        noted = NOTED.get()
        if noted is not None:
            noted.append(lookup)
        if self.journal is not None:
            self.journal.append(lookup)
        self.noted += 1
        if outcome == "bypass":
            model = configuration.model if configuration is not None else "unknown model"
            tell(logging.INFO, "bypass (%s): %s", reason.kind if reason is not None else "", model)
        self._add(lookup, configuration)
        return lookup

    def embedded(self, embedded: Embedded) -> None:
        """Count texts that were embedded, of the running cell."""
        self.embeddings.add(self.run, embedded)
        if (self._thread is None or self._wake.empty()) and self._started():
            self._wake.put(None)

    def paid(self, lookup: Lookup, seconds: float, usage: Usage, reason: Reason | None) -> None:
        """Complete a miss with the cost of the model's answer, and with the reason if the answer was not stored."""
        lookup.seconds, lookup.usage = seconds, usage
        with self._lock:
            if reason is not None and reason.kind is Kind.LOCKED:
                self._late[lookup.run, lookup.number_in_run] = lookup, lookup.reason
            lookup.reason = reason or lookup.reason
        self._add(lookup, None)
        self._causes.add(lookup)

    def charged(self, lookup: Lookup, usage: Usage) -> None:
        """Complete the lookup of a call that failed with the tokens that were charged for, as far as they are known."""
        if usage != lookup.usage:
            lookup.usage = usage
            self._add(lookup, None)

    def failed(self, error: BaseException, doing: str, *, again: bool = False) -> Reason:
        """Count an error that no call notices, unless the store is busy. Returns it as the reason of a lookup.

        An error that comes ``again`` in the same lookup is not counted again: tables count lookups with an error.
        """
        if isinstance(error, StoreLockedError):
            self.locked = True
            return Reason(Kind.LOCKED, f"no {doing}: the store is locked")
        self.failures += not again
        what = f"{type(error).__name__} while {doing}"
        self.last_error = scrubbed(f"{what}: {error}")
        # Only our own sentences are known to quote no prompt.
        logged = self.last_error if isinstance(error, StoreError) else f"{what}. More: %gptcache status"
        if logged not in self._logged:
            self._logged.add(logged)
            tell(logging.WARNING, "%s", logged)
        return Reason(Kind.ERROR, self.last_error)

    @property
    def limit(self) -> float | None:
        """Dollars that the run may spend; None if it has no budget."""
        return None if self.budget is None else self.budget.limit

    @property
    def waiting(self) -> str:
        """A sentence about what waits for a busy store; empty if nothing does."""
        if not self.locked:
            return ""
        answers, lookups = len(self._late), len(self._pending)
        what = " and ".join([counted(n, noun) for n, noun in ((answers, "answer"), (lookups, "lookup")) if n])
        then = f": {what} {'waits' if answers + lookups == 1 else 'wait'} for it" if what else ""
        return f"The store is locked by another process{then}."

    def configuration_of(self, lookup: Lookup) -> Configuration | None:
        """Return the configuration of a lookup of this run, if it is known."""
        return self._known.get(lookup.configuration or "")

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed``, which must return at once, after each lookup, from any thread. Returns how to end it."""
        self._listeners.append(changed)

        def unsubscribe() -> None:
            with suppress(ValueError):
                self._listeners.remove(changed)

        return unsubscribe

    def flush(self) -> None:
        """Write the pending lookups. If the store cannot be written, they stay pending, within a bound."""
        self._flush_embeddings()
        with self._lock:
            if self._store.readonly:
                self._pending.clear()
            pending, configurations = dict(self._pending), dict(self._configurations)
            dropped = self._dropped
        if not pending:
            return
        late = dict(self._late)
        try:
            # The transaction that writes these lookups begins with the answers that are late.
            lookups = [_on_time(lookup, late) for (lookup,) in pending.values()]
            self._store.record(lookups, configurations.values(), self.settings.config.keep_lookups, dropped)
            self.locked = False
            with self._lock:  # what another thread is writing stays pending until then: it may write in vain
                _remove(self._pending, pending)
                _remove(self._configurations, configurations)
                _remove(self._late, late)
                if self._dropped is dropped:
                    self._dropped = []
                for lookup, reason in late.values():
                    lookup.reason = reason
                    self._causes.add(lookup)
        except BaseException as error:  # an interrupt, too: the store counts a hit once, however often it is written
            self._keep_few()
            self._wake.put(None)  # try again
            if not isinstance(error, Exception):
                raise
            if isinstance(error, StoreLockedError):
                self.locked = True
            else:
                self.failed(error, "writing lookups")
        self._keep_within()

    def _flush_embeddings(self) -> None:
        """Write the figures about embeddings, or leave them to the next try."""
        try:
            self.embeddings.flush()
        except StoreLockedError:
            self.locked = True
            self._wake.put(None)
        except StoreError as error:
            self.failed(error, "writing figures of embeddings")
        self._keep_within()

    def _keep_few(self) -> None:
        """Keep the newest lookups for the next try, and of the others their sums."""
        with self._lock:
            pending = [*self._pending.items()]
            if len(pending) > RECENT_LOOKUPS:
                self._dropped = with_dropped(self._dropped, (each for _, (each,) in pending[:-RECENT_LOOKUPS]))
                self._pending = dict(pending[-RECENT_LOOKUPS:])

    def _keep_within(self) -> None:
        """Evict entries if an answer was stored; on a full disk, even though nothing could be written."""
        max_size = self.settings.options.max_size
        if not self.stored or max_size is None or self._store.readonly:
            return
        self.stored = False
        try:
            self.stored = self._store.evict(max_size) > 0  # it may go on with the next lookups
        except StoreLockedError:
            self.stored = self.locked = True
        except StoreError as error:
            self.stored = True
            self.failed(error, "removing what is over --max-size")

    def explain(self, seconds: float = EXPLAIN_SECONDS) -> None:
        """Find the causes of recorded misses, for as long as ``seconds``, and write them."""
        if not self._causes or self.locked:
            return
        found: list[Lookup] = []
        try:
            self._causes.find(self._store, seconds, found)
        except StoreError:  # the other lookups stay as they are
            pass
        except Exception as error:
            self.failed(error, "finding the cause of a miss")
        with self._lock:
            self._pending |= {(each.run, each.number_in_run): (each,) for each in found}
        self.flush()

    def settled(self) -> Store:
        """Return the store with every lookup and answer of each call that returned before.

        It waits for a locked store as long as a command may, unless it has just done so in vain. If the store stays
        locked, what is not written yet is read from memory.
        """
        patience = Patience(command=True, waited=inf if time.monotonic() < self._impatient_until else 0.0)
        with waiting(patience):
            self.flush()
        if not self.locked:
            self.explain()
            return self._store
        if patience.waited != inf:
            self._impatient_until = time.monotonic() + IMPATIENT_SECONDS
        with self._lock:
            pending, known = [lookup for (lookup,) in self._pending.values()], [*self._known.values()]
            dropped = self._dropped
        return with_unwritten(self._store, pending, known, dropped)

    def close(self) -> None:
        """Write the pending lookups and end the thread."""
        self._closed = True
        self._wake.put(None)
        self.flush()

    def _add(self, lookup: Lookup, configuration: Configuration | None) -> None:
        with self._lock:
            self._pending[lookup.run, lookup.number_in_run] = (lookup,)
            if configuration is not None and configuration.key not in self._known:
                self._known[configuration.key] = configuration
                self._configurations[configuration.key] = configuration
        if (self._thread is None or self._wake.empty()) and self._started():  # else the thread is awake
            self._wake.put(None)
        for changed in [*self._listeners]:
            try:
                changed()
            except Exception as error:
                self.failed(error, "telling a panel")

    def _started(self) -> bool:
        """Return whether the thread runs, which is started if need be."""
        with self._lock:
            if (self._thread is None or not self._thread.is_alive()) and not self._closed:
                self._thread = threading.Thread(target=self._write_every_second, name="gptcache-ledger", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # the interpreter is ending: pending lookups are written at exit
                    self._thread = None
            return self._thread is not None and self._thread.is_alive()

    def _write_every_second(self) -> None:
        while not self._closed:
            self._wake.get()
            time.sleep(FLUSH_SECONDS)
            self.flush()
            self.explain(BACKGROUND_SECONDS)
            if self._causes.more:
                self._wake.put(None)


def _on_time(lookup: Lookup, late: Mapping[tuple[str, int], tuple[Lookup, Reason | None]]) -> Lookup:
    """Return a lookup as it is when its answer is written."""
    found = late.get((lookup.run, lookup.number_in_run))
    return lookup if found is None else replace(lookup, reason=found[1])


def _remove(pending: dict[K, V], written: dict[K, V]) -> None:
    for key, value in written.items():
        if pending.get(key) is value:
            del pending[key]
