"""What goes past LangChain's cache is looked up where it is sent, by the classes of every package that is said to."""

import asyncio
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage

import gptcache_magics as gm
from gptcache_magics.langchain.captured import PACKAGES, sends_with_httpx
from tests.support.provider_server import KEY, ProviderServer

QUESTION: Final = "What is a token?"
CLASSES: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "langchain_anthropic.ChatAnthropic": lambda url: {"model": "claude-haiku-4-5", "base_url": url},
    "langchain_deepseek.ChatDeepSeek": lambda url: {"model": "deepseek-chat", "api_base": f"{url}/v1"},
    "langchain_google_genai.ChatGoogleGenerativeAI": lambda url: {"model": "gemini-2.5-flash", "base_url": url},
    "langchain_groq.ChatGroq": lambda url: {"model": "llama-3.3-70b-versatile", "base_url": url},
    "langchain_ollama.ChatOllama": lambda url: {"model": "llama3", "base_url": url},
    "langchain_openai.ChatOpenAI": lambda url: {"model": "gpt-4o-mini", "base_url": f"{url}/v1"},
    "langchain_openai.AzureChatOpenAI": lambda url: {
        "azure_deployment": "gpt-4o-mini",
        "azure_endpoint": url,
        "api_version": "2024-10-21",
    },
    "langchain_xai.ChatXAI": lambda url: {"model": "grok-4", "base_url": f"{url}/v1"},
}
"""The classes, each with the fields that let it reach the loopback server."""
INSTALLED: Final = [path for path in CLASSES if find_spec(path.partition(".")[0])]
HAS_EVENTS: Final = hasattr(BaseChatModel, "stream_events")


def _events(llm: Any) -> str:
    return str(llm.stream_events(QUESTION, version="v3").output.text)


async def _events_later(llm: Any) -> str:
    return str((await (await llm.astream_events(QUESTION, version="v3")).output).text)


WAYS: Final[dict[str, Callable[[Any], str]]] = {
    "_generate": lambda llm: str(llm._generate([HumanMessage(QUESTION)]).generations[0].text),
    "_agenerate": lambda llm: str(asyncio.run(llm._agenerate([HumanMessage(QUESTION)])).generations[0].text),
    "_stream": lambda llm: "".join(chunk.text for chunk in llm._stream([HumanMessage(QUESTION)])),
    **({"events": _events, "events, async": lambda llm: asyncio.run(_events_later(llm))} if HAS_EVENTS else {}),
}


def made(path: str, url: str) -> Any:
    package, name = path.split(".")
    return getattr(import_module(package), name)(api_key=KEY, max_retries=0, **CLASSES[path](url))


@pytest.fixture
def on() -> Iterator[None]:
    """Turn the cache on, in memory."""
    gm.on(":memory:")
    yield
    gm.off()


def test_every_package_has_a_class() -> None:
    assert {path.partition(".")[0] for path in CLASSES} == PACKAGES


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", INSTALLED)
def test_it_is_looked_up_where_it_is_sent(path: str, way: str, server: ProviderServer, on: None) -> None:
    llm = made(path, server.url)
    assert sends_with_httpx(llm, "_generate", "_stream")
    first = WAYS[way](llm)
    assert WAYS[way](llm) == first != ""
    assert server.calls == 1
    assert list(gm.lookups()["outcome"]) == ["hit", "miss"]
    with gm.using(mode="replay"):
        assert WAYS[way](llm) == first
        with pytest.raises(gm.CacheMiss, match="nothing is recorded"):
            made(path, server.url)._generate([HumanMessage("What is another token?")])
    assert server.calls == 1
