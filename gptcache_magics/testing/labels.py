"""The contract of a store that keeps labels."""

from __future__ import annotations

from gptcache_magics.store.protocol import Near, Store
from gptcache_magics.store.reasons import Objection, ObjectionKind
from gptcache_magics.testing.contract import Contract
from gptcache_magics.testing.samples import GPT, key, lookup, make_entry

__all__ = ["LabelStoreContract"]


class LabelStoreContract(Contract):
    """The promises of ``gptcache_magics.store.protocol.LabelStore``.

    The questions of labels come from ``AnswerStore.put`` and ``LookupLog.record``: the store must have both.
    """

    def test_a_label_is_remembered_and_may_change(self, store: Store, peer: Store) -> None:
        store.put(make_entry("a"), GPT)
        store.record([lookup(1, "miss", "b")], [GPT], 100)
        near = Near(key("a"), 0.94, "e/2", Objection(ObjectionKind.GUARD, "1 / 2", "number"))
        store.put_label(key("b"), near, False)
        assert peer.judged_wrong(key("b")) == {key("a")[:16]}
        assert peer.judged_wrong(key("c")) == frozenset()
        [row] = store.labels()
        assert (row.asked, row.entry) == (key("b")[:16], key("a")[:16])
        assert (row.right, row.similarity, row.embedder) == (False, 0.94, "e/2")
        assert (row.objection_kind, row.objection_guard, row.objection_detail) == ("guard", "number", "1 / 2")
        assert (row.asked_question, row.stored_question) == ("question b", "question a")

        store.put_label(key("b"), near, True)
        assert peer.judged_wrong(key("b")) == frozenset()
