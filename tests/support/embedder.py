"""An embedder without a model. It is quick, gives the same everywhere, and breaks on request."""

from collections.abc import Callable
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

__all__ = ["Embedder"]


class Embedder(Embeddings):
    """An embedder that counts words and keeps its texts. Texts that share most words point nearly the same way."""

    def __init__(self, size: int = 512) -> None:
        self.size, self.texts = size, list[str]()
        self.fails: Exception | None = None
        self.gives: Callable[[list[float]], Any] = lambda vector: vector

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.texts += texts
        if self.fails is not None:
            raise self.fails
        return [self.gives(self._vector(text)) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        raise AssertionError("questions are embedded as documents")

    def _vector(self, text: str) -> list[float]:
        vector = np.zeros(self.size)
        for word in text.lower().strip("?").split():
            vector[sum(word.encode()) % self.size] += 1 if len(word) > 3 else 0.3
        return vector.tolist()
