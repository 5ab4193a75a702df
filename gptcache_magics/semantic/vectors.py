"""Nearest neighbours among the questions of one context.

The store is the record. The index is made from it, follows its changes, and may be discarded at any time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptcache_magics.store.protocol import EntryVector, Store

__all__ = ["ContextIndex", "VectorTable"]

Vector = NDArray[np.float32]
HEAD: Final = 64
"""Number of components of each vector that are compared first."""
HEADS_FROM: Final = 0.9
"""Cosine below which comparing heads saves no time: too many of them are undecided."""
FEW: Final = 4_000
"""Most vectors that are always compared in full, in 0.5 ms."""
FEWEST: Final = 16
"""Least number of vectors that a table grows by."""
STEP: Final = 256
SLACK: Final = 0.01
"""Most that the length of a sound vector differs from 1."""
MOST_VECTORS: Final = 400_000
"""Most vectors of all contexts in memory: 600 MB at 384 numbers each."""
MOST_CONTEXTS: Final = 5_000


class Neighbour(NamedTuple):
    """A stored question near the one that is asked."""

    id: str
    """Id of the entry."""
    cosine: float


class VectorTable:
    """Unit vectors in one matrix, which grows and shrinks in place as ``list`` does."""

    def __init__(self, dimension: int) -> None:
        self._matrix = np.empty((1, dimension), np.float32)
        self._heads = np.empty((1, min(HEAD, dimension)), np.float32)
        self._tails = np.empty(1, np.float32)
        """Length of each vector without its head."""
        self._ids: list[str] = []
        self._rows: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Sequence[str], vectors: Vector) -> None:
        """Add vectors of shape ``(len(ids), dimension)``; each replaces the vector with its id."""
        rows = [self._rows.setdefault(id, len(self._rows)) for id in ids]
        self._ids += islice(self._rows, len(self._ids), None)
        while len(self._ids) > len(self._matrix):
            self._grow()
        self._matrix[rows] = vectors
        self._heads[rows] = vectors[:, :HEAD]
        self._tails[rows] = np.linalg.norm(vectors[:, HEAD:], axis=1)

    def discard(self, id: str) -> None:
        """Remove a vector if it is here; the last vector moves to its row."""
        row = self._rows.pop(id, None)
        if row is None:
            return
        last = self._ids.pop()
        if last != id:
            end = len(self._ids)
            for array in (self._matrix, self._heads, self._tails):
                array[row] = array[end]
            self._ids[row], self._rows[last] = last, row

    def nearest(self, vector: Vector, limit: int, at_least: float) -> list[Neighbour]:
        """Return the nearest vectors of at least this cosine, nearest first."""
        if len(self) <= FEW or at_least < HEADS_FROM:
            cosines = _products(self._matrix[: len(self)], vector)
            rows = np.flatnonzero(cosines >= at_least)
            found = zip(cosines[rows].tolist(), rows.tolist(), strict=True)
            return self._best(list(found), limit)
        return self._best(list(self._searched(vector, limit, at_least)), limit)

    def _searched(self, vector: Vector, limit: int, at_least: float) -> Iterator[tuple[float, int]]:
        """Yield cosine and row of candidates, the nearest among them.

        The heads bound each cosine from above (Cauchy and Schwarz), exactly. The rows with the highest bounds are
        compared first, and the search ends when the bound falls below the cosines found.
        """
        bounds = _products(self._heads[: len(self)], vector[:HEAD])
        bounds += self._tails[: len(self)] * np.linalg.norm(vector[HEAD:])
        rows = np.flatnonzero(bounds >= at_least)
        rows = rows[np.argsort(-bounds[rows])]
        best = np.empty(0, np.float32)
        for start in range(0, len(rows), STEP):
            if len(best) == limit and bounds[rows[start]] < best[-1]:
                return
            some = rows[start : start + STEP]
            cosines = _products(self._matrix[some], vector)
            near = cosines >= at_least
            yield from zip(cosines[near].tolist(), some[near].tolist(), strict=True)
            best = -np.sort(-np.concatenate([best, cosines[near]]))[:limit]

    def _best(self, found: list[tuple[float, int]], limit: int) -> list[Neighbour]:
        return [Neighbour(self._ids[row], min(cosine, 1.0)) for cosine, row in nlargest(limit, found)]

    def _grow(self) -> None:
        # In place, which moves nothing where the memory behind is free. The matrix last: an interrupt may come between.
        for array in (self._heads, self._tails, self._matrix):
            array.resize((len(self._matrix) * 5 // 4 + FEWEST, *array.shape[1:]), refcheck=False)


def _products(matrix: Vector, vector: Vector) -> Vector:
    """Return ``matrix @ vector`` without BLAS, whose threads spin on for a while and slow the embedder down."""
    return np.asarray(np.einsum("ij,j->i", matrix, vector), np.float32)


@dataclass(slots=True)
class _Context:
    vectors: VectorTable
    read: int = 0
    """Sequence number up to which the store was read."""


class ContextIndex:
    """The vectors of one embedder by context, read from the store at the first search and followed from then on."""

    def __init__(self, store: Store, embedder: str, dimension: int) -> None:
        self._store, self._embedder, self._dimension = store, embedder, dimension
        self._contexts: OrderedDict[str, _Context] = OrderedDict()
        self._total = 0
        """Number of vectors in all contexts."""
        self._epoch = store.epoch
        self._lock = threading.Lock()

    def nearest(
        self, context: str, vector: Vector, limit: int, at_least: float, *, near: float = 1.0
    ) -> list[Neighbour]:
        """Return the nearest questions of a context, including those that other kernels have stored.

        Parameters
        ----------
        at_least
            The smallest cosine that counts.
        near
            A smaller cosine that counts where the search is free, as in a context of a few thousand questions.
        """
        with self._lock:
            vectors = self._followed(context).vectors
            return vectors.nearest(vector, limit, min(at_least, near) if len(vectors) <= FEW else at_least)

    def add(self, context: str, id: str, vector: Vector) -> None:
        """Make an entry searchable at once, before its vector is in the store."""
        with self._lock:
            self._put(context, self._followed(context), [id], vector[None])

    def discard(self, context: str, id: str) -> None:
        """Forget an entry that is gone."""
        with self._lock:
            kept = self._contexts.get(context)
            if kept is not None:
                before = len(kept.vectors)
                kept.vectors.discard(id)
                self._total += len(kept.vectors) - before

    def _followed(self, context: str) -> _Context:
        """Return a context as it is now. Empty contexts are not kept, because each turn of a chat is a context."""
        before = self._contexts.get(context)
        kept = before or _Context(VectorTable(self._dimension))
        last = None
        for page in self._store.vector_pages(self._embedder, context, kept.read):
            if last is None and before is not None:  # in doubt it is read again: some pages are no whole
                self._total -= len(kept.vectors)
                del self._contexts[context]
            last = page[-1].sequence
            self._read(kept.vectors, page)
        if self._epoch != self._store.epoch:  # another file, whose sequence numbers begin again
            self._epoch, self._total = self._store.epoch, 0
            self._contexts.clear()
            return self._followed(context)
        if last is not None and len(kept.vectors):
            kept.read = last
            self._keep(context, kept)
        elif context in self._contexts:
            self._contexts.move_to_end(context)
        return kept

    def _read(self, vectors: VectorTable, page: Sequence[EntryVector]) -> None:
        """Add the sound vectors of a page."""
        whole = {id: vector for _, id, vector in page if len(vector) == 4 * self._dimension}  # the others are damaged
        if whole:
            matrix = np.frombuffer(b"".join(whole.values()), "<f4").reshape(-1, self._dimension)
            sound = _of_length_1(matrix)
            vectors.add([id for id, is_sound in zip(whole, sound.tolist(), strict=True) if is_sound], matrix[sound])

    def _put(self, context: str, kept: _Context, ids: Sequence[str], vectors: Vector) -> None:
        """Add vectors. A context that is interrupted half way is discarded, and read again at the next search."""
        self._total -= len(kept.vectors) if self._contexts.pop(context, None) is not None else 0
        kept.vectors.add(ids, vectors)
        self._keep(context, kept)

    def _keep(self, context: str, kept: _Context) -> None:
        """Keep a context as the one that was used last, and forget those unused for longest."""
        self._contexts[context] = kept
        self._total += len(kept.vectors)
        while len(self._contexts) > 1 and (self._total > MOST_VECTORS or len(self._contexts) > MOST_CONTEXTS):
            _, oldest = self._contexts.popitem(last=False)
            self._total -= len(oldest.vectors)


def _of_length_1(vectors: Vector) -> NDArray[np.bool_]:
    """Return which vectors have the length 1; a flipped bit makes one long, or not a number."""
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(vectors, axis=1)
    return np.asarray(np.abs(lengths - 1) < SLACK)
