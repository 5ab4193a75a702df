"""Run an embedder: load it in the background, limit its time, and scale its vectors to unit length.

A lookup goes on without an embedder that fails: it gets exact matches only and says why. An embedder that does not
answer is not asked again, because each call would have to wait for it.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import numpy as np

from gptcache_magics import fork
from gptcache_magics.errors import GPTCacheMagicsError
from gptcache_magics.semantic.embedders.base import Embedder, Vectors
from gptcache_magics.store.reasons import ExactOnly, exact_only
from gptcache_magics.text.masking import scrubbed

__all__ = ["EmbedderFailed", "EmbedderRunner"]

T = TypeVar("T")
PATIENCE_SECONDS: Final = 10.0
"""Time that an embedder may take for the texts of one call."""
LOADING_SECONDS: Final = 120.0
"""Time that an embedder may take for the first call."""
BATCH: Final = 16
"""Texts of one call: a thread for each call would cost more than larger calls save."""
PROBE: Final = "How long is a vector?"
LOADING: Final = "the embedder is loading"
EXIT_SECONDS: Final = 5.0


class EmbedderFailed(GPTCacheMagicsError):
    """The embedder raised, did not answer, or returned something that is not a vector."""


class EmbedderRunner:
    """Turns texts into unit vectors, with an embedder that may still be loading or may fail.

    Parameters
    ----------
    make
        Makes the embedder; called in a separate thread.
    known_as
        Takes the embedder's name with its dimension, and its vector of ``PROBE``. Returns the name to store vectors by.
    patience
        Seconds that the embedder may take for one call.
    """

    def __init__(
        self,
        make: Callable[[], Embedder],
        patience: float = PATIENCE_SECONDS,
        known_as: Callable[[str, Vectors], str] = lambda name, probe: name,
    ) -> None:
        self.patience = patience
        self.trouble = ""
        """Reason why the embedder is not used; empty if it is used, or will be."""
        self.dimension = 0
        self.name = ""
        """The embedder's name with its dimension; empty while it is loading."""
        self._make, self._known_as = make, known_as
        self._embedder: Embedder | None = None
        self._loader = threading.Thread(target=self._load, name="gptcache-embedder", daemon=True)
        self._loader.start()
        fork.in_child(self._begin_in_child)

    def _begin_in_child(self) -> None:
        """Give up in a forked child what a thread of its parent was about to load."""
        if self._embedder is None and not self.trouble:
            self.trouble = "the embedder was loading when this process was forked"

    def wait(self, seconds: float) -> bool:
        """Wait until the embedder is loaded or has failed. Return whether it can be used."""
        self._loader.join(seconds)
        return not self._loader.is_alive() and not self.trouble

    def check(self, text: str) -> None:
        """Raise ``ExactOnly`` if the embedder cannot be used, or cannot read this text."""
        if self.trouble:
            raise exact_only(self.trouble)
        if self._embedder is None:
            raise exact_only(LOADING)
        reason = self._embedder.covers(text)
        if reason:
            raise exact_only(reason)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector per text, of shape ``(len(texts), dimension)``.

        Raises
        ------
        ExactOnly
            While the embedder is loading, and after it was given up.
        EmbedderFailed
            If the embedder fails now.
        """
        if self.trouble or self._embedder is None:
            raise exact_only(self.trouble or LOADING)
        embedder = self._embedder
        try:
            return _unit(self._asked(embedder, texts), len(texts), self.dimension)
        except (EmbedderFailed, ExactOnly):
            raise
        except Exception as error:
            raise EmbedderFailed(scrubbed(f"{type(error).__name__}: {error}")) from error

    def embed_all(self, texts: Sequence[str]) -> Vectors:
        """Embed any number of texts."""
        parts = [self.embed(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)

    def _load(self) -> None:
        try:
            embedder = _work.on(self._make)
            probe = _unit(self._asked(embedder, [PROBE]), 1, 0)
            self.dimension = probe.shape[1]
            self.name = self._known_as(f"{embedder.name}/{self.dimension}", probe[0])
            self._embedder = embedder
        except GPTCacheMagicsError as error:
            self.trouble = str(error)
        except Exception as error:
            self.trouble = scrubbed(f"the embedder cannot be used: {type(error).__name__}: {error}")

    def _asked(self, embedder: Embedder, texts: Sequence[str]) -> Vectors:
        if not embedder.remote:
            return _work.on(embedder.embed, texts)
        # A server may have to load its model first.
        patience = self.patience if self._embedder is not None else max(self.patience, LOADING_SECONDS)
        return self._in_time(lambda: embedder.embed(texts), patience)

    def _in_time(self, work: Callable[[], T], patience: float) -> T:
        """Run ``work`` in a thread that can be left behind: nothing else ends a call that hangs."""
        results: list[T] = []
        errors: list[Exception] = []

        def run() -> None:
            try:
                results.append(_work.on(work))
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=run, name="gptcache-embedding", daemon=True)
        thread.start()
        thread.join(patience)
        if errors:
            raise errors[0]
        if not results:
            self.trouble = f"the embedder did not answer in {patience:g} s and is not asked again"
            raise EmbedderFailed(self.trouble)
        return results[0]


class _Work:
    """The calls of embedders that are under way; Python waits for them at exit.

    A thread that Python ends in the middle of a model takes the process with it.
    """

    def __init__(self) -> None:
        self._exiting = False
        self._begin()
        atexit.register(self._end)
        fork.in_child(self._begin)

    def _begin(self) -> None:
        """Begin with nothing under way: at first, and in a forked child, which lacks its parent's threads."""
        self._under_way = set[object]()
        # The lock is taken by itself, not with the condition: an interrupt in Condition.__enter__ would keep it locked.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)

    def on(self, work: Callable[..., T], *given: Any) -> T:
        """Run ``work``, which may call a model."""
        mark = object()
        try:
            with self._lock:
                if self._exiting:
                    raise exact_only("the kernel is ending")
                self._under_way.add(mark)
            return work(*given)
        finally:
            self._under_way.discard(mark)
            with self._lock:
                self._changed.notify_all()

    def _end(self) -> None:
        with self._lock:
            self._exiting = True
            self._changed.wait_for(lambda: not self._under_way, EXIT_SECONDS)


_work: Final = _Work()


def _unit(vectors: Vectors, number: int, dimension: int) -> Vectors:
    """Scale vectors to length 1, or raise ``EmbedderFailed``; ``dimension`` 0 accepts any dimension."""
    shape = vectors.shape
    if len(shape) != 2 or shape[0] != number or not shape[1] or (dimension and shape[1] != dimension):
        wanted = f"({number}, {dimension or 'dimension'})"
        raise EmbedderFailed(f"the embedder gave vectors of shape {shape} in place of {wanted}")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise EmbedderFailed("the embedder gave a vector that has no direction (NaN, infinite or zero)")
    return np.asarray(vectors / lengths, dtype=np.float32)
