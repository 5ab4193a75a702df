"""Streams that are left, cut, interrupted or compressed: no part of an answer is stored, and nobody waits for it."""

import asyncio
import gc
import gzip
import sqlite3
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import httpx2
import openai
import pytest

import gptcache_magics as gm
from gptcache_magics.sdk import exchange, passing
from tests.sdk.ask import ask
from tests.support.interrupts import interrupted_after
from tests.support.provider_server import KEY, ProviderServer

pytestmark = pytest.mark.usefixtures("sdks_on")
LIBRARY: Any = httpx2 if issubclass(openai.DefaultHttpxClient, httpx2.Client) else httpx
USER: Any = [{"role": "user", "content": "hi"}]
SSE = {"content-type": "text/event-stream"}
MOST = 2_000


def asked_for_pieces(client: openai.OpenAI) -> openai.Stream[Any]:
    return client.chat.completions.create(model="gpt-4o-mini", messages=USER, stream=True)


def text_of(chunks: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def events(text: str) -> bytes:
    """Return a whole stream of OpenAI's."""
    head = '{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[{"index":0,'
    pieces = [
        f'"delta":{{"role":"assistant","content":"{piece} "}},"finish_reason":null}}]}}' for piece in text.split()
    ]
    rest = [*pieces, '"delta":{},"finish_reason":"stop"}]}']
    return "".join(f"data: {head}{each}\n\n" for each in rest).encode() + b"data: [DONE]\n\n"


def follow(ask: Callable[[str], str], question: str, found: list[str]) -> None:
    found.append(ask(question))


def told(answer: Callable[[Any], Any]) -> openai.OpenAI:
    """Return a client whose requests a function answers."""
    http = LIBRARY.Client(transport=LIBRARY.MockTransport(answer))
    return openai.OpenAI(api_key=KEY, http_client=http, max_retries=0)


def elsewhere(client: openai.OpenAI) -> str:
    """Return what another thread is answered, which would wait for a call that is left under way."""
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(ask(client, "hi")), daemon=True)
    thread.start()
    thread.join(60)
    assert answers, "the thread waits for a call that has ended"
    return answers[0]


def leave_before(stream: Any) -> object:
    return stream


def leave_by_break(stream: Any) -> object:
    for _ in stream:
        break
    return None


def close(stream: Any) -> object:
    next(stream)
    stream.close()
    return stream


def keep(stream: Any) -> object:
    next(stream)
    return stream


def close_before(stream: Any) -> object:
    stream.close()
    return stream


@pytest.mark.parametrize("leave", [leave_before, leave_by_break, close, keep, close_before])
def test_a_stream_that_is_left_stores_nothing_and_keeps_nobody_waiting(
    client: openai.OpenAI, server: ProviderServer, leave: Callable[[Any], object]
) -> None:
    left = leave(asked_for_pieces(client))
    gc.collect()
    assert gm.entries().empty
    assert elsewhere(client) == ask(client, "hi")
    assert server.calls == 2
    del left


def test_a_stream_may_be_read_in_another_thread(client: openai.OpenAI, server: ProviderServer) -> None:
    stream, texts = asked_for_pieces(client), list[str]()
    thread = threading.Thread(target=lambda: texts.append(text_of(stream)))
    thread.start()
    thread.join()
    assert [text_of(asked_for_pieces(client))] == texts
    assert server.calls == 1


def test_a_stream_goes_on_when_the_cache_is_turned_off_or_another_one_on(
    client: openai.OpenAI, server: ProviderServer
) -> None:
    stream = asked_for_pieces(client)
    next(stream)
    gm.off()
    assert text_of(stream)
    stream = asked_for_pieces(client)
    gm.on(":memory:")
    assert text_of(stream)
    assert server.calls == 2


@pytest.mark.parametrize("streams", [False, True])
def test_a_task_that_is_cancelled_stores_nothing_and_keeps_nobody_waiting(
    client: openai.OpenAI, server: ProviderServer, streams: bool
) -> None:
    async def cancelled() -> None:
        later = openai.AsyncOpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)
        begun = asyncio.Event()

        async def call() -> None:
            begun.set()
            answer: Any = await later.chat.completions.create(model="gpt-4o-mini", messages=USER, stream=streams)
            async for _ in answer:
                begun.set()
                await asyncio.sleep(60)

        server.delay = 0.0 if streams else 0.5
        task = asyncio.create_task(call())
        await begun.wait()
        begun.clear()
        await (begun.wait() if streams else asyncio.sleep(0.2))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.delay = 0.0
        answer = await later.chat.completions.create(model="gpt-4o-mini", messages=USER)
        assert answer.choices[0].message.content == ask(client, "hi")

    asyncio.run(cancelled())
    assert server.calls == 2


def test_a_task_whose_leader_fails_asks_itself(server: ProviderServer) -> None:
    server.delay = 0.3
    server.fail_next(1, 500)

    async def gather() -> list[Any]:
        later = openai.AsyncOpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)
        calls = [later.chat.completions.create(model="gpt-4o-mini", messages=USER) for _ in range(3)]
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = asyncio.run(gather())
    assert sum(isinstance(each, openai.InternalServerError) for each in answers) == 1
    assert sum(hasattr(each, "choices") for each in answers) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python closes what is left
@pytest.mark.parametrize("module", [exchange, passing])
@pytest.mark.parametrize("streams", [False, True])
def test_an_interrupt_at_any_instruction_stores_no_part_and_keeps_nobody_waiting(
    server: ProviderServer, module: ModuleType, streams: bool
) -> None:
    server.text = "one two"
    whole: list[str] = []
    client = told(lambda _: LIBRARY.Response(200, headers=SSE, stream=Cut(events("one two"))))

    def call(question: str) -> str:
        asked: Any = [{"role": "user", "content": question}]
        return text_of(client.chat.completions.create(model="gpt-4o-mini", messages=asked, stream=True))

    plain = openai.OpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)
    for step in range(1, MOST, 7):
        question, answer, found = f"question {step}", "", list[str]()
        asking = call if streams else lambda asked: ask(plain, asked)
        with suppress(KeyboardInterrupt), interrupted_after(step, module):
            answer = asking(question)
        thread = threading.Thread(target=follow, args=(asking, question, found), daemon=True)
        thread.start()
        thread.join(60)
        assert [each.strip() for each in found] == ["one two"], step
        if answer:
            whole.append(answer)
            if len(whole) > 3:
                break
    else:
        pytest.fail(f"a call takes more than {MOST} steps")
    assert set(gm.entries()["answer"].str.strip()) == {"one two"}


def packed(content: bytes, coding: str) -> bytes:
    return gzip.compress(content) if coding == "gzip" else zlib.compress(content)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_compressed_stream_is_stored_plain(coding: str, size: int) -> None:
    content, calls = packed(events("grüße 你好 welt"), coding), list[Any]()

    class Body(LIBRARY.SyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            yield from (content[at : at + size] for at in range(0, len(content), size))

    def answer(request: Any) -> Any:
        calls.append(request)
        return LIBRARY.Response(200, headers={**SSE, "content-encoding": coding}, stream=Body())

    client = told(answer)
    assert text_of(asked_for_pieces(client)) == text_of(asked_for_pieces(client)) == "grüße 你好 welt "
    assert len(calls) == 1


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_stream_that_is_cut_off_is_not_stored(coding: str) -> None:
    content = packed(events("one two three four"), coding)
    client = told(
        lambda _: LIBRARY.Response(
            200, headers={**SSE, "content-encoding": coding}, stream=Cut(content[: len(content) // 2])
        )
    )
    with suppress(Exception):
        text_of(asked_for_pieces(client))
    assert gm.entries().empty


class Cut(LIBRARY.SyncByteStream):  # type: ignore[misc]
    """A body that ends where it is told to."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self.content


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_pieces_that_end_within_a_character_are_put_together(size: int) -> None:
    content = events("grüße 你好 🎈")

    class Body(LIBRARY.SyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            yield from (content[at : at + size] for at in range(0, len(content), size))

    client = told(lambda _: LIBRARY.Response(200, headers=SSE, stream=Body()))
    assert text_of(asked_for_pieces(client)) == text_of(asked_for_pieces(client)) == "grüße 你好 🎈 "
    assert gm.lookups()["outcome"].tolist() == ["hit", "miss"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>sign in</html>",
        b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n',
        events("one two")[:60],
        events("one two").replace(b'"stop"', b"null"),
        b"data: [DONE]\n\n",
    ],
    ids=["empty", "html", "error", "half an event", "no finish reason", "nothing but an end"],
)
def test_a_stream_that_is_no_whole_answer_passes_as_it_is_and_is_not_stored(content: bytes) -> None:
    def outcome() -> object:
        try:
            return text_of(asked_for_pieces(client))
        except Exception as error:
            return type(error), str(error)

    client = told(lambda _: LIBRARY.Response(200, headers=SSE, stream=Cut(content)))
    seen = outcome()
    gm.off()
    assert outcome() == seen
    gm.on(":memory:")
    outcome()
    assert gm.entries().empty


@pytest.mark.parametrize(
    "junk",
    [
        *(b": wait\n\n", b"data: {oops\n\n"),
        pytest.param(b"\xff\n\n", marks=pytest.mark.skipif(LIBRARY is httpx, reason="openai 2 reads what follows")),
    ],
)
def test_what_follows_the_end_of_a_stream_neither_reaches_its_reader_nor_loses_the_answer(junk: bytes) -> None:
    requests: list[Any] = []

    def answer(request: Any) -> Any:
        requests.append(request)
        return LIBRARY.Response(200, headers=SSE, stream=Cut(events("one two") + junk))

    client = told(answer)
    assert text_of(asked_for_pieces(client)) == text_of(asked_for_pieces(client)) == "one two "
    assert len(requests) == 1


@pytest.mark.parametrize("of_a_task", [False, True])
def test_a_transport_that_gives_a_stream_as_a_whole_is_asked_once(of_a_task: bool) -> None:
    requests: list[Any] = []

    def answer(request: Any) -> Any:
        requests.append(request)
        return LIBRARY.Response(200, headers=SSE, content=events("one two"))

    async def later() -> str:
        http = LIBRARY.AsyncClient(transport=LIBRARY.MockTransport(answer))
        client = openai.AsyncOpenAI(api_key=KEY, http_client=http, max_retries=0)
        stream = await client.chat.completions.create(model="gpt-4o-mini", messages=USER, stream=True)
        return "".join([piece async for piece in taken(stream)])

    def now() -> str:
        return text_of(asked_for_pieces(told(answer)))

    def text() -> str:
        return asyncio.run(later()) if of_a_task else now()

    assert text() == text() == now() == "one two "
    assert len(requests) == 1


@pytest.mark.parametrize("name", ["ConnectError", "ReadTimeout", "RemoteProtocolError"])
def test_what_the_network_raises_reaches_the_sdk(name: str) -> None:
    def answer(request: Any) -> Any:
        raise getattr(LIBRARY, name)("as told", request=request)

    client = told(answer)
    expected = openai.APITimeoutError if name == "ReadTimeout" else openai.APIConnectionError
    for _ in range(2):
        with pytest.raises(expected) as error:
            ask(client, "hi")
        assert type(error.value.__cause__) is getattr(LIBRARY, name)
    assert gm.entries().empty


@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_another_status_than_200_is_not_stored(status: int) -> None:
    client = told(lambda _: LIBRARY.Response(status, headers={"content-type": "application/json"}, content=b""))
    for _ in range(2):
        with suppress(Exception):
            ask(client, "hi")
    assert gm.entries().empty
    assert gm.lookups()["outcome"].tolist() == ["miss", "miss"]


async def taken(stream: Any) -> AsyncIterator[str]:
    async for chunk in stream:
        yield chunk.choices[0].delta.content or "" if chunk.choices else ""


def test_a_stream_that_a_task_leaves_by_break_keeps_nobody_waiting(server: ProviderServer) -> None:
    async def left() -> None:
        later = openai.AsyncOpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)
        stream = await later.chat.completions.create(model="gpt-4o-mini", messages=USER, stream=True)
        async for _ in taken(stream):
            break
        answer = await later.chat.completions.create(model="gpt-4o-mini", messages=USER)
        assert answer.choices[0].message.content

    for _ in range(2):
        asyncio.run(left())
    assert server.calls == 2


@pytest.mark.skipif(LIBRARY is httpx, reason="openai 2 leaves the stream of a cancelled task open")
async def test_what_a_cancelled_task_has_read_is_stored_without_blocking_the_event_loop(tmp_path: Path) -> None:
    gm.off()
    gm.on(tmp_path)
    whole = events("a whole answer").partition(b"data: [DONE]")[0]

    class Endless(LIBRARY.AsyncByteStream):  # type: ignore[misc]
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield whole
            await asyncio.sleep(60)

    transport = LIBRARY.MockTransport(lambda _: LIBRARY.Response(200, headers=SSE, stream=Endless()))
    client = openai.AsyncOpenAI(api_key=KEY, http_client=LIBRARY.AsyncClient(transport=transport), max_retries=0)
    read = asyncio.Event()

    async def call() -> None:
        async for chunk in await client.chat.completions.create(model="gpt-4o-mini", messages=USER, stream=True):
            if chunk.choices[0].finish_reason:
                read.set()

    task = asyncio.create_task(call())
    await read.wait()
    file = sqlite3.connect(tmp_path / "cache.db", isolation_level=None)
    file.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    task.cancel()
    longest = 0.0
    while not task.done():
        before = time.monotonic()
        await asyncio.sleep(0)
        longest = max(longest, time.monotonic() - before)
    assert time.monotonic() - began > 0.3, "nothing was to be stored"
    assert longest < 0.2
    file.execute("COMMIT")
    file.close()
    assert len(gm.entries()) == 1
