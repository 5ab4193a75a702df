"""Give stored questions their vectors, in the background.

What was stored before semantic matching was on becomes searchable little by little; what is stored now does so at once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from gptcache_magics.errors import ExactOnly
from gptcache_magics.identity.prompt import canonical
from gptcache_magics.semantic.embedders.runner import EmbedderFailed, EmbedderRunner
from gptcache_magics.semantic.question import SearchableQuestion, searchable_question
from gptcache_magics.semantic.vectors import Vector
from gptcache_magics.store.protocol import Store
from gptcache_magics.text.masking import masked

__all__ = ["Backfill"]

BATCH: Final = 16
PAUSE_SECONDS: Final = 0.02
"""Between two batches, so that a cell that computes is not slowed much."""

_Entry = tuple[str, SearchableQuestion | None, Vector | None]


class Backfill:
    """A thread that embeds what is stored and has no vector yet. It ends with ``close``.

    Parameters
    ----------
    found
        Takes context, id and vector of an entry where the store cannot keep them.
    failed
        Counts an error that nobody waits for.
    """

    def __init__(
        self,
        store: Store,
        embedding: EmbedderRunner,
        found: Callable[[str, str, Vector], None],
        failed: Callable[[Exception, str], object],
    ) -> None:
        self._store, self._embedding, self._found, self._failed = store, embedding, found, failed
        self._new: deque[_Entry] = deque()
        self._changed = threading.Condition()
        self._working = True  # the embedder is loading
        self._wanted = self._anew = self._scanning = self._closed = False
        self.done = self.total = 0
        """How many of the earlier entries are embedded, and how many there are to embed; both 0 before it begins."""
        self.trouble = ""
        """What the embedder or the store failed with at the last try."""
        self._thread = threading.Thread(target=self._run, name="gptcache-indexing", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> bool:
        """Whether earlier entries are being embedded, or will be."""
        return self._wanted or self._scanning

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to do, or nobody to do it, as in a forked child."""
        idle = not (self._working or self._new or self._wanted)
        return idle or self._closed or not self._thread.is_alive()

    def add(self, key: str, meaning: SearchableQuestion | None, vector: Vector | None) -> None:
        """An entry was stored just now; without a meaning it is one that no search may find."""
        if not self._thread.is_alive():
            return
        with self._changed:
            self._new.append((key, meaning, vector))
            self._changed.notify_all()

    def start(self, *, anew: bool = False) -> None:
        """Embed what was stored earlier and has no vector; with ``anew`` what has one of another embedder, too."""
        with self._changed:
            self._wanted, self._anew, self.trouble = True, anew, ""
            self._changed.notify_all()

    def stop(self) -> None:
        """Leave what is not embedded yet for later; what was done stays."""
        with self._changed:
            self._wanted = self._scanning = False
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread."""
        if not self._thread.is_alive():
            return
        with self._changed:
            self._closed, self._wanted, self._scanning = True, False, False
            self._changed.notify_all()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the embedder is loaded and there is nothing left to do; whether that is so."""
        if not self._thread.is_alive():
            return True
        with self._changed:
            return self._changed.wait_for(lambda: self.settled, seconds)

    def _run(self) -> None:
        while not (self._closed or self._embedding.trouble or self._embedding.wait(0.5)):
            pass
        while True:
            with self._changed:
                self._working = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed or self._new or self._wanted)
                if self._closed:
                    return
                self._working, self._scanning, self._wanted = True, self._wanted, False
                if self._embedding.trouble:
                    self._new.clear()
                    self._scanning = False
            try:
                self._embed_new()
                if self._scanning:
                    self._embed_earlier()
            except Exception as error:  # such as a store that is locked: what is left is embedded the next time
                self._note(error)
            finally:
                self._scanning = False

    def _embed_new(self) -> None:
        while self._new and not self._closed:
            self._put([self._new.popleft() for _ in range(min(BATCH, len(self._new)))])

    def _embed_earlier(self) -> None:
        name, anew, after = self._embedding.name, self._anew, ""
        self.done, self.total = 0, self._store.count_unembedded(name, anew=anew)
        while self._scanning:
            rows = self._store.unembedded(name, after, BATCH, anew=anew).rows
            if not rows:
                return
            after = rows[-1][0]
            self._put([(key, _meaning(prompt, configuration), None) for _, key, configuration, prompt in rows])
            self.done += len(rows)
            self._embed_new()
            with self._changed:
                self._changed.wait_for(lambda: not self._scanning, PAUSE_SECONDS)

    def _put(self, entries: Sequence[_Entry]) -> None:
        """Keep the vectors of entries, made now where there is none yet."""
        self.trouble = ""
        checked = [(key, self._covered(meaning), vector) for key, meaning, vector in entries]
        missing = [meaning.question for _, meaning, vector in checked if meaning is not None and vector is None]
        made = iter(self._vectors(missing) if missing else ())
        rows: list[tuple[str, str | None, bytes | None]] = []
        for key, meaning, vector in checked:
            if meaning is None:
                rows.append((key, None, None))
                continue
            vector = vector if vector is not None else next(made)
            if vector is None:  # the embedder refused this one
                continue
            rows.append((key, meaning.context, vector.astype("<f4").tobytes()))
            if self._store.readonly:
                self._found(meaning.context, key[:16], vector)
        if not self._store.readonly and not self._closed:
            self._store.put_vectors(self._embedding.name, rows)

    def _vectors(self, texts: Sequence[str]) -> Sequence[Vector | None]:
        """One vector a text; None for one that the embedder refuses while it takes others."""
        try:
            return list(self._embedding.embed(texts))
        except EmbedderFailed as error:
            if len(texts) == 1:
                self._note(error)
                return [None]
            one_by_one = [vector for text in texts for vector in self._vectors([text])]
            if all(vector is None for vector in one_by_one):
                raise
            return one_by_one

    def _covered(self, meaning: SearchableQuestion | None) -> SearchableQuestion | None:
        """The meaning, if the embedder can tell what it is."""
        if meaning is None:
            return None
        try:
            self._embedding.check(meaning.question)
        except ExactOnly:
            if self._embedding.trouble:
                raise
            return None
        return meaning

    def _note(self, error: Exception) -> None:
        self.trouble = masked(f"{type(error).__name__}: {error}")
        self._failed(error, "making answers searchable")


def _meaning(prompt: str | bytes, configuration: str) -> SearchableQuestion | None:
    """What may be searched of a stored prompt; None if that is nothing."""
    text = prompt if isinstance(prompt, str) else prompt.decode("utf-8", "surrogatepass")
    seen, *_ = canonical(text, keep_ids=True)
    try:
        return searchable_question(seen, configuration)
    except ExactOnly:
        return None
