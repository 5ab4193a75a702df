"""Another LangChain cache keeps the answers: Redis, SQLite, memory, and caches that fail, lie, hang or guess."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import RETURN_VAL_TYPE, BaseCache, InMemoryCache
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation

import gptcache_magics as gm
from gptcache_magics.engines import deadline
from gptcache_magics.errors import CacheMiss, CommandError
from tests.support.models import weather
from tests.support.provider_server import ProviderServer
from tests.support.redis_server import RedisServer
from tests.support.shell import NumberedModel
from tests.support.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")


@pytest.fixture(autouse=True)
def off() -> Iterator[None]:
    """Turn the cache off after each test, and set none."""
    yield
    if gm.current() is not None:
        gm.off()
    set_llm_cache(None)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a cache that did not answer be tried again at once."""
    monkeypatch.setattr(deadline, "PAUSE_SECONDS", (0.01, 0.01))


def lookups() -> list[tuple[str, str]]:
    """Return outcome and reason of each lookup, the first first."""
    rows = gm.lookups()[::-1]
    return list(zip(rows["outcome"], rows["reason"], strict=True))


def wrap(cache: BaseCache, folder: Path) -> str:
    set_llm_cache(cache)
    return str(gm.on(folder / "log", wrap=True))


# The caches that LangChain has


class PlainJson:
    """JSON documents as texts: Redis has a module for them, which Valkey and Debian's Redis lack."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def get(self, name: str) -> Any:
        found = self._client.get(name)
        return None if found is None else json.loads(found)

    def set(self, name: str, path: str, value: Any) -> None:
        self._client.set(name, json.dumps(value))


def community_redis(redis: RedisServer, folder: Path, **options: Any) -> BaseCache:
    from langchain_community.cache import RedisCache

    return RedisCache(redis.client(), **options)


def langchain_redis(redis: RedisServer, folder: Path, **options: Any) -> BaseCache:
    from langchain_redis import RedisCache

    client = redis.client()
    client.json = lambda: PlainJson(client)
    return RedisCache(redis_client=client, **options)


def sqlite(redis: RedisServer, folder: Path) -> BaseCache:
    from langchain_community.cache import SQLiteCache

    return SQLiteCache(str(folder / "theirs.db"))


def sqlalchemy_in_memory(redis: RedisServer, folder: Path) -> BaseCache:
    from langchain_community.cache import SQLAlchemyCache
    from sqlalchemy import StaticPool, create_engine

    in_one = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    return SQLAlchemyCache(create_engine("sqlite://", **in_one))


def in_memory(redis: RedisServer, folder: Path) -> BaseCache:
    return InMemoryCache()


def keeps_several(cache: BaseCache) -> bool:
    """Return whether a cache keeps all answers to one call; where it does not, they are asked for again."""
    if not type(cache).__module__.startswith("langchain_redis"):
        return True
    return tuple(map(int, version("langchain-redis").split(".")[:3])) >= (0, 2, 6)


REDIS = [community_redis, langchain_redis]
Make = Callable[..., BaseCache]


@pytest.fixture(params=[*REDIS, sqlite, sqlalchemy_in_memory, in_memory])
def theirs(request: pytest.FixtureRequest, redis_server: RedisServer, tmp_path: Path) -> BaseCache:
    """Return a cache of LangChain's, empty."""
    cache: BaseCache = request.param(redis_server, tmp_path)
    return cache


def test_figures_of_hits_and_misses_are_those_of_the_answers(
    theirs: BaseCache, server: ProviderServer, tmp_path: Path
) -> None:
    set_llm_cache(theirs)
    llm = server.model("ChatOpenAI")
    before = llm.invoke("stored before").text
    assert wrap(theirs, tmp_path).endswith(f"{type(theirs).__name__} keeps the answers.")
    bought = llm.invoke("stored now")
    for _ in range(3):
        assert llm.invoke("stored now").text == bought.text
    assert llm.invoke("stored before").text == before

    (row,) = gm.stats(by="total", wide=True).to_dict("records")
    assert (row["lookups"], row["hits"], row["misses"], row["errors"]) == (5, 4, 1, 0)
    assert row["saved_input_tokens"] >= 3 * bought.usage_metadata["input_tokens"]
    assert row["saved_usd"] == pytest.approx(4 * row["paid_usd"])
    assert row["exact_hits"] == 4
    gm.off()
    assert get_llm_cache() is theirs
    assert llm.invoke("stored now").text == bought.text
    wrap(theirs, tmp_path)  # LangChain has written a cost of 0 into what a cache in memory keeps
    assert llm.invoke("stored now").text == bought.text
    assert server.calls == 2


def test_every_mode_does_what_it_says(theirs: BaseCache, server: ProviderServer, tmp_path: Path) -> None:
    wrap(theirs, tmp_path)
    llm = server.model("ChatOpenAI")
    first = llm.invoke("question").text
    with gm.using(mode="replay"):
        assert llm.invoke("question").text == first
        with pytest.raises(CacheMiss):
            llm.invoke("another")
    with gm.using(mode="readonly"):
        assert llm.invoke("question").text == first
        unread = llm.invoke("not stored").text
    with gm.using(mode="bypass"):
        assert llm.invoke("question").text != first
    assert llm.invoke("question").text == first
    with gm.using(mode="refresh"):
        second = llm.invoke("question").text
    assert llm.invoke("question").text == second != first
    assert llm.invoke("not stored").text != unread
    outcomes = [outcome for outcome, _ in lookups()]
    assert outcomes == ["miss", "hit", "miss", "hit", "miss", "bypass", "hit", "bypass", "hit", "miss"]


def test_an_answer_comes_back_as_it_was_stored(theirs: BaseCache, server: ProviderServer, tmp_path: Path) -> None:
    wrap(theirs, tmp_path)
    calling = server.model("ChatOpenAI").bind_tools([weather])
    several = server.model("ChatOpenAI", n=3, logprobs=True)
    completion = server.model("OpenAI")
    for _ in range(2):
        called = calling.invoke("What is the weather in Paris?")
        assert called.tool_calls
    assert called.response_metadata["finish_reason"] == "tool_calls"
    texts = [[each.text for each in several.generate([[HumanMessage("Say three")]]).generations[0]] for _ in range(2)]
    assert [len(each) for each in texts] == [3, 3]
    assert (texts[0] == texts[1]) == keeps_several(theirs)
    results = [completion.generate(["Once upon a time"]).generations[0][0] for _ in range(2)]
    assert results[0].generation_info == results[1].generation_info
    assert server.calls == 3 + (not keeps_several(theirs))


async def test_the_coroutines_find_what_the_functions_stored(
    theirs: BaseCache, server: ProviderServer, tmp_path: Path
) -> None:
    wrap(theirs, tmp_path)
    llm = server.model("ChatOpenAI")
    first, second = llm.invoke("one").text, (await llm.ainvoke("two")).text
    assert (await llm.ainvoke("one")).text == first
    assert llm.invoke("two").text == second
    assert [outcome for outcome, _ in lookups()] == ["miss", "miss", "hit", "hit"]


def test_streams_go_past_and_clear_asks_first(theirs: BaseCache, server: ProviderServer, tmp_path: Path) -> None:
    wrap(theirs, tmp_path)
    llm = server.model("ChatOpenAI")
    list(llm.stream("question"))
    assert lookups() == [("bypass", "streams are not cached here")]
    llm.invoke("question")
    with pytest.raises(CommandError, match="does not list them and cannot bring them back"):
        gm.clear()
    assert gm.clear(yes=True) == f"{type(theirs).__name__} is cleared. That cannot be undone."
    llm.invoke("question")
    assert server.calls == 3


async def test_a_cache_of_coroutines_only_is_asked_in_its_event_loop(
    redis_server: RedisServer, server: ProviderServer, tmp_path: Path
) -> None:
    pytest.importorskip("redis")
    from langchain_community.cache import AsyncRedisCache
    from redis.asyncio import Redis

    client = Redis(port=redis_server.port)
    wrap(AsyncRedisCache(client), tmp_path)
    llm = server.model("ChatOpenAI")
    assert (await llm.ainvoke("question")).text == (await llm.ainvoke("question")).text
    assert llm.invoke("question").text  # LangChain would raise here
    assert [outcome for outcome, _ in lookups()] == ["miss", "hit", "error"]
    await client.aclose()


# A server that fails


@pytest.mark.parametrize("make", REDIS)
def test_a_time_to_live_of_their_own_holds(
    make: Make, redis_server: RedisServer, server: ProviderServer, tmp_path: Path
) -> None:
    wrap(make(redis_server, tmp_path, ttl=1), tmp_path)
    llm = server.model("ChatOpenAI")
    llm.invoke("question")
    llm.invoke("question")
    wait_until(lambda: not redis_server.client().keys())
    llm.invoke("question")
    assert server.calls == 2


@pytest.mark.slow
@pytest.mark.parametrize("make", REDIS)
def test_a_server_that_falls_silent_costs_one_call_a_wait(
    make: Make, redis_server: RedisServer, server: ProviderServer, tmp_path: Path
) -> None:
    wrap(make(redis_server, tmp_path), tmp_path)
    llm = server.model("ChatOpenAI")
    llm.invoke("stored")
    redis_server.silence()
    for number in range(20):  # a wait of each would be longer than the time limit of a test
        llm.invoke(f"question {number % 3}")
    silent = lookups()[1:]
    assert silent == [("miss", "not stored: RedisCache does not answer")] * 20
    assert server.calls == 21
    assert "RedisCache does not answer in time" in str(gm.status())
    with pytest.raises(CacheMiss, match="RedisCache does not answer"), gm.using(mode="replay"):
        llm.invoke("stored")
    assert "RedisCache does not answer" in str(gm.why())
    assert gm.off().startswith("Cache off.")


@pytest.mark.slow
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("make", REDIS)
def test_a_server_that_answers_again_is_used_again(
    make: Make, redis_server: RedisServer, server: ProviderServer, tmp_path: Path
) -> None:
    wrap(make(redis_server, tmp_path), tmp_path)
    llm = server.model("ChatOpenAI")
    llm.invoke("stored")
    redis_server.silence()
    llm.invoke("question")
    redis_server.speak()

    def hits() -> bool:
        return llm.invoke("stored").text == llm.invoke("stored").text

    wait_until(hits)
    assert lookups()[-1] == ("hit", "")


@pytest.mark.slow
@pytest.mark.parametrize("make", REDIS)
def test_a_server_that_is_gone_is_in_nobodys_way(
    make: Make, redis_server: RedisServer, server: ProviderServer, tmp_path: Path
) -> None:
    wrap(make(redis_server, tmp_path), tmp_path)
    llm = server.model("ChatOpenAI")
    llm.invoke("stored")
    redis_server.stop()
    for number in range(40):
        llm.invoke(f"question {number}")
    assert server.calls == 41
    assert {outcome for outcome, _ in lookups()[1:]} <= {"miss", "error"}


def test_a_server_without_json_says_so(redis_server: RedisServer, server: ProviderServer, tmp_path: Path) -> None:
    from langchain_redis import RedisCache

    wrap(RedisCache(redis_server.url), tmp_path)
    server.model("ChatOpenAI").invoke("question")
    ((outcome, reason),) = lookups()
    assert outcome == "error"
    assert "unknown command" in reason


# A cache that answers wrongly


class Theirs(BaseCache):
    """A cache whose lookups a test replaces."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Any] = {}

    def lookup(self, prompt: str, llm_string: str) -> Any:
        return self.answers.get((prompt, llm_string))

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        self.answers[prompt, llm_string] = return_val

    def clear(self, **kwargs: Any) -> None:
        self.answers.clear()


class AnySemantic(Theirs):
    """A cache that takes every question for the last one."""

    def lookup(self, prompt: str, llm_string: str) -> Any:
        return next((answer for (_, model), answer in self.answers.items() if model == llm_string), None)


class Guessing(Theirs):
    """The same under a name that does not tell."""

    lookup = AnySemantic.lookup


def message(text: str, **fields: Any) -> ChatGeneration:
    finished = {"finish_reason": "stop"}
    return ChatGeneration(message=AIMessage(text, response_metadata=finished, **fields), generation_info=finished)


LIES: dict[str, Any] = {
    "a text": "Paris",
    "a number": 7,
    "a mapping": {"text": "Paris"},
    "texts": ["Paris"],
    "the text of a row": [Generation(text='{"lc": 1, "type": "constr')],
    "a part of it": [message("Paris"), "Paris"],
    "nothing": [],
    "no words": [message("")],
    "cut off": [ChatGeneration(message=AIMessage("Par", response_metadata={"finish_reason": "length"}))],
    "an object": [message("Paris", additional_kwargs={"client": threading.Lock()})],
    "an empty text": "",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_what_is_no_answer_is_a_miss(lie: Any, server: ProviderServer, tmp_path: Path) -> None:
    theirs = Theirs()
    theirs.lookup = lambda *given: lie  # type: ignore[method-assign]
    wrap(theirs, tmp_path)
    answer = server.model("ChatOpenAI").invoke("question")
    assert answer.response_metadata["finish_reason"] == "stop"
    assert server.calls == 1
    assert [outcome for outcome, _ in lookups()] == ["miss"]


@pytest.mark.parametrize(
    "change",
    [
        lambda each: each.model_copy(update={"message": AIMessage("London")}),
        lambda each: message(each.text),  # without a proof: another program has stored it
        lambda each: each.model_copy(update={"generation_info": {"gptcache": "one two three"}}),
    ],
)
def test_an_answer_that_was_changed_is_not_served_as_ours(
    change: Callable[[Any], Any], server: ProviderServer, tmp_path: Path
) -> None:
    theirs = Theirs()
    wrap(theirs, tmp_path)
    llm = server.model("ChatOpenAI")
    answer = llm.invoke("question").text
    theirs.answers = {key: [change(each) for each in stored] for key, stored in theirs.answers.items()}
    again = llm.invoke("question").text
    assert again != "London"
    assert (again == answer) == ((lookups()[1][0]) == "hit")


@pytest.mark.parametrize("kind", [AnySemantic, Guessing])
def test_the_answer_to_another_question_is_never_served(
    kind: type[Theirs], server: ProviderServer, tmp_path: Path
) -> None:
    told = wrap(kind(), tmp_path)
    assert ("never a similar one" in told) == (kind is AnySemantic)
    llm = server.model("ChatOpenAI")
    capital = llm.invoke("What is the capital of France?").text
    assert llm.invoke("What is the capital of Spain?").text != capital
    assert lookups()[1] == ("miss", f"{kind.__name__} gave the answer to another question")
    assert llm.invoke("What is the capital of France?").text == capital
    assert next(iter(gm.lookups()["match"])) == "exact"
    assert "another question" in str(gm.why(2))


def test_a_cache_that_matches_by_meaning_has_to_say_whose_answer_it_is(server: ProviderServer, tmp_path: Path) -> None:
    theirs = AnySemantic()
    set_llm_cache(theirs)
    llm = server.model("ChatOpenAI")
    llm.invoke("question")
    wrap(theirs, tmp_path)
    llm.invoke("question")
    assert lookups() == [("miss", "AnySemantic does not say which question its answer is to")]


def test_text_alone_is_no_answer_to_a_chat_model(server: ProviderServer, tmp_path: Path) -> None:
    theirs = Theirs()

    def text_only(prompt: str, llm_string: str, answer: RETURN_VAL_TYPE) -> None:  # as UpstashRedisCache
        theirs.answers[prompt, llm_string] = [Generation(text=each.text) for each in answer]

    theirs.update = text_only  # type: ignore[method-assign]
    wrap(theirs, tmp_path)
    calling, completion = server.model("ChatOpenAI").bind_tools([weather]), server.model("OpenAI")
    for _ in range(2):
        assert calling.invoke("What is the weather in Paris?").tool_calls
        completion.invoke("Once upon a time")
    assert [outcome for outcome, _ in lookups()] == ["miss", "miss", "miss", "hit"]


def test_a_damaged_row_is_a_miss_and_replaced(server: ProviderServer, tmp_path: Path) -> None:
    from langchain_community.cache import SQLiteCache

    wrap(SQLiteCache(str(tmp_path / "theirs.db")), tmp_path)
    llm = server.model("ChatOpenAI")
    llm.invoke("question")
    with sqlite3.connect(tmp_path / "theirs.db") as file:
        file.execute("UPDATE full_llm_cache SET response = substr(response, 1, 40)")
    again = llm.invoke("question").text
    assert llm.invoke("question").text == again
    assert [outcome for outcome, _ in lookups()] == ["miss", "miss", "hit"]


def test_a_cache_that_raises_is_counted_and_the_model_is_asked(server: ProviderServer, tmp_path: Path) -> None:
    theirs = Theirs()

    def fail(*given: Any) -> None:
        raise OSError("the disk is on fire")

    theirs.lookup = theirs.update = theirs.clear = fail  # type: ignore[method-assign]
    wrap(theirs, tmp_path)
    assert server.model("ChatOpenAI").invoke("question").text
    ((outcome, reason),) = lookups()
    assert (outcome, "the disk is on fire" in reason) == ("error", True)
    with pytest.raises(gm.GPTCacheMagicsError, match="Theirs could not be cleared: OSError: the disk is on fire"):
        gm.clear(yes=True)


@pytest.mark.slow
async def test_a_cache_that_never_answers_holds_up_neither_tasks_nor_threads(tmp_path: Path) -> None:
    theirs, answered, before = Theirs(), threading.Event(), {*threading.enumerate()}
    theirs.lookup = theirs.update = lambda *given: answered.wait()  # type: ignore[method-assign]
    wrap(theirs, tmp_path)
    llm = NumberedModel()
    assert len(await llm.abatch([f"question {number}" for number in range(30)])) == 30
    assert len(llm.batch([f"question {number}" for number in range(30)])) == 30
    waiting = {thread for thread in threading.enumerate() if thread.name == "gptcache-wrapped"} - before
    assert len(waiting) < 30, "those that were under way at first, and none of the other calls"
    answered.set()
