"""Money, compared with the price list itself."""

import math

import pytest
from genai_prices import Usage as Tokens
from genai_prices import calc_price
from genai_prices.data import providers

from gptcache_magics import pricing
from gptcache_magics.store.protocol import Usage

MINI, CLAUDE = ("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-0")


def price(provider: str, model: str, usage: Usage) -> float:
    """Return the price of the price list, or NaN if it does not know."""
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    tokens = Tokens(**{name: getattr(usage, name) for name in names if getattr(usage, name)})
    try:
        return float(calc_price(tokens, model_ref=model, provider_id=provider).total_price)
    except (LookupError, ValueError):
        return math.nan


@pytest.mark.slow
@pytest.mark.parametrize("input_tokens", [pricing.TIER_TOKENS - 1, 250_000])
def test_every_model_of_the_list_costs_what_the_list_says(input_tokens: int) -> None:
    usage = Usage(input_tokens, 3_000, 7_000, 2_000)
    known = [(provider.id, model.id) for provider in providers for model in provider.models]

    different = [
        (provider, model, ours, theirs)
        for provider, model in known
        if (ours := pricing.usd(provider, model, usage))
        != pytest.approx(theirs := price(provider, model, usage), rel=1e-6, nan_ok=True)
    ]

    assert len(known) > 100
    assert different == []


@pytest.mark.parametrize("model", [MINI, CLAUDE], ids=lambda model: model[1])
@pytest.mark.parametrize(
    "usage", [Usage(1_000, 500), Usage(1_000, 500, 400), Usage(1_000, 500, 400, 300), Usage(0, 0), Usage(7, 0)], ids=str
)
def test_cached_tokens_are_part_of_the_input_and_have_their_own_price(model: tuple[str, str], usage: Usage) -> None:
    assert pricing.usd(*model, usage) == pytest.approx(price(*model, usage))


def test_reading_cached_tokens_is_cheaper_than_paying_for_them_again() -> None:
    assert 0 < pricing.usd(*MINI, Usage(1_000, 0, 1_000)) < pricing.usd(*MINI, Usage(1_000, 0))
    assert pricing.usd(*CLAUDE, Usage(1_000, 0, 0, 1_000)) > pricing.usd(*CLAUDE, Usage(1_000, 0))


@pytest.mark.parametrize(
    ("provider", "model", "usage"),
    [
        (*MINI, Usage()),
        (*MINI, Usage(1_000, None)),
        (*MINI, Usage(None, 1_000)),
        ("openai", "no-such-model", Usage(1_000, 500)),
        ("no-such-provider", "gpt-4o-mini", Usage(1_000, 500)),
        ("ollama", "llama3", Usage(1_000, 500)),
        ("", "", Usage(1_000, 500)),
        ("ollama", "llama3", Usage(1_000_000, 500)),
    ],
)
def test_unknown_costs_are_nan_and_not_zero(provider: str, model: str, usage: Usage) -> None:
    assert math.isnan(pricing.usd(provider, model, usage))


@pytest.mark.parametrize(
    ("provider", "model", "theirs"),
    [
        ("azure_openai", "gpt-4o-mini", ("azure", "gpt-4o-mini")),
        ("google_genai", "gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        ("google_genai", "models/gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        ("google_vertexai", "gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        ("mistralai", "mistral-small-latest", ("mistral", "mistral-small-latest")),
        ("xai", "grok-3", ("x-ai", "grok-3")),
        ("openai", "gpt-4o-mini-2024-07-18", ("openai", "gpt-4o-mini")),
    ],
)
def test_langchain_s_names_of_providers_and_models_find_the_price(
    provider: str, model: str, theirs: tuple[str, str]
) -> None:
    usage = Usage(1_000, 500)

    assert pricing.usd(provider, model, usage) == pytest.approx(price(*theirs, usage))
