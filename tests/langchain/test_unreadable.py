"""A model that holds something unreadable is asked past the cache, with the reason."""

import asyncio
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult

import gptcache_magics as gm
from gptcache_magics.lookup.budget import Budget
from gptcache_magics.settings import Options, Scope, Settings
from gptcache_magics.store.protocol import Selection
from gptcache_magics.store.reasons import Kind, sentence


class Holder(BaseChatModel):
    """A model that holds anything."""

    held: Any = None

    @property
    def _llm_type(self) -> str:
        return "holder"

    def _generate(self, *arguments: Any, **options: Any) -> ChatResult:
        usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
        return ChatResult(generations=[ChatGeneration(message=AIMessage("Hi", usage_metadata=usage))])


@pytest.fixture
def cache() -> Iterator[gm.GPTCache]:
    """Yield a cache in memory, installed."""
    cache = gm.GPTCache(store=":memory:")
    set_llm_cache(cache)
    yield cache
    cache.close()


UNREADABLE: list[Callable[[], Any]] = [
    lambda: socket.socket(),
    lambda: sqlite3.connect(":memory:"),
    lambda: (number for number in range(3)),
    lambda: {"deep": [{"deeper": socket.socket()}]},
    lambda: (lambda held: lambda: held)(1).__closure__[0],  # type: ignore[index]
    lambda: np.zeros(9 * 2**20),
]


@pytest.mark.parametrize("make", UNREADABLE)
def test_a_call_goes_past_the_cache_and_says_which_field(cache: gm.GPTCache, make: Callable[[], Any]) -> None:
    model = Holder(held=make())
    assert [model.invoke("q").content, model.batch(["q"])[0].content, asyncio.run(model.ainvoke("q")).content] == [
        "Hi",
        "Hi",
        "Hi",
    ]
    for lookup in cache.ledger.recent:
        configuration = cache.ledger.configuration_of(lookup)
        assert configuration is not None
        assert sentence(lookup.reason).startswith("cannot tell what the model sees: held: ")
        assert (lookup.outcome, lookup.question, configuration.model) == ("bypass", "q", "Holder")
        assert lookup.usage.output_tokens == 2
    assert len(cache.ledger.recent) == 3
    assert (cache.ledger.failures, list(cache.store.entries(Selection()))) == (0, [])


@pytest.mark.parametrize("awaited", [False, True])
def test_with_a_budget_every_prompt_of_one_call_goes_past(cache: gm.GPTCache, awaited: bool) -> None:
    cache.ledger.budget = budget = Budget(5, {})
    for word in ("one", "two"):
        model = Echo(held=[socket.socket(), word])
        asked: list[list[BaseMessage]] = [[HumanMessage("q")], [HumanMessage("r")], [HumanMessage("r")]]
        result = asyncio.run(model.agenerate(asked)) if awaited else model.generate(asked)
        assert [answer.text for [answer] in result.generations] == [word] * 3
    Echo(held=[socket.socket(), "three"]).invoke("q")

    assert [lookup.outcome for lookup in cache.ledger.recent] == ["bypass"] * 7
    assert list(cache.store.entries(Selection())) == []
    assert budget.unknown == 7, "each answer is counted once"


class Echo(Holder):
    """A model that answers with the last thing that it holds."""

    def _generate(self, *arguments: Any, **options: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.held[-1]))])


def test_an_argument_that_cannot_be_read_is_named(cache: gm.GPTCache) -> None:
    Holder().invoke("q", handle=socket.socket())

    [lookup] = cache.ledger.recent
    assert lookup.reason is not None
    assert (lookup.reason.kind, lookup.reason.detail) == (Kind.UNREADABLE, "handle: socket.socket")


def test_replay_refuses_it(cache: gm.GPTCache) -> None:
    cache.settings = Settings(Options(Scope("replay")))
    with pytest.raises(gm.CacheMiss, match="cannot tell what the model sees"):
        Holder(held=socket.socket()).invoke("q")


def test_a_file_that_is_open_is_not_read(cache: gm.GPTCache, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("secret")
    with (tmp_path / "prompt.txt").open() as file:
        Holder(held=file).invoke("q")
        assert file.tell() == 0


def test_a_model_that_asks_unseen_gets_no_answer_of_another(cache: gm.GPTCache) -> None:
    """``llm_string`` of ChatOllama names no model."""
    models = [Named(name_="one"), Named(name_="two")]
    told = [each._generate_with_cache([HumanMessage("q")]).generations[0].text for each in models * 2]

    assert told == ["one", "two"] * 2
    assert [lookup.outcome for lookup in cache.ledger.recent] == ["bypass"] * 4
    cache.settings = Settings(Options(Scope("replay")))
    with pytest.raises(gm.CacheMiss, match="model unknown"):
        asyncio.run(models[0]._agenerate_with_cache([HumanMessage("q")]))


@pytest.mark.parametrize("awaited", [False, True])
def test_the_answer_of_a_model_that_asks_unseen_is_not_stored(cache: gm.GPTCache, awaited: bool) -> None:
    """Its ``llm_string`` is a snapshot of its first use."""
    model = Heated(heat=0)
    model.invoke("first")
    model.heat = 1
    asked: Any = [HumanMessage("q")]
    told = asyncio.run(model._agenerate_with_cache(asked)) if awaited else model._generate_with_cache(asked)

    assert told.generations[0].text == "1"
    assert [entry.question for entry in cache.store.entries(Selection())] == ["first"]
    assert Heated(heat=0).invoke("q").content == "0"


class Heated(Holder):
    """A model that answers with its field."""

    heat: int

    def _generate(self, *arguments: Any, **options: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(str(self.heat)))])


@pytest.mark.parametrize("awaited", [False, True])
def test_a_model_that_asks_unseen_within_another_is_not_that_one(cache: gm.GPTCache, awaited: bool) -> None:
    for _ in range(2):
        outer: Any = Outer(name_="outer")
        answer = asyncio.run(outer.ainvoke("q")) if awaited else outer.invoke("q")
        assert answer.content == "small/big"

    assert [lookup.outcome for lookup in cache.ledger.recent] == ["miss", "bypass", "bypass", "hit"]
    assert len(list(cache.store.entries(Selection()))) == 1


class Named(Holder):
    """A model whose ``llm_string`` does not name it."""

    name_: str

    def _generate(self, *arguments: Any, **options: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.name_))])


class Outer(Named):
    """A model that asks two others in a way that no hook sees."""

    def _generate(self, messages: list[BaseMessage], *arguments: Any, **options: Any) -> ChatResult:
        told = [Named(name_=name)._generate_with_cache(messages).generations[0].text for name in ("small", "big")]
        return ChatResult(generations=[ChatGeneration(message=AIMessage("/".join(told)))])

    async def _agenerate(self, messages: list[BaseMessage], *arguments: Any, **options: Any) -> ChatResult:
        told = [await Named(name_=name)._agenerate_with_cache(messages) for name in ("small", "big")]
        text = "/".join(each.generations[0].text for each in told)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


class Node:
    """An object that refers to itself, as clients do that keep their own bound methods."""

    def __init__(self, value: int) -> None:
        self.value, self.run, self.itself = value, self.step, self

    def step(self) -> None:
        """Nothing."""


def test_a_cycle_can_be_read(cache: gm.GPTCache) -> None:
    for value in (1, 1, 2):
        Holder(held=Node(value)).invoke("q")

    assert [lookup.outcome for lookup in cache.ledger.recent] == ["miss", "hit", "miss"]


@pytest.mark.parametrize("make", [lambda: np.zeros(5000), lambda: pd.DataFrame({"a": range(1000)})])
def test_a_message_with_a_value_that_is_no_json_goes_past_the_cache(
    cache: gm.GPTCache, make: Callable[[], Any]
) -> None:
    """LangChain writes its ``repr``, which leaves most of the data out."""
    for _ in range(2):
        Holder().invoke([HumanMessage([{"type": "data", "x": make()}])])
    assert [(each.outcome, each.reason and each.reason.kind) for each in cache.ledger.recent] == [
        ("bypass", Kind.UNREADABLE)
    ] * 2
    assert list(cache.store.entries(Selection())) == []
