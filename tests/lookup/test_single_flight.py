"""Identical calls at the same time: who waits for whom, and who must not."""

import asyncio
import concurrent.futures.thread
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

import gptcache_magics as gm
from tests.support.provider_server import ProviderServer
from tests.support.shell import NumberedModel

pytestmark = pytest.mark.usefixtures("on")

QUESTION = "How tall is Etna?"
SLOTS = min(32, (os.cpu_count() or 1) + 4)
"""Threads of the pool that an event loop lends."""


def text(answer: Any) -> str:
    return str(answer.content)


class AsksInside(NumberedModel):
    """A model that does something of the user's before it answers."""

    def _call(self, *args: Any, **kwargs: Any) -> str:
        do[0]()
        return super()._call(*args, **kwargs)


do: list[Callable[[], object]] = []
"""What it does; in no field, because a field is a part of the key."""


# Waits that keep nobody from finishing


def test_threads_of_a_pool_wait_for_one_that_the_pool_has_yet_to_register(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(dict[Any, Any]):
        def __setitem__(self, thread: Any, queue: Any) -> None:
            if not asking.is_set():  # the first thread asks before its pool goes on
                return
            super().__setitem__(thread, queue)

    asking, go = threading.Event(), threading.Event()
    do[:] = [lambda: (asking.set(), go.wait(30))]
    monkeypatch.setattr(concurrent.futures.thread, "_threads_queues", Late())
    llm = AsksInside()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(llm.invoke, QUESTION)
        assert asking.wait(30)
        second = pool.submit(llm.invoke, QUESTION)
        time.sleep(0.3)
        go.set()
    assert text(first.result()) == text(second.result())


# Waits that would keep the owner from finishing


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["the loop's own", "set by the user"])
async def test_threads_beside_a_task_leave_it_the_pool_that_it_needs(server: ProviderServer, pool: str) -> None:
    async def ask() -> list[str]:
        if pool == "set by the user":
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(SLOTS, "mine"))
        first = asyncio.ensure_future(llm.ainvoke(QUESTION))
        await asyncio.sleep(0.1)
        return list(map(text, await asyncio.gather(first, *(asyncio.to_thread(llm.invoke, QUESTION) for _ in slots))))

    llm, slots = server.model("ChatOpenAI"), range(SLOTS)
    server.delay = 0.3
    answers = await asyncio.to_thread(lambda: asyncio.run(asyncio.wait_for(ask(), 30)))

    assert len(answers) == SLOTS + 1


@pytest.mark.slow
async def test_a_model_without_async_methods_is_waited_for_by_tasks(server: ProviderServer) -> None:
    llm = NumberedModel(seconds=0.2)
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(llm.ainvoke(QUESTION) for _ in range(4 * SLOTS)))

    assert len(set(map(text, answers))) == 1


async def test_threads_that_the_loop_waits_for_do_not_wait_for_its_tasks() -> None:
    llm = NumberedModel(seconds=0.3)
    first = asyncio.ensure_future(llm.ainvoke(QUESTION))
    await asyncio.sleep(0.1)
    thread = threading.Thread(target=llm.invoke, args=(QUESTION,))
    thread.start()
    thread.join(20)  # the loop stands still, as it does under a notebook's batch()

    assert not thread.is_alive()
    await first


@pytest.mark.slow
def test_threads_of_a_pool_do_not_wait_for_a_call_that_needs_the_pool() -> None:
    entered, submitted = threading.Event(), threading.Event()

    def inside() -> None:
        if threading.current_thread() is asking:
            entered.set()
            submitted.wait(20)
            pool.submit(int).result()

    with ThreadPoolExecutor(2) as pool:
        do[:] = [inside]
        llm = AsksInside()
        asking = threading.Thread(target=llm.invoke, args=(QUESTION,))
        asking.start()
        assert entered.wait(20)
        calls = [pool.submit(llm.invoke, QUESTION) for _ in range(4)]
        submitted.set()
        asking.join(20)
        assert not asking.is_alive()
        assert all(call.result() for call in calls)


@pytest.mark.parametrize("way", ["the same thread", "a pool with the context", "an event loop"])
def test_a_call_inside_a_call_never_waits_for_it(way: str) -> None:
    def inside() -> None:
        if depth.append(1) or len(depth) > 1:
            return
        if way == "the same thread":
            llm.invoke(QUESTION)
        elif way == "an event loop":
            asyncio.run(llm.ainvoke(QUESTION))
        else:
            from langchain_core.runnables.config import ContextThreadPoolExecutor

            with ContextThreadPoolExecutor(1) as pool:
                pool.submit(llm.invoke, QUESTION).result(20)

    depth: list[int] = []
    do[:] = [inside]
    llm = AsksInside()
    started = threading.Thread(target=llm.invoke, args=(QUESTION,), daemon=True)
    started.start()
    started.join(20)

    assert not started.is_alive()
    assert len(depth) == 2


# Owners that give no answer


@pytest.mark.parametrize("way", ["tasks", "threads"])
def test_waiters_of_a_failed_call_go_on_together(way: str) -> None:
    def inside() -> None:
        if not calls.append(1) and len(calls) == 1:
            time.sleep(1)  # until the others wait
            raise ValueError("the first fails")
        together.wait()

    calls, together = list[int](), threading.Barrier(4, timeout=20)
    do[:] = [inside]
    llm = AsksInside()
    if way == "tasks":
        answers = asyncio.run(llm.abatch([QUESTION] * 5, return_exceptions=True))
    else:
        answers = llm.batch([QUESTION] * 5, {"max_concurrency": 5}, return_exceptions=True)

    assert [str(each) for each in answers if isinstance(each, Exception)] == ["the first fails"]


def test_equal_prompts_of_one_failed_call_go_on_together(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    server.delay = 1  # until the others wait
    server.fail_next(1)
    with pytest.raises(Exception, match="as told"):
        asyncio.run(asyncio.wait_for(llm.agenerate([[HumanMessage(QUESTION)]] * 3), 20))

    assert server.calls == 3


def test_a_call_that_an_interrupt_left_behind_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    llm, watch = AsksInside(), gm.current().watch

    def interrupted(call: Any, result: Any) -> None:
        raise KeyboardInterrupt

    def fail() -> None:
        raise ValueError

    do[:] = [fail]
    with monkeypatch.context() as patch:
        patch.setattr(watch, "call_ended", interrupted, raising=False)
        with pytest.raises(KeyboardInterrupt):
            llm.invoke(QUESTION)
    do[:] = [int]
    thread = threading.Thread(target=llm.invoke, args=(QUESTION,), daemon=True)
    thread.start()
    thread.join(20)

    assert not thread.is_alive()


# One call


@pytest.mark.parametrize("name", ["ChatOpenAI", "ChatOllama"])
async def test_equal_prompts_of_one_call_are_one_call_with_a_message_each(server: ProviderServer, name: str) -> None:
    llm = server.model(name)
    server.delay = 0.1
    result = await llm.agenerate([[HumanMessage(QUESTION)], [HumanMessage("another")], [HumanMessage(QUESTION)]])
    messages = [generations[0].message for generations in result.generations]

    assert server.calls == 2
    assert messages[0].content == messages[2].content != messages[1].content
    assert len({message.id for message in messages}) == len({id(message) for message in messages}) == 3
    lookups = gm.lookups()
    assert sorted(lookups["outcome"]) == ["hit", "miss", "miss"]
    assert lookups["input_tokens"].notna().sum() == 3


@pytest.mark.parametrize("mode", ["refresh", "bypass", "readonly"])
def test_nobody_waits_where_no_answer_will_be_stored_for_him(mode: str) -> None:
    llm = NumberedModel(seconds=0.3)

    def ask(_: int) -> str:
        with gm.using(mode=mode):
            return text(llm.invoke(QUESTION))

    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(ask, range(3)))) == 3
