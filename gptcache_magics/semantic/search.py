"""Search for the same question in other words: the semantic half of a lookup.

The exact match comes first, and this module has no part in it. A question that may be matched by its meaning is
embedded once and compared with the questions of the same context. The nearest one above the threshold is served if no
guard objects and nobody labelled such an answer wrong before. An answer that is not served has a reason.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

import numpy as np

from gptcache_magics import fork
from gptcache_magics.identity.key import Identity
from gptcache_magics.recently_used import RecentlyUsed
from gptcache_magics.semantic.backfill import Backfill
from gptcache_magics.semantic.comparison import Comparison, shown
from gptcache_magics.semantic.embedders import Maker
from gptcache_magics.semantic.embedders.runner import EmbedderRunner
from gptcache_magics.semantic.frame import Gap
from gptcache_magics.semantic.question import SearchableQuestion, searchable_question
from gptcache_magics.semantic.template import Template
from gptcache_magics.semantic.vectors import ContextIndex, Neighbour, Vector
from gptcache_magics.settings import Settings
from gptcache_magics.store.protocol import EntryRow, Found, Near, Selection, Store
from gptcache_magics.store.reasons import ExactOnly, Objection, ObjectionKind, exact_only

__all__ = ["EmbeddedQuestion", "SemanticMatch", "SemanticQuery", "SemanticSearch"]

LOOKED_AT: Final = 10
"""Number of nearest questions to compare: the first may be blocked, expired or the asked question itself."""
LEARNT_FROM: Final = 32
"""Number of nearest questions to learn a frame from: some are rewordings of one question."""
ONE_FRAME: Final = 0.3
"""The smallest cosine of a question to learn a frame from: what is in gaps outweighs a short frame."""
NEAR: Final = 0.7
"""The smallest cosine of a question that is named as near: one in a thousand unrelated pairs reaches it."""
REPLAY_WAITS: Final = 30.0
"""Seconds that a lookup waits for the embedder and its vectors in mode ``replay``, where a miss is an error."""
REMEMBERED: Final = 1_000
SAME_EMBEDDER: Final = 0.99
"""The smallest cosine of two vectors of one text by one embedder: a server's vary in the fourth digit."""


@dataclass(frozen=True, slots=True, eq=False)
class SemanticQuery:
    """A call whose question may have been asked in other words."""

    identity: Identity
    replay: bool = False
    """Whether a miss is an error, so that it pays to wait for the embedder."""
    several: bool = False
    """Whether identical calls get different answers."""


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedQuestion:
    """The question of a call, with its vector."""

    identity: Identity
    question: SearchableQuestion
    vector: Vector


@dataclass(frozen=True, slots=True, eq=False)
class SemanticMatch:
    """The result of a search."""

    near: Near | None = None
    """The nearest stored question, with the objection to it; None if none is near."""
    found: Found | None = None
    """The answer of ``near``, if it is served."""
    compared: str = ""
    """The words that were compared of the two questions, if they have a frame in common."""


class SemanticSearch:
    """The search for the answer to a question in other words. It keeps the stored entries searchable."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        maker: Maker,
        failed: Callable[[Exception, str], object] = lambda error, doing: None,
    ) -> None:
        self._store, self._settings = store, settings
        self.maker, self.embedding = maker, EmbedderRunner(maker.make, known_as=self._known_as)
        self._begin()
        fork.in_child(self._begin)
        self._patient = True
        """Whether to wait for the embedder; False after a wait in vain."""
        self.backfill = Backfill(store, self.embedding, lambda *found: self._followed.add(*found), failed)

    def _begin(self) -> None:
        """Begin with an empty memory: at first, and in a forked child, which cannot know what its parent was doing."""
        self._lock = threading.Lock()
        self._contexts: ContextIndex | None = None
        self._vectors = RecentlyUsed[Vector | None](REMEMBERED)
        """The vectors of recent questions, by exact key: no prompt is embedded twice for one call.

        None where the embedder failed.
        """
        self._gaps = RecentlyUsed[Vector](REMEMBERED)
        """The vectors of texts in the gaps of frames, by text."""
        self._asked_gaps = RecentlyUsed[list[str]](REMEMBERED)
        """Texts in gaps of recent questions, by exact key: they are embedded when the question is stored."""

    @property
    def embedder(self) -> str:
        """The name of the embedder."""
        return self.maker.name

    @property
    def threshold(self) -> float:
        """The smallest cosine at which two questions count as the same."""
        return self._settings.options.threshold

    def close(self) -> None:
        """End the work in the background."""
        self.backfill.close()

    # A lookup: the two steps that gptcache asks for

    def embed(self, query: SemanticQuery) -> EmbeddedQuestion:
        """Return the question of a call with its vector.

        Raises
        ------
        ExactOnly
            If the question may not be matched by its meaning, or the embedder cannot be used.
        EmbedderFailed
            If the embedder fails now.
        """
        identity = query.identity
        if query.several:
            raise exact_only("with samples each identical call has an answer of its own")
        temperature = identity.configuration.temperature
        if temperature is not None and temperature > 0 and not self._settings.options.any_temperature:
            raise exact_only(f"temperature {temperature:g} asks for different answers (--any-temperature)")
        question = searchable_question(identity.seen, identity.configuration.key)
        if query.replay and self._patient:
            self._patient = self.backfill.wait(REPLAY_WAITS)
        self.embedding.check(question.question)
        with self._lock:
            vector = self._vectors.get(identity.key)
        if vector is None:
            try:
                [vector] = self.embedding.embed([question.question])
            finally:
                with self._lock:
                    self._vectors[identity.key] = vector
        return EmbeddedQuestion(identity, question, vector)

    def search(self, asked: EmbeddedQuestion) -> SemanticMatch:
        """Return the nearest answer that may be served; if none may, the nearest with the objection to it."""
        nearest = SemanticMatch()
        around: list[Neighbour] = []
        comparison = self._comparison(asked, around)
        for entry, similarity in self._neighbours(asked, around):
            first = nearest.near is None
            objection, gaps = self._objection(asked, entry, similarity, comparison, explained=first)
            near = Near(entry.key, similarity, self.embedding.name, objection)
            if objection is None:
                found = replace(Found.of(entry.entry), similarity=similarity)
                return SemanticMatch(near, found, shown(gaps))
            if first:
                nearest = SemanticMatch(near, compared=shown(gaps))
                long = [gap.asked for gap in gaps if not gap.is_short]
                with self._lock:
                    self._asked_gaps[asked.identity.key] = long
            if similarity < self.threshold:
                break
        return nearest

    def _comparison(self, asked: EmbeddedQuestion, around: Sequence[Neighbour]) -> Comparison:
        """Return what compares a question with those of its context; ``around`` is what `_neighbours` finds."""
        options = self._settings.options
        template = Template.of(options.template) if options.template else None
        others: list[str] = []

        def read() -> list[str]:
            if not others:
                near = around
                if options.shadow:  # it finds more, and must learn what is learnt without it
                    context, at_least = asked.question.context, options.threshold
                    near = self._followed.nearest(context, asked.vector, LEARNT_FROM, at_least, near=ONE_FRAME)
                others.extend(each.question for each in self._store.questions_of([each.id for each in near]))
            return others

        return Comparison(asked.question.question, options.threshold, template, read, self._gap_vectors)

    def _gap_vectors(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of texts in gaps. Those of stored questions are asked for again and again."""
        with self._lock:
            found = [self._gaps.get(text) for text in texts]
        known = {text: vector for text, vector in zip(texts, found, strict=True) if vector is not None}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        for text in new:
            self.embedding.check(text)
        if new:
            known.update(zip(new, self.embedding.embed(new), strict=True))
            with self._lock:
                self._gaps.update({text: known[text] for text in new})
        return [known[text] for text in texts]

    def _neighbours(self, asked: EmbeddedQuestion, around: list[Neighbour]) -> Iterator[tuple[EntryRow, float]]:
        """Yield the stored entries with the nearest questions, nearest first, and the cosine of each.

        ``around`` is filled with these questions and those to learn frames from: searching twice takes too long.
        """
        at_least = min(NEAR, self.threshold) if self._settings.options.shadow else self.threshold
        context = asked.question.context
        gone = True
        while gone:  # removed entries must not take the place of stored ones
            gone = False
            around[:] = self._followed.nearest(context, asked.vector, LEARNT_FROM, at_least, near=ONE_FRAME)
            near = [each for each in around if each.cosine >= min(at_least, NEAR)]
            for id, cosine in near[:LOOKED_AT]:
                row = next(iter(self._store.entries(Selection(ids=[id]), 1)), None)
                if row is None:
                    self._followed.discard(context, id)
                    gone = True
                elif id != asked.identity.key[:16] and (row.expires is None or row.expires > time.time()):
                    yield row, cosine

    def _objection(
        self, asked: EmbeddedQuestion, entry: EntryRow, similarity: float, comparison: Comparison, *, explained: bool
    ) -> tuple[Objection | None, Sequence[Gap]]:
        """Return the objection to serving an entry, or None, and the gaps that were compared."""
        if similarity < self.threshold:
            return Objection(ObjectionKind.BELOW, f"{self.threshold:g}"), ()
        objection, gaps = comparison.objection(entry.question, explained=explained)
        if objection is None and self._store.judged_wrong(asked.identity.key):
            objection = Objection(ObjectionKind.JUDGED_WRONG)
        if objection is None and self._settings.options.shadow:
            objection = Objection(ObjectionKind.SHADOW)
        return objection, gaps

    # Stored entries

    def saved(self, identity: Identity) -> None:
        """Make an entry that was just stored searchable, in the background if its vector is not known yet.

        If the embedder has just failed for the entry, the next ``on --reembed`` embeds it.
        """
        if identity.number:
            return
        with self._lock:
            failed = self._vectors.get(identity.key, ()) is None
            vector = self._vectors.pop(identity.key, None)
            gaps = self._asked_gaps.pop(identity.key, [])
        if failed:
            return
        try:
            question: SearchableQuestion | None = searchable_question(identity.seen, identity.configuration.key)
        except ExactOnly:
            question = None
        if question is not None and vector is not None:
            self._followed.add(question.context, identity.key[:16], vector)
        self.backfill.add(identity.key, question, vector, lambda: self._gap_vectors(gaps))

    def _known_as(self, name: str, probe: Vector) -> str:
        """Return the name of an embedder, numbered if another embedder of that name gave other vectors here."""
        for number in count(2):
            before = self._store.probe(name)
            if before is None:
                if not self._store.readonly:
                    self._store.put_probe(name, probe.astype("<f4").tobytes())
                return name
            if len(before) == probe.nbytes and float(np.frombuffer(before, "<f4") @ probe) >= SAME_EMBEDDER:
                return name
            name = f"{name.partition(' #')[0]} #{number}"
        raise AssertionError

    @property
    def _followed(self) -> ContextIndex:
        with self._lock:
            if self._contexts is None:
                self._contexts = ContextIndex(self._store, self.embedding.name, self.embedding.dimension)
            return self._contexts
