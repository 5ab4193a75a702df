"""Clients of SDKs that talk to the loopback server."""

from collections.abc import Iterator

import anthropic
import openai
import pytest

import gptcache_magics as gm
from tests.support.provider_server import KEY, ProviderServer


@pytest.fixture
def sdks_on() -> Iterator[None]:
    """Turn the cache on, in memory."""
    gm.on(":memory:")
    yield
    if gm.current() is not None:
        gm.off()


@pytest.fixture
def client(server: ProviderServer) -> openai.OpenAI:
    """Return a client of OpenAI's that never tries again."""
    return openai.OpenAI(api_key=KEY, base_url=server.openai_url, max_retries=0)


@pytest.fixture
def claude(server: ProviderServer) -> anthropic.Anthropic:
    """Return a client of Anthropic's that never tries again."""
    return anthropic.Anthropic(api_key=KEY, base_url=server.url, max_retries=0)
