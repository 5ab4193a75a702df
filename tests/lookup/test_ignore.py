"""``--ignore``: an answer to a prompt that is the same but for an id, a date and the like."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.globals import set_llm_cache
from langchain_core.language_models.fake_chat_models import FakeListChatModel

import gptcache_magics as gm
from gptcache_magics.store.protocol import Found, Selection
from gptcache_magics.testing.samples import eventually
from tests.support.provider_server import ProviderServer
from tests.support.shell import NumberedModel, Typist

ONE, OTHER = "3f2b8c1e-0d4a-4f6b-9a7c-5e1d2c3b4a59", "9d1c7b2a-6e5f-4a3b-8c2d-1f0e9d8c7b6a"


@pytest.fixture(autouse=True)
def off() -> Iterator[None]:
    yield
    gm.off()
    set_llm_cache(None)


def rag(id: str, question: str = "How long?") -> str:
    return f"Answer from:\n[Document(id='{id}', metadata={{'page': 3}}, page_content='Owls sleep.')]\n{question}"


def asked(model: NumberedModel, *prompts: str) -> list[str]:
    return [str(model.invoke(each).content) for each in prompts]


def test_an_id_does_not_count_where_it_is_ignored(tmp_path: Path) -> None:
    model = NumberedModel()
    gm.on(tmp_path, ignore="id")
    first, again, other = asked(model, rag(ONE), rag(OTHER), rag(OTHER, "How deep?"))
    assert again == first != other
    assert list(gm.stats("total", wide=True)[["hits", "ignoring_hits", "exact_hits"]].loc["total"]) == [1, 1, 1]
    rows = gm.lookups(since="run")
    assert "the same but for an id" in list(rows["reason"])


def test_it_counts_by_default_and_why_says_what_to_type(tmp_path: Path) -> None:
    gm.on(tmp_path)
    first, other = asked(NumberedModel(), rag(ONE), rag(OTHER))
    assert first != other
    said = repr(gm.why())
    assert "The same but for an id in the prompt" in said or "The same but for an id in message 1" in said
    assert "%gptcache on --ignore id" in said


def test_a_call_that_hit_another_entry_was_not_removed(tmp_path: Path) -> None:
    gm.on(tmp_path, ignore="id")
    asked(NumberedModel(), rag(ONE), rag(OTHER))
    gm.on(ignore="none")
    asked(NumberedModel(), rag(OTHER))
    assert list(gm.lookups()["cause"]) == ["volatile", "hit", "first time"]
    assert "%gptcache on --ignore id" in repr(gm.why())


def test_what_was_stored_before_is_found_too(tmp_path: Path) -> None:
    model = NumberedModel()
    gm.on(tmp_path)
    (first,) = asked(model, rag(ONE))
    gm.on(ignore=["id"])
    assert asked(model, rag(OTHER)) == [first]
    gm.on(ignore="none")
    assert asked(model, rag(str(uuid.uuid4()))) != [first]


def test_what_was_stored_under_an_earlier_key_is_found_too(tmp_path: Path, magic: Typist) -> None:
    with ProviderServer() as server:
        model = server.model("ChatOpenAI").bind(user="ada")
        magic.ip.run_cell("%config GPTCacheMagics.count_bookkeeping = True")  # as the first versions did
        gm.on(tmp_path)
        server.text = "Three hours."
        model.invoke(rag(ONE))
        magic.ip.run_cell("%config GPTCacheMagics.count_bookkeeping = False")
        gm.on(ignore="id")
        assert model.invoke(rag(OTHER)).response_metadata["gptcache"]["ignored"] == ["id"]
        assert server.calls == 1


def test_a_hit_says_so_in_its_mark(tmp_path: Path) -> None:
    model = NumberedModel()
    gm.on(tmp_path, ignore="id,date")
    model.invoke(rag(ONE, "Today is 2026-01-05"))
    mark = model.invoke(rag(OTHER, "Today is 2026-11-27")).response_metadata["gptcache"]
    assert (mark["match"], mark["ignored"]) == ("exact", ["id", "date"])
    assert "ignored" not in model.invoke(rag(ONE, "Today is 2026-01-05")).response_metadata["gptcache"]
    assert "the same but for an id and a date (--ignore)" in repr(gm.why(2))


def said(model: Any, prompt: str, face: str) -> str:
    if face == "invoke":
        return str(model.invoke(prompt).content)
    return "".join(chunk.content for chunk in model.stream(prompt))


@pytest.mark.parametrize("stored", ["invoke", "stream"])
@pytest.mark.parametrize("served", ["invoke", "stream"])
def test_the_answer_gets_the_ids_and_dates_of_the_prompt(tmp_path: Path, stored: str, served: str) -> None:
    with ProviderServer() as server:
        server.text = f"Read {ONE}, which is of 2026-01-05."
        model = server.model("ChatOpenAI")
        gm.on(tmp_path, ignore="id,date")
        assert said(model, f"{ONE} on 2026-01-05", stored) == server.text
        assert said(model, f"{OTHER} on 2026-11-27", served) == f"Read {OTHER}, which is of 2026-11-27."
        assert said(model, f"{ONE} on 2026-01-05", served) == server.text
        assert server.calls == 1


def test_a_tool_call_gets_the_id_of_the_prompt(tmp_path: Path) -> None:
    with ProviderServer() as server:
        server.mind = lambda body, number: ("patch", {"document": ONE, "value": "x"})
        tool = {"name": "patch", "description": "Patch.", "parameters": {"type": "object", "properties": {}}}
        model: Any = server.model("ChatOpenAI")
        gm.on(tmp_path, ignore="id")
        bound = model.bind_tools([tool])
        bound.invoke(f"Patch {ONE}")
        answer = bound.invoke(f"Patch {OTHER}")
        assert [call["args"]["document"] for call in answer.tool_calls] == [OTHER]
        assert server.calls == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (rag(ONE), rag(OTHER).replace("3", "4")),
        (rag(ONE), rag(OTHER).replace("Owls", "Bats")),
        (rag(ONE) + ONE, rag(OTHER) + ONE),
        ("on 2026-01-05", "on 2026-01-06"),
    ],
)
def test_everything_else_counts(tmp_path: Path, one: str, other: str) -> None:
    gm.on(tmp_path, ignore="id")
    first, second = asked(NumberedModel(), one, other)
    assert first != second


def test_an_answer_that_names_the_old_id_in_another_form_is_not_given(tmp_path: Path) -> None:
    with ProviderServer() as server:
        model = server.model("ChatOpenAI")
        server.text = f"Saved as {ONE[:8]}."
        gm.on(tmp_path, ignore="id")
        assert [said(model, rag(each), "invoke") for each in (ONE, ONE, OTHER)] == [server.text] * 3
        assert server.calls == 2
    why = "in doubt, the same but for an id; the answer names the old id in another form"
    assert gm.lookups(since="run")["reason"].iloc[0] == why
    assert "The same but for an id, but the answer names the old id in another form." in repr(gm.why())


def test_ids_in_other_places_are_not_the_same_and_why_says_so(tmp_path: Path) -> None:
    gm.on(tmp_path, ignore="id")
    first, other = asked(NumberedModel(), f"{ONE} or {OTHER}", f"{OTHER} or {ONE}")
    assert first != other
    assert "The same but for an id, but ids stand in other places." in repr(gm.why())


def test_a_fact_that_looks_like_the_date_of_the_prompt_is_kept(tmp_path: Path) -> None:
    gm.on(tmp_path, ignore="date")
    asked_of = "Today is {}. We use API version 2024-08-06. Which?"
    first, other = asked(NumberedModel(), asked_of.format("2024-08-06"), asked_of.format("2026-11-27"))
    assert first != other
    assert "but the prompt names the date in another place, too." in repr(gm.why())


def test_the_name_of_the_model_is_not_reworded(tmp_path: Path) -> None:
    with ProviderServer() as server:
        model = server.model("ChatOpenAI", model="gpt-4o-2024-08-06")
        server.text = "Hello"
        gm.on(tmp_path, ignore="date")
        for day in ("2024-08-06", "2026-11-27"):
            answer = model.invoke(f"Today is {day}")
            assert answer.response_metadata["model_name"] == "gpt-4o-2024-08-06"
        assert server.calls == 1


def test_an_older_whole_answer_is_given_where_the_newest_is_cut_off(tmp_path: Path) -> None:
    with ProviderServer() as server:
        model = server.model("ChatOpenAI")
        gm.on(tmp_path, ignore="id", keep_cut_off=True)
        server.text = "Whole"
        model.invoke(rag(ONE))
        with gm.using(mode="refresh"):
            server.text, server.finish_reason = "Cut", "length"
            model.invoke(rag(OTHER))
        gm.on(keep_cut_off=False)
        assert model.invoke(rag(str(uuid.uuid4()))).content == "Whole"
        assert server.calls == 2


def test_answers_of_two_places_that_differ_are_not_replayed(tmp_path: Path) -> None:
    with ProviderServer() as one, ProviderServer() as other, ProviderServer() as third:
        gm.on(tmp_path, ignore="id")
        for server, text, id in ((one, "One", ONE), (other, "Two", OTHER)):
            server.text = text
            server.model("ChatOpenAI").invoke(rag(id))
        gm.on(mode="replay")
        with pytest.raises(gm.CacheMiss):
            third.model("ChatOpenAI").invoke(rag(str(uuid.uuid4())))
        assert one.model("ChatOpenAI").invoke(rag(str(uuid.uuid4()))).content in ("One", "Two")


def test_a_store_is_replayed_without_the_rules_of_earlier_runs(tmp_path: Path) -> None:
    model = NumberedModel()
    gm.on(tmp_path, ignore="id")
    asked(model, rag(ONE), rag(OTHER))
    gm.on(mode="replay", ignore="none")
    asked(model, rag(ONE))
    with pytest.raises(gm.CacheMiss):
        model.invoke(rag(OTHER))


def test_hundreds_of_reports_are_each_found_by_their_day(tmp_path: Path) -> None:
    model = NumberedModel()
    days = [f"2024-{month:02}-{day:02}" for month in range(1, 10) for day in range(1, 26)]
    gm.on(tmp_path, ignore="id")
    answers = asked(model, *(f"Report of {day} (request {uuid.uuid4()})" for day in days))
    assert asked(model, *(f"Report of {day} (request {uuid.uuid4()})" for day in days)) == answers
    assert len({*answers}) == len(days)


@pytest.mark.parametrize("mode", ["readonly", "replay"])
def test_a_run_that_stores_nothing_notes_no_rules(tmp_path: Path, mode: Any) -> None:
    model = NumberedModel()
    gm.on(tmp_path)
    (first,) = asked(model, rag(ONE))
    gm.on(ignore="id", mode=mode)
    assert asked(model, rag(OTHER)) == [first]
    gm.stats()
    store = gm.current().store  # type: ignore[union-attr]
    assert [row.ignored for row in store.entries(Selection())] == [""]


def test_of_several_answers_the_newest_is_given_and_the_reason_says_so(tmp_path: Path) -> None:
    model = NumberedModel()
    gm.on(tmp_path)
    _, newest = asked(model, rag(ONE), rag(OTHER))
    gm.on(ignore="id")
    assert asked(model, rag(str(uuid.uuid4()))) == [newest]
    assert gm.lookups(since="run")["reason"].iloc[0] == "the same but for an id; of differing answers the newest"
    assert "the same but for an id (--ignore), of differing answers the newest: the answer was" in repr(gm.why())
    assert gm.stats("total", wide=True)["ignoring_hits"].iloc[0] == 1


def test_of_several_equal_answers_nothing_is_said(tmp_path: Path) -> None:
    model = FakeListChatModel(responses=["The same."])
    gm.on(tmp_path)
    for id in (ONE, OTHER):
        model.invoke(rag(id))
    gm.on(ignore="id")
    model.invoke(rag(str(uuid.uuid4())))
    assert gm.lookups(since="run")["reason"].iloc[0] == "the same but for an id"


def test_another_model_or_parameter_counts(tmp_path: Path) -> None:
    gm.on(tmp_path, ignore="id")
    assert asked(NumberedModel(), rag(ONE)) != asked(NumberedModel(model="other"), rag(OTHER))


def test_samples_and_refresh_ignore_nothing(tmp_path: Path) -> None:
    gm.on(tmp_path, ignore="id", samples=2)
    model = NumberedModel()
    assert len({*asked(model, rag(ONE), rag(OTHER), rag(ONE), rag(OTHER))}) == 4
    gm.on(samples=1, mode="refresh")
    assert asked(model, rag(str(uuid.uuid4()))) != asked(model, rag(str(uuid.uuid4())))


def test_an_expired_answer_is_not_served(tmp_path: Path) -> None:
    gm.on(tmp_path, ignore="id", ttl="1m")
    (first,) = asked(NumberedModel(), rag(ONE))
    store = gm.current().store  # type: ignore[union-attr]
    (row,) = store.entries(Selection())
    store.put_all([replace(row.entry, expires=time.time() - 1, answer=row.answer + b" ")], [], replace=True)
    assert asked(NumberedModel(), rag(OTHER)) != [first]


def test_a_bundle_is_replayed_under_the_rules_that_it_was_recorded_with(tmp_path: Path) -> None:
    gm.on(tmp_path / "store", ignore="id,date")
    model = NumberedModel()
    (first,) = asked(model, rag(ONE))
    (plain,) = asked(model, "Hello")
    gm.save(str(tmp_path / "run.jsonl"))
    gm.off()
    assert '"ignore":["id","date"]' in (tmp_path / "run.jsonl").read_text()
    told = gm.on(tmp_path / "run.jsonl")
    assert "ids and dates do not count, as recorded" in told
    assert asked(model, rag(OTHER), "Hello") == [first, plain]
    with pytest.raises(gm.CacheMiss):
        model.invoke(rag(OTHER, "How deep?"))


@pytest.mark.parametrize(("typed", "hits"), [("none", False), ("date", False), ("id,date", True), (None, True)])
def test_rules_that_are_typed_take_the_place_of_the_recorded_ones(
    tmp_path: Path, typed: str | None, hits: bool
) -> None:
    bundle = str(tmp_path / "run.jsonl")
    gm.on(tmp_path / "store", ignore="id,date")
    model = NumberedModel()
    asked(model, rag(ONE))
    gm.save(bundle)
    gm.off()
    gm.on(bundle)
    assert gm.status().mode == "replay, ignore id,date (as recorded)"
    told = gm.on(ignore=typed)
    assert ("as recorded" in told) == (typed is None)
    said = f"ignore {typed}" if typed else "ignore id,date (as recorded)"
    assert gm.status().mode == f"replay, {said}"
    if hits:
        asked(model, rag(OTHER))
        return
    with pytest.raises(gm.CacheMiss):
        model.invoke(rag(OTHER))
    gm.off()
    with gm.GPTCache(store=bundle, ignore=typed):
        assert gm.status().mode == f"replay, {said}"
        with pytest.raises(gm.CacheMiss):
            model.invoke(rag(OTHER))


def test_a_replay_of_a_folder_says_what_was_ignored_there(tmp_path: Path) -> None:
    gm.on(tmp_path, ignore="id")
    asked(NumberedModel(), rag(ONE))
    gm.off()
    assert "ids do not count, as recorded" in gm.on(tmp_path, mode="replay")
    assert gm.status().mode == "replay, ignore id (as recorded)"


def test_rules_of_a_hit_are_noted_at_an_entry_that_was_stored_without(tmp_path: Path) -> None:
    model = NumberedModel()
    gm.on(tmp_path)
    (first,) = asked(model, rag(ONE))
    gm.on(ignore="id,order")
    assert asked(model, rag(OTHER)) == [first]
    gm.stats()
    store = gm.current().store  # type: ignore[union-attr]
    assert [row.ignored for row in store.entries(Selection())] == ["id "]


def test_a_wrong_rule_is_refused(tmp_path: Path, magic: Typist) -> None:
    with pytest.raises(
        gm.GPTCacheMagicsError,
        match=r"--ignore takes id, date, time, address and order, with commas, or none. Got 'uuid'. Did you mean 'id'",
    ):
        gm.on(tmp_path, ignore="uuid")
    assert gm.current() is None
    assert "Set: ignore id,date" in magic.told("on :memory: --ignore date,id")
    assert "ignore id,date" in repr(gm.status())
    assert "Set: ignore none" in gm.on(ignore="none")
    assert "ignore" not in repr(gm.status())


def test_config_and_a_cache_that_is_set_by_hand_take_rules(tmp_path: Path, magic: Typist) -> None:
    magic.ip.run_cell("%config GPTCacheMagics.ignore = 'id'")
    set_llm_cache(gm.GPTCache(store=str(tmp_path / "a")))
    first, again = asked(NumberedModel(), rag(ONE), rag(OTHER))
    assert first == again
    magic.ip.run_cell("%config GPTCacheMagics.ignore = ''")
    set_llm_cache(gm.GPTCache(store=str(tmp_path / "b"), ignore=["id"]))
    first, again = asked(NumberedModel(), rag(ONE), rag(OTHER))
    assert first == again


def test_the_badge_says_which_hits_ignored_what(magic: Typist) -> None:
    magic.told("on :memory: --ignore id")
    magic.ip.push({"model": NumberedModel(), "one": rag(ONE), "other": rag(OTHER)})
    magic.cell("_ = model.invoke(one)")
    assert "2 hits (1 but for an id)" in magic.cell("_ = model.invoke(one), model.invoke(other)")
    assert "1 answer served" not in magic.cell("_ = model.invoke(other), model.invoke(other)")


def test_every_earlier_prompt_is_read_when_rules_come_on(tmp_path: Path) -> None:
    model = NumberedModel()
    gm.on(tmp_path)
    answers = asked(model, *(rag(ONE, f"Question {n}?") for n in range(120)))
    gm.on(ignore="id")
    store = gm.current().store  # type: ignore[union-attr]
    assert eventually(lambda: not store.unshaped(1))
    assert asked(model, *(rag(OTHER, f"Question {n}?") for n in range(120))) == answers


def test_a_store_that_cannot_list_its_entries_ignores_nothing() -> None:
    class Plain(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            return super().get(key)

        def put(self, entry: Any, configuration: Any) -> None:
            self[entry.key] = Found(entry.key, entry.answer, entry.created, entry.seconds, entry.usage)

        def clear(self) -> int:  # type: ignore[override]
            super().clear()
            return 0

    set_llm_cache(gm.GPTCache(store=Plain(), ignore="id"))  # type: ignore[arg-type]
    first, again, other = asked(NumberedModel(), rag(ONE), rag(ONE), rag(OTHER))
    assert first == again != other
