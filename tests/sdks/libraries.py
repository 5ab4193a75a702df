"""The libraries with every way to ask each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import dspy
import instructor
import litellm
import openai
from llama_index.core import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI as LlamaIndexOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tests.sdk.calls import TOOLS, Call, City, Library, messages, run, said, seen, text_of
from tests.support.provider_server import KEY

__all__ = ["LIBRARIES"]

litellm.num_retries = 0
litellm.suppress_debug_info = True


def _litellm(model: str, path: str) -> Library:
    def calls(url: str) -> dict[str, Call]:
        given: Any = {"model": model, "api_base": f"{url}{path}", "api_key": KEY}

        def ask(question: str, **fields: Any) -> Any:
            return litellm.completion(messages=messages(question), **given, **fields)

        def ask_later(question: str, **fields: Any) -> Any:
            return litellm.acompletion(messages=messages(question), **given, **fields)

        async def pieces_later(question: str) -> str:
            return text_of([chunk async for chunk in await ask_later(question, stream=True)])

        found: dict[str, Call] = {
            "whole": lambda question: ask(question).choices[0].message.content,
            "stream": lambda question: text_of(ask(question, stream=True)),
            "typed": lambda question: ask(question, response_format=City).choices[0].message.content,
            "async": lambda question: run(ask_later(question)).choices[0].message.content,
            "async stream": lambda question: run(pieces_later(question)),
        }
        if not model.startswith("ollama/"):
            found["tools"] = lambda question: _called(ask(question, tools=TOOLS))
            found["async tools"] = lambda question: _called(run(ask_later(question, tools=TOOLS)))
        return found

    return calls


def _called(answer: Any) -> str:
    """Return the call of a tool in an answer; litellm makes up its id where the provider gives none."""
    return str(answer.choices[0].message.tool_calls[0].function)


def _openai_of_pydantic_ai(url: str) -> Any:
    return OpenAIChatModel("gpt-4o", provider=OpenAIProvider(base_url=f"{url}/v1", api_key=KEY))


def _anthropic_of_pydantic_ai(url: str) -> Any:
    return AnthropicModel("claude-haiku-4-5", provider=AnthropicProvider(base_url=url, api_key=KEY))


def _pydantic_ai(make: Callable[[str], Any]) -> Library:
    def calls(url: str) -> dict[str, Call]:
        chat = make(url)

        async def pieces_later(question: str) -> str:
            async with Agent(chat).run_stream(question) as answer:
                return [text async for text in answer.stream_text()][-1]

        return {
            "whole": lambda question: Agent(chat).run_sync(question).output,
            "typed": lambda question: seen(Agent(chat, output_type=City).run_sync(question).output),
            "stream": lambda question: [*Agent(chat).run_stream_sync(question).stream_text()][-1],
            "async": lambda question: run(Agent(chat).run(question)).output,
            "async stream": lambda question: run(pieces_later(question)),
        }

    return calls


def _instructor(url: str) -> dict[str, Call]:
    chat: Any = instructor.from_openai(openai.OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0))
    later: Any = instructor.from_openai(openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0))
    claude: Any = instructor.from_anthropic(anthropic.Anthropic(api_key=KEY, base_url=url, max_retries=0))
    asked: Any = {"model": "gpt-4o", "response_model": City}
    of_claude: Any = {"model": "claude-haiku-4-5", "max_tokens": 50, "response_model": City}

    async def partial_later(question: str) -> Any:
        pieces = later.chat.completions.create_partial(messages=messages(question), **asked)
        return seen([piece async for piece in pieces][-1])

    return {
        "whole": lambda question: seen(chat.chat.completions.create(messages=messages(question), **asked)),
        "partial": lambda question: seen(
            [*chat.chat.completions.create_partial(messages=messages(question), **asked)][-1]
        ),
        "async": lambda question: seen(run(later.chat.completions.create(messages=messages(question), **asked))),
        "async partial": lambda question: run(partial_later(question)),
        "anthropic": lambda question: seen(claude.messages.create(messages=messages(question), **of_claude)),
    }


def _llama_index(url: str) -> dict[str, Call]:
    model = LlamaIndexOpenAI(model="gpt-4o", api_key=KEY, api_base=f"{url}/v1", max_retries=0)
    tool = FunctionTool.from_defaults(_weather, name="weather", description="w")
    city = PromptTemplate("{question}")

    async def pieces_later(question: str) -> str:
        return said([each.delta async for each in await model.astream_complete(question)])

    def called(answer: Any) -> Any:
        return [(call.tool_name, call.tool_kwargs) for call in model.get_tool_calls_from_response(answer)]

    return {
        "whole": lambda question: model.complete(question).text,
        "stream": lambda question: said(each.delta for each in model.stream_complete(question)),
        "tools": lambda question: called(model.chat_with_tools([tool], user_msg=question)),
        "typed": lambda question: seen(model.structured_predict(City, city, question=question)),
        "async": lambda question: run(model.acomplete(question)).text,
        "async stream": lambda question: run(pieces_later(question)),
        "async tools": lambda question: called(run(model.achat_with_tools([tool], user_msg=question))),
    }


def _weather(city: str) -> str:
    return f"sunny in {city}"


def _dspy(engine: str, model: str, path: str) -> Library:
    def calls(url: str) -> dict[str, Call]:
        lm = dspy.LM(model, api_key=KEY, api_base=f"{url}{path}", num_retries=0, engine=engine)

        return {
            "whole": lambda question: lm(question),
            "async": lambda question: run(lm.acall(question)),
        }

    return calls


LIBRARIES: dict[str, Library] = {
    "litellm openai": _litellm("gpt-4o", "/v1"),
    "litellm vllm": _litellm("openai/my-model", "/v1"),
    "litellm anthropic": _litellm("anthropic/claude-3-5-haiku-latest", ""),
    "litellm gemini": _litellm("gemini/gemini-2.5-flash", ""),
    "litellm ollama": _litellm("ollama_chat/llama3", ""),
    "litellm ollama generate": _litellm("ollama/llama3", ""),
    "pydantic-ai openai": _pydantic_ai(_openai_of_pydantic_ai),
    "pydantic-ai anthropic": _pydantic_ai(_anthropic_of_pydantic_ai),
    "instructor": _instructor,
    "llama-index": _llama_index,
    "dspy openai": _dspy("auto", "openai/gpt-4o", "/v1"),
    "dspy anthropic": _dspy("auto", "anthropic/claude-haiku-4-5", "/v1"),
    "dspy litellm": _dspy("litellm", "openai/gpt-4o", "/v1"),
}
"""The calls of each library, by its name; of ``litellm`` with the provider behind it."""
