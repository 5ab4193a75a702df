"""The contract of a store that keeps the vectors of its entries."""

from __future__ import annotations

from gptcache_magics.store.protocol import Store
from gptcache_magics.testing.contract import Contract
from gptcache_magics.testing.samples import GPT, key, make_entry

__all__ = ["VectorStoreContract"]


class VectorStoreContract(Contract):
    """The promises of ``gptcache_magics.store.protocol.VectorStore``.

    The entries that have vectors are put with ``AnswerStore.put``: the store must have it.
    """

    def test_vectors_come_back_in_the_order_of_their_coming(self, store: Store, peer: Store) -> None:
        for name in "abc":
            store.put(make_entry(name), GPT)
        store.put_vectors("e/2", [(key("a"), "c0" * 16, b"vector a"), (key("b"), "0e" * 16, b"vector b")])
        first, *_ = peer.vectors("e/2", "c0" * 16, 0)
        store.put_vectors("e/2", [(key("c"), "c0" * 16, b"vector c")])

        assert [row[2] for row in peer.vectors("e/2", "c0" * 16, 0)] == [b"vector a", b"vector c"]
        assert [row[2] for row in peer.vectors("e/2", "c0" * 16, first[0])] == [b"vector c"]
        assert peer.vectors("f/2", "c0" * 16, 0) == []

    def test_a_vector_is_replaced_and_reported_again(self, store: Store) -> None:
        store.put(make_entry("a"), GPT)
        store.put_vectors("e/2", [(key("a"), "c0" * 16, b"old")])
        [(sequence, _, _)] = store.vectors("e/2", "c0" * 16, 0)
        store.put_vectors("e/2", [(key("a"), "c0" * 16, b"new")])

        assert [row[2] for row in store.vectors("e/2", "c0" * 16, sequence)] == [b"new"]

    def test_what_has_no_vector_yet_is_found_page_by_page(self, store: Store) -> None:
        for name in range(5):
            store.put(make_entry(name), GPT)
        store.put(make_entry("sample", sample=1), GPT)
        store.put_vectors("e/2", [(key(0), "c0" * 16, b"vector"), (key(1), None, None)])

        assert store.count_unembedded("e/2", replace_others=True) == 3
        assert store.count_unembedded("e/2", replace_others=False) == 3
        assert store.count_unembedded("f/2", replace_others=True) == 5
        assert store.count_unembedded("f/2", replace_others=False) == 4, "e embedded one"
        found, after = [], ""
        while rows := store.unembedded("e/2", after, 2, replace_others=False):
            assert len(rows) <= 2
            found += [row.key for row in rows]
            after = rows[-1].key[:16]
        assert set(found) == {key(2), key(3), key(4)}

    def test_embedders_are_counted_with_their_thresholds(self, store: Store) -> None:
        store.put(make_entry("a"), GPT)
        store.put_vectors("e/2", [(key("a"), "c0" * 16, b"vector")])
        store.choose_threshold("f", 0.8)
        store.choose_threshold("f", 0.9)

        assert store.embedders() == [("e/2", 1, None), ("f", 0, 0.9)]
