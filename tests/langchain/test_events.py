"""Events of a hit: tokens for who asked for events, and for others what LangChain shows on its own hits."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any
from uuid import UUID

import httpx
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage, messages_from_dict, messages_to_dict
from langchain_core.outputs import LLMResult
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph
from openai import OpenAIError
from openai import __version__ as openai_version

import gptcache_magics as gm
from tests.support.models import graph, weather
from tests.support.provider_server import ProviderServer
from tests.support.scripted_server import openai, scripted

pytestmark = [pytest.mark.usefixtures("on"), pytest.mark.slow]

ASKED: Any = {"messages": [("user", "q")]}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("ChatOpenAI", {"stream_usage": True}),
    "v1": ("ChatOpenAI", {"output_version": "v1"}),
    "anthropic": ("ChatAnthropic", {}),
    "ollama": ("ChatOllama", {}),
}


class Heard(BaseCallbackHandler):
    """What a handler hears of a model, which it then changes."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def on_chat_model_start(self, *args: Any, run_id: UUID, **kwargs: Any) -> None:
        self.events.append("start")

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **kwargs: Any) -> None:
        self.events.append((deepcopy(token), bool(chunk.message.id)))
        chunk.message.content = "changed"

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self.events.append("end")

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.events.append(type(error).__name__)


def seen(event: Any) -> Any:
    """Return an event without ids and marks; LangChain joins the last chunk only if we made it."""
    data = event["data"]
    message = data.get("chunk", data.get("output"))
    shown = dict(message) if isinstance(message, AIMessage) else None
    if shown is not None:
        has_id = bool(shown.pop("id"))
        metadata = {name: value for name, value in shown["response_metadata"].items() if name != "gptcache"}
        if event["event"].endswith("end"):
            shown.pop("chunk_position", None)
        shown |= {"response_metadata": metadata, "has id": has_id}
    return event["event"], event["name"], shown


async def events(runnable: Any, version: str, **config: Any) -> list[Any]:
    """Return what ``astream_events`` shows."""
    return [seen(event) async for event in runnable.astream_events("q", version=version, config=config)]


def inside(llm: Any) -> Any:
    """Return a function that invokes a model."""
    return RunnableLambda(lambda asked: llm.invoke(asked))


def inside_async(llm: Any) -> Any:
    """Return a coroutine that invokes a model."""

    async def ask(asked: Any) -> Any:
        return await llm.ainvoke(asked)

    return RunnableLambda(ask)


async def agraph(llm: Any) -> list[Any]:
    """Return the messages that an async LangGraph streams."""

    async def node(state: MessagesState) -> Any:
        return {"messages": [await llm.ainvoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("model", node)
    builder.add_edge(START, "model")
    stream = builder.compile().astream(ASKED, stream_mode="messages")
    return [(type(message).__name__, message.content) async for message, _ in stream]


def heard(llm: Any, **config: Any) -> list[Any]:
    """Return what a handler hears inside of ``astream_events``."""
    handler = Heard()
    asyncio.run(events(inside(llm), "v2", callbacks=[handler], **config))
    return handler.events


READERS: dict[str, Callable[[Any], list[Any]]] = {
    "version 1": lambda llm: asyncio.run(events(inside(llm), "v1")),
    "version 2": lambda llm: asyncio.run(events(inside(llm), "v2")),
    "version 2, async": lambda llm: asyncio.run(events(inside_async(llm), "v2")),
    "version 2 of the model": lambda llm: asyncio.run(events(llm, "v2")),
    "a handler beside": heard,
    "LangGraph": lambda llm: [
        (type(message).__name__, message.content) for message, _ in graph(llm).stream(ASKED, stream_mode="messages")
    ],
    "LangGraph, async": lambda llm: asyncio.run(agraph(llm)),
}


@pytest.mark.filterwarnings("ignore:astream_events version='v1'")
@pytest.mark.parametrize("tools", [False, True], ids=["words", "calls"])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("model", MODELS)
def test_a_hit_shows_the_events_of_the_call(server: ProviderServer, model: str, reader: str, tools: bool) -> None:
    name, fields = MODELS[model]

    def read() -> list[Any]:
        llm = server.model(name, **fields)
        return READERS[reader](llm.bind_tools([weather]) if tools else llm)

    bought = read()
    assert len(bought) > 2
    assert read() == bought
    assert server.calls == 1
    assert list(gm.lookups()["outcome"]) == ["hit", "miss"]


@pytest.mark.parametrize("reader", ["version 2", "version 2, async", "LangGraph", "LangGraph, async"])
def test_an_answer_of_invoke_shows_its_tokens_once(server: ProviderServer, reader: str) -> None:
    bought = server.model("ChatOpenAI").invoke("q").text
    shown = READERS[reader](server.model("ChatOpenAI"))
    if "LangGraph" in reader:
        texts = [content for _, content in shown]
    else:
        texts = [message["content"] for event, _, message in shown if event == "on_chat_model_stream"]

    assert len(texts) > 3
    assert "".join(texts) == bought
    assert server.calls == 1


def test_other_handlers_hear_what_they_hear_of_langchains_own_hits(server: ProviderServer) -> None:
    def hit() -> list[Any]:
        server.model("ChatOpenAI").invoke("q")
        handler = Heard()
        server.model("ChatOpenAI").invoke("q", config={"callbacks": [handler]})
        return handler.events

    ours = hit()
    with langchains_own():
        assert hit() == ours
    assert ours == ["start", "end"]


CALLERS: dict[str, Callable[[Any, Any], Any]] = {
    "invoke": lambda llm, config: llm.invoke("q", config=config),
    "ainvoke": lambda llm, config: asyncio.run(llm.ainvoke("q", config=config)),
    "batch": lambda llm, config: llm.batch(["q"], config=config),
    "nested": lambda llm, config: inside(llm).invoke("q", config=config),
}


@pytest.mark.parametrize("caller", CALLERS)
def test_a_handler_of_a_model_that_streams_hears_the_same_tokens_of_a_hit(server: ProviderServer, caller: str) -> None:
    def tokens() -> list[Any]:
        handler = Heard()
        CALLERS[caller](server.model("ChatOpenAI", streaming=True), {"callbacks": [handler]})
        return handler.events

    bought = tokens()
    assert len(bought) > 4
    assert tokens() == bought
    assert server.calls == 1
    assert list(gm.lookups()["outcome"]) == ["hit", "miss"]
    assert server.model("ChatOpenAI", streaming=True).invoke("q").text.endswith("(call 1)")


@pytest.mark.parametrize("fields", [{"disable_streaming": True}, {"streaming": False}], ids=str)
def test_who_turned_streaming_off_gets_no_tokens_and_hits(server: ProviderServer, fields: Any) -> None:
    for _ in range(2):
        shown = asyncio.run(events(inside(server.model("ChatOpenAI", **fields)), "v2"))
        assert "on_chat_model_stream" not in [event for event, *_ in shown]
    assert server.calls == 1


def test_a_handler_that_changes_chunks_changes_nothing_stored(server: ProviderServer) -> None:
    heard(server.model("ChatOpenAI"))
    assert server.model("ChatOpenAI").invoke("q").text == "gpt-4o-mini answers 'q' (call 1)"
    assert server.calls == 1


def test_events_of_a_call_that_fails_store_nothing(server: ProviderServer) -> None:
    server.fail_next(1, 200)
    # openai 1 passes on the error of its transport.
    failure = OpenAIError if int(openai_version.partition(".")[0]) > 1 else httpx.TransportError
    with pytest.raises(failure):
        heard(server.model("ChatOpenAI"))
    assert server.model("ChatOpenAI").invoke("q").text.endswith("(call 2)")


def test_a_rate_limit_holds_for_the_model_and_not_for_hits(server: ProviderServer) -> None:
    class Limit:
        taken = 0

        def acquire(self, *, blocking: bool = True) -> bool:
            Limit.taken += 1
            return True

    for _ in range(2):
        llm = server.model("ChatOpenAI").model_copy(update={"rate_limiter": Limit()})
        asyncio.run(events(inside(llm), "v2"))
    assert (Limit.taken, server.calls) == (1, 1)


# Several answers to one prompt


N: dict[str, Any] = {
    "field": lambda server: server.model("ChatOpenAI", n=2),
    "argument": lambda server: server.model("ChatOpenAI").bind(n=2),
    "extra_body": lambda server: server.model("ChatOpenAI", extra_body={"n": 2}),
    "completion": lambda server: server.model("OpenAI", n=2, best_of=2),
}


@pytest.mark.parametrize("case", [case for case in N if case != "completion"])
def test_answers_that_came_mixed_up_are_not_served(server: ProviderServer, case: str) -> None:
    def make() -> Any:
        return N[case](server)

    for _ in range(2):
        list(make().stream("q"))
    assert server.calls == 2
    asyncio.run(events(inside(make()), "v2"))  # LangChain streams here, too
    asyncio.run(events(inside(make()), "v2"))
    assert server.calls == 4
    assert "hit" not in set(gm.lookups()["outcome"])


def test_a_stream_of_several_answers_goes_past_with_a_reason_and_is_refused_in_replay(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI", n=2)
    llm.invoke("q")
    list(llm.stream("q"))
    (row, _) = gm.lookups().to_dict("records")
    assert (row["outcome"], row["reason"]) == ("bypass", "several answers in one stream")
    with gm.using(mode="replay"), pytest.raises(gm.CacheMiss, match="several answers in one stream"):
        list(llm.stream("q"))


@pytest.mark.parametrize("case", ["field", "argument", "completion"])
def test_every_answer_of_n_is_served(server: ProviderServer, case: str) -> None:
    llm = N[case](server)
    prompts: Any = ["q"] if case == "completion" else [[HumanMessage("q")]]

    def texts() -> list[str]:
        model, options = (llm.bound, llm.kwargs) if hasattr(llm, "bound") else (llm, {})
        return [each.text for each in model.generate(prompts, **options).generations[0]]

    bought = texts()
    assert len(set(bought)) == 2
    assert texts() == bought
    assert server.calls == 1


def test_one_answer_where_two_were_asked_for_is_not_stored() -> None:
    with scripted([*openai("one", end="stop")]) as server:
        for _ in range(2):
            server.model("openai", streaming=True).bind(n=2).invoke("q")
        assert server.calls == 2
        assert set(gm.lookups()["reason"]) == {"not stored: 1 of 2 answers came apart"}


# Usage and history


@contextlib.contextmanager
def langchains_own() -> Iterator[None]:
    """Use LangChain's own cache in place of ours."""
    gm.off()
    set_llm_cache(InMemoryCache())
    yield
    set_llm_cache(None)


@pytest.mark.parametrize("name", ["ChatOpenAI", "ChatAnthropic", "ChatOllama"])
def test_a_hit_has_the_usage_of_the_answer_without_the_cost_that_langchain_adds(
    server: ProviderServer, name: str
) -> None:
    def usages() -> list[Any]:
        return [server.model(name).invoke("q").usage_metadata for _ in range(2)]

    bought, hit = usages()
    assert hit == bought
    with langchains_own():
        assert usages() == [bought, {**bought, "total_cost": 0}]


UNKNOWN: dict[str, Callable[[ProviderServer], Any]] = {
    "never given": lambda server: FakeListChatModel(responses=["answer"]),
    "not streamed": lambda server: server.model("ChatOpenAI"),
}


@pytest.mark.parametrize("case", UNKNOWN)
@pytest.mark.parametrize("first", ["invoke", "stream"])
def test_a_hit_of_unknown_usage_can_be_saved_and_loaded(server: ProviderServer, case: str, first: str) -> None:
    list(UNKNOWN[case](server).stream("q")) if first == "stream" else UNKNOWN[case](server).invoke("q")
    hit = UNKNOWN[case](server).invoke("q")
    again = asyncio.run(UNKNOWN[case](server).ainvoke("q"))

    assert hit.usage_metadata is None or case == "not streamed"
    assert again.usage_metadata == hit.usage_metadata
    (loaded,) = messages_from_dict(messages_to_dict([hit]))
    assert loaded.text == hit.text
    assert dumps(hit)
    assert list(gm.lookups()["outcome"]) == ["hit", "hit", "miss"]
