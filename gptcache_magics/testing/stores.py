"""The contract of a whole store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

import pytest

from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import (
    Configuration,
    Entry,
    Near,
    Period,
    Selection,
    Store,
    Usage,
)
from gptcache_magics.store.reasons import Kind, Objection, ObjectionKind, Reason
from gptcache_magics.testing.answers import AnswerStoreContract
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
    key,
    keys,
    lookup,
    make_entry,
    put_many,
    text,
)

__all__ = ["StoreContract"]


class StoreContract(AnswerStoreContract):
    """The promises of ``gptcache_magics.store.protocol.Store``, which is all protocols together."""

    @pytest.fixture
    def filled(self, store: Store) -> Store:
        """Four entries of two models."""
        store.put(make_entry("a", b"1" * 10, created=NOON), GPT)
        store.put(make_entry("b", b"2" * 20, created=NOON + 10, question="Wo liegt Zürich?"), GPT)
        store.put(make_entry("c", b"3" * 30, CLAUDE, created=NOON + 20, prompt="a System prompt"), CLAUDE)
        store.put(make_entry("d", b"4" * 40, CLAUDE, created=NOON + 30), CLAUDE)
        store.change(Selection(ids=[key("a")]), pinned=True)
        store.change(Selection(ids=[key("b")]), tag="lesson-1")
        store.change(Selection(ids=[key("b")]), tag="draft")
        store.record([lookup(100, name="c")], [], 1000)
        return store

    # Put and get

    def test_what_was_not_put_is_not_recalled(self, store: Store, reader: Store) -> None:
        store.put(make_entry("a"), GPT)

        assert reader.get(key("b")) is None
        assert reader.recall(key("b")) is None

    def test_what_was_found_is_remembered_until_it_is_removed(self, store: Store, reader: Store) -> None:
        store.put(make_entry("a"), GPT)
        reader.get(key("a"))
        remembered = reader.recall(key("a"))
        assert remembered is not None
        assert remembered.answer == make_entry("a").answer

        reader.remove(EVERYTHING)
        assert reader.recall(key("a")) is None
        assert reader.get(key("a")) is None

    @pytest.mark.parametrize("odd", ODD_TEXTS)
    def test_odd_text_comes_back_exactly(self, store: Store, reader: Store, odd: str) -> None:
        said = ODD_TEXTS[odd]
        answer = said.encode("utf-8", "surrogatepass")
        store.put(make_entry("a", answer, prompt=said, question=said), GPT)
        store.record([lookup(1, question=said, reason=Reason(Kind.NOT_STORED, said))], [], 1000)

        found = reader.get(key("a"))
        assert found is not None
        assert found.answer == answer
        assert text(column(reader.entries(EVERYTHING), "prompt")[0]) == said
        assert reader.count() == (1, len(answer))
        assert column(reader.entries(EVERYTHING), "question")[0] == said.encode("utf-8", "replace").decode()
        (asked,) = reader.lookups(Period())
        assert asked.question == said.encode("utf-8", "replace").decode()[:2000]
        assert asked.reason == Reason(Kind.NOT_STORED, said.encode("utf-8", "replace").decode())

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

    def test_a_replaced_entry_keeps_its_pin_its_tags_and_its_hits(self, store: Store, reader: Store) -> None:
        store.put(make_entry("a"), GPT)
        store.change(EVERYTHING, pinned=True)
        store.change(EVERYTHING, tag="draft")
        store.record([lookup(1)], [], 1000)
        store.put(make_entry("a", b"another"), GPT)

        assert keys(reader.entries(Selection(pinned=True, tag="draft"))) == {key("a")}
        assert column(reader.entries(EVERYTHING), "hits") == [1]

    # Many at once

    @pytest.mark.parametrize("replace", [False, True], ids=["keep", "replace"])
    def test_many_entries_are_put_at_once(self, store: Store, reader: Store, replace: bool) -> None:
        store.put(make_entry("a", b"mine"), GPT)
        store.put(make_entry("b", b"same"), GPT)
        assert answer(reader) == b"mine"
        theirs = [
            make_entry("a", b"theirs", created=NOON + 1),
            make_entry("b", b"same"),
            make_entry("c", b"new", CLAUDE, tags=" draft "),
        ]

        assert store.put_all(iter(theirs), iter([GPT, CLAUDE]), replace=replace) == (2 if replace else 1)
        assert eventually(lambda: answer(reader) == (b"theirs" if replace else b"mine"))
        assert (answer(reader, "b"), answer(reader, "c")) == (b"same", b"new")
        assert list(reader.history(key("a"))) == ([(NOON + 1, b"mine")] if replace else [])
        assert column(reader.configurations(), "key") == [CLAUDE.key, GPT.key]
        assert keys(reader.entries(Selection(tag="draft"))) == {key("c")}
        assert {*column(reader.questions(None, 10), "question")} == {f"question {name}" for name in "abc"}
        assert store.put_all(theirs, [GPT, CLAUDE], replace=replace) == 0
        assert store.put_all([], [], replace=replace) == 0

    def test_of_two_entries_with_one_key_put_at_once_the_first_is_kept(self, store: Store) -> None:
        assert store.put_all([make_entry("a", b"first"), make_entry("a", b"second")], [GPT], replace=False) == 1
        assert answer(store) == b"first"

    def test_many_entries_are_put_all_or_none(self, store: Store, reader: Store) -> None:
        def broken() -> Iterator[Entry]:
            yield make_entry("a")
            raise KeyError("broken")

        with pytest.raises(KeyError):
            store.put_all(broken(), [GPT], replace=False)
        assert reader.count()[0] == 0
        assert reader.get(key("a")) is None
        store.put(make_entry("a"), GPT)
        assert column(store.configurations(), "label") == [GPT.label]

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

    def test_an_entry_put_with_other_tags_takes_them_and_without_any_keeps_its_own(self, store: Store) -> None:
        for tags in (" draft ", "", " final "):
            store.put(make_entry("a", tags=tags), GPT)
            assert column(store.entries(EVERYTHING), "tags") == [tags or " draft "]

    def test_the_tags_of_a_lookup_go_to_its_entry(self, filled: Store, reader: Store) -> None:
        lookups = [
            lookup(1, name="a", tag="lesson-2"),
            lookup(2, name="a", tag="lesson-2 draft"),
            lookup(3, "miss", name="d", tag="draft"),
            lookup(4, "miss", name="never stored", tag="draft"),
            lookup(5, name="c"),
        ]
        filled.record(lookups, [], 1000)

        assert keys(reader.entries(Selection(tag="draft"))) == {key("a"), key("b"), key("d")}
        assert keys(reader.entries(Selection(tag="lesson-2"))) == {key("a")}
        assert column(reader.entries(Selection(ids=[key("a")])), "tags") == [" lesson-2 draft "]
        assert column(reader.entries(Selection(ids=[key("c")])), "tags") == [""]

    # Removing

    def test_remove_removes_what_was_selected(self, filled: Store, reader: Store) -> None:
        assert filled.remove(OF_GPT) == 2

        assert [reader.get(key(name)) is None for name in "abcd"] == [True, True, False, False]
        assert reader.count() == (2, 70)
        assert filled.remove(OF_GPT) == 0

    def test_clear_removes_everything_but_the_lookups(self, filled: Store, reader: Store) -> None:
        assert filled.clear() == 4

        assert reader.get(key("a")) is None
        assert reader.count() == (0, 0)
        assert len(reader.lookups(Period())) == 1

    def test_only_clear_raises_the_generation(self, filled: Store, reader: Store) -> None:
        before = reader.generation()
        filled.remove(OF_GPT)
        assert reader.generation() == before

        for cleared in (1, 2):
            filled.clear()
            assert reader.generation() == before + cleared

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

    def test_a_version_changes_with_every_change_and_only_then(self, filled: Store, reader: Store) -> None:
        versions = [reader.version()]
        for change in (
            lambda: filled.put(make_entry("new"), GPT),
            lambda: filled.change(OF_GPT, pinned=True),
            lambda: filled.record([lookup(200, name="c")], [], 1000),
            filled.clear,
            filled.undo,
        ):
            change()
            versions.append(reader.version())
            assert reader.version() == versions[-1]
        assert len(set(versions)) == len(versions)

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

    @pytest.mark.parametrize(
        ("limit", "left"), [(100, "abcd"), (99, "acd"), (80, "acd"), (79, "ac"), (40, "ac"), (39, "a"), (0, "a")]
    )
    def test_what_was_not_used_for_longest_is_evicted_and_never_what_is_pinned(
        self, filled: Store, reader: Store, limit: int, left: str
    ) -> None:
        # a (10 bytes) is pinned and oldest, b (20) and d (40) were never hit, c (30) was hit last of all.
        assert answer(reader, "b")
        assert filled.evict(limit) == 4 - len(left)

        assert eventually(lambda: [name for name in "abcd" if answer(reader, name)] == list(left))
        assert keys(reader.entries(EVERYTHING)) == {key(name) for name in left}
        assert filled.evict(limit) == 0
        assert filled.undo() == 0

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
            (Selection(tag="lesson-1"), "b"),
            (Selection(tag="draft"), "b"),
            (Selection(tag="lesson"), ""),
            (Selection(pinned=True), "a"),
            (Selection(pinned=False), "bcd"),
            (Selection(older_than=NOON + 20), "ab"),
            (Selection(unused_since=NOON + 25), "ab"),
            (Selection(unused_since=NOON + 101), "abcd"),
            (Selection(configurations=[GPT.key], pinned=False, grep="liegt"), "b"),
            (Selection(configurations=[GPT.key], tag="nothing"), ""),
        ],
        ids=str,
    )
    def test_every_condition_of_a_selection_holds(
        self, filled: Store, reader: Store, selection: Selection, expected: str
    ) -> None:
        sizes = dict(zip("abcd", (10, 20, 30, 40), strict=True))

        assert keys(reader.entries(selection)) == {key(name) for name in expected}
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

    # Lookups

    def test_lookups_come_back_newest_first(self, filled: Store, reader: Store) -> None:
        filled.forget_lookups()
        filled.record([lookup(n, run="one") for n in range(5)], [GPT], 1000)
        filled.record([lookup(n, run="two", notebook="Ä.ipynb") for n in range(5, 8)], [GPT], 1000)

        every = reader.lookups(Period())
        assert column(every, "number_in_run") == [7, 6, 5, 4, 3, 2, 1, 0]
        assert column(every, "notebook")[:4] == ["Ä.ipynb"] * 3 + [""]
        assert column(reader.lookups(Period(), 3), "number_in_run") == [7, 6, 5]
        assert column(reader.lookups(Period(run="one")), "number_in_run") == [4, 3, 2, 1, 0]
        assert column(reader.lookups(Period(after=NOON + 6)), "number_in_run") == [7, 6]
        assert reader.outcomes(Period(run="two")).at == [NOON + 7, NOON + 6, NOON + 5]
        assert reader.outcomes(Period(run="two")).configuration == [GPT.key] * 3
        assert reader.lookups(Period(run="three")) == []

    def test_a_lookup_written_again_is_the_same_lookup(self, store: Store, reader: Store) -> None:
        asked = lookup(1, "miss")
        store.record([asked, lookup(2, "miss")], [GPT], 1000)
        asked.seconds, asked.usage, asked.reason = 1.5, Usage(7, 8), Reason(Kind.ERROR, "told later")
        store.record([asked], [], 1000)

        found = reader.lookups(Period())
        assert column(found, "number_in_run") == [2, 1]
        assert column(found, "seconds") == [None, 1.5]
        assert column(found, "output_tokens") == [None, 8]
        assert column(found, "reason") == [None, Reason(Kind.ERROR, "told later")]

    def test_hits_are_counted_where_they_hit(self, filled: Store, reader: Store) -> None:
        filled.record([lookup(1), lookup(3), lookup(2), lookup(4, "miss"), lookup(5, name="gone")], [], 1000)

        entries = reader.entries(EVERYTHING)
        hits = dict(zip(column(entries, "key"), column(entries, "hits"), strict=True))
        accessed = dict(zip(column(entries, "key"), column(entries, "accessed"), strict=True))
        assert [hits[key(name)] for name in "abcd"] == [3, 0, 1, 0]
        assert [accessed[key(name)] for name in "abcd"] == [NOON + 3, None, NOON + 100, None]

    def test_the_newest_lookups_are_kept(self, store: Store, reader: Store) -> None:
        for first in range(0, 1000, 50):
            store.record([lookup(n, name=n) for n in range(first, first + 50)], [GPT], 100)

        numbers = column(reader.lookups(Period()), "number_in_run")
        assert numbers == list(range(999, 999 - len(numbers), -1))
        assert 100 <= len(numbers) <= 160
        assert column(reader.lookups(Period()), "question") == [f"question {n}" for n in numbers]

    def test_forgotten_lookups_leave_the_entries(self, filled: Store, reader: Store) -> None:
        assert filled.forget_lookups() == 1

        assert reader.lookups(Period()) == []
        assert reader.count()[0] == 4
        assert filled.forget_lookups() == 0

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

    def test_configurations_are_kept_as_they_are(self, filled: Store, reader: Store) -> None:
        full = Configuration("66" * 16, "zhipu", "glm", "glm", 1.5, '{"a":1}', "70" * 16, "A_KEY B_TOKEN", '{"a":null}')
        filled.put_all([], [full], replace=False)
        *found, last = reader.configurations()
        assert last == full

        assert column(found, "key") == [CLAUDE.key, GPT.key]
        assert column(found, "label") == [CLAUDE.label, GPT.label]
        assert column(found, "temperature") == [None, 0.2]
        assert column(found, "parameters") == ["{}", '{"temperature":0.2}']
        assert column(found, "call_parameters") == [None, None]

    def test_parameters_of_the_call_are_learned_and_not_forgotten(self, filled: Store, reader: Store) -> None:
        for known, expected in ((None, None), ('{"stop":null}', '{"stop":null}'), (None, '{"stop":null}')):
            filled.put_all([], [replace(GPT, call_parameters=known)], replace=False)
            assert column(reader.configurations(), "call_parameters")[1] == expected

    def test_a_configuration_is_known_from_only_its_lookups(self, store: Store, reader: Store) -> None:
        store.record([lookup(1, "miss")], [GPT], 1000)

        assert column(reader.configurations(), "key") == [GPT.key]
        assert reader.contents() == []

    def test_an_empty_store_gives_empty_tables(self, store: Store) -> None:
        for found in (store.entries(EVERYTHING), store.lookups(Period()), store.configurations(), store.contents()):
            assert found == []
        found_columns = store.outcomes(Period())
        assert all(len(getattr(found_columns, each.name)) == 0 for each in fields(found_columns))
        assert store.count() == (0, 0)
        assert (store.remove(EVERYTHING), store.undo(), store.forget_lookups()) == (0, 0, 0)

    def test_a_new_store_can_be_written_and_has_nothing_to_say(self, store: Store) -> None:
        store.open()

        assert not store.readonly
        assert list(store.notices) == []
        assert store.where

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

    # Meanings

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

    @pytest.mark.parametrize("takes", [lambda s: s.remove(Selection(ids=[key("a")])), lambda s: s.evict(0)])
    def test_an_entry_takes_its_vector_along(self, store: Store, takes: Callable[[Store], object]) -> None:
        store.put(make_entry("a"), GPT)
        store.put_vectors("e/2", [(key("a"), "c0" * 16, b"vector")])
        takes(store)
        assert store.vectors("e/2", "c0" * 16, 0) == []

        store.put_vectors("e/2", [(key("a"), "c0" * 16, b"too late")])
        assert store.vectors("e/2", "c0" * 16, 0) == []

    def test_undo_brings_vectors_back_as_new_ones(self, store: Store, peer: Store) -> None:
        for name in "ab":
            store.put(make_entry(name), GPT)
        store.put_vectors("e/2", [(key("a"), "c0" * 16, b"vector a"), (key("b"), "c0" * 16, b"vector b")])
        *_, (last, _, _) = store.vectors("e/2", "c0" * 16, 0)
        store.remove(Selection(ids=[key("a")]))
        assert [row[2] for row in peer.vectors("e/2", "c0" * 16, 0)] == [b"vector b"]
        assert [row[1] for row in peer.embedders()] == [1]

        store.undo()
        assert [row[2] for row in peer.vectors("e/2", "c0" * 16, last)] == [b"vector a"]
        assert store.count_unembedded("e/2", anew=False) == 0

        store.remove(Selection(ids=[key("a")]))
        store.forget_removed()
        store.put(make_entry("a"), GPT)
        assert store.count_unembedded("e/2", anew=False) == 1, "a removal that is final takes the vectors along"

    def test_what_has_no_vector_yet_is_found_page_by_page(self, store: Store) -> None:
        for name in range(5):
            store.put(make_entry(name), GPT)
        store.put(make_entry("sample", sample=1), GPT)
        store.put_vectors("e/2", [(key(0), "c0" * 16, b"vector"), (key(1), None, None)])

        assert store.count_unembedded("e/2", anew=False) == store.count_unembedded("e/2", anew=True) == 3
        assert store.count_unembedded("f/2", anew=True) == 5
        assert store.count_unembedded("f/2", anew=False) == 4, "e embedded one"
        found, after = [], ""
        while rows := store.unembedded("e/2", after, 2, anew=False):
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

    def test_a_hit_by_meaning_keeps_both_questions(self, store: Store) -> None:
        store.put(make_entry("a"), GPT)
        near = Near(key("a"), 0.95, "e/2")
        hit = lookup(1, "hit", "a", match="semantic", asked=key("b"), near=near, question="question b")
        store.record([hit], [GPT], 100)

        found = store.lookups(Period())
        assert column(found, "question") == ["question b"]
        assert column(found, "similarity") == [0.95]
        assert column(found, "embedder") == ["e/2"]
        assert column(found, "near") == [near._replace(key=key("a")[:16])]
        assert store.lookups(Period(key=key("a")))
        assert store.lookups(Period(asked=key("b")))
        assert not store.lookups(Period(asked=key("a")))
        assert store.lookups(Period(question="question b"))
        assert column(store.entries(EVERYTHING), "hits") == [1]

    def test_a_closed_store_can_be_used_again(self, store: Store) -> None:
        store.put(make_entry("a"), GPT)
        store.close()
        store.close()

        store.put(make_entry("b"), GPT)
        assert store.get(key("b"))
        assert keys(store.entries(EVERYTHING)) >= {key("b")}
        assert column(store.configurations(), "label") == [GPT.label]
