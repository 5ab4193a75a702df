"""What an embedder must be able to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Embedder", "Vectors"]

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into vectors, so that those of texts that mean the same point the same way."""

    @property
    def name(self) -> str:
        """What tells it from others; the vectors of two names do not compare."""

    @property
    def remote(self) -> bool:
        """Whether it may be elsewhere, and never answer."""

    def covers(self, text: str) -> str:
        """Why it cannot tell what a text means; empty if it can."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector a text, of shape ``(len(texts), dimension)``, of any length."""
