"""The SDKs of providers, with every way to ask each of them."""

from __future__ import annotations

from typing import Any

import anthropic
import cohere
import groq
import ollama
import openai
from google import genai
from google.genai import types
from mistralai.client import Mistral

from tests.sdk.calls import SCHEMA, TOOLS, Call, City, Library, messages, run, said, seen, text_of
from tests.support.provider_server import KEY

__all__ = ["LIBRARIES"]

CLAUDE: Any = {"model": "claude-haiku-4-5", "max_tokens": 50}
FLASH = "gemini-2.5-flash"


def _openai(url: str) -> dict[str, Call]:
    client = openai.OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0)
    later = openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0)
    return {**_chat(client, later, "gpt-4o"), **_responses(client, later), **_completions(client)}


def _azure(url: str) -> dict[str, Call]:
    given: Any = {"api_key": KEY, "azure_endpoint": url, "api_version": "2024-10-21", "max_retries": 0}
    return _chat(openai.AzureOpenAI(**given), openai.AsyncAzureOpenAI(**given), "gpt-4o")


def _chat(client: Any, later: Any, model: str) -> dict[str, Call]:
    def ask(question: str, **fields: Any) -> Any:
        return client.chat.completions.create(model=model, messages=messages(question), **fields)

    def ask_later(question: str, **fields: Any) -> Any:
        return later.chat.completions.create(model=model, messages=messages(question), **fields)

    def tools_in_pieces(question: str) -> Any:
        chunks = [chunk.choices[0].delta for chunk in ask(question, tools=TOOLS, stream=True) if chunk.choices]
        calls = [call.function for delta in chunks for call in delta.tool_calls or ()]
        return said(call.name for call in calls), said(call.arguments for call in calls)

    def helper(question: str) -> Any:
        with client.chat.completions.stream(model=model, messages=messages(question), response_format=City) as stream:
            for _ in stream:
                pass
            return seen(stream.get_final_completion())

    def streaming_response(question: str) -> Any:
        asking = client.chat.completions.with_streaming_response
        with asking.create(model=model, messages=messages(question)) as response:
            return seen(response.parse())

    async def pieces_later(question: str) -> str:
        return text_of([chunk async for chunk in await ask_later(question, stream=True)])

    async def helper_later(question: str) -> Any:
        async with later.chat.completions.stream(model=model, messages=messages(question)) as stream:
            async for _ in stream:
                pass
            return seen(await stream.get_final_completion())

    completions = client.chat.completions
    with_usage: Any = {"stream": True, "stream_options": {"include_usage": True}}
    return {
        "whole": lambda question: seen(ask(question)),
        "two answers": lambda question: seen(ask(question, n=2)),
        "stream": lambda question: text_of(ask(question, stream=True)),
        "stream with usage": lambda question: [seen(each.usage) for each in ask(question, **with_usage) if each.usage],
        "tools": lambda question: seen(ask(question, tools=TOOLS)),
        "tools in pieces": tools_in_pieces,
        "parse": lambda question: seen(
            completions.parse(model=model, messages=messages(question), response_format=City)
        ),
        "raw": lambda question: seen(
            completions.with_raw_response.create(model=model, messages=messages(question)).parse()
        ),
        "raw stream": lambda question: text_of(
            completions.with_raw_response.create(model=model, messages=messages(question), stream=True).parse()
        ),
        "streaming response": streaming_response,
        "helper": helper,
        "async": lambda question: seen(run(ask_later(question))),
        "async stream": lambda question: run(pieces_later(question)),
        "async helper": lambda question: run(helper_later(question)),
    }


def _responses(client: openai.OpenAI, later: openai.AsyncOpenAI) -> dict[str, Call]:
    asking: Any = client.responses

    def helper(question: str) -> Any:
        with asking.stream(model="gpt-4o", input=question, text_format=City) as stream:
            for _ in stream:
                pass
            return seen(stream.get_final_response())

    async def pieces_later(question: str) -> str:
        stream: Any = await later.responses.create(model="gpt-4o", input=question, stream=True)
        return said([event.delta async for event in stream if event.type == "response.output_text.delta"])

    def pieces(question: str) -> str:
        stream = asking.create(model="gpt-4o", input=question, stream=True)
        return said(event.delta for event in stream if event.type == "response.output_text.delta")

    tool: Any = {"type": "function", "name": "weather", "parameters": SCHEMA}
    return {
        "responses": lambda question: seen(asking.create(model="gpt-4o", input=question)),
        "responses stream": pieces,
        "responses tools": lambda question: seen(asking.create(model="gpt-4o", input=question, tools=[tool])),
        "responses parse": lambda question: seen(asking.parse(model="gpt-4o", input=question, text_format=City)),
        "responses raw": lambda question: seen(asking.with_raw_response.create(model="gpt-4o", input=question).parse()),
        "responses helper": helper,
        "responses async": lambda question: seen(run(later.responses.create(model="gpt-4o", input=question))),
        "responses async stream": lambda question: run(pieces_later(question)),
    }


def _completions(client: openai.OpenAI) -> dict[str, Call]:
    def ask(question: Any, **fields: Any) -> Any:
        return client.completions.create(model="gpt-3.5-turbo-instruct", prompt=question, **fields)

    return {
        "completions": lambda question: seen(ask(question)),
        "completions of two": lambda question: seen(ask([question, "another"])),
        "completions stream": lambda question: said(piece.choices[0].text for piece in ask(question, stream=True)),
    }


def _anthropic(url: str) -> dict[str, Call]:
    client: Any = anthropic.Anthropic(api_key=KEY, base_url=url, max_retries=0)
    later: Any = anthropic.AsyncAnthropic(api_key=KEY, base_url=url, max_retries=0)
    tools = [{"name": "weather", "input_schema": SCHEMA}]

    def ask(question: str, **fields: Any) -> Any:
        return client.messages.create(**CLAUDE, messages=messages(question), **fields)

    def pieces(question: str) -> Any:
        events = ask(question, stream=True)
        return said(event.delta.text for event in events if event.type == "content_block_delta")

    def helper(question: str, **fields: Any) -> Any:
        with client.messages.stream(**CLAUDE, messages=messages(question), **fields) as stream:
            for _ in stream:
                pass
            return seen(stream.get_final_message())

    def streaming_response(question: str) -> Any:
        with client.messages.with_streaming_response.create(**CLAUDE, messages=messages(question)) as response:
            return seen(response.parse())

    async def helper_later(question: str) -> Any:
        async with later.messages.stream(**CLAUDE, messages=messages(question)) as stream:
            return [text async for text in stream.text_stream] and seen(await stream.get_final_message())

    async def pieces_later(question: str) -> str:
        stream = await later.messages.create(**CLAUDE, messages=messages(question), stream=True)
        return said([event.delta.text async for event in stream if event.type == "content_block_delta"])

    return {
        "whole": lambda question: seen(ask(question)),
        "stream": pieces,
        "tools": lambda question: seen(ask(question, tools=tools)),
        "raw": lambda question: seen(
            client.messages.with_raw_response.create(**CLAUDE, messages=messages(question)).parse()
        ),
        "streaming response": streaming_response,
        "helper": helper,
        "helper with tools": lambda question: helper(question, tools=tools),
        "async": lambda question: seen(run(later.messages.create(**CLAUDE, messages=messages(question)))),
        "async stream": lambda question: run(pieces_later(question)),
        "async helper": lambda question: run(helper_later(question)),
    }


def _google(url: str) -> dict[str, Call]:
    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=url))
    function = types.FunctionDeclaration(name="weather", description="w", parameters_json_schema=SCHEMA)
    tools = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[function])])
    parsed = types.GenerateContentConfig(response_mime_type="application/json", response_schema=City)
    later: Any = client.aio.models

    def whole(answer: Any) -> Any:
        return answer.model_dump(exclude={"sdk_http_response"}), seen(answer.parsed)

    def ask(question: str, config: Any = None) -> Any:
        return whole(client.models.generate_content(model=FLASH, contents=question, config=config))

    async def pieces_later(question: str) -> str:
        return said([each.text async for each in await later.generate_content_stream(model=FLASH, contents=question)])

    return {
        "whole": ask,
        "stream": lambda question: said(
            each.text for each in client.models.generate_content_stream(model=FLASH, contents=question)
        ),
        "tools": lambda question: ask(question, tools),
        "parse": lambda question: ask(question, parsed),
        "chat": lambda question: whole(client.chats.create(model=FLASH).send_message(question)),
        "async": lambda question: whole(run(later.generate_content(model=FLASH, contents=question))),
        "async stream": lambda question: run(pieces_later(question)),
    }


def _mistral(url: str) -> dict[str, Call]:
    chat: Any = Mistral(api_key=KEY, server_url=url).chat
    asked = {"model": "mistral-small-latest"}

    async def pieces_later(question: str) -> str:
        stream = await chat.stream_async(**asked, messages=messages(question))
        return text_of([event.data async for event in stream])

    return {
        "whole": lambda question: seen(chat.complete(**asked, messages=messages(question))),
        "stream": lambda question: text_of(event.data for event in chat.stream(**asked, messages=messages(question))),
        "tools": lambda question: seen(chat.complete(**asked, messages=messages(question), tools=TOOLS)),
        "parse": lambda question: seen(chat.parse(City, **asked, messages=messages(question))),
        "async": lambda question: seen(run(chat.complete_async(**asked, messages=messages(question)))),
        "async stream": lambda question: run(pieces_later(question)),
    }


def _groq(url: str) -> dict[str, Call]:
    client: Any = groq.Groq(api_key=KEY, base_url=url, max_retries=0)
    later: Any = groq.AsyncGroq(api_key=KEY, base_url=url, max_retries=0)
    asked = {"model": "llama-3.3-70b-versatile"}

    def ask(question: str, **fields: Any) -> Any:
        return client.chat.completions.create(**asked, messages=messages(question), **fields)

    def streaming_response(question: str) -> Any:
        with client.chat.completions.with_streaming_response.create(**asked, messages=messages(question)) as response:
            return seen(response.parse())

    async def pieces_later(question: str) -> str:
        stream = await later.chat.completions.create(**asked, messages=messages(question), stream=True)
        return text_of([chunk async for chunk in stream])

    return {
        "whole": lambda question: seen(ask(question)),
        "stream": lambda question: text_of(ask(question, stream=True)),
        "tools": lambda question: seen(ask(question, tools=TOOLS)),
        "raw": lambda question: seen(
            client.chat.completions.with_raw_response.create(**asked, messages=messages(question)).parse()
        ),
        "streaming response": streaming_response,
        "async": lambda question: seen(run(later.chat.completions.create(**asked, messages=messages(question)))),
        "async stream": lambda question: run(pieces_later(question)),
    }


def _cohere(url: str) -> dict[str, Call]:
    client: Any = cohere.ClientV2(api_key=KEY, base_url=url)
    later: Any = cohere.AsyncClientV2(api_key=KEY, base_url=url)
    asked = {"model": "command-a-03-2025"}

    def calls_in_pieces(question: str) -> Any:
        events = client.chat_stream(**asked, messages=messages(question), tools=TOOLS)
        deltas = [event.delta.message for event in events if event.type == "tool-call-delta"]
        return said(each.tool_calls.function.arguments for each in deltas)

    async def pieces_later(question: str) -> str:
        stream = later.chat_stream(**asked, messages=messages(question))
        return said([event.delta.message.content.text async for event in stream if event.type == "content-delta"])

    def pieces(question: str) -> str:
        stream = client.chat_stream(**asked, messages=messages(question))
        return said(event.delta.message.content.text for event in stream if event.type == "content-delta")

    return {
        "whole": lambda question: seen(client.chat(**asked, messages=messages(question))),
        "stream": pieces,
        "tools": lambda question: seen(client.chat(**asked, messages=messages(question), tools=TOOLS)),
        "tools in pieces": calls_in_pieces,
        "raw": lambda question: seen(client.with_raw_response.chat(**asked, messages=messages(question)).data),
        "async": lambda question: seen(run(later.chat(**asked, messages=messages(question)))),
        "async stream": lambda question: run(pieces_later(question)),
    }


def _ollama(url: str) -> dict[str, Call]:
    client: Any = ollama.Client(host=url)
    later: Any = ollama.AsyncClient(host=url)

    async def pieces_later(question: str) -> str:
        stream = await later.chat(model="llama3", messages=messages(question), stream=True)
        return said([piece.message.content async for piece in stream])

    def ask(question: str, **fields: Any) -> Any:
        return client.chat(model="llama3", messages=messages(question), **fields)

    return {
        "whole": lambda question: seen(ask(question)),
        "stream": lambda question: said(piece.message.content for piece in ask(question, stream=True)),
        "tools": lambda question: seen(ask(question, tools=TOOLS)),
        "schema": lambda question: seen(ask(question, format=SCHEMA)),
        "generate": lambda question: seen(client.generate(model="llama3", prompt=question)),
        "generate stream": lambda question: said(
            piece.response for piece in client.generate(model="llama3", prompt=question, stream=True)
        ),
        "async": lambda question: seen(run(later.chat(model="llama3", messages=messages(question)))),
        "async stream": lambda question: run(pieces_later(question)),
        "async generate": lambda question: seen(run(later.generate(model="llama3", prompt=question))),
    }


LIBRARIES: dict[str, Library] = {
    "openai": _openai,
    "azure": _azure,
    "anthropic": _anthropic,
    "google-genai": _google,
    "mistralai": _mistral,
    "groq": _groq,
    "cohere": _cohere,
    "ollama": _ollama,
}
"""The calls of each SDK, by its name on PyPI; ``azure`` is ``openai`` as it asks Azure."""
