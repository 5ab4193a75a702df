"""*Copy as Python* of an entry that an SDK asked: the SDK's own call, without a key, which the same entry answers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import cohere
import httpx
import httpx2
import ollama
import openai
import pytest
from google import genai
from mistralai.client import Mistral
from pydantic import BaseModel

import gptcache_magics as gm
from gptcache_magics.widgets.entry.as_python import as_python
from tests.sdk.reading import newest
from tests.support.provider_server import KEY, ProviderServer

pytestmark = pytest.mark.usefixtures("sdks_on")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA: Any = {"type": "object", "properties": {"place": {"type": "string"}, "day": {"type": "string"}}}
SCHEMA |= {"required": ["place", "day"]}
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
HI: Any = [{"role": "user", "content": 'say "hi",\nit\'s me'}]


class Person(BaseModel):
    """A person, whose fields are not in the order of the alphabet."""

    name: str
    age: int


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "MISTRAL_API_KEY", "CO_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, KEY)


@contextmanager
def a_hit(server: ProviderServer, *, sure: bool = True) -> Iterator[list[str]]:
    """Run the code of the entry that the block stores last: nothing is sent, and the entry answers."""
    code: list[str] = []
    yield code
    stored, calls = newest(), server.calls
    code.append(as_python(stored.entry, stored.asked))
    assert KEY not in code[0]
    assert ("Not sure" not in code[0]) == sure
    exec(compile(code[0], "<copied>", "exec"), {})
    assert server.calls == calls, code[0]
    assert gm.lookups().iloc[0]["entry"] == gm.entries(sort="created").index[0]


def tools(client: openai.OpenAI) -> None:
    asked = [{"role": "developer", "content": "Help."}, {"role": "user", "content": "Weather?", "name": "ann"}]
    create: Any = client.chat.completions.create
    said = create(model="gpt-4o", messages=asked, tools=[TOOL]).choices[0].message
    result = {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "Rain."}
    create(model="gpt-4o", messages=[*asked, said, result], tools=[TOOL], temperature=0.2, seed=7)


def image(client: openai.OpenAI) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": "What?"}, picture]}]
    client.chat.completions.create(model="gpt-4o", messages=messages, n=2)


def stream(client: openai.OpenAI) -> None:
    for _ in client.chat.completions.create(model="gpt-4o", messages=HI, stream=True):
        pass


def structured(client: openai.OpenAI) -> None:
    client.chat.completions.parse(model="gpt-4o", messages=HI, response_format=Person)


def beyond(client: openai.OpenAI) -> None:
    rest: Any = {"extra_body": {"top_k": 3}, "extra_headers": {"openai-beta": "x"}, "extra_query": {"beta": "true"}}
    client.chat.completions.create(model="gpt-4o", messages=HI, **rest)


def respond(client: openai.OpenAI) -> None:
    first = client.responses.create(model="gpt-4o", instructions="Be brief.", input="hi")
    client.responses.create(model="gpt-4o", input="and then?", previous_response_id=first.id)


def respond_with_tools(client: openai.OpenAI) -> None:
    tool: Any = {"type": "function", "name": "weather", "parameters": SCHEMA}
    asked: Any = [{"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]}]
    said: Any = client.responses.create(model="gpt-4o", input=asked, tools=[tool]).output
    result = {"type": "function_call_output", "call_id": said[0].call_id, "output": "Rain."}
    client.responses.create(model="gpt-4o", input=[*asked, *said, result], tools=[tool], reasoning={"effort": "low"})


def respond_structured(client: openai.OpenAI) -> None:
    client.responses.parse(model="gpt-4o", input="Ann is 3", text_format=Person)


def complete(client: openai.OpenAI) -> None:
    client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once", max_tokens=50)


@pytest.mark.parametrize(
    "ask",
    [tools, image, stream, structured, beyond, respond, respond_with_tools, respond_structured, complete],
)
def test_a_call_of_openai(client: openai.OpenAI, server: ProviderServer, ask: Callable[[openai.OpenAI], None]) -> None:
    with a_hit(server) as code:
        ask(client)
    assert "client = openai.OpenAI(base_url=" in code[0]
    assert "api_key" not in code[0]


@pytest.mark.parametrize("streams", [False, True])
def test_a_call_of_anthropic(claude: anthropic.Anthropic, server: ProviderServer, streams: bool) -> None:
    messages: Any = [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2lnbmF0dXJl"},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"place": "Oslo"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Rain."}]},
    ]
    system: Any = [{"type": "text", "text": "Help.", "cache_control": {"type": "ephemeral"}}]
    given: Any = {"system": system, "tools": [{"name": "weather", "input_schema": SCHEMA}], "messages": messages}
    given |= {"model": "claude-haiku-4-5", "max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    with a_hit(server) as code:
        if streams:
            with claude.messages.stream(**given) as pieces:
                pieces.get_final_message()
        else:
            claude.messages.create(**given)
    assert "answer = client.messages.create(" in code[0]
    assert "anthropic-version" not in code[0], "the SDK sends it"


def test_another_version_of_the_api_is_written(claude: anthropic.Anthropic, server: ProviderServer) -> None:
    older = {"anthropic-version": "2023-01-01"}
    with a_hit(server) as code:
        claude.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=HI, extra_headers=older)
    assert "2023-01-01" in code[0]


def test_a_call_of_ollama(server: ProviderServer) -> None:
    client = ollama.Client(host=server.url)
    with a_hit(server):
        messages = [{"role": "user", "content": "What is it?", "images": [PIXEL]}]
        client.chat("llama3", messages, tools=[TOOL], options={"temperature": 0}, format=Person.model_json_schema())
    with a_hit(server):
        client.generate("llama3", "Say it.", system="Be brief.")


def test_a_call_of_cohere(server: ProviderServer) -> None:
    client = cohere.ClientV2(api_key=KEY, base_url=server.url)
    with a_hit(server):
        client.chat(model="command-a", messages=HI, tools=[TOOL], temperature=0.3)


def test_a_call_of_google(server: ProviderServer) -> None:
    client = genai.Client(api_key=KEY, http_options={"base_url": server.url, "api_version": "v1beta"})
    parts = ["What?", genai.types.Part.from_bytes(data=b"1", mime_type="image/png")]
    config: Any = {"system_instruction": "Help.", "temperature": 0.1}
    with a_hit(server):
        structure = {"response_mime_type": "application/json", "response_schema": Person}
        client.models.generate_content(model="gemini-2.5-flash", contents=parts, config={**config, **structure})
    with a_hit(server):
        declared = {"name": "weather", "parameters_json_schema": SCHEMA}
        tool = {"function_declarations": [declared]}
        client.models.generate_content(model="gemini-2.5-flash", contents="Hi", config={**config, "tools": [tool]})
    with a_hit(server):
        chat = client.chats.create(model="gemini-2.5-flash")
        chat.send_message("one")
        chat.send_message("two")


def test_a_call_of_another_library_is_written_as_openai(server: ProviderServer) -> None:
    with a_hit(server) as code:
        Mistral(api_key=KEY, server_url=server.url).chat.complete(model="mistral-small", messages=HI)
    assert 'openai.OpenAI(api_key=os.environ["MISTRAL_API_KEY"], base_url=' in code[0]


def test_a_header_that_is_not_shown_is_said(client: openai.OpenAI, server: ProviderServer) -> None:
    client.chat.completions.create(model="gpt-4o", messages=HI, extra_headers={"x-variant": "blue"})
    stored = newest()
    code = as_python(stored.entry, stored.asked)
    assert "# Not sure to be the same" in code
    assert "blue" not in code


def test_azure_is_written_with_its_own_client(server: ProviderServer) -> None:
    client = openai.AzureOpenAI(api_key=KEY, azure_endpoint=server.url, api_version="2026-01-01")
    http = client._client
    library = httpx if isinstance(http, httpx.Client) else httpx2
    answer: Any = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]
    }
    answer |= {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o"}
    transport = library.MockTransport(lambda _: library.Response(200, json=answer))
    client = client.copy(http_client=library.Client(transport=transport))
    client.chat.completions.create(model="gpt-4o", messages=HI)
    stored = newest()
    code = as_python(stored.entry, stored.asked)
    assert f'openai.AzureOpenAI(api_key=os.environ["AZURE_OPENAI_API_KEY"], azure_endpoint="{server.url}"' in code
