"""Count the texts that are embedded, apart from lookups: they are no part of the hit rate."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from gptcache_magics import fork
from gptcache_magics.settings import CELL, Mode, Options, names_bundle
from gptcache_magics.store import opens_all
from gptcache_magics.store.protocol import Configuration, EmbeddingUse, Store
from gptcache_magics.text.amounts import counted

__all__ = ["Embedded", "EmbeddingUses", "embedded_totals", "serves_embeddings"]

RECENT: Final = 10_000
USED_KEPT: Final = 100_000
"""Most embeddings of which it waits to be written when they were used."""

KEYS_KEPT: Final = 1_000_000
"""Most embeddings of a run that ``save --embeddings`` puts in a bundle: the newest."""


def serves_embeddings(store: Store, options: Options, mode: Mode) -> bool:
    """Return whether embeddings are looked up: with the option, and in replay of a bundle, which may have some.

    A notebook under verification is such a replay, wherever its answers are. The store is not asked: an event loop may
    run here.
    """
    replayed = mode == "replay" and (names_bundle(store.where) or opens_all())
    return mode != "bypass" and (options.embeddings or replayed)


@dataclass(frozen=True, slots=True)
class Embedded:
    """One request for embeddings."""

    model: Configuration
    texts: int
    sent: int
    """Number of texts that were sent to the provider."""
    tokens: int | None = None
    """Tokens that were paid for; None if the provider did not say."""
    saved_tokens: int = 0
    used: tuple[str, ...] = ()
    """Keys of the stored embeddings that were served."""
    stored: tuple[str, ...] = ()
    """Keys of the embeddings that were received."""
    execution_count: int | None = None

    @property
    def hits(self) -> int:
        """Number of texts that were not sent."""
        return self.texts - self.sent


def embedded_totals(uses: Iterable[Embedded]) -> str:
    """Return ``12 texts embedded, 100 from the cache``; empty for no requests."""
    requests = [*uses]
    sent, hits = sum(each.sent for each in requests), sum(each.hits for each in requests)
    if not sent and not hits:
        return ""
    embedded = f"{counted(sent, 'text')} embedded"
    return f"{embedded}, {hits:,} from the cache" if hits else embedded


class EmbeddingUses:
    """The figures of one process about embeddings on their way to the store, where they replace earlier ones."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._begin()
        fork.in_child(self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self.recent: deque[Embedded] = deque(maxlen=RECENT)
        self.noted = 0
        """Number of requests since the cache was made."""
        self._uses: dict[tuple[str, str, str], EmbeddingUse] = {}
        self._changed: set[tuple[str, str, str]] = set()
        self._used: dict[str, float] = {}
        self._run = ""
        self._keys: dict[str, None] = {}
        """Keys of the embeddings that were served or received in the run."""

    def add(self, run: str, embedded: Embedded) -> Embedded:
        """Count a request of the running cell."""
        cell, now = CELL.get(), time.time()
        embedded = replace(embedded, execution_count=cell.execution_count if cell is not None else None)
        place = run, time.strftime("%Y-%m-%d", time.localtime(now)), embedded.model.key
        with self._lock:
            use = self._uses.get(place) or EmbeddingUse(run, os.getpid(), place[1], place[2], now)
            self._uses[place] = replace(
                use,
                at=now,
                texts=use.texts + embedded.texts,
                hits=use.hits + embedded.hits,
                sent=use.sent + embedded.sent,
                tokens=use.tokens + (embedded.tokens or 0),
                saved_tokens=use.saved_tokens + embedded.saved_tokens,
            )
            self._changed.add(place)
            if len(self._used) < USED_KEPT:
                self._used.update(dict.fromkeys(embedded.used, now))
            self._remember(run, dict.fromkeys([*embedded.used, *embedded.stored]))
            self.recent.append(embedded)
            self.noted += 1
        return embedded

    def flush(self) -> None:
        """Write what has changed. What cannot be written is written later. Raises the store's errors."""
        if not self._changed:
            return
        with self._lock:
            changed, used = {place: self._uses[place] for place in self._changed}, dict(self._used)
        if not self._store.readonly:
            self._store.record_embeddings([*changed.values()], used)
        with self._lock:
            self._written(changed, used)

    def _written(self, changed: Mapping[tuple[str, str, str], EmbeddingUse], used: Mapping[str, float]) -> None:
        """Forget what is written, unless it has changed meanwhile."""
        for place, written in changed.items():
            if self._uses[place] is written:
                self._changed.discard(place)
        for key, at in used.items():
            if self._used.get(key) == at:
                del self._used[key]

    def keys_of(self, run: str) -> Set[str]:
        """Return the keys of the newest embeddings that were served or received in a run, unless another has begun."""
        with self._lock:
            return {*self._keys} if run == self._run else set()

    def _remember(self, run: str, keys: Mapping[str, None]) -> None:
        if run != self._run:
            self._run, self._keys = run, {}
        self._keys.update(keys)
        for key in [*islice(self._keys, max(len(self._keys) - KEYS_KEPT, 0))]:
            del self._keys[key]

    def of_cell(self, execution_count: int | None, noted: int) -> Sequence[Embedded]:
        """Return the newest ``noted`` requests that a cell made."""
        newest = list(self.recent)[-noted:] if noted else []
        return [each for each in newest if each.execution_count == execution_count]
