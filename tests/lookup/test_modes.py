"""Modes: what is looked up, what is stored, what is paid; and that replay reaches no model, by whatever way."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake import FakeStreamingListLLM
from langchain_core.messages import HumanMessage

import gptcache_magics as gm
from gptcache_magics.errors import CommandError
from gptcache_magics.settings import BLOCK, CELL, MODES, Cell, Mode, strictest
from tests.support.models import Reply, graph, text_of
from tests.support.provider_server import KEY, Model, ProviderServer
from tests.support.shell import ask

pytestmark = pytest.mark.usefixtures("on")

RECORDED = "What is the capital of France?"
NEW = "What is the capital of Spain?"


def outcomes() -> list[tuple[str, str]]:
    df = gm.lookups()[::-1]
    return list(zip(df["outcome"], df["mode"], strict=True))


# The modes


@pytest.mark.parametrize("class_name", ["ChatOpenAI", "OllamaLLM"])
@pytest.mark.parametrize(
    ("mode", "same_answer", "paid_again", "stores"),
    [
        ("auto", True, 0, True),
        ("readonly", True, 0, False),
        ("refresh", False, 1, True),
        ("bypass", False, 1, False),
    ],
)
def test_a_mode_looks_up_and_stores_what_it_says(
    server: ProviderServer, class_name: str, mode: Mode, same_answer: bool, paid_again: int, stores: bool
) -> None:
    llm = server.model(class_name)
    first = text_of(llm.invoke(RECORDED))

    gm.mode(mode)
    assert (text_of(llm.invoke(RECORDED)) == first) is same_answer
    assert server.calls == 1 + paid_again
    llm.invoke(NEW)
    assert server.calls == 2 + paid_again

    gm.mode("auto")
    llm.invoke(NEW)
    assert server.calls == (2 if stores else 3) + paid_again


async def test_refresh_replaces_the_answer_and_keeps_the_old_one(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    first = llm.invoke(RECORDED).text
    with gm.using(mode="refresh"):
        second = (await llm.ainvoke(RECORDED)).text

    assert llm.invoke(RECORDED).text == second != first
    (entry,) = gm.entries().index
    assert first in repr(gm.show(entry))


@pytest.mark.parametrize(("mode", "reason"), [("refresh", "mode refresh"), ("bypass", "mode bypass")])
def test_a_call_that_was_not_looked_up_is_a_bypass_with_what_it_cost(
    server: ProviderServer, mode: Mode, reason: str
) -> None:
    llm = server.model("ChatOpenAI")
    with gm.using(mode=mode):
        llm.invoke(RECORDED)

    (row,) = gm.lookups().itertuples()
    assert (row.outcome, row.mode, row.reason) == ("bypass", mode, reason)
    assert row.paid_usd > 0
    stats = gm.stats(by="total", wide=True).iloc[0]
    assert stats["bypassed"] == 1
    assert stats["paid_usd"] == row.paid_usd
    assert "paid <$0.0001" in gm.status().run


def test_the_line_of_mode_says_what_it_means() -> None:
    assert gm.mode() == ("Mode auto: recorded answers are served, anything else asks the model and is stored.")
    assert "every call is now paid for again, until %gptcache mode auto" in gm.mode("refresh")
    assert gm.status().mode == "refresh"


def test_off_forgets_the_mode_and_all_other_options_of_on(tmp_path: Path) -> None:
    gm.on(mode="bypass", ttl="1h", max_size="1MB", samples=3, budget="1usd")
    gm.off()
    gm.on(tmp_path / "store")

    assert gm.status().mode == "auto"
    options, budget = gm.current().settings.options, gm.current().ledger.budget
    assert (options.ttl, options.max_size, budget, options.kernel.samples) == (None, None, None, None)


def test_on_again_changes_what_is_given_and_keeps_everything_else(server: ProviderServer) -> None:
    server.model("ChatOpenAI").invoke(RECORDED)
    gm.on(ttl="1h")
    line = gm.on(mode="readonly")

    assert line.endswith("store, 1 entry, mode readonly. As before: ttl 1h.")
    assert gm.current().settings.options.ttl == 3600
    gm.on(ttl="none")
    assert gm.current().settings.options.ttl is None
    assert gm.status().mode == "readonly"


# Which mode holds


def test_the_strictest_of_kernel_cell_and_block_holds(server: ProviderServer) -> None:
    for mode in MODES:
        assert strictest("replay", mode) == "replay"
        assert strictest("auto", mode) == mode
    gm.mode("replay")
    with gm.using(mode="refresh"), gm.using(mode="bypass"), pytest.raises(gm.CacheMiss):
        server.model("ChatOpenAI").invoke(NEW)
    assert server.calls == 0


def test_a_block_holds_where_context_variables_reach_and_ends_with_an_error(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    llm.invoke(RECORDED)
    with suppress(ZeroDivisionError), gm.using(mode="refresh"):
        llm.batch([RECORDED, RECORDED])
        assert server.calls == 3
        1 / 0  # noqa: B018
    llm.invoke(RECORDED)
    assert server.calls == 3

    with gm.using(mode="replay"), ThreadPoolExecutor(1) as pool:  # a pool of one's own: the kernel's mode
        pool.submit(llm.invoke, NEW).result()
    assert server.calls == 4


async def test_a_block_may_be_async_and_tasks_beside_it_keep_their_mode(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")

    async def beside() -> None:
        await llm.ainvoke(NEW)

    async def within() -> None:
        async with gm.using(mode="replay"):
            await asyncio.sleep(0)
            with pytest.raises(gm.CacheMiss):
                await llm.ainvoke(RECORDED)

    await asyncio.gather(within(), beside())
    assert server.calls == 1


def test_a_block_can_be_entered_again_and_within_itself(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    refresh = gm.using(mode="refresh", tag="fresh")
    with refresh, refresh:
        llm.invoke(RECORDED)
    with refresh:
        llm.invoke(RECORDED)
    assert server.calls == 2
    assert list(gm.entries(tag="fresh")["tags"]) == ["fresh"]


def test_tags_of_blocks_within_each_other_add_up(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    llm.invoke(RECORDED)
    with gm.using(tag="lesson-1"):
        with gm.using(tag="draft"):
            llm.invoke(NEW)
        llm.invoke(RECORDED)  # a hit

    tags = gm.entries().set_index("question")["tags"]
    assert dict(tags) == {NEW: "lesson-1 draft", RECORDED: "lesson-1"}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            {"mode": "reply"},
            "mode takes auto, replay, refresh, readonly, bypass. Got 'reply'. Did you mean 'replay' or 'readonly'?",
        ),
        ({"tag": "two words"}, "A tag is one word, such as lesson-1. Got 'two words'."),
        ({"samples": 0}, "samples takes a whole number above 0. Got 0."),
    ],
)
def test_a_block_of_nonsense_is_refused_before_it_begins(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(CommandError) as error:
        gm.using(**wrong)
    assert told in str(error.value)


def test_a_block_in_replay_wants_a_cache(server: ProviderServer) -> None:
    gm.off()
    with pytest.raises(CommandError, match="The cache is off"), gm.using(mode="replay"):
        server.model("ChatOpenAI").invoke(NEW)
    assert server.calls == 0


def test_a_call_past_the_cache_is_counted(server: ProviderServer) -> None:
    server.model("ChatOpenAI", cache=InMemoryCache()).invoke(NEW)
    (row,) = gm.lookups().to_dict("records")

    assert (row["outcome"], row["reason"]) == ("bypass", "a cache of its own: InMemoryCache")
    assert gm.stats(by="total", wide=True).iloc[0]["bypassed"] == 1


# Replay reaches no model


WAYS: dict[str, Callable[[Model], object]] = {
    "invoke": lambda llm: llm.invoke(NEW),
    "batch": lambda llm: llm.batch([NEW, RECORDED]),
    "generate": lambda llm: llm.generate([[HumanMessage(NEW)]]),
    "stream": lambda llm: list(llm.stream(NEW)),
    "structured output": lambda llm: llm.with_structured_output(Reply).invoke(NEW),
    "cache=False": lambda llm: llm.model_copy(update={"cache": False}).invoke(RECORDED),
    "cache=False, a stream": lambda llm: list(llm.model_copy(update={"cache": False}).stream(RECORDED)),
    "a cache of its own": lambda llm: llm.model_copy(update={"cache": InMemoryCache()}).invoke(RECORDED),
    "another cache installed": lambda llm: (set_llm_cache(InMemoryCache()), llm.invoke(RECORDED)),
    "no cache installed": lambda llm: (set_llm_cache(None), llm.invoke(RECORDED)),
    "events of version 3": lambda llm: llm.stream_events(RECORDED, version="v3").output,
    "LangGraph": lambda llm: graph(llm).invoke({"messages": [("user", NEW)]}),
    "LangGraph, a stream": lambda llm: list(graph(llm).stream({"messages": [("user", NEW)]}, stream_mode="messages")),
    "retries": lambda llm: llm.with_retry(wait_exponential_jitter=False, stop_after_attempt=2).invoke(NEW),
    "fallbacks": lambda llm: llm.with_fallbacks([llm.model_copy(update={"cache": False})]).invoke(NEW),
    "a limited rate": lambda llm: llm.model_copy(update={"streaming": False}).invoke(NEW),
}
ASYNC_WAYS: dict[str, Callable[[Model], Awaitable[object]]] = {
    "ainvoke": lambda llm: llm.ainvoke(NEW),
    "abatch": lambda llm: llm.abatch([NEW, RECORDED]),
    "astream": lambda llm: _all(llm.astream(NEW)),
    "events of version 1": lambda llm: _all(llm.astream_events(NEW, version="v1")),
    "events of version 2": lambda llm: _all(llm.astream_events(NEW, version="v2")),
    "events of version 3": lambda llm: _output(llm.astream_events(RECORDED, version="v3")),
    "cache=False": lambda llm: llm.model_copy(update={"cache": False}).ainvoke(RECORDED),
    "LangGraph": lambda llm: graph(llm).ainvoke({"messages": [("user", NEW)]}),
}


V3 = "events of version 3"
if not hasattr(BaseChatModel, "stream_events"):  # an older langchain-core has none
    del WAYS[V3], ASYNC_WAYS[V3]


async def _output(events: Any) -> Any:
    return await (await events).output


async def _all(pieces: Any) -> list[Any]:
    return [piece async for piece in pieces]


@pytest.mark.parametrize("way", WAYS)
def test_replay_does_not_reach_a_model(server: ProviderServer, way: str) -> None:
    llm = server.model("ChatOpenAI")
    llm.invoke(RECORDED)
    gm.mode("replay")

    with pytest.raises(gm.CacheMiss):
        WAYS[way](llm)
    assert server.calls == 1


@pytest.mark.parametrize("way", ASYNC_WAYS)
async def test_replay_does_not_reach_a_model_from_async_code(server: ProviderServer, way: str) -> None:
    llm = server.model("ChatOpenAI")
    await llm.ainvoke(RECORDED)
    gm.mode("replay")

    with pytest.raises(gm.CacheMiss):
        await ASYNC_WAYS[way](llm)
    assert server.calls == 1


@pytest.mark.parametrize("setting", [True, False])
def test_replay_serves_what_is_recorded_streams_too(server: ProviderServer, setting: bool) -> None:
    llm = server.model("ChatOpenAI")
    first = llm.invoke(RECORDED).text
    settings, before = gm.current().settings, gm.current().settings.config
    settings.config = replace(before, stream=setting)
    try:
        gm.mode("replay")
        assert llm.invoke(RECORDED).text == first
        assert "".join(chunk.text for chunk in llm.stream(RECORDED)) == first
        with pytest.raises(gm.CacheMiss):
            list(llm.stream(NEW))
    finally:
        settings.config = before
    assert server.calls == 1


def test_replay_holds_in_a_thread_of_ones_own(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    gm.mode("replay")
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            llm.invoke(NEW)
        except gm.CacheMiss as miss:
            raised.append(miss)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert len(raised) == 1
    assert server.calls == 0


def test_replay_refuses_a_class_with_a_stream_of_its_own() -> None:
    llm = FakeStreamingListLLM(responses=["never"])
    gm.mode("replay")
    with pytest.raises(gm.CacheMiss, match="a stream of its own"):
        list(llm.stream(NEW))


def test_an_error_of_the_store_is_a_miss_in_replay_and_not_a_call(server: ProviderServer, tmp_path: Path) -> None:
    llm = server.model("ChatOpenAI")
    llm.invoke(RECORDED)
    gm.mode("replay")
    gm.current().store._recent.clear()  # type: ignore[attr-defined]
    (tmp_path / "store" / "cache.db").rename(tmp_path / "store" / "moved.db")
    (tmp_path / "store" / "cache.db").mkdir()

    with pytest.raises(gm.CacheMiss, match="not a file of a store"):
        llm.invoke(RECORDED)
    assert server.calls == 1


def test_retries_ask_again_and_the_fallback_must_be_recorded_too(server: ProviderServer) -> None:
    recorded, other = server.model("ChatOpenAI"), server.model("ChatAnthropic")
    answer = other.invoke(NEW).text
    gm.mode("replay")

    assert recorded.with_fallbacks([other]).invoke(NEW).text == answer
    with pytest.raises(gm.CacheMiss):
        recorded.with_retry(wait_exponential_jitter=False, stop_after_attempt=3).invoke(NEW)
    assert outcomes()[-3:] == [("miss", "replay")] * 3
    assert server.calls == 1


def test_calls_that_go_past_the_cache_are_recorded_with_their_reason_and_cost(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI", cache=False)
    llm.invoke(RECORDED)
    llm.generate([[HumanMessage(RECORDED)], [HumanMessage(NEW)]])
    if V3 in WAYS:
        assert llm.stream_events(RECORDED, version="v3").output.text
        assert server.calls == 4

    df = gm.lookups()[::-1]
    assert set(df["outcome"]) == {"bypass"}
    assert list(df["reason"][:3]) == ["cache=False"] * 3
    assert list(df["question"][:3]) == [RECORDED, RECORDED, NEW]
    assert (df["paid_usd"][:3] > 0).all()


# Keys that replay does not need


def test_a_placeholder_stands_in_for_a_key_while_replay_lasts(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langchain_openai import ChatOpenAI

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    answer = ChatOpenAI(model="gpt-4o-mini", base_url=server.openai_url).invoke(RECORDED).text
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(Exception, match=r"(?i)api_key|credentials"):
        ChatOpenAI(model="gpt-4o-mini")

    assert "OPENAI_API_KEY is a placeholder until the mode changes." in gm.mode("replay")
    assert ChatOpenAI(model="gpt-4o-mini", base_url=server.openai_url).invoke(RECORDED).text == answer
    gm.mode("auto")
    assert "OPENAI_API_KEY" not in os.environ
    with gm.using(mode="replay"):
        assert ChatOpenAI(model="gpt-4o-mini")
    assert "OPENAI_API_KEY" not in os.environ

    gm.mode("replay")
    os.environ["OPENAI_API_KEY"] = KEY  # a real one, set meanwhile, stays
    gm.off()
    assert os.environ.pop("OPENAI_API_KEY") == KEY


def test_replay_finds_what_was_recorded_at_another_address(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    answer = llm.invoke(RECORDED).text
    elsewhere = server.model("ChatOpenAI", base_url="http://127.0.0.1:1/v1")

    gm.mode("replay")
    assert elsewhere.invoke(RECORDED).text == answer
    with pytest.raises(gm.CacheMiss):
        server.model("ChatOpenAI", temperature=0.5).invoke(RECORDED)

    gm.mode("auto")
    server.model("ChatOpenAI", base_url=server.openai_url.replace("127.0.0.1", "localhost")).invoke(RECORDED)
    gm.mode("replay")
    with pytest.raises(gm.CacheMiss):  # two addresses, two answers: which one is not ours to say
        elsewhere.invoke(RECORDED)


def test_a_block_that_an_interrupt_kept_from_ending_ends_with_its_cell(on):
    first = CELL.set(Cell("lesson.ipynb", "one", 1))
    gm.using("bypass").__enter__()
    assert ask("q") != ask("q")
    inner = CELL.set(Cell("lesson.ipynb", "one", 1, outer=CELL.get()))
    assert ask("q") != ask("q"), "the block holds in what its cell runs"
    CELL.reset(inner)
    CELL.set(Cell("lesson.ipynb", "two", 2))
    assert ask("q") == ask("q")
    CELL.reset(first)
    BLOCK.set(None)
