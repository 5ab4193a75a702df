"""The embeddings of a team's database: there are none, for embeddings stay in the folder of who had them made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gptcache_magics.store.protocol import Configuration, Embedding, EmbeddingUse, Period

__all__ = ["NoEmbeddings"]


class NoEmbeddings:
    """An ``EmbeddingStore`` that holds nothing."""

    def get_embeddings(self, keys: Sequence[str]) -> Mapping[str, Embedding]:
        """Return nothing."""
        return {}

    def find_embeddings(self, portable: str, digests: Sequence[str]) -> Mapping[str, Embedding]:
        """Return nothing."""
        return {}

    def put_embeddings(self, embeddings: Iterable[Embedding], models: Iterable[Configuration]) -> int:
        """Store nothing."""
        return 0

    def record_embeddings(self, uses: Iterable[EmbeddingUse], used: Mapping[str, float]) -> None:
        """Write nothing."""

    def embedding_uses(self, period: Period) -> Sequence[EmbeddingUse]:
        """Return nothing."""
        return ()

    def embedding_models(self) -> Sequence[Configuration]:
        """Return nothing."""
        return ()

    def each_embedding(self) -> Iterator[Embedding]:
        """Yield nothing."""
        return iter(())

    def count_embeddings(self) -> tuple[int, int]:
        """Return zero."""
        return 0, 0

    def clear_embeddings(self) -> int:
        """Remove nothing."""
        return 0
