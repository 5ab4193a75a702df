"""Matching by meaning for SDKs: the last question within equal context, and never across."""

from typing import Any

import anthropic
import httpx
import openai
import pytest

import gptcache_magics as gm
from tests.support.embedder import Embedder
from tests.support.provider_server import KEY, ProviderServer

FIRST = "How do I sort a list of numbers in Python?"
AGAIN = "How can I sort a list of numbers in Python?"
SYSTEM = {"role": "system", "content": "Be brief."}
TOOL: Any = {"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(autouse=True)
def by_meaning(sdks_on: None) -> Embedder:
    embedder = Embedder()
    gm.on(match="semantic", embedder=embedder, threshold=0.9)
    return embedder


def outcome() -> tuple[str, str]:
    row = gm.lookups().iloc[0]
    return row["outcome"], row["match"]


def chat(client: openai.OpenAI, question: str, *before: Any, **fields: Any) -> None:
    messages: Any = [*before, {"role": "user", "content": question}]
    client.chat.completions.create(model="gpt-4o", messages=messages, **fields)


def test_a_paraphrase_is_a_hit_in_each_api(
    client: openai.OpenAI, claude: anthropic.Anthropic, server: ProviderServer
) -> None:
    for question in (FIRST, AGAIN):
        chat(client, question, SYSTEM)
    assert (server.calls, outcome()) == (1, ("hit", "semantic"))
    for question in (FIRST, AGAIN):
        messages: Any = [{"role": "user", "content": question}]
        claude.messages.create(model="claude-haiku-4-5", max_tokens=50, system="Be brief.", messages=messages)
    assert (server.calls, outcome()) == (2, ("hit", "semantic"))
    for question in (FIRST, AGAIN):
        blocks: Any = [{"role": "user", "content": [{"type": "input_text", "text": question}]}]
        client.responses.create(model="gpt-4o", instructions="Be brief.", input=blocks)
    assert (server.calls, outcome()) == (3, ("hit", "semantic"))
    for question in (FIRST, AGAIN):
        url = f"{server.url}/v1beta/models/gemini-2.5-flash:generateContent"
        body = {"contents": [{"role": "user", "parts": [{"text": question}]}]}
        httpx.post(url, json=body, headers={"user-agent": "google-genai-sdk/3.6.0"})
    assert (server.calls, outcome()) == (4, ("hit", "semantic"))
    assert "A hit by meaning" in str(gm.why())


@pytest.mark.parametrize(
    ("before", "fields"),
    [
        ([{"role": "system", "content": "Be long."}], {}),
        ([SYSTEM, {"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hi."}], {}),
        ([SYSTEM], {"tools": [TOOL]}),
        ([SYSTEM], {"max_tokens": 10}),
        ([SYSTEM], {"extra_headers": {"x-variant": "blue"}}),
    ],
)
def test_another_context_is_never_served(
    client: openai.OpenAI, server: ProviderServer, before: Any, fields: dict[str, Any]
) -> None:
    chat(client, FIRST, SYSTEM)
    chat(client, AGAIN, *before, **fields)
    assert server.calls == 2
    assert outcome()[0] == "miss"


def test_guards_and_temperature_hold(client: openai.OpenAI, server: ProviderServer) -> None:
    chat(client, "How do I sort a list of 10 numbers in Python?")
    chat(client, "How do I sort a list of 20 numbers in Python?")
    assert server.calls == 2
    assert "blocked by the guard" in str(gm.why())
    for question in (FIRST, AGAIN):
        url = f"{server.url}/v1beta/models/gemini-2.5-flash:generateContent"
        body: Any = {"contents": [{"role": "user", "parts": [{"text": question}]}]}
        body["generationConfig"] = {"temperature": 0.7}
        httpx.post(url, json=body, headers={"user-agent": "google-genai-sdk/3.6.0"})
    assert server.calls == 4
    assert "temperature 0.7 asks for different answers" in str(gm.why())


def test_an_image_is_matched_exactly(server: ProviderServer) -> None:
    headers = {"user-agent": "ollama-python/0.6"}
    for question in (FIRST, AGAIN):
        messages = [{"role": "user", "content": question, "images": ["iVBORw0K"]}]
        body = {"model": "llama3", "messages": messages, "stream": False}
        httpx.post(f"{server.url}/api/chat", json=body, headers=headers)
    assert server.calls == 2


def test_the_requests_of_an_embedder_are_its_own(server: ProviderServer) -> None:
    asking = openai.OpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)

    class Asking(Embedder):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            for text in texts:
                chat(asking, f"embed {text}")
            return super().embed_documents(texts)

    gm.on(match="semantic", embedder=Asking())
    chat(openai.OpenAI(api_key=KEY, base_url=server.openai_url), FIRST)
    assert len(gm.lookups()) == 1
    assert server.calls > 1
