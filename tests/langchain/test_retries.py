"""Retries: what is asked again because its answer would not do reaches the model, and its answer replaces the first."""

import asyncio
import inspect
import operator
import sys
import threading
from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from langchain_classic.output_parsers import OutputFixingParser, RetryOutputParser
from langchain_core.exceptions import OutputParserException
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser, PydanticToolsParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.runnables.retry import RunnableRetry
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import RetryPolicy
from pydantic import BaseModel, ValidationError

import gptcache_magics as gm
from gptcache_magics.langchain import hooks, retries
from tests.support.provider_server import ProviderServer

pytestmark = pytest.mark.usefixtures("cache")

BAD, GOOD = '{"answer": "many"}', '{"answer": 42}'


class Count(BaseModel):
    """A number."""

    answer: int


class State(TypedDict):
    """State of a graph."""

    answer: int


def strict(message: Any) -> int:
    """Return the number in an answer, or raise an error of a user's own code."""
    text = getattr(message, "content", message)
    if text != GOOD:
        raise LookupError(text)
    return 42


def retried(runnable: Any, **options: Any) -> Any:
    return runnable.with_retry(**{"wait_exponential_jitter": False, "stop_after_attempt": 3, **options})


def prompted(llm: Any) -> Any:
    return ChatPromptTemplate.from_messages([("human", "{question}")]) | llm


def by_parser(llm: Any) -> Any:
    return retried(prompted(llm) | PydanticOutputParser(pydantic_object=Count) | operator.attrgetter("answer"))


def by_code(llm: Any) -> Any:
    return retried(prompted(llm) | RunnableLambda(strict))


def by_code_in_a_chain(llm: Any) -> Any:
    return RunnableLambda(lambda asked: asked) | retried(RunnableLambda(lambda asked: strict(llm.invoke(str(asked)))))


def by_structured_output(llm: Any) -> Any:
    reader = llm.with_structured_output(Count, method="json_mode")
    return retried(prompted(reader)) | operator.attrgetter("answer")


def by_retry_around_retry(llm: Any) -> Any:
    return retried(retried(prompted(llm) | RunnableLambda(strict), stop_after_attempt=1))


def by_node(llm: Any) -> Any:
    async def node(state: Any, config: RunnableConfig) -> Any:
        return {"answer": strict(await llm.ainvoke("How many?"))}

    def sync_node(state: Any, config: RunnableConfig) -> Any:
        return {"answer": strict(llm.invoke("How many?"))}

    policy = RetryPolicy(initial_interval=0.01, retry_on=LookupError)
    builder = StateGraph(State)
    builder.add_node("ask", RunnableLambda(sync_node, node), retry_policy=policy)
    builder.add_edge(START, "ask")
    return builder.compile() | operator.itemgetter("answer")


NUMBERED = pytest.mark.skipif(
    not hasattr(Runtime, "execution_info"), reason="LangGraph before 1.1.3 tells no node the number of its attempt"
)
CHAINS: list[Any] = [
    by_parser,
    by_code,
    by_code_in_a_chain,
    by_structured_output,
    by_retry_around_retry,
    pytest.param(by_node, marks=NUMBERED),
]
ASKED = {"question": "How many?"}
WAYS: dict[str, Callable[[Any], Any]] = {
    "invoke": lambda chain: chain.invoke(ASKED),
    "ainvoke": lambda chain: asyncio.run(chain.ainvoke(ASKED)),
    "batch": lambda chain: chain.batch([ASKED])[0],
    "abatch": lambda chain: asyncio.run(chain.abatch([ASKED]))[0],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", CHAINS)
def test_a_further_attempt_asks_the_model_and_replaces_the_answer(
    server: ProviderServer, make: Callable[[Any], Any], way: str
) -> None:
    server.texts, server.text = [BAD], GOOD
    chain = make(server.model("ChatOpenAI"))

    assert WAYS[way](chain) == 42
    assert server.calls == 2
    assert WAYS[way](chain) == 42
    assert server.calls == 2


@pytest.mark.parametrize("name", ["ChatOpenAI", "OpenAI", "ChatOllama"])
def test_a_stored_answer_that_will_not_do_is_replaced_by_an_attempt(server: ProviderServer, name: str) -> None:
    server.texts, server.text = [BAD], GOOD
    llm = server.model(name)
    llm.invoke("How many?")
    read = retried(llm | StrOutputParser() | RunnableLambda(strict))

    assert [read.invoke("How many?") for _ in range(2)] == [42, 42]
    assert server.calls == 2


def test_equal_questions_within_one_attempt_are_one_call(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    twice = RunnableLambda(lambda asked: [llm.invoke(asked).text, llm.invoke(asked).text])
    one, other = retried(twice).invoke("How many?")

    assert one == other
    assert server.calls == 1
    assert retried(llm).batch(["How many?"] * 3)
    assert server.calls == 1


def test_a_lookup_says_that_it_was_a_retry(on: object, server: ProviderServer) -> None:
    server.texts, server.text = [BAD], GOOD
    by_code(server.model("ChatOpenAI")).invoke(ASKED)

    lookups = gm.lookups()
    assert list(lookups.outcome) == ["miss", "miss"]
    assert sorted(lookups.reason) == ["a retry asks the model", "asked for the first time"]
    assert len(gm.entries()) == 1


def test_a_retry_keeps_the_number_of_its_sample(on: object, server: ProviderServer) -> None:
    server.texts, server.text = [BAD], GOOD
    chain = by_code(server.model("ChatOpenAI"))
    with gm.using(samples=2):
        assert [chain.invoke(ASKED) for _ in range(2)] == [42, 42]

    assert server.calls == 3  # the first sample twice
    assert len(gm.entries()) == 2


def test_replay_serves_the_answer_that_the_retry_got(on: object, server: ProviderServer) -> None:
    server.texts, server.text = [BAD], GOOD
    chain = by_code(server.model("ChatOpenAI"))
    chain.invoke(ASKED)
    with gm.using(mode="replay"):
        assert chain.invoke(ASKED) == 42

    assert server.calls == 2


def test_replay_never_asks_the_model_for_a_retry(on: object, server: ProviderServer) -> None:
    server.text = BAD
    llm = server.model("ChatOpenAI")
    with pytest.raises(OutputParserException):
        by_parser(llm).invoke(ASKED)
    with gm.using(mode="replay"), pytest.raises(OutputParserException):
        by_parser(llm).invoke(ASKED)

    assert server.calls == 3


@pytest.mark.parametrize("parser", [PydanticOutputParser(pydantic_object=Count), JsonOutputParser()])
def test_a_loop_around_a_parser_asks_the_model_again(server: ProviderServer, parser: Any) -> None:
    server.texts, server.text = ["many", "```json\nmany```"], GOOD
    llm = server.model("ChatOpenAI")
    for _ in range(3):
        for _ in range(3):
            try:
                found = parser.parse(llm.invoke("How many?").content)
                break
            except OutputParserException:
                pass
        assert found in (Count(answer=42), {"answer": 42})

    assert server.calls == 3


def test_rounds_over_questions_ask_the_model_for_those_that_failed(server: ProviderServer) -> None:
    server.texts, server.text = [GOOD, BAD, GOOD], GOOD
    chain = server.model("ChatOpenAI") | PydanticOutputParser(pydantic_object=Count)
    failed = 0
    for _ in range(2):
        results = [chain.batch([question], return_exceptions=True)[0] for question in "abc"]
        failed += sum(isinstance(result, Exception) for result in results)

    assert failed == 1
    assert server.calls == 4


def test_the_input_of_a_tool_that_does_not_fit_is_asked_for_again(server: ProviderServer) -> None:
    class Strict(Count):
        """A number, once it is accepted."""

        def model_post_init(self, context: Any, /) -> None:
            """Accept the second answer."""
            assert accepted

    accepted: list[bool] = []
    llm = server.model("ChatOpenAI").bind_tools([Strict], tool_choice="Strict")
    chain = llm | PydanticToolsParser(tools=[Strict], first_tool_only=True)
    with pytest.raises((ValidationError, AssertionError)):
        chain.invoke("How many?")
    accepted.append(True)
    chain.invoke("How many?")
    chain.invoke("How many?")

    assert server.calls == 2


@pytest.mark.parametrize("kind", [OutputFixingParser, RetryOutputParser])
def test_a_parser_that_mends_answers_reaches_the_model_and_hits_on_the_second_run(
    server: ProviderServer, kind: Any
) -> None:
    server.texts, server.text = [BAD, BAD, BAD], GOOD
    llm = server.model("ChatOpenAI")
    mending = kind.from_llm(llm, PydanticOutputParser(pydantic_object=Count), max_retries=5)
    prompt = PromptTemplate.from_template("How many?").format_prompt()
    calls = []
    for _ in range(3):
        answer = str(llm.invoke(prompt).content)
        assert mending.parse_with_prompt(answer, prompt) == Count(answer=42)
        calls.append(server.calls)

    assert calls == [4, 4, 4]


def test_a_stream_of_a_parser_does_not_mark_its_beginnings(server: ProviderServer) -> None:
    server.text = GOOD
    chain = server.model("ChatOpenAI") | PydanticOutputParser(pydantic_object=Count)
    for _ in range(3):
        assert list(chain.stream("How many?"))[-1] == Count(answer=42)

    assert server.calls == 1


@pytest.mark.parametrize("way", ["ainvoke", "abatch"])
@pytest.mark.parametrize("make", [lambda llm: llm.bind(stop=["x"]), retried], ids=["bind", "with_retry"])
def test_a_coroutine_method_stays_one(server: ProviderServer, make: Callable[[Any], Any], way: str) -> None:
    method = getattr(make(server.model("ChatOpenAI")), way)
    asked: Any = "How many?" if way == "ainvoke" else ["How many?"]

    assert hasattr(RunnableRetry.ainvoke, "__wrapped__")
    assert hasattr(method, "__wrapped__")
    assert inspect.iscoroutinefunction(method)
    assert not inspect.isawaitable(asyncio.run(RunnableLambda(method).ainvoke(asked)))


def test_a_failure_on_a_short_text_does_not_mark_an_answer_that_has_it(server: ProviderServer) -> None:
    server.text = "example answer"
    llm = server.model("ChatOpenAI")
    llm.invoke("How many?")
    for text in ("x", "answer"):
        with pytest.raises(OutputParserException):
            JsonOutputParser().parse(text)
    llm.invoke("How many?")

    assert server.calls == 1


def test_a_failure_on_a_part_marks_its_answer(server: ProviderServer) -> None:
    server.text = "Sure:\n```json\nmany of them\n```"
    llm = server.model("ChatOpenAI")
    llm.invoke("How many?")
    with pytest.raises(OutputParserException):
        JsonOutputParser().parse("many of them")
    llm.invoke("How many?")

    assert server.calls == 2


def test_nodes_are_forgotten_by_many_threads_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Info:
        """What LangGraph tells of a node that runs."""

        def __init__(self, task_id: str) -> None:
            self.task_id, self.node_attempt, self.node_first_attempt_time = task_id, 1, None

    class Runtime:
        """What LangGraph gives to a node."""

        def __init__(self, task_id: str) -> None:
            self.execution_info = Info(task_id)

    def run(thread: int) -> None:
        try:
            for number in range(4000):
                runtime = Runtime(f"{thread}/{number}")
                retries.var_child_runnable_config.set({"configurable": {"__pregel_runtime": runtime}})
                retries.ask("key", int)
        except Exception as error:
            failed.append(error)

    failed: list[Exception] = []
    monkeypatch.setattr(retries, "NODES", 3)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=run, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert not failed


def test_the_wraps_for_retries_go_with_the_cache(server: ProviderServer, cache: gm.GPTCache) -> None:
    class Own(JsonOutputParser):
        """A parser of a class that is made while the cache is on."""

        def parse(self, text: str) -> Any:
            """Return nothing."""

    assert hasattr(Own.parse, "__wrapped__")
    cache.close()
    assert not hooks.installed()

    assert not hasattr(Own.parse, "__wrapped__")
    assert not hasattr(JsonOutputParser.parse, "__wrapped__")
    assert not hasattr(type(retried(server.model("ChatOpenAI"))).invoke, "__wrapped__")
