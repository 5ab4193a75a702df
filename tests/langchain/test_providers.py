"""The cache under the real provider classes, over HTTP on loopback: what is paid, what is served, what is kept apart.

The server numbers its answers, so "the same content" means that the stored answer was served.
"""

import asyncio
import base64
import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import LLMResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

import gptcache_magics as gm
from gptcache_magics.lookup import single_flight
from tests.support.models import Reply, text_of, weather
from tests.support.processes import output_of
from tests.support.provider_server import CHAT_MODELS, COMPLETION_MODELS, Json, Model, ProviderServer

MODELS = CHAT_MODELS + COMPLETION_MODELS
ONE_OF_EACH_KIND = ("ChatOpenAI", "OllamaLLM")
QUESTION = "What is the capital of France?"
RESPONSES: Json = {"use_responses_api": True}
PREVIOUS: Json = {"use_responses_api": True, "use_previous_response_id": True}
pytestmark = [pytest.mark.usefixtures("cache"), pytest.mark.slow]  # ten seconds together

Answer = BaseMessage | str


class LongReply(BaseModel):
    """A reply with its text and where it came from."""

    answer: str
    source: str


def batched(llm: Model, question: str) -> Sequence[object]:
    return [[HumanMessage(question)]] if isinstance(llm, BaseChatModel) else [question]


def first_of(result: LLMResult) -> Answer:
    generation = result.generations[0][0]
    return getattr(generation, "message", generation.text)


async def first_of_soon(result: Awaitable[LLMResult]) -> Answer:
    return first_of(await result)


async def first_item(answers: Awaitable[list[Answer]]) -> Answer:
    return (await answers)[0]


def total(pieces: Sequence[Model]) -> Answer:
    """Add up what a stream gave."""
    return sum(pieces[1:], pieces[0]) if isinstance(pieces[0], BaseMessage) else "".join(pieces)


async def gathered(pieces: AsyncIterator[Model]) -> Answer:
    return total([piece async for piece in pieces])


async def streamed_by_events(llm: Model, question: str) -> Answer:
    """Return the pieces that ``astream_events`` shows, after checking that start and end frame them."""
    events = [event async for event in llm.astream_events(question, version="v2")]
    kinds = [event["event"].rsplit("_", 1)[-1] for event in events]
    assert (kinds[0], kinds[-1]) == ("start", "end")
    pieces = [event["data"]["chunk"] for event in events if event["event"].endswith("stream")]
    whole = total([piece if isinstance(piece, BaseMessage | str) else piece.text for piece in pieces])
    output = events[-1]["data"]["output"]
    ended = output if isinstance(output, BaseMessage) else output["generations"][0][0]["text"]
    assert text_of(ended) == text_of(whole)
    return whole


PATHS: dict[str, Callable[[Model, Model], Answer]] = {
    "invoke": lambda llm, question: llm.invoke(question),
    "batch": lambda llm, question: llm.batch([question, "Another question?"])[0],
    "generate": lambda llm, question: first_of(llm.generate(batched(llm, question))),
    "stream": lambda llm, question: total(list(llm.stream(question))),
}
ASYNC_PATHS: dict[str, Callable[[Model, str], Awaitable[Answer]]] = {
    "ainvoke": lambda llm, question: llm.ainvoke(question),
    "abatch": lambda llm, question: first_item(llm.abatch([question, "Another question?"])),
    "agenerate": lambda llm, question: first_of_soon(llm.agenerate(batched(llm, question))),
    "astream": lambda llm, question: gathered(llm.astream(question)),
    "astream_events": streamed_by_events,
}


def assert_served(bought: Answer, hit: Answer) -> None:
    """Check that a hit is the bought answer in a fresh object."""
    assert text_of(hit) == text_of(bought)
    if isinstance(bought, AIMessage) and isinstance(hit, AIMessage):
        assert hit.content == bought.content
        assert hit.id
        assert hit.id != bought.id
        # LangChain adds total_cost to what a hit reports.
        assert dict(hit.usage_metadata or {}).items() >= dict(bought.usage_metadata or {}).items()
        assert bought.usage_metadata


def usable(server: ProviderServer, name: str, **fields: object) -> Model:
    """Return the model; ChatOpenAI streams usage only from its default URL, unless it is set."""
    return server.model(name, **({"stream_usage": True} if name == "ChatOpenAI" else {}), **fields)


# Every way to ask


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", MODELS)
def test_the_second_round_is_served_without_a_call(server: ProviderServer, name: str, path: str) -> None:
    llm = usable(server, name)
    bought = PATHS[path](llm, QUESTION)
    calls = server.calls
    assert calls

    for _ in range(2):
        assert_served(bought, PATHS[path](llm, QUESTION))
    assert server.calls == calls


@pytest.mark.parametrize("path", ASYNC_PATHS)
@pytest.mark.parametrize("name", MODELS)
async def test_the_second_async_round_is_served_without_a_call(server: ProviderServer, name: str, path: str) -> None:
    llm = usable(server, name)
    bought = await ASYNC_PATHS[path](llm, QUESTION)
    calls = server.calls
    assert calls

    for _ in range(2):
        assert_served(bought, await ASYNC_PATHS[path](llm, QUESTION))
    assert server.calls == calls


@pytest.mark.parametrize("name", MODELS)
async def test_an_answer_bought_one_way_is_served_every_other_way(server: ProviderServer, name: str) -> None:
    llm = usable(server, name)
    bought = llm.invoke(QUESTION)
    llm.invoke("Another question?")

    for ask in PATHS.values():
        assert_served(bought, ask(llm, QUESTION))
    for ask_soon in ASYNC_PATHS.values():
        assert_served(bought, await ask_soon(llm, QUESTION))
    assert server.calls == 2


@pytest.mark.parametrize("name", MODELS)
def test_a_streamed_answer_is_served_to_invoke(server: ProviderServer, name: str) -> None:
    llm = usable(server, name)
    bought = PATHS["stream"](llm, QUESTION)

    assert_served(bought, llm.invoke(QUESTION))
    assert not type(llm.invoke(QUESTION)).__name__.endswith("Chunk")
    assert server.calls == 1


def test_every_choice_is_kept(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI", n=3)
    bought, hit = (llm.generate([[HumanMessage(QUESTION)]]).generations[0] for _ in range(2))

    assert [generation.text for generation in hit] == [generation.text for generation in bought]
    assert len({generation.text for generation in hit}) == 3
    assert server.calls == 1


# The parts of an answer


@pytest.mark.parametrize("path", ["invoke", "stream"])
@pytest.mark.parametrize(("name", "fields"), [*((name, {}) for name in CHAT_MODELS), ("ChatOpenAI", RESPONSES)])
def test_tool_calls_are_kept(server: ProviderServer, name: str, fields: Json, path: str) -> None:
    llm = server.model(name, **fields)
    with_tools = llm.bind_tools([weather])
    bought, hit = (PATHS[path](with_tools, QUESTION) for _ in range(2))

    assert isinstance(hit, AIMessage)
    assert isinstance(bought, AIMessage)
    assert hit.tool_calls == bought.tool_calls
    assert hit.tool_calls[0]["name"] == "weather"
    assert server.calls == 1
    assert PATHS[path](llm, QUESTION).tool_calls == []  # without the tools it is another question


@pytest.mark.parametrize(
    ("name", "method"),
    [(name, method) for name in CHAT_MODELS for method in ("json_schema", "function_calling")]
    + [("ChatOpenAI", "json_mode"), ("ChatOllama", "json_mode")],
)
def test_structured_output_is_kept_and_the_schema_counts(server: ProviderServer, name: str, method: str) -> None:
    llm = server.model(name)
    bought, hit = (llm.with_structured_output(Reply, method=method).invoke(QUESTION) for _ in range(2))

    assert isinstance(hit, Reply)
    assert hit == bought
    assert server.calls == 1
    if method != "json_mode":  # which sends no schema
        assert isinstance(llm.with_structured_output(LongReply, method=method).invoke(QUESTION), LongReply)
        assert server.calls == 2


@pytest.mark.parametrize("name", CHAT_MODELS)
def test_the_same_image_hits_and_another_misses(server: ProviderServer, name: str) -> None:
    def look_at(image: bytes) -> Answer:
        url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
        picture = {"type": "image_url", "image_url": {"url": url}}
        return llm.invoke([HumanMessage([{"type": "text", "text": "What is this?"}, picture])])

    llm = server.model(name)
    assert_served(look_at(b"\x89PNG one"), look_at(b"\x89PNG one"))
    assert server.calls == 1
    assert "(call 2)" in text_of(look_at(b"\x89PNG two"))


@pytest.mark.parametrize("name", CHAT_MODELS)
def test_the_changes_that_a_caller_makes_to_an_answer_stay_with_the_caller(server: ProviderServer, name: str) -> None:
    llm = server.model(name)
    bought = llm.invoke(QUESTION)
    text = bought.text
    for answer in (bought, llm.invoke(QUESTION), llm.invoke(QUESTION)):
        answer.content = "changed"
        answer.additional_kwargs["changed"] = True
        answer.response_metadata.clear()
        answer.usage_metadata.clear()

    hit = llm.invoke(QUESTION)
    assert hit.text == text
    assert "changed" not in hit.additional_kwargs
    assert hit.response_metadata
    assert hit.usage_metadata["output_tokens"]
    assert server.calls == 1


# Chats and agents


@pytest.mark.parametrize("path", ["invoke", "stream"])
@pytest.mark.parametrize(
    ("name", "fields"),
    [*((name, {}) for name in CHAT_MODELS), ("ChatOpenAI", RESPONSES), ("ChatOpenAI", PREVIOUS)],
)
def test_a_chat_of_three_turns_is_paid_once_however_often_it_is_run(
    server: ProviderServer, name: str, fields: Json, path: str
) -> None:
    def chat() -> int:
        before = server.calls
        history: list[BaseMessage] = [SystemMessage("Be brief.")]
        for question in ("Who was Ada?", "When was she born?", "Where?"):
            history.append(HumanMessage(question))
            history.append(PATHS[path](llm, history))
        return server.calls - before

    llm = server.model(name, **fields)
    assert [chat() for _ in range(4)] == [3, 0, 0, 0]


def test_the_previous_response_counts_where_the_request_names_it(server: ProviderServer) -> None:
    def ask(llm: Model, response_id: str) -> int:
        before = server.calls
        earlier = AIMessage("Hello.", response_metadata={"id": response_id})
        llm.invoke([HumanMessage("Hi."), earlier, HumanMessage("What did I say?")])
        return server.calls - before

    llm = server.model("ChatOpenAI", **PREVIOUS)
    assert [ask(llm, response_id) for response_id in ("resp_a", "resp_b", "resp_a")] == [1, 1, 0]
    assert server.requests[1]["previous_response_id"] == "resp_b"


@pytest.mark.parametrize("name", CHAT_MODELS)
def test_a_graph_that_asks_the_same_thing_thrice_keeps_every_reply(server: ProviderServer, name: str) -> None:
    def answer(state: MessagesState) -> Json:
        return {"messages": [llm.invoke(state["messages"][-1:])]}

    llm = server.model(name)
    graph = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile(checkpointer=InMemorySaver())
    for _ in range(3):
        state = graph.invoke({"messages": [HumanMessage(QUESTION)]}, {"configurable": {"thread_id": "1"}})

    assert [message.type for message in state["messages"]] == ["human", "ai"] * 3
    assert len({message.id for message in state["messages"]}) == 6
    assert server.calls == 1


@pytest.mark.parametrize("name", CHAT_MODELS)
async def test_an_agent_in_a_fresh_thread_is_served_every_step(server: ProviderServer, name: str) -> None:
    async def run(thread: str, *, with_await: bool) -> list[BaseMessage]:
        agent = create_agent(server.model(name), [weather], checkpointer=InMemorySaver())
        config = {"configurable": {"thread_id": thread}}
        for _ in range(3):
            question = {"messages": [HumanMessage(QUESTION)]}
            state = await agent.ainvoke(question, config) if with_await else agent.invoke(question, config)
        return state["messages"]

    bought = await run("first", with_await=False)
    assert [message.type for message in bought] == ["human", "ai", "tool", "ai"] * 3
    assert server.calls == 6
    for thread, with_await in (("second", False), ("third", True)):
        served = await run(thread, with_await=with_await)
        assert [message.content for message in served] == [message.content for message in bought]
        assert not {message.id for message in served} & {message.id for message in bought}
    assert server.calls == 6


# Calls that are the same


@pytest.mark.parametrize("name", ["ChatOllama", "OllamaLLM"])
def test_two_ollama_models_never_share_answers(server: ProviderServer, name: str) -> None:
    llama, qwen = server.model(name, model="llama3"), server.model(name, model="qwen3", temperature=1.5)

    assert text_of(llama.invoke(QUESTION)).startswith("llama3")
    assert text_of(qwen.invoke(QUESTION)).startswith("qwen3")
    assert text_of(llama.invoke(QUESTION)).startswith("llama3")
    assert server.calls == 2


@pytest.mark.parametrize("path", ["invoke", "stream"])
@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("ChatOpenAI", "temperature", 1.5),
        ("ChatOpenAI", "model_name", "gpt-5"),
        ("ChatOpenAI", "model_kwargs", {"reasoning_effort": "low"}),
        ("ChatAnthropic", "temperature", 0.5),
        ("ChatAnthropic", "model", "claude-opus-4-5"),
        ("ChatOllama", "temperature", 1.5),
        ("ChatOllama", "model", "qwen3"),
        ("OpenAI", "temperature", 1.5),
        ("OpenAI", "model_name", "davinci-002"),
        ("OllamaLLM", "temperature", 1.5),
        ("OllamaLLM", "model", "qwen3"),
    ],
)
def test_a_field_changed_on_a_used_model_asks_again(
    server: ProviderServer, name: str, field: str, value: object, path: str
) -> None:
    llm = usable(server, name)
    ask = PATHS[path]
    original, bought = getattr(llm, field), ask(llm, QUESTION)

    setattr(llm, field, value)
    assert "(call 2)" in text_of(ask(llm, QUESTION))
    setattr(llm, field, original)
    assert_served(bought, ask(llm, QUESTION))
    assert server.calls == 2


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("ChatOpenAI", {"temperature": 0.9}),
        ("ChatOpenAI", {"stop": ["."]}),
        ("ChatAnthropic", {"temperature": 0.9}),
        ("ChatOllama", {"format": "json"}),
        ("OpenAI", {"temperature": 0.9}),
        ("OpenAI", {"stop": ["."]}),
        ("OllamaLLM", {"format": "json"}),
    ],
)
def test_arguments_of_the_call_count(server: ProviderServer, name: str, kwargs: Json) -> None:
    llm = server.model(name)
    asked: list[Json] = [{}, kwargs, {}, kwargs]

    first, second, third, fourth = (text_of(llm.invoke(QUESTION, **arguments)) for arguments in asked)
    assert first != second
    assert (third, fourth) == (first, second)
    assert server.calls == 2


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("ChatOpenAI", {"max_retries": 1}),
        ("ChatOpenAI", {"timeout": 30}),
        ("ChatOpenAI", {"streaming": True}),
        ("ChatOpenAI", {"name": "assistant"}),
        ("ChatOpenAI", {"api_key": "sk-test-another", "organization": "org-another"}),
        ("ChatOpenAI", {"tags": ["a"], "metadata": {"a": 1}, "verbose": True}),
        ("ChatAnthropic", {"max_retries": 1}),
        ("ChatAnthropic", {"timeout": 30.0}),
        ("ChatAnthropic", {"streaming": True}),
        ("ChatAnthropic", {"api_key": "sk-ant-test-another"}),
        ("ChatOllama", {"name": "assistant"}),
        ("OpenAI", {"max_retries": 1}),
        ("OpenAI", {"timeout": 30}),
        ("OpenAI", {"streaming": True}),
        ("OllamaLLM", {"name": "assistant"}),
    ],
)
def test_arguments_that_change_no_answer_share_it(server: ProviderServer, name: str, fields: Json) -> None:
    bought = server.model(name).invoke(QUESTION)

    assert_served(bought, server.model(name, **fields).invoke(QUESTION))
    assert server.calls == 1


@pytest.mark.parametrize("name", MODELS)
def test_another_server_is_another_model(server: ProviderServer, name: str) -> None:
    server.model(name).invoke(QUESTION)
    with ProviderServer() as other:
        other.model(name).invoke(QUESTION)
        assert (server.calls, other.calls) == (1, 1)


@pytest.mark.parametrize("path", ["invoke", "stream"])
def test_a_model_may_bring_its_own_cache_or_none(server: ProviderServer, tmp_path: Path, path: str) -> None:
    own = gm.GPTCache(store=str(tmp_path / "own"))
    ask = PATHS[path]
    try:
        answers = [text_of(ask(server.model("ChatOpenAI", cache=cache), QUESTION)) for cache in (None, own, own, False)]
    finally:
        own.close()
    assert [answer[-3:-1] for answer in answers] == [" 1", " 2", " 2", " 3"]


# Answers that are never stored


@pytest.mark.parametrize("path", ["invoke", "stream"])
@pytest.mark.parametrize(
    ("name", "fields", "finish_reason"),
    [
        ("ChatOpenAI", {}, "length"),
        ("ChatOpenAI", {}, "content_filter"),
        ("ChatOpenAI", RESPONSES, "length"),
        ("ChatOpenAI", RESPONSES, "content_filter"),
        ("ChatAnthropic", {}, "max_tokens"),
        ("ChatAnthropic", {}, "refusal"),
        ("ChatOllama", {}, "length"),
        ("OpenAI", {}, "length"),
        ("OpenAI", {}, "content_filter"),
        ("OllamaLLM", {}, "length"),
    ],
)
def test_an_answer_cut_short_is_not_stored(
    server: ProviderServer, name: str, fields: Json, finish_reason: str, path: str
) -> None:
    llm = server.model(name, **fields)
    server.finish_reason = finish_reason
    PATHS[path](llm, QUESTION)

    server.finish_reason = None
    assert "(call 2)" in text_of(PATHS[path](llm, QUESTION))


@pytest.mark.parametrize("name", MODELS)
def test_an_empty_answer_is_not_stored(server: ProviderServer, name: str) -> None:
    llm = server.model(name)
    server.text = ""
    assert text_of(llm.invoke(QUESTION)) == ""

    server.text = None
    assert "(call 2)" in text_of(llm.invoke(QUESTION))


@pytest.mark.parametrize("path", ["invoke", "stream"])
@pytest.mark.parametrize("name", MODELS)
def test_an_error_is_raised_unchanged_and_stores_nothing(server: ProviderServer, name: str, path: str) -> None:
    def error_of(llm: Model) -> BaseException:
        server.fail_next(1)
        with pytest.raises(Exception, match="fails with 500, as told") as raised:
            PATHS[path](llm, QUESTION)
        return raised.value

    llm = server.model(name)
    uncached, cached = error_of(server.model(name, cache=False)), error_of(llm)

    assert type(cached) is type(uncached)
    assert str(cached) == str(uncached)
    assert "(call 3)" in text_of(PATHS[path](llm, QUESTION))


@pytest.mark.parametrize("name", MODELS)
def test_a_stream_broken_off_by_the_server_stores_nothing(server: ProviderServer, name: str) -> None:
    llm = server.model(name)
    server.fail_next(1, status=200)
    with pytest.raises(Exception, match=r"closed|Connection error"):
        PATHS["stream"](llm, QUESTION)

    assert "(call 2)" in text_of(PATHS["stream"](llm, QUESTION))


@pytest.mark.parametrize("name", MODELS)
def test_a_streamed_hit_keeps_every_space(server: ProviderServer, name: str) -> None:
    llm = server.model(name)
    server.text = "\n\n  def f():\n\treturn 1\n\n- a  b\u00a0c\r\n \n"
    bought, hit = (text_of(PATHS["stream"](llm, QUESTION)) for _ in range(2))

    assert hit == bought == server.text
    assert server.calls == 1


@pytest.mark.parametrize("name", MODELS)
def test_a_stream_left_in_the_middle_stores_nothing(server: ProviderServer, name: str) -> None:
    llm = server.model(name)
    for _ in llm.stream(QUESTION):
        break
    gc.collect()  # what langchain-anthropic leaves open, httpcore closes under its lock, which it may hold just then

    assert "(call 2)" in text_of(llm.invoke(QUESTION))
    assert "(call 2)" in text_of(PATHS["stream"](llm, QUESTION))


@pytest.mark.parametrize("name", MODELS)
async def test_an_async_stream_left_in_the_middle_stores_nothing(server: ProviderServer, name: str) -> None:
    llm = server.model(name)
    pieces = llm.astream(QUESTION)
    await anext(pieces)
    await pieces.aclose()

    assert "(call 2)" in text_of(await llm.ainvoke(QUESTION))
    assert "(call 2)" in text_of(await ASYNC_PATHS["astream"](llm, QUESTION))


# Several askers at once


@pytest.mark.parametrize("name", CHAT_MODELS)
def test_a_batch_of_one_question_makes_one_call(server: ProviderServer, name: str) -> None:
    server.delay = 0.2
    answers = server.model(name).batch([QUESTION] * 8)

    assert len({answer.text for answer in answers}) == 1
    assert server.calls == 1


@pytest.mark.parametrize("name", CHAT_MODELS)
async def test_an_async_batch_of_one_question_makes_one_call(server: ProviderServer, name: str) -> None:
    server.delay = 0.2
    answers = await server.model(name).abatch([QUESTION] * 8)

    assert len({answer.text for answer in answers}) == 1
    assert server.calls == 1


@pytest.mark.parametrize("path", ["invoke", "stream"])
@pytest.mark.parametrize("name", MODELS)
def test_sixteen_threads_make_one_call(server: ProviderServer, name: str, path: str) -> None:
    server.delay = 0.2
    llm = server.model(name)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda question: text_of(PATHS[path](llm, question)), [QUESTION] * 16))

    assert len(set(answers)) == 1
    assert server.calls == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_failed_call_frees_those_who_waited_for_it(server: ProviderServer, name: str) -> None:
    def ask(_: int) -> str:
        try:
            return text_of(llm.invoke(QUESTION))
        except Exception as error:  # each client has its own class
            return str(error)

    server.delay = 0.2
    server.fail_next(1)
    llm = server.model(name)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(4)))

    assert sum("as told" in answer for answer in answers) == 1
    assert "(call 2)" in " ".join(answers)


@pytest.mark.slow
async def test_a_cancelled_call_frees_those_who_waited_for_it(server: ProviderServer) -> None:
    server.delay = 0.4
    llm = server.model("ChatOpenAI")
    async with asyncio.timeout(30):
        first = asyncio.create_task(llm.ainvoke(QUESTION))
        while not server.calls:
            await asyncio.sleep(0.01)
        second = asyncio.create_task(llm.ainvoke(QUESTION))
        await asyncio.sleep(0.1)
        first.cancel()
        answer = await second

    assert "(call 2)" in answer.text
    assert first.cancelled()


def assert_they_finish(*targets: Callable[[], object]) -> None:
    """Run each target in a thread and check that each one ends."""
    threads = [threading.Thread(target=target, daemon=True) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPLETION_MODELS)
def test_two_crossed_calls_both_finish(server: ProviderServer, name: str) -> None:
    def ask(*prompts: str) -> None:
        barrier.wait(10)
        answers.extend(generations[0].text for generations in llm.generate(list(prompts)).generations)

    server.delay = 0.2
    llm = server.model(name)
    barrier, answers = threading.Barrier(2), list[str]()
    assert_they_finish(lambda: ask("A", "B"), lambda: ask("B", "A"))

    assert sorted("'A'" in answer for answer in answers) == [False, False, True, True]


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_two_crossed_streams_both_finish(server: ProviderServer, name: str) -> None:
    def ask(streamed: str, inside: str) -> None:
        pieces = llm.stream(streamed)
        next(pieces)
        barrier.wait(10)
        answers.append(text_of(llm.invoke(inside)))
        assert list(pieces)

    llm = server.model(name)
    barrier, answers = threading.Barrier(2), list[str]()
    assert_they_finish(lambda: ask("A", "B"), lambda: ask("B", "A"))

    assert sorted("'A'" in answer for answer in answers) == [False, True]


@pytest.mark.parametrize("path", ["invoke", "stream"])
@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_asking_the_same_inside_its_own_stream_finishes(server: ProviderServer, name: str, path: str) -> None:
    def ask() -> None:
        answers.extend(text_of(PATHS[path](llm, QUESTION)) for _ in llm.stream(QUESTION))

    llm = server.model(name)
    answers: list[str] = []
    assert_they_finish(ask)

    assert len(answers) > 3
    assert "(call 2)" in answers[0]


@pytest.mark.parametrize("path", ["ainvoke", "astream"])
@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
async def test_asking_the_same_inside_its_own_async_stream_finishes(
    server: ProviderServer, name: str, path: str
) -> None:
    llm = server.model(name)
    async with asyncio.timeout(30):
        answers = [text_of(await ASYNC_PATHS[path](llm, QUESTION)) async for _ in llm.astream(QUESTION)]

    assert len(answers) > 3
    assert "(call 2)" in answers[0]


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_a_stream_kept_in_the_middle_is_not_waited_for_for_ever(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(single_flight, "STREAM_WAIT_SECONDS", 0.1)
    llm = server.model(name)
    kept = llm.stream(QUESTION)
    next(kept)
    answers: list[str] = []
    assert_they_finish(lambda: answers.append(text_of(llm.invoke(QUESTION))))

    assert "(call 2)" in answers[0]
    kept.close()


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
async def test_an_async_stream_kept_in_the_middle_is_not_waited_for_for_ever(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(single_flight, "STREAM_WAIT_SECONDS", 0.1)
    llm = server.model(name)
    kept = llm.astream(QUESTION)
    await anext(kept)
    async with asyncio.timeout(30):
        answer = await asyncio.create_task(llm.ainvoke(QUESTION))

    assert "(call 2)" in text_of(answer)
    await kept.aclose()


# Other processes, and what the files hold

ASK = """
import sys
from langchain_core.globals import set_llm_cache
from langchain_openai import ChatOpenAI
import gptcache_magics as gm

store, url, *questions = sys.argv[1:]
cache = gm.GPTCache(store=store)
set_llm_cache(cache)
llm = ChatOpenAI(model="gpt-4o-mini", api_key="sk-test-other-process", base_url=url, max_retries=0)
for question in questions:
    print(llm.invoke(question).text)
cache.close()
"""


@pytest.mark.slow
def test_two_processes_share_one_store(server: ProviderServer, tmp_path: Path) -> None:
    llm = server.model("ChatOpenAI")
    ours = llm.invoke("Asked here").text
    there = output_of(ASK, "store", server.openai_url, "Asked here", "Asked there", folder=tmp_path).splitlines()

    assert there[0] == ours
    assert llm.invoke("Asked there").text == there[1]
    assert server.calls == 2


SECRET = "correct-horse-0123456789-battery"  # known as a secret by its place only, not by its looks


def bytes_below(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("path", ["invoke", "stream"])
@pytest.mark.parametrize(
    ("name", "fields", "kwargs"),
    [
        ("ChatOpenAI", {}, {}),
        ("ChatOpenAI", {"api_key": SECRET}, {}),
        ("ChatOpenAI", {"default_headers": {"Authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET}}, {}),
        ("ChatOpenAI", {"model_kwargs": {"extra_headers": {"Authorization": f"Bearer {SECRET}"}}}, {}),
        ("ChatOpenAI", {}, {"extra_headers": {"Authorization": f"Bearer {SECRET}"}}),
        ("ChatOpenAI", {"default_query": {"api-key": SECRET}}, {}),
        ("ChatOpenAI", {"extra_body": {"auth": {"password": SECRET}}}, {}),
        ("ChatOpenAI", {}, {"extra_body": {"auth": {"password": SECRET}}}),
        ("ChatAnthropic", {}, {}),
        ("ChatAnthropic", {"api_key": SECRET}, {}),
        ("ChatAnthropic", {"default_headers": {"x-api-key": SECRET}}, {}),
        ("ChatOllama", {"client_kwargs": {"headers": {"Authorization": f"Bearer {SECRET}"}}}, {}),
        ("OpenAI", {"api_key": SECRET}, {}),
        ("OllamaLLM", {"client_kwargs": {"headers": {"Authorization": f"Bearer {SECRET}"}}}, {}),
    ],
)
def test_a_key_never_reaches_the_store(
    server: ProviderServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cache: gm.GPTCache,
    name: str,
    fields: Json,
    kwargs: Json,
    path: str,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    llm = server.model(name, **{"api_key": None} | fields)
    for _ in range(2):
        PATHS[path](llm.bind(**kwargs) if kwargs else llm, QUESTION)
    assert server.calls == 1
    assert SECRET.encode() not in bytes_below(tmp_path)
    cache.close()
    assert SECRET.encode() not in bytes_below(tmp_path)
    assert QUESTION.encode() in bytes_below(tmp_path)


@pytest.mark.parametrize(
    ("name", "field"),
    [*((name, "base_url") for name in MODELS), ("ChatOpenAI", "openai_proxy"), ("ChatAnthropic", "anthropic_proxy")],
)
def test_a_password_in_a_url_never_reaches_the_store(
    server: ProviderServer, tmp_path: Path, name: str, field: str
) -> None:
    address = server.openai_url if field == "base_url" and "OpenAI" in name else server.url
    llm = server.model(name, **{field: address.replace("//", f"//ada:{SECRET}@")})
    text = text_of(llm.invoke(QUESTION))
    llm.invoke(QUESTION)

    assert server.calls == 1
    kept = bytes_below(tmp_path)
    assert text.encode() in kept
    assert SECRET.encode() not in kept
    assert base64.b64encode(f"ada:{SECRET}".encode()) not in kept
