"""Labelled pairs of questions: their cosines, what the guards say of each, and what a threshold then serves.

A pair is a question whose answer is stored and one that is asked. Either both have the same answer, or the pair is a
*trap*: whoever serves it is wrong. The *hit* rate is the share of the first that is served, the *false* rate that of
the traps.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from measure import table
from numpy.typing import NDArray

from gptcache_magics.semantic import guards
from gptcache_magics.semantic.embedders.runner import EmbedderRunner
from gptcache_magics.semantic.question import searchable_question
from gptcache_magics.store.reasons import ExactOnly

__all__ = ["HALVES", "Embedded", "Half", "Measured", "Pair", "percent", "read", "share", "show"]

Half = Literal["all", "write", "check"]
HALVES: Final[tuple[Half, ...]] = ("all", "write", "check")
THRESHOLDS: Final = (0.85, 0.90, 0.93, 0.96)
FALSE_RATES: Final = (0.01, 0.02)


@dataclass(frozen=True, slots=True)
class Pair:
    """A question whose answer is stored, and one that is asked."""

    stored: str
    asked: str
    same: bool
    """Whether the stored answer is right for what is asked; if not, the pair is a trap."""


def read(path: Path, half: Half = "all") -> list[Pair]:
    """Return the pairs of a file of JSON lines with ``a``, ``b`` and ``same_answer``, or those of one half.

    Halves are made by a hash of ``a``, so that all that is asked about one question is in the same half. Rules of text
    are written by looking at one half and checked on the other.
    """
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        rows = [json.loads(line) for line in file if line.strip()]
    pairs = [Pair(row["a"], row["b"], bool(row["same_answer"])) for row in rows]
    return pairs if half == "all" else [pair for pair in pairs if _half(pair.stored) == half]


def _half(text: str) -> Half:
    return "check" if hashlib.sha256(text.encode()).digest()[0] & 1 else "write"


class Embedded:
    """The vectors of texts, each made once, in batches of texts of like length."""

    def __init__(self, embedding: EmbedderRunner) -> None:
        self.embedding = embedding
        self._vectors: dict[str, NDArray[np.float32]] = {}

    def add(self, texts: Iterable[str]) -> None:
        """Embed the new texts among these."""
        new = sorted({text for text in texts if text not in self._vectors}, key=len)
        self._vectors.update(zip(new, self.embedding.embed_all(new), strict=True))

    def __call__(self, text: str, **_: object) -> NDArray[np.float32]:
        """Return the vector of a text, of length 1. GPTCache hands other arguments to an embedding function."""
        self.add([text])
        return self._vectors[text]

    def searchable(self, text: str) -> bool:
        """Return whether our cache would look for this question by its meaning."""
        try:
            self.embedding.check(searchable_question(text.encode("utf-8", "surrogatepass"), "").question)
        except ExactOnly:
            return False
        return True


class Measured:
    """Pairs with their cosines and with the guards that would block them."""

    def __init__(self, pairs: Sequence[Pair], embedded: Embedded) -> None:
        self.pairs = pairs
        embedded.add(text for pair in pairs for text in (pair.stored, pair.asked))
        self.same = np.array([pair.same for pair in pairs], bool)
        self.cosines = np.array([embedded(pair.stored) @ embedded(pair.asked) for pair in pairs], float)
        self.searchable = np.array(
            [embedded.searchable(p.stored) and embedded.searchable(p.asked) for p in pairs], bool
        )
        self.free = np.array([guards.blocked(pair.stored, pair.asked) is None for pair in pairs], bool)
        """Whether no guard objects."""

    def served(self, threshold: float, *, guarded: bool) -> NDArray[np.bool_]:
        """Return whether each pair is served."""
        served: NDArray[np.bool_] = self.searchable & (self.cosines >= threshold)
        return served & self.free if guarded else served

    def rates(self, threshold: float, *, guarded: bool) -> tuple[float, float]:
        """Return the hit rate and the false rate."""
        served = self.served(threshold, guarded=guarded)
        return share(served[self.same]), share(served[~self.same])

    def hits(self, threshold: float) -> list[Pair]:
        """Return the pairs that guards let through rightly; leave out those that ask what is stored already."""
        served = self.served(threshold, guarded=True) & self.same
        some = [self.pairs[number] for number in np.flatnonzero(served).tolist()]
        return [pair for pair in some if pair.stored.strip() != pair.asked.strip()]

    @property
    def area(self) -> float:
        """Area under the ROC curve of the cosine: how often a pair of one answer is nearer than a trap."""
        if self.same.all() or not self.same.any():
            return float("nan")
        traps, same = np.sort(self.cosines[~self.same]), self.cosines[self.same]
        below = np.searchsorted(traps, same, "left") + np.searchsorted(traps, same, "right")
        return float(below.mean() / 2 / len(traps))

    def best(self, false_rate: float, *, guarded: bool) -> tuple[float, float]:
        """Return the highest hit rate with at most this false rate, and its lowest cosine."""
        reached = self.served(-1.0, guarded=guarded)
        traps = np.sort(self.cosines[reached & ~self.same])[::-1]
        allowed = int(false_rate * (~self.same).sum())
        too_low = traps[allowed] if allowed < len(traps) else -1.0
        hits = reached & self.same & (self.cosines > too_low)
        return share(hits[self.same]), float(self.cosines[hits].min()) if hits.any() else float("nan")

    def alone(self, guard: str, threshold: float) -> tuple[int, int]:
        """Count the traps that only this guard blocks, and the pairs of one answer that only this guard loses."""
        others = {name: each for name, each in guards.GUARDS.items() if name != guard}
        blocked = np.flatnonzero(self.served(threshold, guarded=False) & ~self.free).tolist()
        freed = [n for n in blocked if guards.blocked(self.pairs[n].stored, self.pairs[n].asked, others) is None]
        lost = int(self.same[freed].sum())
        return len(freed) - lost, lost


def show(measured: Measured, threshold: float) -> None:
    """Print what thresholds and guards do to these pairs."""
    traps = int((~measured.same).sum())
    print(
        f"{int(measured.same.sum()):,} pairs with the same answer, {traps:,} traps; "
        f"{int((~measured.searchable).sum()):,} pairs get exact matches only and are never served. "
        f"AUC of the cosine: {_decimal(measured.area)}.\n"
    )
    table(("pairs served", "hit", "false", "hit, with guards", "false, with guards"), _rates(measured, threshold))
    alone = {guard: measured.alone(guard, threshold) for guard in guards.GUARDS}
    some = sorted((guard for guard in alone if any(alone[guard])), key=lambda guard: -alone[guard][0])
    if some:
        columns = (f"guard, at {threshold:g}", "traps that only it blocks", "pairs that only it loses")
        table(columns, ((guard, *alone[guard]) for guard in some))
    rest = [guard for guard in guards.GUARDS if guard not in some]
    if rest:
        print(f"None of the other guards is the only one to block a pair: {', '.join(rest)}.\n")


def _rates(measured: Measured, threshold: float) -> Iterator[list[str]]:
    for each in sorted({*THRESHOLDS, threshold}):
        rates = (*measured.rates(each, guarded=False), *measured.rates(each, guarded=True))
        yield [f"from {each:g} on", *map(percent, rates)]
    if measured.same.all():
        return
    for each in FALSE_RATES:
        row = [f"at most {each:.0%} false"]
        for guarded in (False, True):
            hits, cosine = measured.best(each, guarded=guarded)
            row += [percent(hits), f"from {_decimal(cosine)} on"]
        yield row


def share(served: Sequence[bool] | NDArray[np.bool_]) -> float:
    """Return the share that is true, or not a number if there is nothing."""
    return float(np.mean(served)) if len(served) else float("nan")


def percent(rate: float) -> str:
    """Return a rate for a table, or a dash if there is nothing."""
    return "–" if np.isnan(rate) else f"{100 * rate:.1f} %"


def _decimal(number: float) -> str:
    return "–" if np.isnan(number) else f"{number:.3f}"
