"""The six methods under LangChain: its own suites, and errors, locks and exits that a user's calls must not notice."""

import asyncio
import gc
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_community.cache import SQLiteCache
from langchain_core.caches import BaseCache
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel, FakeListLLM
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation
from langchain_tests.integration_tests import AsyncCacheTestSuite, SyncCacheTestSuite

import gptcache_magics as gm
from gptcache_magics.identity.call import Call
from gptcache_magics.langchain import hooks as langchain_hooks
from gptcache_magics.store.protocol import Selection
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sqlite import connections
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.tables import frames
from tests.support.models import text_of
from tests.support.processes import output_of
from tests.support.provider_server import Model, ProviderServer

STORES = (":memory:", "store")
QUESTION = "What is the capital of France?"
KINDS = ("ChatOpenAI", "OllamaLLM")
LLM_STRINGS = ["", "a/b", "../../etc/passwd", "x" * 300, "\0", "half \ud83d", "[('model', 'small')]"]


def answers(*texts: str) -> list[Generation]:
    """Return plain generations."""
    return [Generation(text=each) for each in texts]


# LangChain's own suites


class Anywhere:
    """A cache in memory and in a folder."""

    @pytest.fixture(params=STORES)
    def cache(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseCache]:
        cache = gm.GPTCache(store=":memory:" if request.param == ":memory:" else str(tmp_path / request.param))
        yield cache
        assert cache.ledger.failures == 0, cache.ledger.last_error
        cache.close()


class TestLangChainsSyncSuite(Anywhere, SyncCacheTestSuite):
    """LangChain's own tests of a cache."""


class TestLangChainsAsyncSuite(Anywhere, AsyncCacheTestSuite):
    """The same of the async methods."""


# A cache without a model at hand


@pytest.mark.parametrize("llm_string", LLM_STRINGS)
async def test_any_llm_string_and_prompt_will_do(cache: gm.GPTCache, llm_string: str) -> None:
    for prompt in ("", "prompt", "half \ud83d", "x" * 100_000, '[{"lc": 1}]'):
        assert cache.lookup(prompt, llm_string) is None
        cache.update(prompt, llm_string, answers(prompt or "answer"))
        assert cache.lookup(prompt, llm_string) == answers(prompt or "answer")
        assert await cache.alookup(prompt, llm_string) == answers(prompt or "answer")
        assert cache.lookup(prompt, llm_string + ".") is None
    assert cache.ledger.failures == 0, cache.ledger.last_error


def test_addresses_of_objects_in_an_llm_string_do_not_count(cache: gm.GPTCache) -> None:
    cache.update("prompt", "[('client', <object at 0x7f0000000001>)]", answers("answer"))

    assert cache.lookup("prompt", "[('client', <object at 0x7f0000000002>)]") == answers("answer")


def test_a_lookup_gives_a_list_of_fresh_objects(cache: gm.GPTCache) -> None:
    message = AIMessage("answer", id="run-1", response_metadata={"a": [1]})
    cache.update("prompt", "model", [ChatGeneration(message=message)])
    one, two = (cache.lookup("prompt", "model") for _ in range(2))

    assert type(one) is type(two) is list
    [first], [second] = one, two
    assert isinstance(first, ChatGeneration)
    assert isinstance(second, ChatGeneration)
    first.message.response_metadata["a"].append(2)
    first.message = AIMessage("changed")
    assert second.message.response_metadata == {"a": [1]}
    assert len({message.id, first.message.id, second.message.id}) == 3
    [third] = cache.lookup("prompt", "model") or []
    assert third.text == "answer"


class Recorder(BaseCache):
    """Keeps what LangChain asks with."""

    def lookup(self, prompt: str, llm_string: str) -> None:
        self.asked = prompt, llm_string

    def update(self, prompt: str, llm_string: str, return_val: object) -> None: ...

    def clear(self, **options: object) -> None: ...


@pytest.mark.parametrize(("name", "named"), [("ChatOpenAI", True), ("OpenAI", False), ("ChatOllama", False)])
def test_an_answer_stored_by_llm_string_only_is_served_to_the_model_it_names(
    cache: gm.GPTCache, server: ProviderServer, name: str, named: bool
) -> None:
    recorder = Recorder()
    server.model(name, cache=recorder).invoke(QUESTION)
    generation = ChatGeneration(message=AIMessage("stored")) if "Chat" in name else Generation(text="stored")
    cache.update(*recorder.asked, [generation])

    assert cache.lookup(*recorder.asked) == [generation]
    assert (text_of(server.model(name).invoke(QUESTION)) == "stored") == named
    assert "answers" in text_of(server.model(name, model="another").invoke(QUESTION))
    llm = server.model(name)
    assert (text_of(llm.invoke(QUESTION)) == "stored") == named
    llm.temperature = 0.123  # the llm_string of a used chat model stays as it was
    assert "answers" in text_of(llm.invoke(QUESTION))


def test_making_a_cache_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gm.GPTCache().close()
    assert list(tmp_path.iterdir()) == []

    cache = gm.GPTCache()
    cache.update("prompt", "model", answers("answer"))
    cache.close()
    assert [path.name for path in tmp_path.iterdir()] == [".gptcache"]


# Figures


def test_every_lookup_is_counted_once_with_what_it_saved(cache: gm.GPTCache, server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    for _ in range(3):
        llm.invoke([HumanMessage("Hello."), AIMessage("Hi."), HumanMessage(QUESTION)])
    cache.ledger.flush()

    row = frames.stats(cache.store, wide=True).iloc[0]
    assert (row["lookups"], row["hits"], row["misses"], row["errors"]) == (3, 2, 1, 0)
    assert row["saved_output_tokens"] == 2 * row["paid_output_tokens"] > 0
    assert row["saved_seconds"] == pytest.approx(2 * row["paid_seconds"], rel=1e-9)
    entry = frames.entries(cache.store).iloc[0]
    assert (entry["question"], entry["hits"]) == (QUESTION, 2)
    assert "answers" in str(entry["answer"])


@pytest.mark.slow
@pytest.mark.parametrize("close", [True, False])
def test_lookups_are_written_when_the_kernel_ends(tmp_path: Path, close: bool) -> None:
    script = f"""
import gptcache_magics as gm
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel, FakeListLLM
cache = gm.GPTCache(store="store")
set_llm_cache(cache)
llm = FakeListLLM(responses=["a", "b"])
print([llm.invoke("question") for _ in range(3)])
{"cache.close()" if close else ""}
"""
    assert output_of(script, folder=tmp_path) == "['a', 'a', 'a']"

    store = SQLiteStore(tmp_path / "store")
    stats = frames.stats(store)
    assert (stats["hits"].sum(), stats["misses"].sum()) == (2, 1)
    assert frames.entries(store)["hits"].tolist() == [2]
    store.close()


@pytest.mark.slow
def test_parent_and_child_of_a_fork_count_each_lookup_once(tmp_path: Path) -> None:
    script = """
import os
import gptcache_magics as gm
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel, FakeListLLM
cache = gm.GPTCache(store="store")
set_llm_cache(cache)
llm = FakeListLLM(responses=["a", "b"])
for _ in range(2):
    llm.invoke("question")
child = os.fork()
llm.invoke("question")
cache.ledger.flush()
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
cache.close()
"""
    output_of(script, folder=tmp_path)

    store = SQLiteStore(tmp_path / "store")
    stats = frames.stats(store)
    assert (stats["hits"].sum(), stats["misses"].sum()) == (3, 1)
    assert frames.entries(store)["hits"].tolist() == [3]
    store.close()


# Errors inside the cache

Heal = Callable[[], object]


def no_file(cache: gm.GPTCache, folder: Path) -> Heal:
    """Put a folder where the file was."""
    cache.store.close()
    (folder / "cache.db").rename(folder / "kept")
    (folder / "cache.db").mkdir()

    def heal() -> None:
        (folder / "cache.db").rmdir()
        (folder / "kept").rename(folder / "cache.db")

    return heal


def not_ours(cache: gm.GPTCache, folder: Path) -> Heal:
    """Say that the file belongs to something else."""

    def claim(owner: int) -> None:
        cache.store.close()
        with closing(sqlite3.connect(folder / "cache.db")) as db:
            db.execute(f"PRAGMA application_id = {owner}")

    with closing(sqlite3.connect(folder / "cache.db")) as db:
        owner = db.execute("PRAGMA application_id").fetchone()[0]
    claim(7)
    return lambda: claim(owner)


BREAKS = {"no file": no_file, "not ours": not_ours}


@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("name", KINDS)
async def test_a_store_that_fails_is_counted_and_no_call_notices(
    cache: gm.GPTCache, server: ProviderServer, tmp_path: Path, name: str, broken: str
) -> None:
    llm = server.model(name)
    llm.invoke(QUESTION)
    cache.ledger.flush()
    heal = BREAKS[broken](cache, tmp_path / "store")

    async def each_way(question: str) -> list[str]:
        streamed = "".join([text_of(piece) for piece in llm.stream(question)])
        astreamed = "".join([text_of(piece) async for piece in llm.astream(question)])
        return [text_of(llm.invoke(question)), text_of(await llm.ainvoke(question)), streamed, astreamed]

    for question in (QUESTION, "Another?"):
        assert all("answers" in told for told in await each_way(question))
    failures = cache.ledger.failures
    assert failures
    assert cache.ledger.last_error
    assert any(lookup.reason is not None and lookup.reason.kind is Kind.ERROR for lookup in cache.ledger.recent)
    cache.ledger.flush()

    heal()
    cache.ledger.flush()
    stats = frames.stats(cache.store)
    assert stats["errors"].sum() >= 1
    assert stats["lookups"].sum() == 9
    bought = text_of(llm.invoke("Healed?"))
    assert text_of(llm.invoke("Healed?")) == bought
    assert list(cache.store.notices) == []


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("name", KINDS)
async def test_an_answer_that_is_none_is_a_miss_and_counted(
    cache: gm.GPTCache, server: ProviderServer, tmp_path: Path, name: str, way: str
) -> None:
    llm = server.model(name)
    llm.invoke(QUESTION)
    cache.store.close()
    with closing(sqlite3.connect(tmp_path / "store" / "cache.db")) as db:
        db.execute("UPDATE entry SET answer = ?", (b"Fnonsense",))
        db.commit()

    async def ask() -> str:
        if way == "stream":
            return "".join([text_of(piece) for piece in llm.stream(QUESTION)])
        if way == "astream":
            return "".join([text_of(piece) async for piece in llm.astream(QUESTION)])
        return text_of(llm.invoke(QUESTION) if way == "invoke" else await llm.ainvoke(QUESTION))

    bought = await ask()
    assert "answers" in bought
    assert await ask() == bought
    assert server.calls == 2
    assert [lookup.outcome for lookup in cache.ledger.recent] == ["miss", "miss", "hit"]
    assert cache.ledger.recent[1].reason == Reason(Kind.DAMAGED)
    assert cache.ledger.failures == 0
    cache.ledger.flush()
    stats = frames.stats(cache.store)
    assert (stats["lookups"].sum(), stats["hits"].sum(), stats["errors"].sum()) == (3, 1, 0)
    [noticed] = cache.store.notices
    assert "1 damaged entry" in noticed, noticed


def test_a_listener_that_fails_does_not_disturb_a_call(cache: gm.GPTCache, server: ProviderServer) -> None:
    def fails() -> None:
        raise ValueError("out of order")

    told = []
    cache.ledger.subscribe(fails)
    cache.ledger.subscribe(lambda: told.append("changed"))
    llm = server.model("ChatOpenAI")

    assert text_of(llm.invoke(QUESTION)) == text_of(llm.invoke(QUESTION))
    assert len(told) >= 2


def test_a_closed_cache_lets_calls_through(server: ProviderServer, cache: gm.GPTCache) -> None:
    llm = server.model("ChatOpenAI")
    llm.invoke(QUESTION)
    cache.close()
    cache.close()

    assert "answers" in text_of(llm.invoke(QUESTION))
    assert "answers" in "".join(piece.text for piece in llm.stream(QUESTION))


def test_clear_raises_what_went_wrong(cache: gm.GPTCache, tmp_path: Path) -> None:
    cache.update("prompt", "model", answers("answer"))
    heal = no_file(cache, tmp_path / "store")
    with pytest.raises(gm.GPTCacheMagicsError, match=r"cache\.db"):
        cache.clear()

    heal()
    cache.clear()
    assert cache.lookup("prompt", "model") is None


# Another process holds the file


@pytest.fixture
def locked(cache: gm.GPTCache, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Start a process that writes to the store and does not finish; return a function that lets it finish."""
    cache.store.open()
    script = """
import sqlite3, sys
db = sqlite3.connect("store/cache.db", isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("LOCKED", flush=True)
sys.stdin.readline()
"""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdin=pipe, stdout=pipe, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "LOCKED\n"

    def release() -> None:
        process.communicate("\n", timeout=30)

    yield release
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


async def test_the_event_loop_runs_on_while_the_file_is_locked(
    cache: gm.GPTCache, server: ProviderServer, locked: Callable[[], None]
) -> None:
    async def release_after_some_beats() -> None:
        for _ in range(20):
            await asyncio.sleep(0.01)
        await asyncio.to_thread(locked)

    llm = server.model("ChatOpenAI")
    heart = asyncio.create_task(release_after_some_beats())  # a blocked loop would never release the lock
    told = await asyncio.gather(*(llm.ainvoke(f"question {n}") for n in range(4)))
    streamed = "".join([text_of(piece) async for piece in llm.astream("question 5")])
    await heart

    assert all("answers" in each for each in (*map(text_of, told), streamed))
    assert cache.ledger.failures == 0, cache.ledger.last_error
    assert cache.store.count()[0] == 5


async def test_a_hit_does_not_wait_for_an_update(
    cache: gm.GPTCache, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CALL_SECONDS", 3.0)
    llm = server.model("ChatOpenAI")
    bought = text_of(await llm.ainvoke(QUESTION))  # all of it in other threads: this one has no connection yet
    with closing(sqlite3.connect(Path(cache.store.where) / "cache.db", isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        update = asyncio.create_task(llm.ainvoke("another question"))
        while server.calls < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # now its answer waits for the lock
        hits = [text_of(await llm.ainvoke(QUESTION)) for _ in range(3)]
        assert cache.ledger.failures == 0, "the hits came when the update had given up"
        assert not update.done()
        db.execute("ROLLBACK")
    await update

    assert hits == [bought] * 3
    assert cache.ledger.failures == 0, cache.ledger.last_error


def test_a_lock_held_for_too_long_costs_neither_the_call_nor_the_answer(
    cache: gm.GPTCache, server: ProviderServer, locked: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.05)
    cache.store.close()  # the next connection waits as long as it says there
    llm = server.model("ChatOpenAI")
    assert "call 1" in text_of(llm.invoke(QUESTION))
    assert cache.ledger.failures == 0, "that the store is locked is said once, not of each call"
    assert "is locked by another process" in cache.ledger.waiting
    reason = cache.ledger.recent[-1].reason
    assert reason is not None
    assert "locked" in reason.detail

    assert "call 1" in text_of(llm.invoke(QUESTION)), "this kernel has the answer"

    locked()
    assert "call 2" in text_of(llm.invoke("another question"))
    assert cache.store.count()[0] == 2, "the next answer took the first one along"


async def test_a_sync_call_inside_a_running_loop_is_served(cache: gm.GPTCache, server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")

    assert text_of(llm.invoke(QUESTION)) == text_of(await llm.ainvoke(QUESTION)) == text_of(llm.invoke(QUESTION))
    assert server.calls == 1


# Several caches


def test_two_caches_at_once_keep_to_themselves(cache: gm.GPTCache, server: ProviderServer) -> None:
    own = gm.GPTCache(store=":memory:")
    with_own: Model = server.model("ChatOpenAI", cache=own)
    with_global: Model = server.model("ChatOpenAI")
    told = [text_of(llm.invoke(QUESTION)) for llm in (with_own, with_global) * 2]
    assert told == [told[0], told[1]] * 2
    assert told[0] != told[1]
    own.clear()
    assert text_of(with_global.invoke(QUESTION)) == told[1]
    own.close()

    assert text_of(with_global.invoke(QUESTION)) == told[1]
    assert "".join(piece.text for piece in with_global.stream(QUESTION)) == told[1]
    assert server.calls == 2
    assert cache.store.count(Selection())[0] == 1


def test_two_caches_on_one_folder_share_their_answers(cache: gm.GPTCache, server: ProviderServer) -> None:
    other = gm.GPTCache(store=cache.store.where)
    bought = text_of(server.model("ChatOpenAI").invoke(QUESTION))
    assert text_of(server.model("ChatOpenAI", cache=other).invoke(QUESTION)) == bought
    other.close()

    assert text_of(server.model("ChatOpenAI").invoke(QUESTION)) == bought


def test_a_new_cache_finds_the_answers_of_the_last_one(tmp_path: Path, server: ProviderServer) -> None:
    told = []
    for _ in range(2):
        cache = gm.GPTCache(store=str(tmp_path / "store"))
        set_llm_cache(cache)
        told.append(text_of(server.model("OllamaLLM").invoke(QUESTION)))
        set_llm_cache(None)
        cache.close()

    assert told[0] == told[1]


# The wraps of LangChain, and their removal

WRAPS = """
import gc
import gptcache_magics as gm
from gptcache_magics.langchain import hooks as langchain_hooks
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel, FakeListChatModel, FakeListLLM
from langchain_core.language_models.fake import FakeStreamingListLLM
from langchain_core.language_models.llms import BaseLLM
from langchain_core.messages import AIMessageChunk
from gptcache_magics.lookup.running import CALL

METHODS = [(kind, name) for kind in (BaseChatModel, BaseLLM) for name in ("generate", "agenerate", "stream", "astream")]

def methods():
    return [vars(kind)[name] for kind, name in METHODS]

def others():
    names = ("stream_events", "astream_events", "__init_subclass__")
    sums = [vars(AIMessageChunk).get(name) for name in ("__add__", "__init_subclass__")]
    models = [vars(kind).get(name) for kind in (BaseChatModel, BaseLLM) for name in names]
    return [*models, *sums, FakeStreamingListLLM.stream]

def untouched():
    same = all(now is before for now, before in zip(methods() + others(), originals + other_originals))
    return same and not langchain_hooks.installed()

def wrapped():
    return all(now is not before for now, before in zip(methods(), originals))

originals, other_originals = methods(), others()
assert untouched()
"""
LIVES = {
    "a cache that is closed": """
cache = gm.GPTCache(store=":memory:")
assert wrapped() and {f"{kind.__name__}.{name}" for kind, name in METHODS} <= set(langchain_hooks.installed())
assert langchain_hooks.overriding() == ["FakeStreamingListLLM.stream", "FakeStreamingListLLM.astream"]

class Later(FakeListLLM):
    def stream(self, *arguments, **options):
        yield "of its own"

assert "Later.stream" in langchain_hooks.overriding()
cache.close()
cache.close()
assert untouched()
""",
    "a cache that is forgotten": """
cache = gm.GPTCache(store=":memory:")
set_llm_cache(cache)
assert FakeListLLM(responses=["a", "b"]).invoke("question") == "a"
del cache
gc.collect()
assert wrapped()
set_llm_cache(None)
gc.collect()
assert untouched()
""",
    "two caches, the first closed first": """
one, two = gm.GPTCache(store=":memory:"), gm.GPTCache(store=":memory:")
one.close()
assert wrapped()
two.close()
assert untouched()
""",
    "two caches, one closed twice": """
one, two = gm.GPTCache(store=":memory:"), gm.GPTCache(store=":memory:")
one.close()
one.close()
assert wrapped()
two.close()
assert untouched()
""",
    "a cache in a cycle, collected while others are made": """
gc.set_threshold(1)
for _ in range(20):
    cycle = {"cache": gm.GPTCache(store=":memory:")}
    cycle["cycle"] = cycle
    del cycle
    gm.GPTCache(store=":memory:").close()
gc.collect()
assert untouched()
""",
    "a cache that could not be made": """
from gptcache_magics.errors import StoreError
for where in (__import__("os").devnull, "mysql://host", 7):
    try:
        gm.GPTCache(store=where)
    except StoreError:
        continue
    raise AssertionError(where)
gc.collect()
assert untouched()
""",
    "somebody else's wrap over ours": """
calls = []
cache = gm.GPTCache(store=":memory:")
ours = BaseLLM.generate

def theirs(self, *arguments, **options):
    calls.append(self)
    return ours(self, *arguments, **options)

BaseLLM.generate = theirs
cache.close()
assert BaseLLM.generate is theirs

class Probe(FakeListLLM):
    def _call(self, *arguments, **options):
        calls.append(CALL.get())
        return "a"

assert Probe(responses=["a"]).invoke("question") == "a"
assert len(calls) == 2 and calls[1] is None, "ours still acts"
calls.clear()
cache = gm.GPTCache(store=":memory:")
set_llm_cache(cache)
llm = FakeListLLM(responses=["a", "b"])
assert llm.invoke("question") == llm.invoke("question") == "a" and len(calls) == 2
assert [each.outcome for each in cache.ledger.recent] == ["miss", "hit"]
set_llm_cache(None)
cache.close()
assert BaseLLM.generate is theirs and not langchain_hooks.installed()
assert all(now is before for now, before in zip(methods()[:4], originals[:4]))
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("life", LIVES)
def test_the_wraps_end_with_the_last_cache(tmp_path: Path, life: str) -> None:
    output_of(WRAPS + LIVES[life], folder=tmp_path)


WORK = {
    "batch": ('model.batch(["a", "a", "b"])', 500, 2),
    "abatch": ('asyncio.run(model.abatch(["c", "c", "a"]))', 500, 2),
    "stream": ('list(model.stream("a"))', 500, 1),
}


@pytest.mark.slow
@pytest.mark.parametrize(("work", "places", "hits"), WORK.values(), ids=WORK)
def test_unused_objects_may_be_collected_between_any_two_steps(
    tmp_path: Path, work: str, places: int, hits: int
) -> None:
    script = """
import asyncio, faulthandler, os, sys, threading
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel
import gptcache_magics as gm
from gptcache_magics.lookup.budget import Budget

def begun(n):
    stream = left.stream(f"left in the middle {n}")
    next(stream)
    return stream

def drop(frame, event, argument):
    place = frame.f_code.co_filename, frame.f_lineno
    if place[0].startswith(product) and event == "line" and place not in places:
        places.add(place)
        unread.pop()
        if place[0].endswith(("ledger.py", "hooks.py")):
            unneeded.pop()
    return drop if place[0].startswith(product) else None

faulthandler.dump_traceback_later(100, exit=True)
product, places = os.path.dirname(gm.__file__), set()
cache = gm.GPTCache(store=":memory:")
cache.ledger.budget = Budget(100.0, {})
set_llm_cache(cache)
left = FakeListChatModel(responses=["answer"])
unread = [begun(n) for n in range(2_000)]  # more than there are lines to stop at
unneeded = [gm.GPTCache(store=":memory:") for n in range(400)]
model = FakeListChatModel(responses=["answer"], sleep=0.2)

threading.settrace(drop)
sys.settrace(drop)
exec(sys.argv[1])
cache.ledger.flush()
sys.settrace(None)

assert len(places) > int(sys.argv[2]), len(places)
assert model.invoke("a").text == "answer"
print(*(cache.ledger.last_error, sum(lookup.outcome == "hit" for lookup in cache.ledger.recent)))
"""
    assert output_of(script, work, str(places), folder=tmp_path) == str(hits)


def test_a_watcher_that_stops_leaves_the_others_hearing_of_calls(cache: gm.GPTCache) -> None:
    heard: list[str] = []

    class Leaving:
        def call_begins(self, call: Call) -> None:
            stop()

        def call_ended(self, call: Call, result: Any) -> None:
            heard.append("one that has stopped")

    class Staying:
        def call_begins(self, call: Call) -> None:
            heard.append(call.method)

        def call_ended(self, call: Call, result: Any) -> None:
            heard.append("ended")

    stop, stop_as_well = langchain_hooks.watch(Leaving()), langchain_hooks.watch(Staying())
    FakeListChatModel(responses=["answer"]).invoke(QUESTION)
    stop_as_well()

    assert heard == ["generate", "ended"]


def test_a_wrapped_method_looks_like_the_original(cache: gm.GPTCache) -> None:
    from langchain_core.language_models.llms import BaseLLM

    assert BaseLLM.generate.__name__ == "generate"
    assert BaseLLM.generate.__doc__ == BaseLLM.generate.__wrapped__.__doc__  # type: ignore[attr-defined]


@pytest.mark.slow
def test_langchain_community_is_not_imported_and_nothing_warns(tmp_path: Path) -> None:
    script = """
import sys, warnings
import gptcache_magics as gm
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel, FakeListLLM
cache = gm.GPTCache()
set_llm_cache(cache)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for llm in (FakeListLLM(responses=["a", "b"]), FakeListChatModel(responses=["a", "b"])):
        for _ in range(3):
            llm.invoke("question")
            list(llm.stream("question"))
own = [str(each.message) for each in warned if "gptcache" in each.filename or "angChain" in each.category.__name__]
print(own, [name for name in sys.modules if name.startswith("langchain_community")], cache.ledger.failures)
"""
    assert output_of(script, folder=tmp_path) == "[] [] 0"


def test_many_threads_may_open_close_and_ask(server: ProviderServer, tmp_path: Path) -> None:
    def live(n: int) -> str:
        own = gm.GPTCache(store=str(tmp_path / "store"))
        try:
            return text_of(server.model("ChatOpenAI", cache=own).invoke(QUESTION))
        finally:
            own.close()

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(live, range(32)))
    gc.collect()

    assert all("answers" in each for each in told)
    assert live(0) in told


@pytest.mark.slow
def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    def writers() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "gptcache-ledger"}

    before = writers()
    cache = gm.GPTCache(store=str(tmp_path / "store"))
    set_llm_cache(cache)
    FakeListLLM(responses=["a"]).invoke("question")
    [writer] = writers() - before
    while not len(frames.lookups(cache.store)):  # until it has written and waits for more
        writer.join(0.05)
    set_llm_cache(None)
    cache.close()

    writer.join(30)
    assert not writer.is_alive()


# The event loop, and a model that changes


@pytest.mark.slow
async def test_a_store_that_another_program_locks_does_not_stop_the_event_loop(tmp_path: Path) -> None:
    cache = gm.GPTCache(store=tmp_path / "store")
    set_llm_cache(cache)
    model = FakeListChatModel(responses=["answer"])
    model.invoke("asked before")
    cache.store.close()
    gc.collect()
    other = sqlite3.connect(tmp_path / "store" / "cache.db", check_same_thread=False, isolation_level=None)
    assert other.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    other.execute("BEGIN EXCLUSIVE")
    turns, turns_while_locked = 0, 0

    def unlock() -> None:
        nonlocal turns_while_locked
        turns_while_locked = turns
        other.execute("COMMIT")

    async def turn() -> None:
        nonlocal turns
        while not turns_while_locked:
            await asyncio.sleep(0.01)
            turns += 1

    timer = threading.Timer(1.0, unlock)
    timer.start()
    try:
        answer, _ = await asyncio.wait_for(asyncio.gather(model.ainvoke("never asked before"), turn()), 30)
    finally:
        timer.join()
        other.close()
        set_llm_cache(None)
        cache.close()

    assert text_of(answer) == "answer"
    assert turns_while_locked > 3, "the lookup waits in a thread, and the loop goes on"


def test_a_changed_model_gets_no_answer_of_what_it_was(server: ProviderServer, tmp_path: Path) -> None:
    """LangChain's ``llm_string`` is that of the first use, under which an answer of a loaded file is kept."""
    set_llm_cache(SQLiteCache(str(tmp_path / "langchain.db")))
    server.model("ChatOpenAI", temperature=0).invoke("Other")
    set_llm_cache(None)
    gm.on(tmp_path / "store")
    try:
        gm.load(tmp_path / "langchain.db")
        llm = server.model("ChatOpenAI", temperature=0)
        gm.mode("refresh")
        llm.invoke("Hit")
        gm.mode("auto")
        llm.invoke("Hit")
        calls = server.calls
        llm.temperature = 1.0
        llm.invoke("Other")
    finally:
        gm.off()

    assert server.calls == calls + 1
