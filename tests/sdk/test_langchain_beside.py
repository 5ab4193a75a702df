"""LangChain beside the SDKs that it sends with: what goes past LangChain's cache is looked up where it is sent."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_openai import AzureChatOpenAI, ChatOpenAI

import gptcache_magics as gm
from gptcache_magics.errors import CommandError
from tests.support.provider_server import CHAT_MODELS, KEY, Model, ProviderServer

pytestmark = pytest.mark.usefixtures("sdks_on")

QUESTION = "What is a token?"


def outcomes() -> list[str]:
    return list(gm.lookups()["outcome"][::-1])


def of_version_3(llm: Model) -> Any:
    return llm.stream_events(QUESTION, version="v3").output.text


async def of_version_3_later(llm: Model) -> Any:
    return (await (await llm.astream_events(QUESTION, version="v3")).output).text


ALONE: dict[str, Callable[[Model], Any]] = {
    "_generate": lambda llm: llm._generate([HumanMessage(QUESTION)]).generations[0].text,
    "_agenerate": lambda llm: asyncio.run(llm._agenerate([HumanMessage(QUESTION)])).generations[0].text,
    "_stream": lambda llm: "".join(chunk.text for chunk in llm._stream([HumanMessage(QUESTION)])),
    **(
        {"events": of_version_3, "events, async": lambda llm: asyncio.run(of_version_3_later(llm))}
        if hasattr(BaseChatModel, "stream_events")
        else {}
    ),
}


@pytest.mark.parametrize("way", ALONE)
@pytest.mark.parametrize("class_name", CHAT_MODELS)
def test_what_goes_past_langchains_cache_is_looked_up_where_it_is_sent(
    server: ProviderServer, class_name: str, way: str
) -> None:
    llm = server.model(class_name)

    first = ALONE[way](llm)
    second = ALONE[way](llm)

    assert first == second
    assert server.calls == 1
    assert outcomes() == ["miss", "hit"]


@pytest.mark.parametrize("way", ALONE)
@pytest.mark.parametrize("cache", [False, InMemoryCache()], ids=["cache=False", "a cache of its own"])
def test_a_model_that_is_not_to_use_the_cache_does_not(server: ProviderServer, way: str, cache: Any) -> None:
    llm = server.model("ChatOpenAI", cache=cache)

    ALONE[way](llm)
    ALONE[way](llm)

    assert server.calls == 2
    assert not {"hit", "miss"}.intersection(outcomes())


@pytest.mark.parametrize("way", ["invoke", "stream", "batch"])
@pytest.mark.parametrize("cache", [bool, InMemoryCache], ids=["cache=False", "a cache of its own"])
def test_nor_do_its_calls_where_they_are_sent(server: ProviderServer, way: str, cache: Any) -> None:
    llm = server.model("ChatOpenAI", cache=cache())
    ways: dict[str, Callable[[str], Any]] = {
        "invoke": llm.invoke,
        "stream": lambda question: list(llm.stream(question)),
        "batch": lambda question: llm.batch([question]),
    }
    for question in (QUESTION, "What is another token?"):
        ways[way](question)

    assert server.calls == 2
    assert outcomes() == ["bypass", "bypass"]
    assert gm.entries().empty


@pytest.mark.skipif(not hasattr(BaseChatModel, "stream_events"), reason="an older langchain-core has none")
def test_a_class_with_a_method_of_its_own_is_not_taken_for_its_base(server: ProviderServer) -> None:
    class Own(ChatOpenAI):
        def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
            return ChatResult(generations=[ChatGeneration(message=AIMessage("its own"))])

    llm = Own(model="gpt-4o-mini", api_key=KEY, base_url=server.openai_url)
    with gm.using(mode="replay"), pytest.raises(gm.CacheMiss):
        of_version_3(llm)
    assert server.calls == 0


def test_a_deployment_of_azure_is_the_model_that_is_asked(server: ProviderServer) -> None:
    def llm(deployment: str) -> Any:
        given = {"azure_endpoint": server.url, "api_version": "2024-10-21", "max_retries": 0}
        return AzureChatOpenAI(api_key=KEY, azure_deployment=deployment, **given)

    for deployment in ("gpt-4o", "gpt-4o", "gpt-4o-mini"):
        llm(deployment)._generate([HumanMessage(QUESTION)])
    assert outcomes() == ["miss", "hit", "miss"]
    assert gm.lookups()["model"].tolist() == ["gpt-4o-mini", "gpt-4o", "gpt-4o"]


@pytest.mark.parametrize("way", ALONE)
def test_replay_refuses_it_with_the_sentence_of_the_cache(server: ProviderServer, way: str) -> None:
    llm = server.model("ChatOpenAI")
    gm.mode("replay")

    with pytest.raises(gm.CacheMiss, match="nothing is recorded for “What is a token"):
        ALONE[way](llm)
    with pytest.raises(gm.CacheMiss):
        ALONE[way](server.model("ChatOpenAI", cache=False))
    assert server.calls == 0


@pytest.mark.parametrize("way", ALONE)
def test_replay_serves_what_was_asked_in_the_same_way(server: ProviderServer, way: str) -> None:
    llm = server.model("ChatAnthropic")
    first = ALONE[way](llm)
    gm.mode("replay")

    assert ALONE[way](llm) == first
    assert server.calls == 1


def test_only_langchain_leaves_sdks_alone(server: ProviderServer) -> None:
    assert "only langchain" in gm.on(only="langchain")
    llm = server.model("ChatOpenAI")
    for _ in range(2):
        llm._generate([HumanMessage(QUESTION)])
    assert server.calls == 2
    for _ in range(2):
        llm.invoke(QUESTION)
    assert server.calls == 3
    assert outcomes() == ["miss", "hit"]

    gm.on(only="none")
    for _ in range(2):
        llm._generate([HumanMessage(QUESTION)])
    assert server.calls == 4


def test_only_takes_langchain(server: ProviderServer) -> None:
    with pytest.raises(CommandError, match="langchain, none"):
        gm.on(only="openai")  # type: ignore[arg-type]
