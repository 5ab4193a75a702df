"""The fields of ``CacheMiss`` and ``BudgetReached``, however the error reaches the user."""

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.language_models.fake import FakeStreamingListLLM
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

import gptcache_magics as gm
from tests.support.provider_server import KEY, ProviderServer

pytestmark = pytest.mark.usefixtures("on")
RECORDED, NEW = "Where is the Seine?", "Where is the Loire?"


def from_a_thread(llm: Any) -> None:
    raised: list[gm.CacheMiss] = []

    def ask() -> None:
        try:
            llm.invoke(NEW)
        except gm.CacheMiss as miss:
            raised.append(miss)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    raise raised[0]


def returned(llm: Any) -> None:
    raise llm.batch([RECORDED, NEW], return_exceptions=True)[1]


WAYS: dict[str, Callable[[Any], object]] = {
    "invoke": lambda llm: llm.invoke(NEW),
    "stream": lambda llm: list(llm.stream(NEW)),
    "batch": lambda llm: llm.batch([NEW, RECORDED]),
    "an exception that batch returns": returned,
    "a thread": from_a_thread,
    "with_retry": lambda llm: llm.with_retry(wait_exponential_jitter=False, stop_after_attempt=2).invoke(NEW),
    "with_fallbacks": lambda llm: llm.with_fallbacks([llm]).invoke(NEW),
    "a chain": lambda llm: (RunnableLambda(lambda each: each) | llm).invoke(NEW),
    "bound arguments": lambda llm: llm.bind(stop=["."]).invoke(NEW),
}


def facts(error: Any) -> dict[str, Any]:
    return {"type": type(error), "message": str(error), **vars(error)}


@pytest.mark.parametrize("way", WAYS)
def test_a_miss_in_replay_names_prompt_model_closest_and_reason(server: ProviderServer, way: str) -> None:
    llm = server.model("ChatOpenAI")
    llm.invoke(RECORDED)
    gm.mode("replay")
    with pytest.raises(gm.CacheMiss) as caught:
        WAYS[way](llm)
    miss = caught.value

    assert (miss.prompt, miss.model) == (NEW, "gpt-4o-mini")
    assert miss.closest == gm.entries().index[0]
    assert miss.reason == "other words: 84%"
    assert set(gm.lookups()["reason"][:-1]) - {""} == {miss.reason}
    assert f"nothing is recorded for “{NEW}”" in str(miss)
    assert RECORDED in str(gm.show(miss.closest))


def test_a_miss_that_differs_in_an_id_only_says_how_to_record_it(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    llm.invoke(f"Where is {uuid4()}?")
    gm.mode("replay")
    with pytest.raises(gm.CacheMiss, match="the same but for an id in message 1") as caught:
        llm.invoke(f"Where is {uuid4()}?")

    assert str(caught.value).endswith("Record it with %gptcache on --ignore id")


def test_where_nothing_is_recorded_nothing_is_closest(server: ProviderServer) -> None:
    gm.mode("replay")
    with pytest.raises(gm.CacheMiss, match="Nothing at all is recorded") as caught:
        server.model("ChatOpenAI").invoke(NEW)

    assert (caught.value.closest, caught.value.prompt) == (None, NEW)


@pytest.mark.parametrize(
    ("ask", "prompt", "model", "reason"),
    [
        (lambda server: server.model("ChatOpenAI", cache=False).invoke(NEW), NEW, "gpt-4o-mini", "cache=False"),
        (lambda server: list(FakeStreamingListLLM(responses=["a"]).stream(NEW)), NEW, None, "a stream of its own"),
        (
            lambda server: OpenAIEmbeddings(
                api_key=KEY, base_url=server.openai_url, check_embedding_ctx_length=False
            ).embed_query(NEW),
            "",
            "OpenAIEmbeddings",
            "embeddings are not recorded",
        ),
    ],
    ids=["cache=False", "its own stream", "embeddings"],
)
def test_what_would_go_past_the_cache_is_refused_with_its_fields(
    server: ProviderServer, ask: Callable[[ProviderServer], object], prompt: str, model: str | None, reason: str
) -> None:
    gm.mode("replay")
    with pytest.raises(gm.CacheMiss) as caught:
        ask(server)
    miss = caught.value

    assert (miss.prompt, miss.closest, miss.reason) == (prompt, None, reason)
    assert model is None or miss.model == model
    assert server.calls == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda server: server.model("ChatOpenAI").invoke(NEW),
        lambda server: list(server.model("ChatOpenAI").stream(NEW)),
        lambda server: server.model("ChatOpenAI", cache=False).invoke(NEW),
    ],
    ids=["invoke", "stream", "cache=False"],
)
def test_a_spent_budget_says_how_much_of_how_much(
    server: ProviderServer, ask: Callable[[ProviderServer], object]
) -> None:
    server.model("ChatOpenAI").invoke(RECORDED)
    cost = float(gm.lookups()["paid_usd"].iloc[0])
    gm.on(budget=f"{cost * 0.5:.9f}usd")
    with pytest.raises(gm.BudgetReached) as caught:
        ask(server)
    reached = caught.value

    assert (reached.prompt, reached.model) == (NEW, "gpt-4o-mini")
    assert (reached.spent, reached.limit) == pytest.approx((cost, cost * 0.5), abs=1e-9)


def errors(server: ProviderServer) -> list[Exception]:
    """Return a miss and a spent budget as they are raised."""
    llm: ChatOpenAI = server.model("ChatOpenAI")
    llm.invoke(RECORDED)
    gm.on(budget="0.000000001usd")
    raised: list[Exception] = []
    for mode in ("replay", "auto"):
        try:
            with gm.using(mode=mode):
                llm.invoke(NEW)
        except gm.GPTCacheMagicsError as error:
            raised.append(error)
    return raised


def test_copies_and_pickles_keep_the_fields(server: ProviderServer) -> None:
    miss, reached = errors(server)
    assert isinstance(miss, gm.CacheMiss)
    assert isinstance(reached, gm.BudgetReached)

    for error in (miss, reached):
        for again in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
            assert facts(again) == facts(error)
            assert again._render_traceback_() == error._render_traceback_()


def test_an_error_that_a_test_of_the_user_makes_needs_a_message_only() -> None:
    assert facts(gm.CacheMiss("no")) == {
        **{"type": gm.CacheMiss, "message": "no", "prompt": "", "model": "", "closest": None, "reason": ""}
    }
    assert facts(gm.BudgetReached("no"))["spent"] == 0.0
