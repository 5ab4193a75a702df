"""What is made of a stream is what the provider would have sent at once, as the SDK's user sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cohere
import httpx
import httpx2
import mistralai.client
import ollama
import orjson
import pytest
from google import genai
from google.genai import types

import gptcache_magics as gm
from tests.protocols.streams import STREAMS, Stream
from tests.sdk.calls import TOOLS, messages, seen
from tests.support.provider_server import KEY

pytestmark = pytest.mark.usefixtures("sdks_on", "certificates_read_once")

FLASH = "gemini-2.5-flash"
URL = "http://provider.test"
USAGE = ("usage", "usage_metadata", "eval_count")
"""Names of the tokens, each of one API."""
Ask = Callable[[bool], Any]
"""Asks for the answer in pieces, or at once."""


def of_ollama(http: Any, method: str, **asked: Any) -> Ask:
    client: Any = ollama.Client(host=URL, transport=http._transport)

    def ask(streams: bool) -> Any:
        answer = getattr(client, method)(model="llama3", **asked, stream=streams)
        return [seen(each) for each in answer] if streams else seen(answer)

    return ask


def of_google(http: Any) -> Ask:
    if "httpx_client" not in types.HttpOptions.model_fields:
        pytest.skip("an older google-genai takes no client")
    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=URL, httpx_client=http))

    def ask(streams: bool) -> Any:
        if streams:
            return [seen(each) for each in client.models.generate_content_stream(model=FLASH, contents="hi")]
        answer = client.models.generate_content(model=FLASH, contents="hi")
        return answer.model_dump(exclude={"sdk_http_response"})

    return ask


def of_cohere(http: Any) -> Ask:
    client: Any = cohere.ClientV2(api_key=KEY, base_url=URL, httpx_client=http)

    def ask(streams: bool) -> Any:
        asked: Any = {"model": "command-a-03-2025", "messages": messages("hi"), "tools": TOOLS}
        return [seen(each) for each in client.chat_stream(**asked)] if streams else seen(client.chat(**asked))

    return ask


def of_mistral(http: Any) -> Ask:
    chat: Any = mistralai.client.Mistral(api_key=KEY, server_url=URL, client=http).chat

    def ask(streams: bool) -> Any:
        asked: Any = {"model": "mistral-small-latest", "messages": messages("hi"), "tools": TOOLS}
        return [seen(each.data) for each in chat.stream(**asked)] if streams else seen(chat.complete(**asked))

    return ask


CLIENTS: dict[str, Callable[[Any], Ask]] = {
    "ollama-chat": lambda http: of_ollama(http, "chat", messages=messages("hi"), tools=TOOLS),
    "ollama-generate": lambda http: of_ollama(http, "generate", prompt="hi"),
    "gemini": of_google,
    "cohere-chat": of_cohere,
    "openai-chat": of_mistral,
}
EACH = [
    pytest.param(stream, id=what)
    for what, stream in STREAMS.items()
    if stream.api in CLIENTS and (stream.api != "openai-chat" or "Mistral" in what)
]


class Provider:
    """Sends one answer: in pieces to a call that asks for them, and else at once."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.calls = stream, 0

    def asking(self) -> Ask:
        """Return what asks for the answer through the SDK, with its own library."""
        api = self.stream.api
        library: Any = httpx2 if api in ("gemini", "openai-chat") and _sends_with_httpx2(api) else httpx

        def answer(request: Any) -> Any:
            self.calls += 1
            if not _asks_for_pieces(request):
                return library.Response(200, json=self.stream.whole)
            kind = "application/x-ndjson" if api.startswith("ollama") else "text/event-stream"
            return library.Response(200, headers={"content-type": kind}, stream=Pieces(self.stream.events()))

        class Pieces(library.SyncByteStream):  # type: ignore[misc,name-defined]
            def __init__(self, pieces: list[bytes]) -> None:
                self.pieces = pieces

            def __iter__(self) -> Any:
                yield from self.pieces

        return CLIENTS[api](library.Client(transport=library.MockTransport(answer)))


def _sends_with_httpx2(api: str) -> bool:
    module: Any = genai._api_client if api == "gemini" else mistralai.client.httpclient
    return any(getattr(each, "__name__", "") == "httpx2" for each in vars(module).values())


def _asks_for_pieces(request: Any) -> bool:
    return ":streamGenerateContent" in str(request.url) or bool(orjson.loads(request.content).get("stream"))


@pytest.mark.parametrize("stream", EACH)
def test_a_stream_serves_a_whole_call_as_the_provider_would(stream: Stream) -> None:
    provider = Provider(stream)
    ask = provider.asking()
    with gm.using(mode="bypass"):
        plain = ask(False)
    assert ask(True)
    assert provider.calls == 2
    assert ask(False) == plain
    assert provider.calls == 2


def said_of(pieces: Any) -> Any:
    """Return what a stream says, whatever its pieces are: the words of each place in one, and the last usage."""
    found: dict[str, str] = {}

    def read(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for name, each in value.items():
                words = name == "content" and isinstance(each, str)  # Mistral's words are no block while they come
                read(each, f"{place}{value.get('index', '')}.{name}{'.text' if words else ''}")
        elif isinstance(value, list):
            for each in value:
                read(each, place)
        elif isinstance(value, str):
            found[place] = found.get(place, "") + value

    for piece in pieces:
        read(piece, "")
    words = {name: text for name, text in found.items() if name.endswith((".text", ".thinking", ".arguments"))}
    usage = next((piece[name] for piece in pieces[::-1] for name in USAGE if piece.get(name) is not None), None)
    return words, usage


@pytest.mark.parametrize("stream", EACH)
def test_a_whole_answer_serves_a_stream_with_all_that_it_says(stream: Stream) -> None:
    provider = Provider(stream)
    ask = provider.asking()
    with gm.using(mode="bypass"):
        plain = said_of(ask(True))
    assert ask(False)
    assert said_of(ask(True)) == plain
    assert provider.calls == 2
