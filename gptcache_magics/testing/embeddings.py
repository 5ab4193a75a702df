"""The contract of a store that keeps embeddings."""

from __future__ import annotations

import time
from dataclasses import replace

from gptcache_magics.store.protocol import Embedding, EmbeddingUse, Period, Selection, Store
from gptcache_magics.testing.contract import Contract
from gptcache_magics.testing.samples import GPT, key

__all__ = ["EmbeddingStoreContract"]


def make_embedding(name: object, **changes: object) -> Embedding:
    """Return an embedding of a text."""
    made = Embedding(key(name), GPT.key, f'"{name}"', key(name)[:16], b"{}\nvector", "{}", 1_000.0, 3)
    return replace(made, **changes)  # type: ignore[arg-type]


class EmbeddingStoreContract(Contract):
    """The promises of ``gptcache_magics.store.protocol.EmbeddingStore``."""

    def test_embeddings_come_back_as_they_were_put(self, store: Store, reader: Store) -> None:
        made = [make_embedding(name) for name in range(3)]
        assert store.put_embeddings(made, [GPT]) == 3
        assert reader.get_embeddings([key(0), key(2), key("other")]) == {key(0): made[0], key(2): made[2]}
        assert [*reader.each_embedding()] == sorted(made, key=lambda each: each.key)
        assert [each.key for each in reader.embedding_models()] == [GPT.key]
        assert store.put_embeddings(made, [GPT]) == 0

    def test_embeddings_are_neither_entries_nor_configurations(self, store: Store) -> None:
        store.put_embeddings([make_embedding("a")], [GPT])
        assert store.count(Selection()) == (0, 0)
        assert [*store.configurations()] == []
        number, size = store.count_embeddings()
        assert number == 1
        assert size > len(b"{}\nvector")

    def test_an_expired_embedding_is_not_given(self, store: Store, reader: Store) -> None:
        store.put_embeddings([make_embedding("a", expires=time.time() - 1)], [GPT])
        assert reader.get_embeddings([key("a")]) == {}
        assert [*reader.each_embedding()] == []

    def test_an_embedding_is_found_by_another_address(self, store: Store, reader: Store) -> None:
        other = replace(GPT, key=key("another address"))
        store.put_embeddings([make_embedding("a"), make_embedding("b")], [GPT])
        store.put_embeddings([make_embedding("c", model=other.key, digest=key("b")[:16], vector=b"{}\nother")], [other])
        digests = [key(name)[:16] for name in "ab"]
        assert [*reader.find_embeddings(GPT.portable, digests)] == digests[:1], "of b there are two vectors"
        assert reader.find_embeddings("0" * 32, digests) == {}

    def test_figures_replace_those_of_their_place(self, store: Store, reader: Store) -> None:
        for texts in (1, 5):
            use = EmbeddingUse("run", 7, "2026-01-02", GPT.key, 1_000.0, texts, 1, texts - 1, 10, 2)
            store.record_embeddings([use], {})
        assert [*reader.embedding_uses(Period(run="run"))] == [use]
        assert [*reader.embedding_uses(Period(run="other"))] == []
        assert [*reader.embedding_uses(Period(after=1_001.0))] == []

    def test_clearing_embeddings_leaves_none(self, store: Store, reader: Store) -> None:
        store.put_embeddings([make_embedding(name) for name in range(30)], [GPT])
        assert store.clear_embeddings() == 30
        assert reader.count_embeddings() == (0, 0)
        assert reader.get_embeddings([key(1)]) == {}

    def test_embeddings_unused_for_longest_make_room(self, store: Store, reader: Store) -> None:
        made = [make_embedding(name, created=1_000.0 + name, vector=b"v" * 1_000) for name in range(10)]
        store.put_embeddings(made, [GPT])
        store.record_embeddings([], {key(0): 5_000.0})
        store.evict(5_000)
        left = {each.key for each in reader.each_embedding()}
        assert 2 <= len(left) <= 5
        assert {key(0), key(9)} <= left
