"""The contract of a store that lists, selects and changes its entries."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import pytest

from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import AnswerText, Selection, Store
from gptcache_magics.testing.contract import Contract
from gptcache_magics.testing.samples import (
    CLAUDE,
    EVERYTHING,
    EVICTED,
    GPT,
    NOON,
    ODD_TEXTS,
    OF_CLAUDE,
    OF_GPT,
    REMOVED,
    D,
    answer,
    column,
    eventually,
    fill,
    key,
    keys,
    make_entry,
    put_many,
)

__all__ = ["EntryCatalogContract"]

PLAIN = AnswerText(bytes.decode)
"""Reads answers that are nothing but text."""


def _named(value: Selection | str) -> str:
    """Return what a parameter is called: the conditions of a selection, without functions, whose addresses differ."""
    if isinstance(value, str):
        return value
    given = {each.name: getattr(value, each.name) for each in fields(value)}
    return ",".join(f"{name}={'' if name == 'answers' else each}" for name, each in given.items() if each)


class EntryCatalogContract(Contract):
    """The promises of ``gptcache_magics.store.protocol.EntryCatalog``.

    The entries are put with ``AnswerStore.put``, and looked for with ``AnswerStore.get``: the store must have both.
    """

    @pytest.fixture
    def filled(self, store: Any) -> Any:
        """Return a store of four entries of two models."""
        fill(store)
        return store

    # Put and get

    def test_odd_text_can_be_searched(self, store: Store, reader: Store) -> None:
        for name, said in ODD_TEXTS.items():
            store.put(make_entry(name, prompt=f"{said} {name.upper()}", question=""), GPT)

        for name in ODD_TEXTS:
            assert keys(reader.entries(Selection(grep=f" {name}$"))) == {key(name)}

    # Replacing

    def test_another_answer_replaces_the_first_and_keeps_it(self, store: Store, reader: Store) -> None:
        for moment, said in enumerate((b"first", b"second", b"second", b"third")):
            store.put(make_entry("a", said, created=NOON + moment), GPT)

        found = reader.get(key("a"))
        assert found is not None
        assert (found.answer, found.created) == (b"third", NOON + 3)
        assert list(reader.history(key("a"))) == [(NOON + 3, b"second"), (NOON + 1, b"first")]
        assert reader.history(key("b")) == []
        assert reader.count() == (1, 5)

    # Many at once

    def test_of_two_entries_with_one_key_put_at_once_the_first_is_kept(self, store: Store) -> None:
        assert store.put_all([make_entry("a", b"first"), make_entry("a", b"second")], [GPT], replace=False) == 1
        assert answer(store) == b"first"

    # The fields of an entry

    def test_everything_an_entry_carries_is_kept(self, store: Store, reader: Store) -> None:
        carried: dict[str, Any] = {
            "expires": NOON + 60,
            "edited": True,
            "tags": " draft lesson-1 ",
            "sample": 2,
            "prompt_digest": D,
        }
        store.put(make_entry("a", finish_reason="stop", **carried), GPT)
        store.put(make_entry("b"), GPT)

        found = reader.get(key("a"))
        assert found is not None
        assert found.expires == NOON + 60
        rows = reader.entries(EVERYTHING)
        first = column(rows, "key").index(key("a"))
        shown = {name: column(rows, name) for name in ("expires", "edited", "tags", "sample", "finish_reason")}
        assert {name: values[first] for name, values in shown.items()} == {
            **{"expires": NOON + 60, "edited": 1, "tags": " draft lesson-1 ", "sample": 2, "finish_reason": "stop"}
        }
        assert {name: values[1 - first] for name, values in shown.items()} == {
            **{"expires": None, "edited": 0, "tags": "", "sample": 0, "finish_reason": ""}
        }
        for selection in (Selection(tag="lesson-1"), Selection(prompt_digest=D), Selection(expired_at=NOON + 60)):
            assert keys(reader.entries(selection)) == {key("a")}

    def test_a_shape_is_kept_and_given_to_entries_that_have_none(self, store: Store, reader: Store) -> None:
        store.put(make_entry("a", shape=D, ignored="id date "), GPT)
        store.put(make_entry("b"), GPT)

        assert column(reader.unshaped(10), "key") == [key("b")]
        assert [*reader.ignored()] == ["id", "date"]
        store.put_shapes({key("b"): D})
        assert [*reader.unshaped(10)] == []
        assert keys(reader.entries(Selection(shape=D))) == {key("a"), key("b")}
        assert [*reader.entries(Selection(shape=D[::-1]))] == []
        assert {row.key: row.entry.ignored for row in reader.entries(EVERYTHING)} == {
            key("a"): "id date ",
            key("b"): "",
        }

    def test_an_entry_put_with_other_tags_takes_them_and_without_any_keeps_its_own(self, store: Store) -> None:
        for tags in (" draft ", "", " final "):
            store.put(make_entry("a", tags=tags), GPT)
            assert column(store.entries(EVERYTHING), "tags") == [tags or " draft "]

    # Removing

    def test_remove_removes_what_was_selected(self, filled: Store, reader: Store) -> None:
        assert filled.remove(OF_GPT) == 2

        assert [reader.get(key(name)) is None for name in "abcd"] == [True, True, False, False]
        assert reader.count() == (2, 70)
        assert filled.remove(OF_GPT) == 0

    @pytest.mark.parametrize("selection", [EVERYTHING, OF_GPT])
    def test_undo_brings_the_last_removal_back(self, filled: Store, reader: Store, selection: Selection) -> None:
        before = sorted(filled.entries(EVERYTHING))
        removed = filled.remove(selection)

        assert filled.undo() == removed
        assert sorted(reader.entries(EVERYTHING)) == before
        assert reader.get(key("a")) is not None
        assert filled.undo() == 0

    def test_only_the_last_removal_can_be_undone(self, filled: Store, reader: Store) -> None:
        filled.remove(OF_GPT)
        filled.remove(OF_CLAUDE)

        assert filled.undo() == 2
        assert keys(reader.entries(EVERYTHING)) == {key("c"), key("d")}

    def test_undo_keeps_an_answer_that_was_stored_since(self, filled: Store, reader: Store) -> None:
        filled.clear()
        filled.put(make_entry("a", b"new"), GPT)

        assert filled.undo() == 3
        found = reader.get(key("a"))
        assert found is not None
        assert found.answer == b"new"

    def test_what_undo_would_bring_back_is_known(self, filled: Store, reader: Store) -> None:
        assert reader.removed() == 0
        removed = filled.remove(OF_GPT)
        assert reader.removed() == removed
        filled.undo()
        assert reader.removed() == 0

    def test_a_forgotten_removal_is_final(self, filled: Store) -> None:
        filled.clear()
        filled.forget_removed()

        assert filled.undo() == 0
        assert filled.count() == (0, 0)

    # Entries that are gone

    def test_what_is_gone_says_why(self, filled: Store, reader: Store) -> None:
        filled.put(make_entry("b", b"replaced"), GPT)
        assert reader.gone(key("b")) is None
        filled.remove(Selection(ids=[key("c")]))
        filled.change(Selection(ids=[key("d")]), pinned=True)
        assert filled.evict(10 + 40) == 1

        assert [reader.gone(key(name)) for name in "abcd"] == [None, EVICTED, REMOVED, None]
        assert reader.gone(key("never stored")) is None
        filled.clear()
        assert [reader.gone(key(name)) for name in "acd"] == [REMOVED] * 3

    def test_the_last_reason_counts(self, store: Store) -> None:
        for _ in range(2):
            store.put(make_entry("a"), GPT)
            store.remove(EVERYTHING)
            assert store.gone(key("a")) == REMOVED
            store.put(make_entry("a"), GPT)
            store.evict(0)
            assert store.gone(key("a")) == EVICTED

    def test_questions_are_those_of_the_newest_entries(self, filled: Store, reader: Store) -> None:
        filled.put(make_entry("long", question="ü" * 3_000, created=NOON + 40), GPT)
        filled.remove(Selection(ids=[key("d")]))

        found = reader.questions(None, 3)
        assert {*column(found, "question")} == {"ü" * 2_000, "question c", "Wo liegt Zürich?"}
        assert {*column(reader.questions(GPT.key, 10), "question")} == {"ü" * 2_000, "Wo liegt Zürich?", "question a"}
        assert [*column(reader.questions(CLAUDE.key, 9), "id")] == [key("c")[:16]]
        assert column(reader.questions(GPT.key, 1), "question") == ["ü" * 2_000]
        assert reader.questions("ab" * 16, 10) == []
        assert reader.questions(None, 0) == []

    # Selecting

    def test_thousands_of_ids_are_selected_at_once(self, store: Store, reader: Store) -> None:
        store.put_all([make_entry(n) for n in range(3_000)], [GPT], replace=False)
        ids = [key(n)[:16] for n in range(0, 3_000, 2)]
        first_digits = key(1)[:9]

        assert reader.count(Selection(ids=[*ids, "0" * 16]))[0] == 1_500
        assert reader.count(Selection(ids=[*map(str.upper, ids), first_digits]))[0] == 1_501
        assert store.change(Selection(ids=ids), tag="even") == 1_500
        assert store.remove(Selection(ids=ids)) == 1_500
        assert {*keys(reader.entries(EVERYTHING))} == {key(n) for n in range(1, 3_000, 2)}

    def test_entries_are_selected_by_when_they_expire(self, store: Store, reader: Store) -> None:
        for name, expires in {"a": NOON, "b": NOON + 1, "c": NOON + 2, "d": None}.items():
            store.put(make_entry(name, expires=expires), GPT)

        for moment, expected in ((-1, ""), (0, "a"), (1, "ab"), (9, "abc")):
            assert keys(reader.entries(Selection(expired_at=NOON + moment))) == {key(name) for name in expected}
        assert store.remove(Selection(expired_at=NOON + 1)) == 2
        store.put(make_entry("c"), GPT)
        assert reader.count(Selection(expired_at=NOON + 9))[0] == 0

    def test_one_prompt_is_selected_in_every_configuration(self, store: Store, reader: Store) -> None:
        store.put(make_entry("a", prompt_digest=D), GPT)
        store.put(make_entry("b", configuration=CLAUDE, prompt_digest=D), CLAUDE)
        store.put(make_entry("c", prompt_digest="ff" * 8), GPT)
        store.put(make_entry("d"), GPT)

        assert keys(reader.entries(Selection(prompt_digest=D))) == {key("a"), key("b")}
        assert keys(reader.entries(Selection(prompt_digest=D, configurations=[GPT.key]))) == {key("a")}
        assert keys(reader.entries(Selection(prompt_digest="ff" * 8))) == {key("c")}
        assert reader.count(Selection(prompt_digest="0" * 16))[0] == 0

    @pytest.mark.parametrize(
        ("selection", "expected"),
        [
            (Selection(), "abcd"),
            (Selection(ids=[key("a")]), "a"),
            (Selection(ids=[key("a")[:5], key("c")[:5].upper()]), "ac"),
            (Selection(ids=["0123456789abcdef"]), ""),
            (Selection(ids=[]), ""),
            (Selection(configurations=[GPT.key]), "ab"),
            (Selection(configurations=[CLAUDE.key, GPT.key]), "abcd"),
            (Selection(configurations=["ab" * 16]), ""),
            (Selection(configurations=[]), ""),
            (Selection(grep="zürich"), "b"),
            (Selection(grep="SYSTEM"), "c"),
            (Selection(grep=r"question [ad]$"), "ad"),
            (Selection(grep="3333"), ""),
            (Selection(grep="3333", answers=PLAIN), "c"),
            (Selection(grep="question a|2{20}|4444", answers=PLAIN), "abd"),
            (Selection(grep="question a|4444", answers=PLAIN, only_answers=True), "d"),
            (Selection(grep="3333|4444", answers=PLAIN, configurations=[CLAUDE.key], older_than=NOON + 25), "c"),
            (Selection(grep="4444", answers=AnswerText(lambda _: None, ["%4%"])), ""),
            (Selection(tag="lesson-1"), "b"),
            (Selection(tag="draft"), "b"),
            (Selection(tag="lesson"), ""),
            (Selection(pinned=True), "a"),
            (Selection(pinned=False), "bcd"),
            (Selection(older_than=NOON + 20), "ab"),
            (Selection(unused_since=NOON + 15), "ab"),
            (Selection(unused_since=NOON + 101), "abcd"),
            (Selection(configurations=[GPT.key], pinned=False, grep="liegt"), "b"),
            (Selection(configurations=[GPT.key], tag="nothing"), ""),
        ],
        ids=_named,
    )
    def test_every_condition_of_a_selection_holds(
        self, filled: Store, reader: Store, selection: Selection, expected: str
    ) -> None:
        sizes = dict(zip("abcd", (10, 20, 30, 40), strict=True))

        assert keys(reader.entries(selection)) == {key(name) for name in expected}
        assert sorted(filter(None, reader.each_entry(selection))) == sorted(reader.entries(selection))
        assert reader.count(selection) == (len(expected), sum(sizes[name] for name in expected))
        assert filled.remove(selection) == len(expected)
        assert keys(reader.entries(EVERYTHING)) == {key(name) for name in "abcd" if name not in expected}

    @pytest.mark.parametrize("digit", "0123456789abcdef")
    def test_every_first_digit_of_an_id_selects(self, store: Store, digit: str) -> None:
        chosen = digit + "7" * 31
        for first in "0123456789abcdef":
            store.put(make_entry(first, key=first + "7" * 31), GPT)

        assert keys(store.entries(Selection(ids=[digit]))) == {chosen}
        assert keys(store.entries(Selection(ids=[chosen]))) == {chosen}

    @pytest.mark.parametrize("selection", [Selection(ids=["xyz"]), Selection(grep="(")])
    def test_a_selection_that_means_nothing_is_an_error(self, filled: Store, selection: Selection) -> None:
        for use in (filled.entries, filled.count, filled.remove):
            with pytest.raises(CommandError, match=r"xyz|\("):
                use(selection)
        assert filled.count()[0] == 4

    def test_pins_come_and_go(self, filled: Store, reader: Store) -> None:
        assert filled.change(OF_CLAUDE, pinned=True) == 2
        assert keys(reader.entries(Selection(pinned=True))) == {key("a"), key("c"), key("d")}

        assert filled.change(EVERYTHING, pinned=False) == 4
        assert reader.count(Selection(pinned=True)) == (0, 0)

    def test_tags_add_up_until_an_empty_one_takes_them_away(self, filled: Store, reader: Store) -> None:
        for _ in range(2):
            assert filled.change(EVERYTHING, tag="draft") == 4
        assert reader.count(Selection(tag="draft"))[0] == 4
        assert reader.count(Selection(tag="lesson-1"))[0] == 1
        assert sorted(len(tags.split()) for tags in column(reader.entries(EVERYTHING), "tags")) == [1, 1, 1, 2]

        assert filled.change(Selection(tag="lesson-1"), tag="") == 1
        assert reader.count(Selection(tag="draft"))[0] == 3
        assert reader.count(Selection(tag="lesson-1"))[0] == 0

    # Tables

    def test_entries_come_newest_first_within_a_limit(self, filled: Store, reader: Store) -> None:
        found = reader.entries(EVERYTHING)

        assert column(found, "key") == [key(name) for name in "dcba"]
        assert column(found, "configuration") == [CLAUDE.key, CLAUDE.key, GPT.key, GPT.key]
        assert column(reader.entries(EVERYTHING, 2), "key") == [key("d"), key("c")]
        assert reader.entries(EVERYTHING, 0) == []

    def test_contents_add_up_the_entries_of_a_configuration(self, filled: Store, reader: Store) -> None:
        found = reader.contents()

        assert column(found, "key") == [CLAUDE.key, GPT.key]
        assert column(found, "entries") == [2, 2]
        assert column(found, "bytes") == [70, 30]
        assert column(found, "first_created") == [NOON + 20, NOON]
        assert column(found, "last_created") == [NOON + 30, NOON + 10]

    def test_contents_follow_what_is_replaced_and_removed(self, filled: Store, reader: Store) -> None:
        filled.put(make_entry("a", b"longer than before"), GPT)
        filled.remove(OF_CLAUDE)

        assert column(reader.contents(), "key") == [GPT.key]
        assert column(reader.contents(), "bytes") == [20 + len(b"longer than before")]
        assert reader.count() == (2, 20 + len(b"longer than before"))

    # Several at once

    def test_eight_threads_lose_nothing(self, store: Store, reader: Store) -> None:
        def work(thread: int) -> list[int]:
            mine = []
            for n in range(200):
                store.put(make_entry(f"{thread}-{n}", b"%d-%d" % (thread, n)), GPT)
                found = store.get(key(f"{thread}-{n}"))
                mine.append(n if found is not None and found.answer == b"%d-%d" % (thread, n) else -1)
                store.get(key(f"{(thread + 1) % 8}-{n}"))
            return mine

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(8))) == [list(range(200))] * 8
        assert reader.count()[0] == 1600
        assert all(reader.get(key(f"{thread}-{n}")) for thread in range(8) for n in range(200))

    def test_eight_threads_read_tables_while_others_write(self, filled: Store) -> None:
        def work(thread: int) -> int:
            for n in range(60):
                if thread % 2:
                    filled.put(make_entry(f"{thread}-{n}"), GPT)
                assert len(filled.entries(OF_CLAUDE)) == 2
                assert {each.key for each in filled.configurations()} == {CLAUDE.key, GPT.key}
                assert filled.get(key("a")) is not None
            return filled.count(OF_GPT)[0]

        with ThreadPoolExecutor(8) as pool:
            assert max(pool.map(work, range(8))) <= 2 + 4 * 60
        assert filled.count()[0] == 4 + 4 * 60

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            (lambda peer: peer.remove(Selection(ids=[key("a")])), None),
            (lambda peer: peer.clear(), None),
            (lambda peer: peer.put(make_entry("a", b"replaced"), GPT), b"replaced"),
            (lambda peer: [peer.clear(), peer.undo()], b"1" * 10),
            (lambda peer: [peer.clear(), peer.put(make_entry("a", b"replaced"), GPT)], b"replaced"),
            (lambda peer: put_many(peer, b"x") and peer.remove(Selection(grep="^many")), b"1" * 10),
            (lambda peer: put_many(peer, b"x") and put_many(peer, b"y") and peer.clear(), None),
        ],
        ids=["remove", "clear", "replace", "clear and undo", "clear and put", "remove others", "replace others, clear"],
    )
    def test_what_another_kernel_changes_is_noticed(
        self, filled: Store, peer: Store, change: Callable[[Store], object], expected: bytes | None
    ) -> None:
        assert filled.get(key("a"))  # it is in memory
        change(peer)

        assert eventually(lambda: answer(filled) == expected)
        assert answer(peer) == expected
