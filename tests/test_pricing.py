"""Money, compared with the price list itself."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from genai_prices import Usage as Tokens
from genai_prices import calc_price
from genai_prices.data import providers

from gptcache_magics import pricing
from gptcache_magics.errors import CommandError
from gptcache_magics.settings import NOTEBOOK, prices_of
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


@pytest.fixture
def prices() -> Iterator[Callable[[object], None]]:
    """Return a function that sets prices of one's own."""

    def set_prices(given: object) -> None:
        NOTEBOOK.config = replace(NOTEBOOK.config, prices=prices_of(given))

    yield set_prices
    NOTEBOOK.config = replace(NOTEBOOK.config, prices=())


def test_a_price_of_one_s_own_goes_before_the_list_and_an_exact_name_before_a_glob(
    prices: Callable[[object], None],
) -> None:
    listed = pricing.usd(*MINI, Usage(1_000, 500))
    prices({"gpt-*": (1, 2), "gpt-4o-mini": (3, np.float64(5)), "gemini-*": [7, 9], "lla*": (0, 0)})

    assert pricing.usd(*MINI, Usage(1_000_000, 1_000_000)) == pytest.approx(8)
    assert pricing.usd("openai", "gpt-9", Usage(2_000_000, 0)) == pytest.approx(2)
    assert pricing.usd("google_genai", "models/gemini-9", Usage(1_000_000, 0)) == pytest.approx(7)
    assert pricing.usd("ollama", "llama3", Usage(1_000, 500)) == 0
    assert math.isnan(pricing.usd("ollama", "qwen3", Usage(1_000, 500)))
    assert math.isnan(pricing.usd("ollama", "llama3", Usage()))
    prices({})
    assert pricing.usd(*MINI, Usage(1_000, 500)) == listed


def test_cached_tokens_cost_what_other_input_costs_unless_their_price_is_given(
    prices: Callable[[object], None],
) -> None:
    usage = Usage(10, 0, 4, 3)

    prices({"mine": {"input": 1e6, "output": 0}})
    assert pricing.usd("", "mine", usage) == pytest.approx(10)
    prices({"mine": {"input": 1e6, "output": 0, "cache_read": 0, "cache_write": 2e6}})
    assert pricing.usd("", "mine", usage) == pytest.approx(3 + 6)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([("mine", (1, 2))], "prices takes a dict of models, such as"),
        ("mine", "prices takes a dict of models"),
        ({"mine": 3}, "prices of mine need input and output"),
        ({"mine": (1,)}, "prices of mine need input and output"),
        ({"mine": (1, 2, 3)}, "prices of mine need input and output"),
        ({"mine": "12"}, "prices of mine need input and output"),
        ({"mine": {"input": 1}}, "prices of mine need input and output"),
        ({"mine": {"input": 1, "ouput": 2}}, "no 'ouput'. Did you mean 'output'"),
        ({"mine": (-1, 2)}, "input is US dollars for a million tokens, 0 or more. Got -1."),
        ({"mine": (1, "2")}, "output is US dollars for a million tokens, 0 or more. Got '2'."),
        ({"mine": (1, math.nan)}, "Got nan."),
        ({"mine": (math.inf, 1)}, "Got inf."),
        ({"mine": (True, 1)}, "Got True."),
        ({"mine": (1, None)}, "Got None."),
        ({"": (1, 2)}, "prices names models"),
        ({7: (1, 2)}, "prices names models"),
    ],
    ids=str,
)
def test_a_wrong_price_gets_one_sentence(given: object, told: str) -> None:
    with pytest.raises(CommandError) as caught:
        prices_of(given)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
