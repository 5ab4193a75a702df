"""An embedder at work: loaded in the background, watched, and its vectors made comparable.

Whatever it does wrong, a lookup goes on without it: it is exact only, and says why. One that does not answer is not
asked again, for each call would have to wait for it.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import numpy as np

from gptcache_magics.embedders.base import Embedder, Vectors
from gptcache_magics.errors import ExactOnly, GPTCacheMagicsError

__all__ = ["EmbedderFailed", "Embedding"]

T = TypeVar("T")
PATIENCE_SECONDS: Final = 10.0
"""How long an embedder may take for the texts of one call."""
BATCH: Final = 16
"""Texts at once: a thread for each call would cost more than it saves in larger ones."""
PROBE: Final = "How long is a vector?"
LOADING: Final = "the embedder is loading"
EXIT_SECONDS: Final = 5.0

_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
"""Those in which an embedder may be at work."""
_exiting = threading.Event()


class EmbedderFailed(GPTCacheMagicsError):
    """The embedder raised, did not answer, or gave something that is no vector."""


class Embedding:
    """Texts to unit vectors, by an embedder that may still be loading or may fail.

    Parameters
    ----------
    make
        Makes the embedder; called in a thread of its own.
    patience
        Seconds that it may take for one call.
    """

    def __init__(self, make: Callable[[], Embedder], patience: float = PATIENCE_SECONDS) -> None:
        self.patience = patience
        self.trouble = ""
        """Why it is not used at all; empty if it is, or will be."""
        self.dimension = 0
        self._make = make
        self._embedder: Embedder | None = None
        self._loaded = threading.Event()
        _start(self._load, "gptcache-embedder")

    @property
    def name(self) -> str:
        """The embedder's name with its dimension; empty while it is loading."""
        return f"{self._embedder.name}/{self.dimension}" if self._embedder is not None else ""

    def wait(self, seconds: float) -> bool:
        """Wait until it is loaded, or cannot be; whether it can be used."""
        return self._loaded.wait(seconds) and not self.trouble

    def check(self, text: str) -> None:
        """Raise ``ExactOnly`` if it cannot be used, or cannot tell what this text means."""
        if self.trouble:
            raise ExactOnly(self.trouble)
        if self._embedder is None:
            raise ExactOnly(LOADING)
        reason = self._embedder.covers(text)
        if reason:
            raise ExactOnly(reason)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text, of shape ``(len(texts), dimension)``.

        Raises
        ------
        ExactOnly
            While it is loading, and after it was given up.
        EmbedderFailed
            If it fails now.
        """
        if self.trouble or self._embedder is None:
            raise ExactOnly(self.trouble or LOADING)
        embedder = self._embedder
        try:
            return _unit(self._in_time(lambda: embedder.embed(texts)), len(texts), self.dimension)
        except EmbedderFailed:
            raise
        except Exception as error:
            raise EmbedderFailed(f"{type(error).__name__}: {error}") from error

    def embed_all(self, texts: Sequence[str]) -> Vectors:
        """As ``embed``, for any number of texts."""
        parts = [self.embed(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)

    def _load(self) -> None:
        try:
            embedder = self._make()
            self.dimension = _unit(embedder.embed([PROBE]), 1, 0).shape[1]
            self._embedder = embedder
        except GPTCacheMagicsError as error:
            self.trouble = str(error)
        except Exception as error:
            self.trouble = f"the embedder cannot be used: {type(error).__name__}: {error}"
        finally:
            self._loaded.set()

    def _in_time(self, work: Callable[[], T]) -> T:
        """Do something in a thread that can be left behind: nothing else ends a call that hangs."""
        results: list[T] = []
        errors: list[Exception] = []

        def run() -> None:
            try:
                results.append(work())
            except Exception as error:
                errors.append(error)

        _start(run, "gptcache-embedding").join(self.patience)
        if errors:
            raise errors[0]
        if not results:
            self.trouble = f"the embedder did not answer in {self.patience:g} s and is not asked again"
            raise EmbedderFailed(self.trouble)
        return results[0]


def _start(work: Callable[[], None], name: str) -> threading.Thread:
    if _exiting.is_set():
        raise ExactOnly("the kernel is ending")
    thread = threading.Thread(target=work, name=name, daemon=True)
    _threads.add(thread)
    thread.start()
    return thread


@atexit.register
def _let_finish() -> None:
    """At exit, wait for what is under way: a thread that ends in the middle of a model takes the process with it."""
    _exiting.set()
    end = time.monotonic() + EXIT_SECONDS
    for thread in list(_threads):
        thread.join(max(0.0, end - time.monotonic()))


def _unit(vectors: Vectors, number: int, dimension: int) -> Vectors:
    """Vectors of length 1, if they are vectors; ``dimension`` 0 takes any."""
    shape = vectors.shape
    if len(shape) != 2 or shape[0] != number or not shape[1] or (dimension and shape[1] != dimension):
        wanted = f"({number}, {dimension or 'dimension'})"
        raise EmbedderFailed(f"the embedder gave vectors of shape {shape} in place of {wanted}")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise EmbedderFailed("the embedder gave a vector that has no direction (NaN, infinite or zero)")
    return np.asarray(vectors / lengths, dtype=np.float32)
