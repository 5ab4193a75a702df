"""Give stored questions their vectors, in the background.

What was stored before semantic matching was on becomes searchable little by little; what is stored now does so at once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from gptcache_magics.embedding import Embedding
from gptcache_magics.errors import ExactOnly
from gptcache_magics.meaning import Meaning, meaning_of
from gptcache_magics.prompts import canonical
from gptcache_magics.stores.base import Store
from gptcache_magics.vectors import Vector

__all__ = ["Indexing"]

BATCH: Final = 16
LOWEST_ID: Final = -(2**63)
PAUSE_SECONDS: Final = 0.02
"""Between two batches, so that a cell that computes is not slowed much."""


class Indexing:
    """A thread that embeds what is stored and has no vector yet. It ends with ``close``.

    Parameters
    ----------
    found
        Takes context, id and vector of an entry where the store cannot keep them.
    """

    def __init__(self, store: Store, embedding: Embedding, found: Callable[[bytes, bytes, Vector], None]) -> None:
        self._store, self._embedding, self._found = store, embedding, found
        self._new: deque[tuple[bytes, Meaning | None, Vector | None]] = deque()
        self._wake, self._idle = threading.Event(), threading.Event()
        self._idle.set()
        self._changing = threading.Lock()
        self._wanted = self.closed = False
        self.running = False
        """Whether earlier entries are being embedded."""
        self.done = self.total = 0
        """How many of the earlier entries are embedded, and how many there are to embed; both 0 before it begins."""
        self.trouble = ""
        """What the embedder or the store last failed with."""
        self._thread = threading.Thread(target=self._run, name="gptcache-indexing", daemon=True)
        self._thread.start()

    def add(self, key: bytes, meaning: Meaning | None, vector: Vector | None) -> None:
        """An entry was stored just now; without a meaning it is one that no search may find."""
        self._new.append((key, meaning, vector))
        self._begin()

    @property
    def pending(self) -> bool:
        """Whether earlier entries are being embedded, or will be."""
        return self._wanted or self.running

    def start(self) -> None:
        """Embed what was stored earlier and has no vector of this embedder."""
        self._wanted = True
        self._begin()

    def stop(self) -> None:
        """Leave what is not embedded yet for later; what was done stays."""
        self._wanted = self.running = False

    def wait(self, seconds: float) -> bool:
        """Wait until there is nothing left to do; whether that is so."""
        return self._idle.wait(seconds)

    def settle(self) -> None:
        """Wait until the embedder is loaded, or cannot be, and what was to be embedded is."""
        while not self._embedding.wait(0.2) and not self._embedding.trouble:
            pass
        while not self.wait(0.2):
            pass

    def close(self) -> None:
        """End the thread."""
        self.closed = True
        self.running = False
        self._wake.set()

    def _begin(self) -> None:
        with self._changing:
            self._idle.clear()
            self._wake.set()

    def _run(self) -> None:
        while not self.closed:
            self._wake.wait()
            self._wake.clear()
            if self._loaded():
                self._work()
            with self._changing:
                if not self._wake.is_set():
                    self._idle.set()

    def _loaded(self) -> bool:
        """Wait until the embedder is loaded; False if it cannot be."""
        while not self.closed and not self._embedding.trouble:
            if self._embedding.wait(1.0):
                return True
        return False

    def _work(self) -> None:
        try:
            self._embed_new()
            if self._wanted:
                self._wanted, self.running = False, True
                self._embed_earlier()
        except Exception as error:  # such as a store that is locked: what is left is embedded the next time
            self.trouble = f"{type(error).__name__}: {error}"
        finally:
            self.running = False

    def _embed_new(self) -> None:
        while self._new and not self.closed:
            some = [self._new.popleft() for _ in range(min(BATCH, len(self._new)))]
            self._put(some)

    def _embed_earlier(self) -> None:
        name, after = self._embedding.name, LOWEST_ID
        self.done, self.total = 0, self._store.count_unembedded(name)
        while self.running:
            rows = self._store.unembedded(name, after, BATCH).rows
            if not rows:
                return
            after = rows[-1][0]
            self._put([(key, _meaning(prompt, configuration), None) for _, key, configuration, prompt in rows])
            self.done += len(rows)
            self._embed_new()
            self._wake.wait(PAUSE_SECONDS)

    def _put(self, entries: Sequence[tuple[bytes, Meaning | None, Vector | None]]) -> None:
        """Keep the vectors of entries, made now where there is none yet."""
        checked = [(key, self._covered(meaning), vector) for key, meaning, vector in entries]
        missing = [meaning.question for _, meaning, vector in checked if meaning is not None and vector is None]
        made = iter(self._embedding.embed(missing)) if missing else iter(())
        rows: list[tuple[bytes, bytes | None, bytes | None]] = []
        for key, meaning, vector in checked:
            if meaning is None:
                rows.append((key, None, None))
                continue
            vector = vector if vector is not None else next(made)
            rows.append((key, meaning.context, vector.astype("<f4").tobytes()))
            if self._store.readonly:
                self._found(meaning.context, key[:8], vector)
        if not self._store.readonly:
            self._store.put_vectors(self._embedding.name, rows)

    def _covered(self, meaning: Meaning | None) -> Meaning | None:
        """The meaning, if the embedder can tell what it is."""
        if meaning is None:
            return None
        try:
            self._embedding.check(meaning.question)
        except ExactOnly:
            return None
        return meaning


def _meaning(prompt: str | bytes, configuration: bytes) -> Meaning | None:
    """What may be searched of a stored prompt; None if that is nothing."""
    text = prompt if isinstance(prompt, str) else prompt.decode("utf-8", "surrogatepass")
    seen, *_ = canonical(text, keep_ids=True)
    try:
        return meaning_of(seen, configuration)
    except ExactOnly:
        return None
