"""Pieces of a completion: a handler hears those of a hit where it hears those of the model's answer."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.language_models import FakeListLLM
from langchain_core.outputs import LLMResult
from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import RunnableLambda

import gptcache_magics as gm
from tests.support.provider_server import ProviderServer

pytestmark = pytest.mark.usefixtures("on")

MODELS: dict[str, Callable[[ProviderServer], Any]] = {
    "openai": lambda server: server.model("OpenAI", streaming=True),
    "ollama": lambda server: server.model("OllamaLLM"),
}
SILENT: dict[str, Callable[[ProviderServer], Any]] = {
    "openai": lambda server: server.model("OpenAI"),
    "fake": lambda server: FakeListLLM(responses=["some words of an answer"]),
}


class Heard(BaseCallbackHandler):
    """What a handler hears of a completion."""

    def __init__(self, *, changes: bool = False) -> None:
        self.events: list[Any] = []
        self.changes = changes
        """Whether it changes the chunks that it hears."""

    def on_llm_start(self, *args: Any, run_id: UUID, **kwargs: Any) -> None:
        self.events.append("start")

    def on_llm_new_token(self, token: str, *, chunk: Any = None, **kwargs: Any) -> None:
        self.events.append(token)
        if self.changes:
            chunk.text = "changed"

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self.events.append(response.generations[0][0].generation_info)


class HeardAsync(AsyncCallbackHandler):
    """The tokens that an asynchronous handler hears."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    async def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        self.events.append(token)


async def events(llm: Any, handler: Any) -> list[str]:
    """Return the texts that ``astream_events`` shows of a model inside of a function."""
    inside = RunnableLambda(lambda asked: llm.invoke(asked))
    shown = inside.astream_events("q", version="v2", config={"callbacks": [handler]})
    return [event["data"]["chunk"].text async for event in shown if event["event"] == "on_llm_stream"]


CALLERS: dict[str, Callable[[Any, Any], Any]] = {
    "invoke": lambda llm, handler: llm.invoke("q", config={"callbacks": [handler]}),
    "ainvoke": lambda llm, handler: asyncio.run(llm.ainvoke("q", config={"callbacks": [handler]})),
    "batch": lambda llm, handler: llm.batch(["q"], config={"callbacks": [handler]}),
    "abatch": lambda llm, handler: asyncio.run(llm.abatch(["q"], config={"callbacks": [handler]})),
    "generate": lambda llm, handler: llm.generate(["q"], None, [handler]).generations,
    "a chain": lambda llm, handler: (PromptTemplate.from_template("{q}") | llm).invoke(
        {"q": "q"}, config={"callbacks": [handler]}
    ),
    "a function": lambda llm, handler: RunnableLambda(lambda asked: llm.invoke(asked)).invoke(
        "q", config={"callbacks": [handler]}
    ),
    "a handler of the model": lambda llm, handler: llm.model_copy(update={"callbacks": [handler]}).invoke("q"),
    "events": lambda llm, handler: asyncio.run(events(llm, handler)),
}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("model", MODELS)
def test_a_handler_hears_of_a_hit_what_it_heard_of_the_answer(server: ProviderServer, model: str, caller: str) -> None:
    def run() -> tuple[Any, list[Any]]:
        handler = Heard()
        return CALLERS[caller](MODELS[model](server), handler), handler.events

    bought = run()
    assert len(bought[1]) > 5
    assert run() == bought
    assert server.calls == 1
    assert list(gm.lookups()["outcome"]) == ["hit", "miss"]


@pytest.mark.parametrize("caller", ["ainvoke", "abatch"])
@pytest.mark.parametrize("model", MODELS)
def test_an_asynchronous_handler_hears_the_same(server: ProviderServer, model: str, caller: str) -> None:
    def tokens() -> list[Any]:
        handler = HeardAsync()
        CALLERS[caller](MODELS[model](server), handler)
        return handler.events

    bought = tokens()
    assert len(bought) > 3
    assert tokens() == bought
    assert server.calls == 1


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("model", SILENT)
def test_a_model_that_gives_no_pieces_gives_none_of_a_hit(server: ProviderServer, model: str, caller: str) -> None:
    for _ in range(2):
        handler = HeardAsync() if caller in ("ainvoke", "abatch") else Heard()
        CALLERS[caller](SILENT[model](server), handler)
        assert [each for each in handler.events if isinstance(each, str) and each != "start"] == []
    assert list(gm.lookups()["outcome"]) == ["hit", "miss"]


@pytest.mark.parametrize("model", MODELS)
def test_pieces_of_an_answer_that_nobody_heard_are_words(server: ProviderServer, model: str) -> None:
    llm = MODELS[model](server)
    text, handler = llm.invoke("q"), Heard()
    assert llm.invoke("q", config={"callbacks": [handler]}) == text
    assert "".join(handler.events[1:-1]) == text
    assert len(handler.events) > 5
    assert server.calls == 1


@pytest.mark.parametrize("model", MODELS)
def test_who_hears_nothing_gets_the_same_answer(server: ProviderServer, model: str) -> None:
    llm = MODELS[model](server)
    bought = llm.generate(["q"], callbacks=[Heard()]).generations
    assert llm.generate(["q"]).generations == bought
    assert "".join(llm.stream("q")) == bought[0][0].text
    assert server.calls == 1


@pytest.mark.parametrize("model", MODELS)
def test_a_batch_of_hits_and_misses_keeps_its_order(server: ProviderServer, model: str) -> None:
    llm = MODELS[model](server)
    second = llm.invoke("two")
    prompts = ["one", "two"] if model == "openai" else ["one", "two", "three"]  # OpenAI streams one prompt at a time
    handler = Heard()
    bought = llm.batch(prompts, config={"callbacks": [handler]})
    assert bought[1] == second
    again = Heard()
    assert llm.batch(prompts, config={"callbacks": [again]}) == bought
    assert all(text in "".join(map(str, again.events)) for text in bought)
    assert server.calls == len(prompts)
    assert list(gm.lookups()["outcome"]).count("hit") == len(prompts) + 1


@pytest.mark.parametrize("model", MODELS)
def test_a_handler_that_changes_the_chunks_of_a_hit_changes_nothing_else(server: ProviderServer, model: str) -> None:
    llm = MODELS[model](server)
    bought = llm.invoke("q")
    for _ in range(2):
        assert llm.invoke("q", config={"callbacks": [Heard(changes=True)]}) == bought


def test_replay_refuses_what_is_missing_and_plays_the_rest(server: ProviderServer) -> None:
    llm = MODELS["openai"](server)
    bought = Heard()
    llm.invoke("q", config={"callbacks": [bought]})
    with gm.using(mode="replay"):
        served = Heard()
        llm.invoke("q", config={"callbacks": [served]})
        with pytest.raises(gm.CacheMiss):
            llm.invoke("another", config={"callbacks": [Heard()]})
    assert served.events == bought.events
    assert server.calls == 1


def test_a_failing_model_stores_nothing(server: ProviderServer) -> None:
    llm = MODELS["openai"](server).model_copy(update={"max_retries": 0})
    server.fail_next(1)
    with pytest.raises(Exception, match=r"500|Error"):
        llm.invoke("q", config={"callbacks": [Heard()]})
    handler = Heard()
    assert llm.invoke("q", config={"callbacks": [handler]}).endswith(f"(call {server.calls})")
    assert "hit" not in set(gm.lookups()["outcome"])


def test_an_answer_without_a_text_is_not_stored_and_fails_nothing() -> None:
    class Silent(FakeListLLM):
        streaming: bool = True

        def _generate(self, prompts: list[str], *args: Any, run_manager: Any = None, **kwargs: Any) -> LLMResult:
            return LLMResult(generations=[[] for _ in prompts])

    llm = Silent(responses=["never"])
    for _ in range(2):
        assert llm.generate(["q"], callbacks=[Heard()]).generations == [[]]
    assert "hit" not in set(gm.lookups()["outcome"])
