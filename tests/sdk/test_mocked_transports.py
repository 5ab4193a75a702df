"""Mocks of the HTTP layer below an SDK: they see nothing of a hit, every miss, and all calls while the cache is off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import groq
import httpx
import httpx2
import openai
import pytest
import respx

import gptcache_magics as gm
from tests.sdk.calls import messages, text_of
from tests.support.provider_server import KEY

pytestmark = pytest.mark.usefixtures("certificates_read_once")

HEAD = {"id": "c-1", "created": 1, "model": "m"}
URL = "http://provider.test/v1"
BEHIND: Any = httpx2 if issubclass(openai.DefaultHttpxClient, httpx2.Client) else httpx
"""The library with which openai and anthropic send."""
SDKS: dict[Any, tuple[Any, Any]] = {httpx: (groq.Groq, groq.AsyncGroq), BEHIND: (openai.OpenAI, openai.AsyncOpenAI)}
"""Clients of a protocol by the library with which they send."""
LIBRARIES = pytest.mark.parametrize("library", SDKS, ids=lambda library: library.__name__)


class Provider:
    """What a test has in the place of a provider."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answer(self, body: bytes) -> dict[str, Any]:
        """Return the arguments of the response to a body: a number that no other answer has."""
        asked = json.loads(body)
        self.asked.append(asked["messages"][0]["content"])
        said = f"answer {len(self.asked)}"
        if "max_tokens" in asked:
            return {"json": self.message(said)}
        if not asked.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
            return {"json": {**HEAD, "object": "chat.completion", "choices": [choice]}}
        piece = {"index": 0, "delta": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        chunk = {**HEAD, "object": "chat.completion.chunk", "choices": [piece]}
        content = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
        return {"content": content, "headers": {"content-type": "text/event-stream"}}

    @staticmethod
    def message(said: str) -> dict[str, Any]:
        """Return an answer of Anthropic's."""
        return {
            **{"id": "m-1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None},
            **{"content": [{"type": "text", "text": said}], "stop_reason": "end_turn"},
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }


def now(client: Any, question: str) -> str:
    return str(client.chat.completions.create(model="m", messages=messages(question)).choices[0].message.content)


def in_pieces(client: Any, question: str) -> str:
    return text_of(client.chat.completions.create(model="m", messages=messages(question), stream=True))


def later(client: Any, question: str) -> str:
    async def ask() -> Any:
        return await client.chat.completions.create(model="m", messages=messages(question))

    return str(asyncio.run(ask()).choices[0].message.content)


def in_pieces_later(client: Any, question: str) -> str:
    async def ask() -> list[Any]:
        stream = await client.chat.completions.create(model="m", messages=messages(question), stream=True)
        return [chunk async for chunk in stream]

    return text_of(asyncio.run(ask()))


WAYS: dict[str, Callable[[Any, str], str]] = {
    "now": now,
    "in pieces": in_pieces,
    "later": later,
    "in pieces later": in_pieces_later,
}
EACH_WAY = pytest.mark.parametrize("way", WAYS)


def is_below_the_cache(provider: Provider, ask: Callable[[str], str]) -> None:
    """Check that a mock is asked for every call while the cache is off, and for the misses alone while it is on."""
    for turn in range(2):
        before = len(provider.asked)
        assert ask("one") != ask("one")
        assert len(provider.asked) == before + 2
        if turn:
            break
        gm.on(":memory:")
        assert ask("one") == ask("one") == "answer 3"
        assert ask("two") == ask("two") == "answer 4"
        assert provider.asked[before + 2 :] == ["one", "two"]
        assert gm.lookups()["outcome"].tolist()[::-1] == ["miss", "hit", "miss", "hit"]
        with gm.using(mode="replay"):
            assert ask("one") == "answer 3"
            with pytest.raises(Exception, match="CacheMiss: nothing is recorded for “three"):
                ask("three")
        assert len(provider.asked) == before + 4
        gm.off()


@contextmanager
def by_transport(library: Any, provider: Provider) -> Iterator[dict[str, Any]]:
    transport = library.MockTransport(lambda request: library.Response(200, **provider.answer(request.content)))
    yield {
        "now": {"http_client": library.Client(transport=transport)},
        "later": {"http_client": library.AsyncClient(transport=transport)},
    }


@contextmanager
def by_respx(library: Any, provider: Provider) -> Iterator[dict[str, Any]]:
    with respx.mock(using=library.__name__.replace("httpx", "httpcore")) as router:
        route = router.post(url__startswith=URL)
        route.side_effect = lambda request: httpx.Response(200, **provider.answer(request.content))
        yield {}


@EACH_WAY
@LIBRARIES
@pytest.mark.parametrize("mocked", [by_transport, by_respx])
def test_a_mock_of_the_transport(mocked: Any, library: Any, way: str) -> None:
    provider = Provider()
    with mocked(library, provider) as given:
        kind = SDKS[library]["later" in way]
        options = given.get("later" if "later" in way else "now", {})
        client = kind(api_key=KEY, base_url=URL, max_retries=0, **options)
        is_below_the_cache(provider, lambda question: WAYS[way](client, question))


def test_a_mock_of_the_transport_of_anthropic() -> None:
    provider = Provider()
    with by_transport(BEHIND, provider) as given:
        client = anthropic.Anthropic(api_key=KEY, max_retries=0, **given["now"])

        def ask(question: str) -> str:
            answer = client.messages.create(model="m", max_tokens=9, messages=messages(question))
            return str(answer.content[0].text)  # type: ignore[union-attr]

        is_below_the_cache(provider, ask)


@EACH_WAY
def test_the_mock_of_pytest_httpx(way: str, request: pytest.FixtureRequest) -> None:
    mock, provider = request.getfixturevalue("httpx_mock"), Provider()
    mock.add_callback(lambda request: httpx.Response(200, **provider.answer(request.content)), is_reusable=True)
    client = SDKS[httpx]["later" in way](api_key=KEY, base_url=URL, max_retries=0)
    is_below_the_cache(provider, lambda question: WAYS[way](client, question))
    assert len(mock.get_requests()) == len(provider.asked)
