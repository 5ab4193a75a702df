"""Limits of a store and of a run: time to live, size, money; and several answers in turn."""

import asyncio
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_core.messages import HumanMessage

import gptcache_magics as gm
from gptcache_magics.errors import CommandError
from gptcache_magics.settings import NOTEBOOK, Options, prices_of
from tests.support.provider_server import ProviderServer
from tests.support.shell import NumberedModel, ask

pytestmark = pytest.mark.usefixtures("on")


def reasons() -> list[str]:
    return list(gm.lookups()["reason"][::-1])


# Time to live


def test_an_answer_that_has_expired_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ask("before any limit")
    gm.on(ttl="1h")
    first = ask("question")
    assert ask("question") == first

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3601)
    second = ask("question")
    assert second != first
    assert reasons() == ["asked for the first time", "asked for the first time", "", "expired"]
    assert ask("question") == second, "a new answer has a new lifetime"
    assert ask("before any limit") == kept
    monkeypatch.undo()
    (expires,) = gm.entries()["expires"].dropna()
    assert expires.timestamp() == pytest.approx(now + 7201, abs=60)


# Size


def test_entries_unused_for_longest_make_room_and_pinned_entries_stay() -> None:
    for number in range(4):
        ask(f"question {number}")
    size = int(gm.entries()["bytes"].sum())
    entries = gm.entries().reset_index().set_index("question")["id"]
    gm.pin(entries["question 0"])
    ask("question 1")  # used last

    gm.on(max_size=f"{size * 0.8 / 1000:.3f}kB")
    gm.stats()
    assert len(gm.entries()) == 4, "the next answer makes room"
    ask("question 4")
    gm.stats()
    assert sorted(gm.entries()["question"]) == ["question 0", "question 1", "question 4"]
    ask("question 3")
    assert reasons()[-1] == "evicted"


@pytest.mark.parametrize("wrong", ["500", "lots", "-1MB", "1TBB"])
def test_a_size_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(CommandError, match=f"--max-size takes a size such as 500MB or 2GB. Got '{wrong}'."):
        gm.on(max_size=wrong)


# Money


def test_a_call_over_the_budget_is_not_sent_and_hits_still_work(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    first = llm.invoke("question 0").text
    cost = float(gm.lookups()["paid_usd"].iloc[0])
    gm.on(budget=f"{cost * 2.5:.9f}usd")
    llm.invoke("question 1")

    with pytest.raises(
        gm.BudgetReached, match=r"the call was not sent. Hits still work. Raise it: %gptcache on --budget"
    ):
        llm.invoke("question 2")
    assert server.calls == 2
    assert reasons()[-1] == "budget reached"
    assert llm.invoke("question 0").text == first
    with pytest.raises(gm.BudgetReached):
        list(llm.stream("question 2"))
    with pytest.raises(gm.BudgetReached), gm.using(mode="refresh"):
        llm.invoke("question 0")
    with pytest.raises(gm.BudgetReached):
        server.model("ChatOpenAI", cache=False).invoke("question 0")
    assert server.calls == 2

    gm.on(budget=f"{cost * 10:.9f}usd")
    llm.invoke("question 2")
    gm.on(budget="none")
    assert gm.current().ledger.budget is None
    assert server.calls == 3


async def test_calls_at_the_same_time_share_the_budget(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    llm.invoke("question")
    cost = float(gm.lookups()["paid_usd"].iloc[0])
    gm.on(budget=f"{cost * 4.5:.9f}usd")
    server.delay = 0.2

    answers = await asyncio.gather(*(llm.ainvoke(f"question {n}") for n in range(8)), return_exceptions=True)
    assert sum(isinstance(each, gm.BudgetReached) for each in answers) == 5
    assert server.calls == 4


def test_a_call_that_fails_gives_its_share_back(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    llm.invoke("question")
    cost = float(gm.lookups()["paid_usd"].iloc[0])
    gm.on(budget=f"{cost * 2.5:.9f}usd")
    server.fail_next(3)
    for _ in range(3):
        with pytest.raises(Exception, match="500"):
            llm.invoke("another question")
    assert llm.invoke("another question")


def test_a_price_that_nobody_knows_is_said(server: ProviderServer) -> None:
    gm.on(budget="1usd")
    server.model("ChatOllama").invoke("question")

    assert "1 call of unknown price is not in the budget (say the price: %config" in gm.status().warnings
    assert "budget 1usd ($0 of $1.00 spent)" in gm.status().mode


def test_a_price_of_one_s_own_counts_earlier_calls_too(server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    llm = server.model("ChatOllama")
    gm.on(budget="1usd")
    llm.invoke("question")
    llm.invoke("question")
    tokens = gm.lookups()[["input_tokens", "output_tokens"]]
    assert gm.lookups()["paid_usd"].isna().any()

    monkeypatch.setattr(NOTEBOOK, "config", replace(NOTEBOOK.config, prices=prices_of({"*": (1_000, 2_000)})))
    cost = (tokens["input_tokens"].iloc[0] * 1_000 + tokens["output_tokens"].iloc[0] * 2_000) / 1e6
    (total,) = gm.stats("total")[["paid_usd", "saved_usd"]].to_dict("records")
    assert total == pytest.approx({"paid_usd": cost, "saved_usd": cost})
    assert gm.entries()["paid_usd"].item() == pytest.approx(cost)
    assert gm.lookups()[["input_tokens", "output_tokens"]].equals(tokens)
    assert "prices of * (%config)" in gm.status().mode
    assert "($0 of $1.00 spent)" in gm.status().mode, "as each answer came"
    gm.on(budget="1usd")
    assert "($0 of" not in gm.status().mode
    gm.on(budget=f"{cost * 1.5:.9f}usd")
    with pytest.raises(gm.BudgetReached):
        llm.invoke("another question")


@pytest.mark.parametrize("wrong", ["two", "2eur", "-1usd", ""])
def test_a_budget_that_is_no_money_is_refused(wrong: str) -> None:
    with pytest.raises(CommandError, match=f"--budget takes US dollars such as 2usd or 0.50usd. Got '{wrong}'."):
        gm.on(budget=wrong)
    assert gm.current().ledger.budget is None


# Several answers


def test_without_a_cell_the_process_is_one_run() -> None:
    with gm.using(samples=2):
        first = [ask("question") for _ in range(4)]
    assert len(set(first)) == 2
    assert first[2:] == first[:2]
    assert ask("question") == first[0]


def test_identical_prompts_of_one_call_get_different_answers(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    with gm.using(samples=2):
        result = llm.generate([[HumanMessage("question")], [HumanMessage("question")]])
        again = llm.generate([[HumanMessage("question")], [HumanMessage("question")]])

    texts = [answers[0].text for answers in result.generations]
    assert len(set(texts)) == 2
    assert [answers[0].text for answers in again.generations] == texts
    assert server.calls == 2


def test_samples_do_not_wait_for_each_other() -> None:
    two_calls = threading.Barrier(2)

    class Paired(NumberedModel):
        """A model that answers two calls at a time, and never one."""

        def _call(self, *args: Any, **kwargs: Any) -> str:
            two_calls.wait(60)
            return super()._call(*args, **kwargs)

    with gm.using(samples=8):
        answers = Paired().batch(["question"] * 8)
    assert len({answer.text for answer in answers}) == 8


# Another cache keeps the answers


def test_wrap_keeps_the_answers_where_they_are_and_adds_the_rest(server: ProviderServer, tmp_path: Path) -> None:
    from langchain_community.cache import SQLiteCache

    gm.off()
    llm = server.model("ChatOpenAI")
    theirs = SQLiteCache(str(tmp_path / "theirs.db"))
    set_llm_cache(theirs)
    before = llm.invoke("stored before").text

    assert gm.on(tmp_path / "log", wrap=True).endswith(" SQLiteCache keeps the answers.")
    assert llm.invoke("stored before").text == before
    answer = llm.invoke("stored now").text
    assert list(gm.lookups()["outcome"]) == ["miss", "hit"]
    assert gm.stats(by="total").iloc[0]["saved_usd"] > 0
    with pytest.raises(gm.CacheMiss), gm.using(mode="replay"):
        llm.invoke("stored never")
    with pytest.raises(gm.CacheMiss), gm.using(mode="replay"):
        list(llm.stream("stored never"))
    gm.off()
    assert get_llm_cache() is theirs
    assert llm.invoke("stored now").text == answer
    assert server.calls == 2


def test_wrap_keeps_apart_what_the_other_cache_would_confuse(server: ProviderServer, tmp_path: Path) -> None:
    gm.off()
    set_llm_cache(InMemoryCache())
    gm.on(tmp_path / "log", wrap=True)
    llama, qwen = server.model("ChatOllama"), server.model("ChatOllama", model="qwen3")
    assert llama.invoke("question").text != qwen.invoke("question").text
    llama.temperature = 1.5
    llama.invoke("question")
    assert server.calls == 3


def test_clear_of_a_wrapped_cache_is_asked_about_first(server: ProviderServer, tmp_path: Path) -> None:
    gm.off()
    theirs = InMemoryCache()
    set_llm_cache(theirs)
    gm.on(tmp_path / "log", wrap=True)
    llm = server.model("ChatOpenAI")
    llm.invoke("question")
    for options in ({}, {"dry_run": True}, {"dry_run": True, "yes": True}):
        with pytest.raises(CommandError, match="the answers are in InMemoryCache, which does not list them and cannot"):
            gm.clear(**options)
    assert theirs._cache

    assert gm.clear(yes=True) == "InMemoryCache is cleared. That cannot be undone."
    llm.invoke("question")
    assert server.calls == 2


def test_streams_go_past_a_wrapped_cache_and_are_counted(server: ProviderServer, tmp_path: Path) -> None:
    gm.off()
    set_llm_cache(InMemoryCache())
    gm.on(tmp_path / "log", wrap=True)
    llm = server.model("ChatOpenAI")
    list(llm.stream("question"))
    (row,) = gm.lookups().to_dict("records")
    assert (row["outcome"], row["reason"], row["question"]) == ("bypass", "streams are not cached here", "question")
    assert server.calls == 1
    with pytest.raises(gm.CacheMiss, match="streams are not cached here"), gm.using(mode="replay"):
        list(llm.stream("question"))


def test_with_wrap_it_says_where_the_answers_are_and_refuses_what_would_do_nothing(tmp_path: Path) -> None:
    gm.off()
    set_llm_cache(InMemoryCache())
    gm.on(tmp_path / "log", wrap=True)
    assert gm.status().store == f"answers in InMemoryCache, lookups in {tmp_path / 'log'}"
    with pytest.raises(CommandError, match="save: the answers are in InMemoryCache"):
        gm.save(tmp_path / "all.jsonl", all=True)
    for options in ({"ttl": "7d"}, {"max_size": "5MB"}, {"samples": 3}):
        with pytest.raises(CommandError, match="is about answers in a store"):
            gm.on(**options)


def test_wrap_said_again_keeps_the_run_and_what_was_set(server: ProviderServer, tmp_path: Path) -> None:
    gm.off()
    set_llm_cache(InMemoryCache())
    gm.on(tmp_path / "log", budget="2usd")
    gm.on(wrap=True)
    server.model("ChatOpenAI").invoke("question")
    gm.on(wrap=True)

    assert gm.status().store.endswith(str(tmp_path / "log"))
    assert "of $2.00" in gm.status().mode
    assert gm.status().run.startswith("1 miss")


def test_wrap_over_a_cache_that_was_set_aside_takes_it_back(tmp_path: Path) -> None:
    gm.off()
    theirs = InMemoryCache()
    set_llm_cache(theirs)
    told = gm.on(tmp_path / "store")
    assert told.endswith("InMemoryCache set aside (off restores it). Keep using it: %gptcache on --wrap")
    assert gm.on(wrap=True).endswith("InMemoryCache keeps the answers.")
    gm.off()
    assert get_llm_cache() is theirs


def test_wrap_without_a_cache_is_refused() -> None:
    gm.off()
    with pytest.raises(CommandError, match="--wrap keeps the cache that is installed, and there is none"):
        gm.on(wrap=True)
    assert gm.current() is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"where": "usd", "budget": "2"}, "on: write the unit with the amount, as in --budget 2usd. Got 'usd' apart"),
        ({"where": "MB", "max_size": "500"}, "on: write the unit with the amount, as in --max-size 500MB. Got 'MB'"),
        ({"ttl": "0d"}, "on: --ttl is above 0, or none. Got 0."),
        ({"max_size": "0MB"}, "on: --max-size is above 0, or none. Got 0."),
    ],
)
def test_an_amount_that_cannot_be_meant_changes_nothing(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CommandError, match=re.escape(sentence)):
        gm.on(**options)
    assert (gm.current().ledger.budget, gm.current().settings.options) == (None, Options())


def test_a_bound_that_lets_answers_go_warns_before_they_do() -> None:
    ask("question")
    told = gm.on(max_size="0.1kB")
    assert told.endswith("Keep all: %gptcache on --max-size none")
    assert "max-size 0.1kB" in gm.status().mode
    gm.on(max_size="none")
    ask("another question")
    assert len(gm.entries()) == 2


def test_threads_count_every_sample_once() -> None:
    with gm.using(samples=4):
        import contextvars

        context = contextvars.copy_context()
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: context.copy().run(ask, "question"), range(8)))
    assert len(set(answers)) == 4


# Answers that a person changed


@pytest.mark.parametrize("class_name", ["ChatOpenAI", "OllamaLLM"])
def test_an_edited_answer_is_served_marked_and_the_models_own_is_kept(server: ProviderServer, class_name: str) -> None:
    llm = server.model(class_name)
    before = llm.invoke("question")
    said = before if isinstance(before, str) else before.text
    (entry,) = gm.entries().index

    assert gm.edit(entry, "Better.") == f"{entry} edited. The model's answer is kept: %gptcache show {entry}"
    after = llm.invoke("question")
    assert (after if isinstance(after, str) else after.text) == "Better."
    row = gm.entries().iloc[0]
    assert (bool(row["edited"]), row["answer"], row["input_tokens"] > 0) == (True, "Better.", True)
    shown = repr(gm.show(entry))
    assert "edited" in shown
    assert said in shown
    assert gm.edit(entry, "Better.") == f"{entry} has this text already."

    with gm.using(mode="refresh"):
        llm.invoke("question")
    assert not gm.entries()["edited"].iloc[0]


@pytest.mark.parametrize("given", [{}, {"text": " "}, {"text": "a", "var": "b"}, {"var": 7}])
def test_an_edit_without_one_text_is_refused(given: dict[str, str]) -> None:
    ask("question")
    (entry,) = gm.entries().index
    with pytest.raises(CommandError, match="edit: give the new answer, as text or as --var NAME"):
        gm.edit(entry, **given)
    assert not gm.entries()["edited"].iloc[0]


def test_expired_entries_are_listed_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    ask("for ever")
    gm.on(ttl="1h")
    ask("for an hour")
    assert gm.entries(expired=True).empty

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3601)
    assert list(gm.entries(expired=True)["question"]) == ["for an hour"]
    assert gm.remove(expired=True).startswith("1 entry removed")
    assert list(gm.entries()["question"]) == ["for ever"]


def test_two_configurations_are_told_apart_by_what_differs() -> None:
    for temperature in (0.2, 0.9):
        NumberedModel(seconds=temperature / 100).invoke("question")  # a parameter, whatever it means
    with pytest.raises(CommandError, match=r"'small-model' has 2 configurations: .* Name one by its label: %gptcache"):
        gm.models(diff=["small-model", "small-model"])
    one, other = gm.lookups()["configuration"]
    df = gm.models(diff=[one, other])
    assert list(df.index) == ["seconds"]
    with pytest.raises(CommandError, match="No model 'nosuch'"):
        gm.models(diff=[one, "nosuch"])


def test_an_answer_that_comes_between_looking_and_asking_is_served() -> None:
    """Ask a model that answers at once from many threads: the model is asked once."""
    for question in range(20):
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(ask, [f"question {question}"] * 8))) == 1
