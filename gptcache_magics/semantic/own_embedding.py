"""Whether matching by meaning embeds here: what its embedder sends is not looked up, and ``replay`` lets it through."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["EMBEDDING"]

EMBEDDING: ContextVar[bool] = ContextVar("gptcache_magics_embedding", default=False)
"""True while the embedder runs. The embedders themselves import numpy, so it does not stand beside them."""
