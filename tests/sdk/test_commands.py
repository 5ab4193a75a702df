"""The commands do for the entries of SDKs what they do for LangChain's."""

from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest

import gptcache_magics as gm
from tests.sdk.ask import ask
from tests.sdk.calls import text_of
from tests.support.provider_server import KEY, ProviderServer

pytestmark = pytest.mark.usefixtures("sdks_on")
Asked = Callable[[ProviderServer, str, bool], str]


def chat(server: ProviderServer, question: str, streams: bool) -> str:
    create: Any = openai.OpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0).chat.completions.create
    how: Any = {"stream": True, "stream_options": {"include_usage": True}} if streams else {}
    answer = create(model="gpt-4o", messages=[{"role": "user", "content": question}], **how)
    return text_of(answer) if streams else _text(answer)


def _text(answer: Any) -> str:
    return str(answer.choices[0].message.content)


def respond(server: ProviderServer, question: str, streams: bool) -> str:
    responses = openai.OpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0).responses
    if not streams:
        return responses.create(model="gpt-4o", input=question).output_text
    with responses.stream(model="gpt-4o", input=question) as events:
        return "".join(each.delta for each in events if each.type == "response.output_text.delta")


def claude(server: ProviderServer, question: str, streams: bool) -> str:
    given: Any = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": question}]}
    messages = anthropic.Anthropic(api_key=KEY, base_url=server.url, max_retries=0).messages
    if not streams:
        return str(messages.create(**given).content[0].text)
    with messages.stream(**given) as events:
        return "".join(events.text_stream)


def llama(server: ProviderServer, question: str, streams: bool) -> str:
    client, messages = ollama.Client(host=server.url), [{"role": "user", "content": question}]
    if streams:
        return "".join(each.message.content or "" for each in client.chat("llama3", messages, stream=True))
    return str(client.chat("llama3", messages).message.content)


def gemini(server: ProviderServer, question: str, streams: bool) -> str:
    call = "streamGenerateContent" if streams else "generateContent"
    url = f"{server.url}/v1beta/models/gemini-2.5-flash:{call}"
    body = {"contents": [{"role": "user", "parts": [{"text": question}]}]}
    text = httpx.post(url, json=body, headers={"user-agent": "google-genai-sdk/3.6.0"}).text
    return text.partition('"text":"')[2].partition('"')[0] or text.partition('"text": "')[2].partition('"')[0]


EACH: list[Asked] = [chat, respond, claude, llama, gemini]


@pytest.mark.parametrize("sdk", EACH)
def test_an_edited_answer_is_served_whole_and_in_pieces(server: ProviderServer, sdk: Asked) -> None:
    sdk(server, "hi there", False)
    gm.edit(gm.entries().index[0], "As a person wrote it.")
    assert sdk(server, "hi there", False) == sdk(server, "hi there", True) == "As a person wrote it."
    assert server.calls == 1
    assert "answers 'hi there'" in str(gm.show(gm.entries().index[0]))


def test_an_edited_answer_of_a_stream_that_told_no_usage_is_served_whole(
    client: openai.OpenAI, server: ProviderServer
) -> None:
    asked: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    assert text_of(client.chat.completions.create(**asked, stream=True))
    gm.edit(gm.entries().index[0], "As a person wrote it.")
    assert client.chat.completions.create(**asked).choices[0].message.content == "As a person wrote it."
    assert server.calls == 1


@pytest.mark.parametrize("sdk", EACH)
def test_entries_are_found_removed_and_brought_back(server: ProviderServer, sdk: Asked) -> None:
    sdk(server, "the first question", False)
    sdk(server, "the second question", True)
    assert len(gm.entries(grep="second question")) == 1
    gm.tag("draft", gm.entries(grep="second").index[0])
    gm.pin(gm.entries(tag="draft").index[0])
    gm.remove(grep="first", yes=True)
    sdk(server, "the second question", False)
    assert server.calls == 2
    gm.undo()
    sdk(server, "the first question", False)
    assert server.calls == 2


@pytest.mark.parametrize("sdk", EACH)
def test_volatile_text_does_not_count_where_it_is_ignored(server: ProviderServer, sdk: Asked) -> None:
    gm.on(ignore="date")
    assert "2026-01-02' (call 1)" in sdk(server, "Report for 2026-01-02", False)
    # The answer names the date that was asked for.
    assert sdk(server, "Report for 2026-01-03", False).endswith("2026-01-03' (call 1)")
    assert gm.lookups().iloc[0]["reason"] == "the same but for a date"


@pytest.mark.parametrize("sdk", EACH)
def test_what_is_closest_is_named(server: ProviderServer, sdk: Asked) -> None:
    sdk(server, "What is the capital of France?", False)
    sdk(server, "What is the capital of Spain?", False)
    why = str(gm.why())
    assert "[-France-]{+Spain+}" in why
    assert "Asked in other words" in why


@pytest.mark.parametrize("sdk", EACH)
def test_identical_calls_are_kept_apart_as_samples(server: ProviderServer, sdk: Asked) -> None:
    with gm.using(samples=2):
        answers = [sdk(server, "roll the dice", False) for _ in range(2)]
    with gm.using(samples=2):
        again = [sdk(server, "roll the dice", False) for _ in range(2)]
    assert (len({*answers}), again, server.calls) == (2, answers, 2)


def test_two_headers_that_are_not_shown_are_named(client: openai.OpenAI) -> None:
    for value in ("blue", "red"):
        ask(client, "hi", extra_headers={"x-variant": value})
    why = str(gm.why())
    assert "a value that is not shown (headers.x-variant)" in why
    assert "blue" not in why


def test_a_response_that_continues_another_says_what_counts(client: openai.OpenAI) -> None:
    first = client.responses.create(model="gpt-4o", input="hi")
    for id in (first.id, "resp_of_another_run"):
        client.responses.create(model="gpt-4o", input="and then?", previous_response_id=id)
    why = str(gm.why())
    assert f"previous_response_id {first.id} → resp_of_another_run" in why
    assert "the provider may not know it any more" in why


def test_tools_of_google_are_named(server: ProviderServer) -> None:
    url = f"{server.url}/v1beta/models/gemini-2.5-flash:generateContent"
    for name in ("weather", "search"):
        declared = {"name": name, "parameters": {"type": "OBJECT", "properties": {"place": {"type": "STRING"}}}}
        body: Any = {"contents": [{"role": "user", "parts": [{"text": "Weather?"}]}]}
        body["tools"] = [{"functionDeclarations": [declared]}]
        httpx.post(url, json=body, headers={"user-agent": "google-genai-sdk/3.6.0"})
    assert "tools added: search, tools removed: weather" in str(gm.why())


def test_models_are_compared_by_what_was_sent(client: openai.OpenAI) -> None:
    ask(client, "hi", temperature=0.2)
    ask(client, "hi", temperature=0.9, seed=3)
    labels = gm.stats(by="configuration").index.tolist()
    shown = gm.models(diff=labels)
    assert "temperature" in str(shown)
    assert all("chat completions" in label for label in labels)
