"""The part of a team's tables that reads embeddings, of which nothing can be written either."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn

from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.embeddings import COUNT, EMBEDDING, is_expired, sound_embedding
from gptcache_magics.store.protocol import Configuration, Embedding, EmbeddingUse, Period
from gptcache_magics.store.sqlite.damage import Damage
from gptcache_magics.store.sqlite.embeddings import by_digest, model_from
from gptcache_magics.store.sqlite.statements import id_number

__all__ = ["EmbeddingTables"]

PAGE: Final = 500
"""Embeddings that are read at once."""
_FIND: Final = f"SELECT {EMBEDDING} FROM gptcache.embedding e WHERE e.space = %s AND e.id = ANY(%s::int8[])"
_FIND_PORTABLE: Final = f"""SELECT {EMBEDDING} FROM gptcache.embedding e
    JOIN gptcache.embedding_model m ON m.space = e.space AND m.key = e.model
    WHERE e.space = %s AND m.portable = %s AND e.text_digest = ANY(%s::int8[])"""
_PAGE: Final = f"""SELECT {EMBEDDING} FROM gptcache.embedding e WHERE e.space = %s AND (e.model, e.key) > (%s, %s)
    ORDER BY e.model, e.key LIMIT {PAGE}"""
_MODELS: Final = "SELECT key, configuration FROM gptcache.embedding_model WHERE space = %s ORDER BY key"


class EmbeddingTables:
    """An ``EmbeddingStore`` that is only read."""

    address: Address
    _damage: Damage

    def get_embeddings(self, keys: Sequence[str]) -> Mapping[str, Embedding]:
        """Return the embeddings that are stored under these keys, but for expired ones."""
        wanted = {*keys}
        found = [each for at in range(0, len(keys), PAGE) for each in self._under(keys[at : at + PAGE])]
        return {each.key: each for each in found if each.key in wanted}

    def _under(self, keys: Sequence[str]) -> Iterator[Embedding]:
        return self._alive(self._all(_FIND, (self.address.space, [*map(id_number, keys)])))

    def find_embeddings(self, portable: str, digests: Sequence[str]) -> Mapping[str, Embedding]:
        """Return embeddings by their digests, of all configurations with this portable key."""
        numbers = [*map(id_number, digests)]
        rows = self._all(_FIND_PORTABLE, (self.address.space, bytes.fromhex(portable), numbers))
        return by_digest(self._alive(rows))

    def embedding_uses(self, period: Period) -> Sequence[EmbeddingUse]:
        """Return nothing: each member's folder counts what it was asked."""
        return ()

    def embedding_models(self) -> Sequence[Configuration]:
        """Return the configurations that embedded."""
        found = [(bytes(key).hex(), model_from(text)) for key, text in self._all(_MODELS, (self.address.space,))]
        return [each for key, each in found if each is not None and each.key == key]

    def each_embedding(self) -> Iterator[Embedding]:
        """Yield all embeddings that are not expired, by configuration and key, but for damaged ones."""
        place = b"", b""
        rows = self._all(_PAGE, (self.address.space, *place))
        while rows:
            yield from self._alive(rows)
            place = rows[-1][1], rows[-1][0]
            rows = self._all(_PAGE, (self.address.space, *place))

    def count_embeddings(self) -> tuple[int, int]:
        """Return the number of embeddings and their bytes."""
        number, size = self._one(COUNT, self.address.space)
        return number, size

    def put_embeddings(self, embeddings: Iterable[Embedding], models: Iterable[Configuration]) -> int:
        """Raise: nothing is written here, as in everything below."""
        self._refuse()

    def record_embeddings(self, uses: Iterable[EmbeddingUse], used: Mapping[str, float]) -> None:
        """Raise."""
        self._refuse()

    def clear_embeddings(self) -> int:
        """Raise."""
        self._refuse()

    def _alive(self, rows: Sequence[Sequence[Any]]) -> Iterator[Embedding]:
        """Yield the embeddings that are sound and not expired."""
        sound = [each for each in map(sound_embedding, rows) if each is not None]
        self._damage.skip("embedding", len(rows) - len(sound))
        return (each for each in sound if not is_expired(each))

    def _all(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return the rows of a query of which there are not many."""
        raise NotImplementedError

    def _one(self, sql: str, *values: Any) -> tuple[Any, ...]:
        """Return the row of a query that has one."""
        raise NotImplementedError

    def _refuse(self) -> NoReturn:
        """Raise that nothing is written here."""
        raise NotImplementedError
