"""The contract of a store that keeps answers by key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from gptcache_magics.store.protocol import AnswerStore, Usage
from gptcache_magics.testing.contract import Contract
from gptcache_magics.testing.samples import CLAUDE, GPT, ODD_TEXTS, answer, key, make_entry

__all__ = ["AnswerStoreContract"]


class AnswerStoreContract(Contract):
    """The promises of ``gptcache_magics.store.protocol.AnswerStore``."""

    def test_what_was_put_is_found(self, store: AnswerStore, reader: AnswerStore) -> None:
        usage = Usage(1, 2, 3, None)
        store.put(make_entry("a", b"\0answer\xff", created=12.5, seconds=0.25, usage=usage), GPT)

        found = reader.get(key("a"))
        assert found is not None
        assert (found.key, found.answer, found.created, found.seconds) == (key("a"), b"\0answer\xff", 12.5, 0.25)
        assert found.usage == usage
        assert str(found) == key("a")[:16]

    def test_what_was_not_put_is_not_found(self, store: AnswerStore, reader: AnswerStore) -> None:
        store.put(make_entry("a"), GPT)

        assert reader.get(key("b")) is None

    def test_a_key_that_only_begins_the_same_is_not_found(self, store: AnswerStore, reader: AnswerStore) -> None:
        store.put(make_entry("a"), GPT)

        assert reader.get(key("a")[:16] + "0" * 16) is None

    @pytest.mark.parametrize("odd", ODD_TEXTS)
    def test_odd_text_is_found_exactly(self, store: AnswerStore, reader: AnswerStore, odd: str) -> None:
        said = ODD_TEXTS[odd]
        encoded = said.encode("utf-8", "surrogatepass")
        store.put(make_entry("a", encoded, prompt=said, question=said), GPT)

        assert answer(reader, "a") == encoded

    def test_the_newest_answer_under_a_key_is_found(self, store: AnswerStore, reader: AnswerStore) -> None:
        store.put(make_entry("a", b"first"), GPT)
        store.put(make_entry("b", b"other", CLAUDE), CLAUDE)
        store.put(make_entry("a", b"second", created=1.0, expires=2.0), GPT)

        found = reader.get(key("a"))
        assert found is not None
        assert (found.answer, found.created, found.expires) == (b"second", 1.0, 2.0)
        assert answer(reader, "b") == b"other"

    def test_clear_removes_every_answer(self, store: AnswerStore, reader: AnswerStore) -> None:
        store.put(make_entry("a"), GPT)
        store.put(make_entry("b", b"other", CLAUDE), CLAUDE)

        assert store.clear() == 2
        assert answer(reader, "a") is answer(reader, "b") is None
        assert store.clear() == 0
        store.put(make_entry("a", b"again"), GPT)
        assert answer(reader, "a") == b"again"

    def test_answers_put_by_several_threads_are_found(self, store: AnswerStore, reader: AnswerStore) -> None:
        def put(number: int) -> None:
            store.put(make_entry(number, b"%d" % number), GPT)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, range(80)))
        assert [answer(reader, number) for number in range(80)] == [b"%d" % number for number in range(80)]
