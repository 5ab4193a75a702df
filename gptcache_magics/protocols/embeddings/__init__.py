"""The APIs of embeddings over HTTP: the texts of requests, and the vectors of answers."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gptcache_magics.protocols.base import Json
from gptcache_magics.protocols.embeddings.apis import (
    CohereEmbeddings,
    GoogleEmbeddings,
    OllamaEmbedding,
    OllamaEmbeddings,
    OpenAIEmbeddings,
)
from gptcache_magics.protocols.embeddings.base import EmbeddingAPI, Inputs

__all__ = ["APIS", "EmbeddingAPI", "Inputs", "embedding_api_of", "is_embedding"]

OLD: Final = OllamaEmbedding()
APIS: Final[tuple[EmbeddingAPI, ...]] = (
    *(OLD, OllamaEmbeddings(), OpenAIEmbeddings(), CohereEmbeddings(), GoogleEmbeddings()),
)


@lru_cache(maxsize=256)
def is_embedding(path: str) -> bool:
    """Return whether a path of a URL is one of these APIs."""
    return any(each.fits(path) is not None for each in APIS)


def embedding_api_of(path: str, body: Json) -> EmbeddingAPI | None:
    """Return the API that a request belongs to."""
    fitting = [each for each in APIS if each.fits(path) is not None]
    if OLD in fitting and "prompt" not in body:  # servers with the path of Ollama's and the form of OpenAI's
        fitting.remove(OLD)
    return fitting[0] if fitting else None
