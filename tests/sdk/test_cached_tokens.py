"""Input tokens that the provider read from its own prompt cache: told for SDKs as for LangChain, and priced."""

from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import openai
import pytest
from genai_prices import Usage as Tokens
from genai_prices import calc_price
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI

import gptcache_magics as gm
from tests.support.provider_server import KEY, ProviderServer

pytestmark = pytest.mark.usefixtures("sdks_on")
READ, WRITTEN = 3_000, 500
GPT, CLAUDE, GEMINI = "gpt-4o-mini", "claude-3-5-haiku-latest", "gemini-2.0-flash"
USER: Any = [{"role": "user", "content": "hi"}]
Asks = Callable[[ProviderServer], object]


def gpt(server: ProviderServer) -> openai.OpenAI:
    return openai.OpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)


def claude(server: ProviderServer) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key=KEY, base_url=server.url, max_retries=0)


def gemini(server: ProviderServer, method: str) -> None:
    """Ask as google-genai does."""
    url = f"{server.url}/v1beta/models/{GEMINI}:{method}"
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    client = httpx.Client(headers={"User-Agent": "google-genai-sdk/1.0"})
    with client, client.stream("POST", url, json=body, headers={"x-goog-api-key": KEY}) as response:
        response.read()


def drained(stream: Any) -> None:
    for _ in stream:
        pass


ASKING: dict[str, tuple[str, Asks]] = {
    "chat": (GPT, lambda on: gpt(on).chat.completions.create(model=GPT, messages=USER)),
    "chat, streamed": (
        GPT,
        lambda on: drained(
            gpt(on).chat.completions.create(
                model=GPT, messages=USER, stream=True, stream_options={"include_usage": True}
            )
        ),
    ),
    "Responses": (GPT, lambda on: gpt(on).responses.create(model=GPT, input="hi")),
    "Responses, streamed": (GPT, lambda on: drained(gpt(on).responses.create(model=GPT, input="hi", stream=True))),
    "Anthropic": (CLAUDE, lambda on: claude(on).messages.create(model=CLAUDE, max_tokens=9, messages=USER)),
    "Anthropic, streamed": (
        CLAUDE,
        lambda on: drained(claude(on).messages.create(model=CLAUDE, max_tokens=9, messages=USER, stream=True)),
    ),
    "Gemini": (GEMINI, lambda on: gemini(on, "generateContent")),
    "Gemini, streamed": (GEMINI, lambda on: gemini(on, "streamGenerateContent?alt=sse")),
    "LangChain, OpenAI": (
        GPT,
        lambda on: ChatOpenAI(model=GPT, api_key=KEY, base_url=on.openai_url).invoke("hi"),  # type: ignore[arg-type]
    ),
    "LangChain, Anthropic": (
        CLAUDE,
        lambda on: ChatAnthropic(model=CLAUDE, api_key=KEY, base_url=on.url).invoke("hi"),  # type: ignore[call-arg]
    ),
}


@pytest.mark.parametrize("asking", ASKING)
def test_tokens_of_the_providers_cache_are_told_and_priced(server: ProviderServer, asking: str) -> None:
    model, ask = ASKING[asking]
    server.cached = (READ, WRITTEN if model == CLAUDE else 0)
    written = server.cached[1]

    for _ in range(2):
        ask(server)
    assert server.calls == 1
    asked = gm.lookups().astype({"outcome": "object"})
    assert asked["outcome"].tolist() == ["hit", "miss"]
    stored = gm.entries().fillna({"cache_write_tokens": 0})
    for row in (*asked.fillna({"cache_write_tokens": 0}).to_dict("records"), *stored.to_dict("records")):
        assert row["cache_read_tokens"] == READ
        assert row["cache_write_tokens"] == written
        assert row["input_tokens"] > READ + written
    tokens = Tokens(
        input_tokens=int(asked["input_tokens"].iloc[0]),
        output_tokens=int(asked["output_tokens"].iloc[0]),
        cache_read_tokens=READ,
        cache_write_tokens=written or None,
    )
    price = float(calc_price(tokens, model_ref=model).total_price)
    total = gm.stats("total")
    assert total["paid_usd"].tolist() == total["saved_usd"].tolist() == [pytest.approx(price)]
