"""SDKs while the store fails in any way: each call is answered as it would be without a cache."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import trio

import gptcache_magics as gm
from gptcache_magics.store.sqlite import connections
from tests.sdk.calls import messages, said, text_of
from tests.support.provider_server import KEY, ProviderServer
from tests.support.unusable_stores import full, full_of_noise, locked, replaced_by_a_file, replaced_by_folders

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("certificates_read_once"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    cache = gm.current()
    assert cache is not None
    cache.store.close()
    yield


TROUBLES = (locked, full, replaced_by_a_file, replaced_by_folders, full_of_noise, closed)
ASKED: Any = {"model": "gpt-4o-mini"}


def now(url: str, question: str) -> str:
    with openai.OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client:
        answer = client.chat.completions.create(**ASKED, messages=messages(question))
        return str(answer.choices[0].message.content)


def in_pieces(url: str, question: str) -> str:
    with openai.OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client:
        return text_of(client.chat.completions.create(**ASKED, messages=messages(question), stream=True))


async def awaited(url: str, question: str) -> str:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client:
        answer = await client.chat.completions.create(**ASKED, messages=messages(question))
        return str(answer.choices[0].message.content)


async def in_pieces_awaited(url: str, question: str) -> str:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client:
        stream: Any = await client.chat.completions.create(**ASKED, messages=messages(question), stream=True)
        return text_of([chunk async for chunk in stream])


def events_of_claude(url: str, question: str) -> str:
    with anthropic.Anthropic(api_key=KEY, base_url=url, max_retries=0) as client:
        events: Any = client.messages.create(
            model="claude-haiku-4-5", max_tokens=50, messages=messages(question), stream=True
        )
        return said(event.delta.text for event in events if event.type == "content_block_delta")


WAYS: dict[str, Callable[[str, str], str]] = {
    "now": now,
    "in pieces": in_pieces,
    "awaited": lambda url, question: asyncio.run(awaited(url, question)),
    "in pieces awaited": lambda url, question: asyncio.run(in_pieces_awaited(url, question)),
    "by trio": lambda url, question: trio.run(awaited, url, question),
    "in pieces by trio": lambda url, question: trio.run(in_pieces_awaited, url, question),
    "of Claude": events_of_claude,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_call_is_answered(
    on: Path, server: ProviderServer, trouble: Callable[[Path], object], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.05)
    server.mind = lambda body, number: f"said of {body['messages'][-1]['content']}"
    ask = WAYS[way]
    assert ask(server.url, "known").strip() == "said of known"
    gm.stats()
    with trouble(on):  # type: ignore[attr-defined]
        for question in ("known", "new", "new"):
            assert ask(server.url, question).strip() == f"said of {question}"
        assert repr(gm.status())
        assert repr(gm.doctor())
        gm.off()
        assert ask(server.url, "after").strip() == "said of after"
