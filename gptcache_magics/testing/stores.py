"""The contract of a whole store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

import pytest

from gptcache_magics.store.protocol import Configuration, Entry, Near, Period, Selection, Store
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.testing.answers import AnswerStoreContract
from gptcache_magics.testing.embeddings import EmbeddingStoreContract
from gptcache_magics.testing.entries import EntryCatalogContract
from gptcache_magics.testing.labels import LabelStoreContract
from gptcache_magics.testing.lookups import LookupLogContract
from gptcache_magics.testing.samples import (
    CLAUDE,
    EVERYTHING,
    GPT,
    NOON,
    ODD_TEXTS,
    OF_GPT,
    answer,
    column,
    eventually,
    fill,
    key,
    keys,
    lookup,
    make_entry,
    text,
)
from gptcache_magics.testing.vectors import VectorStoreContract

__all__ = ["StoreContract"]


class StoreContract(
    AnswerStoreContract,
    EntryCatalogContract,
    LookupLogContract,
    VectorStoreContract,
    LabelStoreContract,
    EmbeddingStoreContract,
):
    """The promises of ``gptcache_magics.store.protocol.Store``.

    They are those of each protocol, and those that several of them keep together.
    """

    @pytest.fixture
    def filled(self, store: Store) -> Store:
        """Return four entries of two models, of which one was looked up."""
        fill(store)
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

    # Replacing

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

    # Entries that are gone

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

    @pytest.mark.parametrize(("seconds", "expected"), [(25, "ab"), (101, "abcd")])
    def test_an_entry_that_was_hit_was_used_since(
        self, filled: Store, reader: Store, seconds: int, expected: str
    ) -> None:
        sizes = dict(zip("abcd", (10, 20, 30, 40), strict=True))
        selection = Selection(unused_since=NOON + seconds)

        assert keys(reader.entries(selection)) == {key(name) for name in expected}
        assert reader.count(selection) == (len(expected), sum(sizes[name] for name in expected))
        assert filled.remove(selection) == len(expected)
        assert keys(reader.entries(EVERYTHING)) == {key(name) for name in "abcd" if name not in expected}

    # Lookups

    def test_hits_are_counted_where_they_hit(self, filled: Store, reader: Store) -> None:
        filled.record([lookup(1), lookup(3), lookup(2), lookup(4, "miss"), lookup(5, name="gone")], [], 1000)

        entries = reader.entries(EVERYTHING)
        hits = dict(zip(column(entries, "key"), column(entries, "hits"), strict=True))
        accessed = dict(zip(column(entries, "key"), column(entries, "accessed"), strict=True))
        assert [hits[key(name)] for name in "abcd"] == [3, 0, 1, 0]
        assert [accessed[key(name)] for name in "abcd"] == [NOON + 3, None, NOON + 100, None]

    def test_forgotten_lookups_leave_the_entries(self, filled: Store, reader: Store) -> None:
        assert filled.forget_lookups() == 1

        assert reader.lookups(Period()) == []
        assert reader.count()[0] == 4
        assert filled.forget_lookups() == 0

    # Tables

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

    # Meanings

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
        assert store.count_unembedded("e/2", replace_others=False) == 0

        store.remove(Selection(ids=[key("a")]))
        store.forget_removed()
        store.put(make_entry("a"), GPT)
        assert store.count_unembedded("e/2", replace_others=False) == 1, (
            "a removal that is final takes the vectors along"
        )

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
