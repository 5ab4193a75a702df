"""Embed stored questions in the background.

Entries stored before semantic matching was on become searchable little by little; new entries do so at once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from gptcache_magics import fork
from gptcache_magics.identity.carried import STORED
from gptcache_magics.identity.prompt import canonical
from gptcache_magics.semantic.embedders.runner import EmbedderFailed, EmbedderRunner
from gptcache_magics.semantic.question import SearchableQuestion, searchable_question
from gptcache_magics.semantic.vectors import Vector
from gptcache_magics.store.protocol import Store
from gptcache_magics.store.reasons import ExactOnly
from gptcache_magics.text.masking import scrubbed

__all__ = ["Backfill"]

BATCH: Final = 16
PAUSE_SECONDS: Final = 0.02
"""Pause between two batches, so that a cell that computes is not slowed much."""

_Entry = tuple[str, SearchableQuestion | None, Vector | None]


class Backfill:
    """A thread that embeds the entries that have no vector yet. ``close`` ends it.

    Parameters
    ----------
    found
        Takes context, id and vector of an entry where the store cannot keep them.
    failed
        Counts an error of the thread.
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
        self._afterwards: deque[Callable[[], object]] = deque()
        self._renew()
        fork.in_child(self._renew)
        self._working = True  # the embedder is loading
        self._wanted = self._replace_others = self._scanning = self._closed = False
        self.done = self.total = 0
        """Earlier entries embedded so far, and earlier entries to embed; both 0 before the thread begins."""
        self.trouble = ""
        """Error of the embedder or the store at the last try."""
        self._thread = threading.Thread(target=self._run, name="gptcache-backfill", daemon=True)
        self._thread.start()

    def _renew(self) -> None:
        # The lock is taken by itself, not with the condition: an interrupt in Condition.__enter__ would keep it locked.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)

    @property
    def pending(self) -> bool:
        """Whether earlier entries are being embedded, or will be."""
        return self._wanted or self._scanning

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do, or the thread is missing, as in a forked child."""
        idle = not (self._working or self._new or self._wanted)
        return idle or self._closed or not self._thread.is_alive()

    def add(
        self,
        key: str,
        question: SearchableQuestion | None,
        vector: Vector | None,
        afterwards: Callable[[], object] = lambda: None,
    ) -> None:
        """Take an entry that was just stored.

        Parameters
        ----------
        question
            The question of the entry, or None if no search may find it.
        afterwards
            More work that can wait until the vector is stored.
        """
        if not self._thread.is_alive():
            return
        with self._lock:
            self._new.append((key, question, vector))
            self._afterwards.append(afterwards)
            self._changed.notify_all()

    def start(self, *, replace_others: bool = False) -> None:
        """Embed earlier entries. Unless ``replace_others``, skip those that another embedder has embedded."""
        with self._lock:
            self._wanted, self._replace_others, self.trouble = True, replace_others, ""
            self._changed.notify_all()

    def stop(self) -> None:
        """Stop embedding earlier entries; the vectors made so far stay."""
        with self._lock:
            self._wanted = self._scanning = False
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread."""
        if not self._thread.is_alive():
            return
        with self._lock:
            self._closed, self._wanted, self._scanning = True, False, False
            self._changed.notify_all()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the embedder is loaded and nothing is left to do. Return whether that is so."""
        if not self._thread.is_alive():
            return True
        with self._lock:
            return self._changed.wait_for(lambda: self.settled, seconds)

    def _run(self) -> None:
        while not (self._closed or self._embedding.trouble or self._embedding.wait(0.5)):
            pass
        while True:
            with self._lock:
                self._working = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed or self._new or self._wanted)
                if self._closed:
                    return
                self._working, self._scanning, self._wanted = True, self._wanted, False
                if self._embedding.trouble:
                    self._new.clear()
                    self._afterwards.clear()
                    self._scanning = False
            try:
                self._embed_new()
                if self._scanning:
                    self._embed_earlier()
            except Exception as error:  # such as a locked store: the next run embeds the rest
                self._note(error)
            finally:
                self._scanning = False

    def _embed_new(self) -> None:
        while self._new and not self._closed:
            self._put([self._new.popleft() for _ in range(min(BATCH, len(self._new)))])
        while self._afterwards and not self._closed:
            with suppress(ExactOnly):
                self._afterwards.popleft()()

    def _embed_earlier(self) -> None:
        name, replace_others, after = self._embedding.name, self._replace_others, ""
        self.done, self.total = 0, self._store.count_unembedded(name, replace_others=replace_others)
        while self._scanning:
            rows = self._store.unembedded(name, after, BATCH, replace_others=replace_others)
            if not rows:
                return
            after = rows[-1].key[:16]
            self._put([(each.key, _question_of(each.prompt, each.configuration), None) for each in rows])
            self.done += len(rows)
            self._embed_new()
            with self._lock:
                self._changed.wait_for(lambda: not self._scanning, PAUSE_SECONDS)

    def _put(self, entries: Sequence[_Entry]) -> None:
        """Store the vectors of entries, and make those that are missing."""
        self.trouble = ""
        checked = [(key, self._covered(question), vector) for key, question, vector in entries]
        missing = [question.question for _, question, vector in checked if question is not None and vector is None]
        made = iter(self._vectors(missing) if missing else ())
        rows: list[tuple[str, str | None, bytes | None]] = []
        for key, question, vector in checked:
            if question is None:
                rows.append((key, None, None))
                continue
            vector = vector if vector is not None else next(made)
            if vector is None:  # the embedder refused this text
                continue
            rows.append((key, question.context, vector.astype("<f4").tobytes()))
            if self._store.readonly:
                self._found(question.context, key[:16], vector)
        if not self._store.readonly and not self._closed:
            self._store.put_vectors(self._embedding.name, rows)

    def _vectors(self, texts: Sequence[str]) -> Sequence[Vector | None]:
        """Return one vector per text; None for a text that the embedder refuses while it takes others."""
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

    def _covered(self, question: SearchableQuestion | None) -> SearchableQuestion | None:
        """Return the question, or None if the embedder does not cover it."""
        if question is None:
            return None
        try:
            self._embedding.check(question.question)
        except ExactOnly:
            if self._embedding.trouble:
                raise
            return None
        return question

    def _note(self, error: Exception) -> None:
        self.trouble = scrubbed(f"{type(error).__name__}: {error}")
        self._failed(error, "making answers searchable")


def _question_of(prompt: str, configuration: str) -> SearchableQuestion | None:
    """Return the searchable question of a stored prompt, or None if it has none."""
    seen, *_ = canonical(prompt, STORED)
    try:
        return searchable_question(seen, configuration)
    except ExactOnly:
        return None
