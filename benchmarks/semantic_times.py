"""Times of a lookup by meaning, beside its embedding, by the number of questions that it searches.

The store is filled with made vectors that are spread like those of real questions. Embedding and lookups take
turns with the same questions. The cache has forgotten a question when it is asked again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from asked import ARGUMENTS, Asked
from filling import settle
from langchain_core.load import dumps
from measure import Bar, Samples, median, ratio, rounds, seconds_each, table
from payloads import answer, llm_string, model
from semantic_caches import question
from semantic_pairs import Embedded, Pair

import gptcache_magics as gm
from gptcache_magics import generations
from gptcache_magics.identity.key import identify
from gptcache_magics.langchain.call import ModelCall
from gptcache_magics.semantic import guards, options
from gptcache_magics.semantic.embedders.minilm import MiniLM
from gptcache_magics.semantic.question import searchable_question
from gptcache_magics.store.protocol import Entry, Usage

__all__ = ["run"]

SIZES: Final = (1_000, 10_000, 50_000)
QUESTIONS: Final = 5
"""Number of questions of each kind in a turn."""
ROUNDS: Final = 21
LOADING_SECONDS: Final = 300.0
BATCH: Final = 5_000
BOUND: Final = 1.25
MARK: Final = '"QUESTION"'
USAGE: Final = Usage(180, 120)
EMBEDDING, LOOKUP = "embedding", "lookup"


def run(
    served: Sequence[Pair],
    others: Sequence[str],
    pairs: Sequence[Pair],
    embedded: Embedded,
    folder: Path,
    threshold: float,
    of: str = "question",
    sizes: Sequence[int] = SIZES,
    bound: float = BOUND,
) -> list[Bar]:
    """Print what embedding, lookups and guards take; the bars are about lookups.

    Parameters
    ----------
    served
        Pairs that are served: the answers of some are stored, and asked for.
    others
        Questions to which there is no answer.
    pairs
        Any pairs, for the guards.
    of
        The kind of questions, for the tables.
    bound
        How many times its embedding a lookup may take.
    """
    timed = _Timed(_apart(served), list(others), embedded, folder, threshold)
    bars: list[Bar] = []
    rows: list[tuple[str, ...]] = []
    for size in sizes:
        timed.fill(size)
        samples = timed.measure()
        for kind in timed.asked:
            lookup, embedding = f"{LOOKUP}, {kind}", f"{EMBEDDING}, {kind}"
            times = ratio(samples, lookup, embedding)
            added = [one - other for one, other in zip(samples[lookup], samples[embedding], strict=True)]
            taken = map(median, (samples[embedding], samples[lookup], added))
            rows.append((f"{kind}, {size:,} {of}s", *map(_milliseconds, taken), f"{times:.2f}"))
            promise = f"lookup by meaning, {kind}, {size:,} {of}s: ≤ {bound} × its embedding"
            bars.append(Bar(promise, f"{times:.2f} ×", times <= bound))
    print(f"### Times by {of}, in ms: medians of rounds in which embedding and lookup take turns\n")
    table(("lookup", "only its embedding", "lookup", "adds", "×"), rows)
    print(
        f"The first lookup after the start, which reads {sizes[-1]:,} vectors: {timed.first():.0f} ms. "
        f"Guards: {_guards(pairs):.2f} ms a pair.\n"
    )
    timed.close()
    return bars


class _Timed:
    """A cache with answers to ``served``, and made ones to fill it."""

    def __init__(
        self, served: list[Pair], others: list[str], embedded: Embedded, folder: Path, threshold: float
    ) -> None:
        self.cache = gm.GPTCache(store=folder / f"times {len(served)} {len(others)}")
        options.apply(self.cache, options.MatchOptions(match="semantic", threshold=threshold))
        similar = self.cache.similar
        assert similar is not None
        similar.embedding.wait(LOADING_SECONDS)
        self._similar, self._size, self._model, self._embedder = similar, 0, model(), MiniLM()
        self._asking = Asked(self.cache)
        self._random = np.random.default_rng(0)
        self._real = np.array([embedded(text) for text in others])
        for pair in served:
            prompt = _prompt(pair.stored)
            self._asking.update(prompt, llm_string(), answer(1))
        similar.backfill.wait(LOADING_SECONDS)
        self.asked = {"hit": [pair.asked for pair in served], "miss": self._misses(others)}
        """Questions by kind of lookup."""

    def _misses(self, texts: list[str]) -> list[str]:
        some = (text for text in texts if self._look(text) is None)
        return [text for _, text in zip(range(QUESTIONS), some, strict=False)]

    def fill(self, size: int) -> None:
        """Add made questions, up to this many."""
        store, name = self.cache.store, self._similar.embedding.name
        call, encoded = ModelCall(self._model, ARGUMENTS, True), generations.encode(answer(1))
        for start in range(self._size, size, BATCH):
            numbers = range(start, min(start + BATCH, size))
            entries, vectors = [], []
            for number, vector in zip(numbers, self._made(len(numbers)), strict=True):
                who = identify(call, _prompt(f"Made question {number}"))
                entries.append(
                    Entry(who.key, who.configuration.key, who.prompt, who.question, encoded, 1.0, 1.0, USAGE)
                )
                context = searchable_question(who.seen, who.configuration.key).context
                vectors.append((who.key, context, vector.astype("<f4").tobytes()))
            store.put_all(entries, [who.configuration], replace=False)
            store.put_vectors(name, vectors)
        self._size = size
        self._look("How many are there now?")  # reads the new ones

    def _made(self, number: int) -> Any:
        """Return unit vectors with the mean and the covariance of real ones."""
        mean = self._real.mean(axis=0)
        parts = self._random.standard_normal((number, len(self._real))) / np.sqrt(len(self._real))
        made = mean + parts @ (self._real - mean)
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    def measure(self) -> Samples:
        """Return the seconds of an embedding and of a lookup, by kind of lookup."""
        assert all(self._look(text) for text in self.asked["hit"])
        assert not any(self._look(text) for text in self.asked["miss"])

        def turn(name: str, number_of_round: int) -> dict[str, float]:
            what, kind = name.split(", ")
            self._forget()
            if what == EMBEDDING:
                calls = [([text],) for text in self.asked[kind]]
                return {"s": seconds_each(time.perf_counter, self._embedder.embed, calls)}
            asked = [(_prompt(text), llm_string()) for text in self.asked[kind]]
            seconds = seconds_each(time.perf_counter, self._asking.lookup, asked)
            settle(self.cache)
            return {"s": seconds}

        return rounds([f"{what}, {kind}" for kind in self.asked for what in (EMBEDDING, LOOKUP)], ROUNDS, turn)["s"]

    def first(self) -> float:
        """Return the milliseconds of a lookup that reads all vectors from the store."""
        taken = []
        for _ in range(3):
            self._forget()
            self._similar._contexts = None
            asked = [(_prompt(self.asked["miss"][0]), llm_string())]
            taken.append(seconds_each(time.perf_counter, self._asking.lookup, asked))
        return 1e3 * median(taken)

    def close(self) -> None:
        """Close the cache."""
        self.cache.close()

    def _look(self, text: str) -> Any:
        return self._asking.lookup(_prompt(text), llm_string())

    def _forget(self) -> None:
        self._similar._vectors.clear()
        self._similar._gaps.clear()
        guards._prepared.cache_clear()


def _apart(pairs: Sequence[Pair]) -> list[Pair]:
    """Return some pairs without a question in common, because an exact hit embeds nothing."""
    texts: set[str] = set()
    some: list[Pair] = []
    for pair in pairs:
        if len(some) < QUESTIONS and not texts & {pair.stored, pair.asked}:
            some.append(pair)
            texts |= {pair.stored, pair.asked}
    return some


def _prompt(text: str) -> str:
    """Return what LangChain hands to ``lookup`` for a chat of one question."""
    return _template().replace(MARK, json.dumps(text))


@lru_cache(maxsize=1)
def _template() -> str:
    return dumps(question(MARK.strip('"')))


def _guards(pairs: Sequence[Pair]) -> float:
    """Return the median milliseconds that all guards take for a pair of new questions."""
    taken = []
    for pair in pairs:
        guards._prepared.cache_clear()
        started = time.perf_counter()
        guards.blocked(pair.stored, pair.asked)
        taken.append(time.perf_counter() - started)
    return 1e3 * median(taken)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f}"
