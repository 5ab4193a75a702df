"""Use any LangChain ``Embeddings`` as an embedder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from gptcache_magics.semantic.embedders.base import Vectors
from gptcache_magics.semantic.own_embedding import EMBEDDING

__all__ = ["LangChainEmbedder"]

MODEL_NAMES: Final = ("model", "model_name", "model_id", "repo_id")


class LangChainEmbedder:
    """Calls ``embed_documents``; its name is that of the class and of its model."""

    remote = True

    def __init__(self, embeddings: Any) -> None:
        self._embeddings = embeddings
        named = [getattr(embeddings, name, None) for name in MODEL_NAMES]
        model = next((each for each in named if isinstance(each, str) and each), "")
        dimensions = getattr(embeddings, "dimensions", None)
        parts = (type(embeddings).__name__, model, str(dimensions) if isinstance(dimensions, int) else "")
        self.name = " ".join(filter(None, parts))

    def covers(self, text: str) -> str:
        """Return an empty text: the user who chose the model knows what it covers."""
        return ""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one vector per text."""
        token = EMBEDDING.set(True)
        try:
            return np.asarray(self._embeddings.embed_documents(list(texts)), dtype=np.float32)
        finally:
            EMBEDDING.reset(token)
