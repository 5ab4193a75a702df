"""In replay nothing asks a provider: not a class with methods of its own, not ``_generate``, not an embedding."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.language_models import LLM
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompt_values import StringPromptValue
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

import gptcache_magics as gm
from gptcache_magics.langchain import hooks
from tests.support.provider_server import KEY, ProviderServer

pytestmark = pytest.mark.usefixtures("on")

RECORDED, NEW = "What is the capital of France?", "What is the capital of Spain?"
reached: list[str] = []
"""The methods below that asked their provider."""


def answered(name: str) -> ChatResult:
    reached.append(name)
    return ChatResult(generations=[ChatGeneration(message=AIMessage("from the provider"))])


class OwnInvoke(ChatOpenAI):
    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        return answered("invoke").generations[0].message

    async def ainvoke(self, *args: Any, **kwargs: Any) -> Any:
        return answered("ainvoke").generations[0].message


class OwnInvokeByGenerate(ChatOpenAI):
    def invoke(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        return self._generate([HumanMessage(input)]).generations[0].message

    async def ainvoke(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        return (await self._agenerate([HumanMessage(input)])).generations[0].message


class OwnBatch(ChatOpenAI):
    def batch(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return [answered("batch") for _ in inputs]

    async def abatch(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return [answered("abatch") for _ in inputs]

    def batch_as_completed(self, inputs: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from enumerate(map(answered, inputs))


class OwnPrompt(ChatOpenAI):
    def generate_prompt(self, prompts: Any, *args: Any, **kwargs: Any) -> Any:
        return answered("generate_prompt")

    async def agenerate_prompt(self, prompts: Any, *args: Any, **kwargs: Any) -> Any:
        return answered("agenerate_prompt")

    def __call__(self, text: str) -> Any:
        return answered("call")

    def predict(self, text: str) -> Any:
        return answered("predict")


class OwnEvents(ChatOpenAI):
    def stream_events(self, *args: Any, **kwargs: Any) -> Any:
        yield answered("stream_events")

    async def astream_events(self, *args: Any, **kwargs: Any) -> Any:
        yield answered("astream_events")


async def gathered(events: Any) -> list[Any]:
    return [event async for event in events]


class OwnWithCache(ChatOpenAI):
    def _generate_with_cache(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        return answered("_generate_with_cache")

    async def _agenerate_with_cache(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        return answered("_agenerate_with_cache")


class OwnWithCacheByGenerate(ChatOpenAI):
    def _generate_with_cache(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        return self._generate(messages)


class Plain(LLM):
    @property
    def _llm_type(self) -> str:
        return "plain"

    def _call(self, prompt: str, *args: Any, **kwargs: Any) -> str:
        reached.append("_call")
        return "from the provider"


class OwnEmbeddings(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        reached.append("embed_documents")
        return [[1.0] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        reached.append("embed_query")
        return [1.0]


WAYS: dict[str, tuple[type, Callable[[Any], Any]]] = {
    "its own invoke": (OwnInvoke, lambda llm: llm.invoke(NEW)),
    "its own ainvoke": (OwnInvoke, lambda llm: asyncio.run(llm.ainvoke(NEW))),
    "its own invoke in a chain": (OwnInvoke, lambda llm: (llm | str).invoke(NEW)),
    "its own invoke in batch": (OwnInvoke, lambda llm: llm.batch([NEW])),
    "its own invoke of _generate": (OwnInvokeByGenerate, lambda llm: llm.invoke(NEW)),
    "its own ainvoke of _agenerate": (OwnInvokeByGenerate, lambda llm: asyncio.run(llm.ainvoke(NEW))),
    "its own batch": (OwnBatch, lambda llm: llm.batch([NEW])),
    "its own abatch": (OwnBatch, lambda llm: asyncio.run(llm.abatch([NEW]))),
    "its own batch_as_completed": (OwnBatch, lambda llm: list(llm.batch_as_completed([NEW]))),
    "its own generate_prompt": (OwnPrompt, lambda llm: llm.generate_prompt([StringPromptValue(text=NEW)])),
    "its own agenerate_prompt": (OwnPrompt, lambda llm: asyncio.run(llm.agenerate_prompt([]))),
    "its own stream_events": (OwnEvents, lambda llm: list(llm.stream_events(NEW, version="v3"))),
    "its own astream_events": (OwnEvents, lambda llm: asyncio.run(gathered(llm.astream_events(NEW, version="v2")))),
    "its own astream_events of version 3": (
        OwnEvents,
        lambda llm: asyncio.run(gathered(llm.astream_events(NEW, version="v3"))),
    ),
    "its own call": (OwnPrompt, lambda llm: llm(NEW)),
    "its own predict": (OwnPrompt, lambda llm: llm.predict(NEW)),
    "its own _generate_with_cache": (OwnWithCache, lambda llm: llm.invoke(NEW)),
    "its own _agenerate_with_cache": (OwnWithCache, lambda llm: asyncio.run(llm.ainvoke(NEW))),
    "its own _generate_with_cache of _generate": (OwnWithCacheByGenerate, lambda llm: llm.invoke(NEW)),
    "_generate": (ChatOpenAI, lambda llm: llm._generate([HumanMessage(NEW)])),
    "_agenerate": (ChatOpenAI, lambda llm: asyncio.run(llm._agenerate([HumanMessage(NEW)]))),
    "_stream": (ChatOpenAI, lambda llm: list(llm._stream([HumanMessage(NEW)]))),
    "_generate of what is recorded": (ChatOpenAI, lambda llm: llm._generate([HumanMessage(RECORDED)])),
    "_call": (Plain, lambda llm: llm._call(NEW)),
    "_generate of texts": (Plain, lambda llm: llm._generate([NEW])),
    "an embedding": (OpenAIEmbeddings, lambda embedder: embedder.embed_query(NEW)),
    "an async embedding": (OpenAIEmbeddings, lambda embedder: asyncio.run(embedder.aembed_documents([NEW]))),
    "an embedding of one's own": (OwnEmbeddings, lambda embedder: embedder.embed_documents([NEW])),
    "an async embedding of one's own": (OwnEmbeddings, lambda embedder: asyncio.run(embedder.aembed_query(NEW))),
}


@pytest.fixture(autouse=True)
def nothing_reached() -> None:
    reached.clear()


def made(kind: type, server: ProviderServer) -> Any:
    fields = {"api_key": KEY, "base_url": server.openai_url, "max_retries": 0}
    if issubclass(kind, ChatOpenAI):
        return kind(model="gpt-4o-mini", **fields)
    return kind(**fields, check_embedding_ctx_length=False) if kind is OpenAIEmbeddings else kind()


@pytest.mark.parametrize("way", WAYS)
def test_replay_reaches_no_provider(server: ProviderServer, way: str) -> None:
    kind, ask = WAYS[way]
    with gm.using(mode="replay"), pytest.raises(gm.CacheMiss) as caught:
        ask(made(kind, server))
    assert (server.calls, reached) == (0, [])
    assert "\n" not in str(caught.value)
    assert "mode replay" in str(caught.value)
    if "embedding" not in way:
        assert (gm.lookups()["mode"] == "replay").all()
        assert len(gm.lookups()) == 1


@pytest.mark.parametrize("way", [way for way in WAYS if "OpenAI" not in WAYS[way][0].__name__ and "of _" not in way])
def test_another_mode_lets_them_be(server: ProviderServer, way: str) -> None:
    kind, ask = WAYS[way]
    ask(made(kind, server))
    assert len(reached) == 1


def test_a_call_that_goes_through_the_cache_is_served_whatever_the_class_overrides(server: ProviderServer) -> None:
    class Logging(ChatOpenAI):
        def invoke(self, *args: Any, **kwargs: Any) -> Any:
            reached.append("log")
            return super().invoke(*args, **kwargs)

        async def ainvoke(self, *args: Any, **kwargs: Any) -> Any:
            return await super().ainvoke(*args, **kwargs)

        def batch(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            return [self.invoke(each) for each in inputs]

        async def astream_events(self, *args: Any, **kwargs: Any) -> Any:
            async for event in super().astream_events(*args, **kwargs):
                yield event

        def generate_prompt(self, *args: Any, **kwargs: Any) -> Any:
            return super().generate_prompt(*args, **kwargs)

        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            return super()._generate(*args, **kwargs)

    llm = made(Logging, server)
    told = llm.invoke(RECORDED).text
    with gm.using(mode="replay"):
        assert llm.invoke(RECORDED).text == told
        assert asyncio.run(llm.ainvoke(RECORDED)).text == told
        assert llm.batch([RECORDED])[0].text == told
        assert "".join(chunk.text for chunk in llm.stream(RECORDED)) == told
        assert asyncio.run(gathered(llm.astream_events(RECORDED, version="v2")))
    assert server.calls == 1
    assert list(gm.lookups()["outcome"]) == ["hit"] * 5 + ["miss"]


def test_an_embedder_that_needs_no_provider_works_in_replay() -> None:
    with gm.using(mode="replay"):
        assert DeterministicFakeEmbedding(size=3).embed_query("text")


def test_a_kept_embedding_is_served_in_replay() -> None:
    from langchain_classic.embeddings import CacheBackedEmbeddings
    from langchain_core.stores import InMemoryByteStore

    kept = CacheBackedEmbeddings.from_bytes_store(
        OwnEmbeddings(), InMemoryByteStore(), namespace="a", key_encoder="sha256"
    )
    assert kept.embed_documents(["a"]) == [[1.0]]
    with gm.using(mode="replay"):
        assert kept.embed_documents(["a"]) == [[1.0]]
        with pytest.raises(gm.CacheMiss, match=r"OwnEmbeddings.embed_documents: not called"):
            kept.embed_documents(["b"])
    assert reached == ["embed_documents"]


def test_off_leaves_every_class_as_it_was() -> None:
    kinds = {kind for kind, _ in WAYS.values()} | {LLM, Embeddings}
    while_on = {kind: dict(vars(kind)) for kind in kinds}
    assert "OwnInvoke.invoke" in hooks.overriding()
    assert "OwnEmbeddings.embed_query" in hooks.installed()
    gm.off()
    assert not hooks.installed()
    for kind in kinds:
        methods = {name: method for name, method in vars(kind).items() if method is not while_on[kind].get(name)}
        assert {getattr(while_on[kind][name], "__wrapped__", None) for name in methods} == set(methods.values())
        assert not any(hasattr(method, "__wrapped__") for method in methods.values())


def test_a_wrapped_method_is_of_the_same_kind(server: ProviderServer) -> None:
    import inspect

    class Kinds(ChatOpenAI):
        async def ainvoke(self, *args: Any, **kwargs: Any) -> Any:
            return await super().ainvoke(*args, **kwargs)

        async def astream(self, *args: Any, **kwargs: Any) -> Any:
            async for chunk in super().astream(*args, **kwargs):
                yield chunk

        def stream(self, *args: Any, **kwargs: Any) -> Any:
            yield from super().stream(*args, **kwargs)

    assert inspect.iscoroutinefunction(Kinds.ainvoke)
    assert inspect.isasyncgenfunction(Kinds.astream)
    assert inspect.isgeneratorfunction(Kinds.stream)
    assert "Kinds.ainvoke" in hooks.installed()
    assert "".join(chunk.text for chunk in made(Kinds, server).stream(RECORDED))
