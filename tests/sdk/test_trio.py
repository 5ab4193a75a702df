"""The asynchronous clients of SDKs under trio, which refuses what asyncio awaits, also where both run in a notebook."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import openai
import pytest
import trio

import gptcache_magics as gm
from tests.sdk.calls import messages, text_of
from tests.support.provider_server import KEY, ProviderServer

pytestmark = [
    pytest.mark.usefixtures("sdks_on", "certificates_read_once"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # SDKs close no stream's iterator
]


def made(server: ProviderServer) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)


async def whole(client: openai.AsyncOpenAI, question: str) -> str:
    answer = await client.chat.completions.create(model="gpt-4o-mini", messages=messages(question))
    return str(answer.choices[0].message.content)


async def in_pieces(client: openai.AsyncOpenAI, question: str) -> str:
    asked: Any = {"stream": True, "stream_options": {"include_usage": True}}
    stream: Any = await client.chat.completions.create(model="gpt-4o-mini", messages=messages(question), **asked)
    return text_of([chunk async for chunk in stream])


WAYS = {"whole": whole, "in pieces": in_pieces}
EACH = pytest.mark.parametrize("way", WAYS)


Main = Callable[[], Awaitable[Any]]
Run = Callable[[ProviderServer, Callable[[openai.AsyncOpenAI], Any]], Any]


def in_a_cell(main: Main) -> Any:
    """Run trio inside a step of asyncio, as a cell of a notebook does."""

    async def cell() -> Any:
        return trio.run(main)

    return asyncio.run(cell())


@pytest.fixture(params=[trio.run, in_a_cell], ids=["alone", "in a cell"])
def in_trio(request: pytest.FixtureRequest) -> Callable[[Main], Any]:
    """Return a function that runs a coroutine function under trio."""
    chosen: Callable[[Main], Any] = request.param
    return chosen


@pytest.fixture
def run(in_trio: Callable[[Main], Any]) -> Run:
    """Return a function that runs a function of a client under trio; it ends in time, or the test fails."""

    def run(server: ProviderServer, asking: Callable[[openai.AsyncOpenAI], Any]) -> Any:
        async def main() -> Any:
            with trio.fail_after(60):
                async with made(server) as client:
                    return await asking(client)

        return in_trio(main)

    return run


def outcomes() -> list[str]:
    return gm.lookups()["outcome"].tolist()[::-1]


@EACH
def test_a_call_is_paid_once_and_counted_once(run: Run, server: ProviderServer, way: str) -> None:
    async def twice(client: openai.AsyncOpenAI) -> list[str]:
        return [await WAYS[way](client, "hi") for _ in range(2)]

    first, second = run(server, twice)
    assert first == second == run(server, lambda client: WAYS[way](client, "hi"))
    assert server.calls == 1
    assert outcomes() == ["miss", "hit", "hit"]


def test_a_stream_and_a_whole_answer_serve_each_other(run: Run, server: ProviderServer) -> None:
    async def both(client: openai.AsyncOpenAI) -> None:
        assert (await in_pieces(client, "hi")).strip() == (await whole(client, "hi")).strip()
        assert (await whole(client, "hello")).strip() == (await in_pieces(client, "hello")).strip()

    run(server, both)
    assert (server.calls, outcomes()) == (2, ["miss", "hit"] * 2)


@EACH
def test_calls_at_once_keep_nobody_waiting(run: Run, server: ProviderServer, way: str) -> None:
    server.delay = 0.2

    async def at_once(client: openai.AsyncOpenAI) -> list[str]:
        answers: list[str] = []

        async def one(question: str) -> None:
            answers.append(await WAYS[way](client, question))

        async with trio.open_nursery() as nursery:
            for question in ("hi", "hi", "hello", "hi"):
                nursery.start_soon(one, question)
        return answers

    assert len(run(server, at_once)) == 4
    assert len(gm.entries()) == 2
    assert len(outcomes()) == 4


@EACH
def test_a_call_that_is_cancelled_keeps_nobody_waiting_and_stores_nothing(
    run: Run, server: ProviderServer, way: str
) -> None:
    async def cancelled(client: openai.AsyncOpenAI) -> str:
        server.delay = 0.5
        with trio.move_on_after(0.1) as scope:
            await WAYS[way](client, "hi")
        assert scope.cancelled_caught
        assert gm.entries().empty
        server.delay = 0.0
        return await WAYS[way](client, "hi")

    assert run(server, cancelled).strip()
    assert len(gm.entries()) == 1


def test_a_stream_that_is_left_stores_no_part(run: Run, server: ProviderServer) -> None:
    server.text = "one two three four five six"

    async def left(client: openai.AsyncOpenAI) -> str:
        stream: Any = await client.chat.completions.create(model="gpt-4o-mini", messages=messages("hi"), stream=True)
        async for _ in stream:
            break
        await stream.close()
        return await in_pieces(client, "hi")

    assert run(server, left).split() == server.text.split()
    assert set(gm.entries()["answer"].str.split().str.len()) == {6}


def test_replay_refuses_at_once(run: Run, server: ProviderServer) -> None:
    with gm.using(mode="replay"), pytest.raises(openai.APIStatusError, match="CacheMiss: nothing is recorded"):
        run(server, lambda client: whole(client, "never recorded"))
    assert server.calls == 0


def test_an_error_of_the_provider_passes(run: Run, server: ProviderServer) -> None:
    server.fail_next(1, 500)

    async def twice(client: openai.AsyncOpenAI) -> str:
        with pytest.raises(openai.InternalServerError, match="the server fails with 500, as told"):
            await whole(client, "hi")
        return await whole(client, "hi")

    assert run(server, twice) == run(server, lambda client: whole(client, "hi"))
    assert server.calls == 2


def test_anthropic_is_answered_too(in_trio: Callable[[Main], Any], server: ProviderServer) -> None:
    async def main() -> list[str]:
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=server.url, max_retries=0) as client:
            asked: Any = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": messages("hi")}
            return [str((await client.messages.create(**asked)).content) for _ in range(2)]

    first, second = in_trio(main)
    assert first == second
    assert server.calls == 1


@pytest.mark.parametrize("mode", ["auto", "refresh"])
def test_embeddings_are_kept(run: Run, server: ProviderServer, mode: Any) -> None:
    gm.on(":memory:", embeddings=True)

    async def twice(client: openai.AsyncOpenAI) -> list[Any]:
        given: Any = {"model": "text-embedding-3-small", "input": ["one", "two"]}
        return [[each.embedding for each in (await client.embeddings.create(**given)).data] for _ in range(2)]

    with gm.using(mode=mode):
        first, second = run(server, twice)
    assert first == second
    assert server.calls == (1 if mode == "auto" else 2)
