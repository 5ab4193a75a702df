"""The tokens of an answer are those that the price list reads of it."""

from typing import Any

import pytest
from genai_prices import extract_usage

from gptcache_magics.protocols import PROTOCOLS

pytestmark = pytest.mark.slow  # earlier price lists read less: only the newest one tells

CHAT = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
READ = {"prompt_tokens_details": {"cached_tokens": 20}}
THOUGHT = {"completion_tokens_details": {"reasoning_tokens": 30}}
RESPONSES = {
    **{"input_tokens": 100, "output_tokens": 50, "total_tokens": 150},
    **{"input_tokens_details": {"cached_tokens": 20}, "output_tokens_details": {"reasoning_tokens": 30}},
}
ANTHROPIC = {
    **{"input_tokens": 6, "output_tokens": 50, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 30},
    "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
}
GEMINI = {
    **{"promptTokenCount": 100, "candidatesTokenCount": 50, "thoughtsTokenCount": 30, "totalTokenCount": 189},
    **{"cachedContentTokenCount": 20, "toolUsePromptTokenCount": 9},
}
COHERE = {"tokens": {"input_tokens": 9.0, "output_tokens": 4.0}, "billed_units": {"input_tokens": 5.0}}
WRITTEN = {"prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 10}}


@pytest.mark.parametrize(
    ("api", "provider", "flavor", "model", "usage"),
    [
        ("openai-chat", "openai", "chat", "gpt-4o", CHAT),
        ("openai-chat", "openai", "chat", "gpt-5", {**CHAT, **READ, **THOUGHT}),
        ("openai-chat", "x-ai", "chat", "grok-3-mini", {**CHAT, **READ, **THOUGHT, "total_tokens": 180}),
        ("openai-chat", "openrouter", "chat", "openai/gpt-4o", {**CHAT, **WRITTEN, "cost": 0.5}),
        ("openai-chat", "groq", "default", "llama-3.3-70b-versatile", {**CHAT, **READ}),
        ("openai-completions", "openai", "chat", "gpt-3.5-turbo-instruct", CHAT),
        ("openai-responses", "openai", "responses", "gpt-5", RESPONSES),
        ("anthropic-messages", "anthropic", "default", "claude-haiku-4-5", ANTHROPIC),
        ("gemini", "google", "default", "gemini-2.5-flash", GEMINI),
        ("cohere-chat", "cohere", "tokens", "command-a-03-2025", COHERE),
    ],
)
def test_tokens_are_those_of_the_price_list(api: str, provider: str, flavor: str, model: str, usage: Any) -> None:
    place = "usageMetadata" if api == "gemini" else "usage"
    whole = {"model": model, "modelVersion": model, place: usage}
    used = PROTOCOLS[api].usage(whole)
    listed = extract_usage(whole, provider_id=provider, api_flavor=flavor).usage
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"):
        assert (getattr(used, name) or 0) == (getattr(listed, name) or 0), name
