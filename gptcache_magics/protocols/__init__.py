"""The APIs of providers over HTTP, one file each: requests and answers as plain JSON.

Nothing here knows a cache, an HTTP client or a class of LangChain's. To add an API, add a file and a line here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gptcache_magics.protocols.anthropic_messages import AnthropicMessages
from gptcache_magics.protocols.base import Protocol
from gptcache_magics.protocols.cohere import CohereChat
from gptcache_magics.protocols.gemini import Gemini
from gptcache_magics.protocols.ollama import OllamaChat, OllamaGenerate
from gptcache_magics.protocols.openai_chat import OpenAIChat
from gptcache_magics.protocols.openai_completions import OpenAICompletions
from gptcache_magics.protocols.openai_responses import OpenAIResponses

__all__ = ["PROTOCOLS", "protocol_of"]

PROTOCOLS: Final[dict[str, Protocol]] = {
    each.name: each
    for each in (
        *(OpenAIChat(), OpenAIResponses(), OpenAICompletions(), AnthropicMessages(), Gemini()),
        *(OllamaChat(), OllamaGenerate(), CohereChat()),
    )
}
"""The protocols by their names."""


@lru_cache(maxsize=256)  # every request of the process asks, and most of them have one of a few paths
def protocol_of(path: str) -> Protocol | None:
    """Return the protocol that a path of a URL belongs to."""
    return next((each for each in PROTOCOLS.values() if each.fits(path) is not None), None)
