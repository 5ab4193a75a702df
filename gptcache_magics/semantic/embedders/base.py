"""The protocol of embedders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Embedder", "Vectors"]

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into vectors; texts of the same meaning give vectors of the same direction."""

    @property
    def name(self) -> str:
        """Name of the embedder; vectors of different names do not compare."""

    @property
    def remote(self) -> bool:
        """Whether the embedder may run on another machine, and so never answer."""

    def covers(self, text: str) -> str:
        """Return why the embedder cannot read this text, or an empty text if it can."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one vector per text, of shape ``(len(texts), dimension)`` and any length."""
