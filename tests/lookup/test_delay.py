"""``--delay recorded``: a hit takes the time that its answer took, and nothing else counts it."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import trio
from langchain_core.callbacks import BaseCallbackHandler
from langchain_openai import ChatOpenAI, OpenAI

import gptcache_magics as gm
from gptcache_magics.lookup.pace import MOST_SECONDS, paced, pause, seconds_to_wait
from tests.support.provider_server import KEY, ProviderServer
from tests.support.shell import NumberedModel

pytestmark = pytest.mark.usefixtures("certificates_read_once")

SECONDS = 0.3
QUESTION = "Why is the sky blue?"
MESSAGES: Any = [{"role": "user", "content": QUESTION}]


def lasting(path: Path, seconds: float | None) -> Path:
    """Let each answer of a bundle have taken so long."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for line in lines:
        if "entry" in line:
            line["seconds"] = seconds
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def chat(server: ProviderServer) -> ChatOpenAI:
    return ChatOpenAI(model="gpt-4o-mini", base_url=server.openai_url, api_key=KEY, max_retries=0)


def completing(server: ProviderServer, *callbacks: BaseCallbackHandler) -> OpenAI:
    url = server.openai_url
    return OpenAI(model="gpt-3.5-turbo-instruct", base_url=url, api_key=KEY, streaming=True, callbacks=[*callbacks])


def client(server: ProviderServer) -> openai.OpenAI:
    return openai.OpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)


def later(server: ProviderServer) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)


@pytest.fixture
def lesson(server: ProviderServer, tmp_path: Path) -> Iterator[Path]:
    """Return a bundle with the answers to the question, each of which took ``SECONDS``."""
    path = tmp_path / "lesson.jsonl"
    gm.on(":memory:")
    chat(server).invoke(QUESTION)
    completing(server).invoke(QUESTION)
    client(server).chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    [*client(server).chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)]
    gm.save(path)
    gm.off()
    yield lasting(path, SECONDS)
    gm.off()


def took(ask: Callable[[], Any]) -> float:
    begun = time.monotonic()
    ask()
    return time.monotonic() - begun


async def each_piece(pieces: Any) -> list[float]:
    return [time.monotonic() async for _ in pieces]


async def ask_later(server: ProviderServer) -> None:
    async with later(server) as asking:
        await asking.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)


WHOLE: dict[str, Callable[[ProviderServer], Any]] = {
    "invoke": lambda server: chat(server).invoke(QUESTION),
    "ainvoke": lambda server: asyncio.run(chat(server).ainvoke(QUESTION)),
    "batch": lambda server: chat(server).batch([QUESTION, QUESTION]),
    "completion": lambda server: completing(server).invoke(QUESTION),
    "SDK": lambda server: client(server).chat.completions.create(model="gpt-4o-mini", messages=MESSAGES),
    "SDK, asyncio": lambda server: asyncio.run(ask_later(server)),
    "SDK, trio": lambda server: trio.run(ask_later, server),
}


@pytest.mark.parametrize("way", WHOLE)
def test_a_hit_takes_as_long_as_the_recorded_answer_took(lesson: Path, server: ProviderServer, way: str) -> None:
    gm.on(lesson, delay="recorded")
    assert took(lambda: WHOLE[way](server)) >= SECONDS * 0.9
    row = gm.lookups().iloc[0]
    assert row["outcome"] == "hit"
    assert row["lookup_ms"] + 1000 * row["saved_seconds"] < 900 * SECONDS, "neither lookup nor saving counts it"


async def astream(server: ProviderServer) -> list[float]:
    return await each_piece(chat(server).astream(QUESTION))


async def astream_of_sdk(server: ProviderServer) -> list[float]:
    async with later(server) as asking:
        given = await asking.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
        return await each_piece(given)


class Heard(BaseCallbackHandler):
    def __init__(self) -> None:
        self.at: list[float] = []

    def on_llm_new_token(self, *token: Any, **more: Any) -> None:
        self.at.append(time.monotonic())


def heard(server: ProviderServer) -> list[float]:
    hearing = Heard()
    completing(server, hearing).invoke(QUESTION)
    return hearing.at


def stream_of_sdk(server: ProviderServer) -> list[float]:
    given = client(server).chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
    return [time.monotonic() for _ in given]


STREAMED: dict[str, Callable[[ProviderServer], list[float]]] = {
    "stream": lambda server: [time.monotonic() for _ in chat(server).stream(QUESTION)],
    "astream": lambda server: asyncio.run(astream(server)),
    "handler": heard,
    "SDK": stream_of_sdk,
    "SDK, asyncio": lambda server: asyncio.run(astream_of_sdk(server)),
    "SDK, trio": lambda server: trio.run(astream_of_sdk, server),
}


@pytest.mark.parametrize("way", STREAMED)
def test_a_stream_comes_piece_by_piece_over_the_recorded_time(lesson: Path, server: ProviderServer, way: str) -> None:
    gm.on(lesson, delay="recorded")
    came = STREAMED[way](server)
    assert len(came) > 2
    assert came[-1] - came[0] >= SECONDS / 3, "not all of it at once"


def test_the_option_is_off_by_default_shown_and_ended(lesson: Path) -> None:
    gm.on(lesson)
    assert "delay" not in repr(gm.status())
    assert "Set: delay recorded." in gm.on(delay="recorded")
    assert "delay recorded" in repr(gm.status())
    gm.on(delay="none")
    assert "delay" not in repr(gm.status())
    with pytest.raises(gm.GPTCacheMagicsError, match=r"delay takes recorded, none\. Got 'slow'"):
        gm.on(delay="slow")  # type: ignore[arg-type]


def test_it_holds_in_mode_auto_and_not_for_what_waited_for_the_model(on: Path) -> None:
    gm.on(delay="recorded")
    model = NumberedModel(seconds=SECONDS)
    askers = [threading.Thread(target=lambda: model.invoke(QUESTION)) for _ in range(2)]
    for each in askers:
        each.start()
    for each in askers:
        each.join()
    waited = gm.lookups().sort_index()
    assert [*waited["outcome"]] == ["miss", "hit"]
    assert waited["saved_seconds"].iloc[1] >= SECONDS * 0.9, "it has waited for the model, not for a delay"
    assert took(lambda: model.invoke(QUESTION)) >= SECONDS * 0.9


def test_an_interrupt_ends_the_delay(lesson: Path, server: ProviderServer) -> None:
    gm.on(lasting(lesson, 3_600.0), delay="recorded")
    for ask in (WHOLE["invoke"], WHOLE["SDK"], STREAMED["stream"], STREAMED["SDK"]):
        before = signal.signal(signal.SIGALRM, signal.default_int_handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            with pytest.raises(KeyboardInterrupt):
                ask(server)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def test_it_is_bounded_and_an_unknown_time_is_none() -> None:
    assert seconds_to_wait(1e9, 1.0) == MOST_SECONDS - 1
    assert (seconds_to_wait(None, 0.0), seconds_to_wait(0.5, 1.0)) == (0.0, 0.0)
    assert [wait for wait, _ in paced("abc", 0.0)] == [0.0] * 3
    assert [*paced((), 5.0)] == []


def test_a_pause_is_trios_where_trio_runs_in_a_step_of_asyncio() -> None:
    async def cell() -> None:
        trio.run(pause, 0.001)

    asyncio.run(cell())
