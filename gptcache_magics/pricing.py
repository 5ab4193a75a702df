"""Convert tokens to US dollars, by the user's own prices, or the price list of the installed release of genai-prices.

The list is imported when a table first shows money. It is never updated from the network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from gptcache_magics.identity.providers import PROVIDERS
from gptcache_magics.settings import NOTEBOOK, Price
from gptcache_magics.store.protocol import Usage

__all__ = ["TIER_TOKENS", "rates", "usd"]

TIER_TOKENS: Final = 32_000
"""Input tokens below which no model in the list of genai-prices 0.2.3 changes its price per token."""


def usd(provider: str, model: str, usage: Usage) -> float:
    """Return the cost of an answer in US dollars; NaN if the tokens or the price are unknown."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return math.nan
    tokens = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens or 0, usage.cache_write_tokens or 0)
    if usage.input_tokens >= TIER_TOKENS and _own(model) is None:
        return _price(provider, model, tokens)
    fee, plain, output, read, written = rates(provider, model)
    tokens_usd = (
        (tokens[0] - tokens[2] - tokens[3]) * plain + tokens[1] * output + tokens[2] * read + tokens[3] * written
    )
    return fee + tokens_usd


def rates(provider: str, model: str) -> tuple[float, float, float, float, float]:
    """Return the US dollars for a request, and for one input, output, cache-read and cache-written token of it.

    Those of the list hold below ``TIER_TOKENS`` input tokens.
    """
    own = _own(model)
    if own is None:
        return _listed(provider, model)
    plain, output, read, written = (each / 1e6 for each in own)
    return 0.0, plain, output, read, written


def _own(model: str) -> Price | None:
    """Return the price that the user gave a model: under its name, or else under the first glob that fits."""
    names = {model, model.removeprefix("models/")}
    return next(
        (price for name, price in NOTEBOOK.config.prices if any(fnmatchcase(each, name) for each in names)), None
    )


@lru_cache(maxsize=1024)
def _listed(provider: str, model: str) -> tuple[float, float, float, float, float]:
    """Return the rates of the price list."""
    fee = 2 * _price(provider, model, (500, 0, 0, 0)) - _price(provider, model, (1000, 0, 0, 0))
    units = ((1000, 0, 0, 0), (0, 1000, 0, 0), (1000, 0, 1000, 0), (1000, 0, 0, 1000))
    plain, output, read, written = ((_price(provider, model, unit) - fee) / 1000 for unit in units)
    return fee, plain, output, read, written


def _price(provider: str, model: str, tokens: Sequence[int]) -> float:
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    used = {name: number for name, number in zip(names, tokens, strict=True) if number}
    known = PROVIDERS.get(provider)
    provider_id = (known and known.price_id) or provider
    try:
        return float(
            calc_price(Tokens(**used), model_ref=model.removeprefix("models/"), provider_id=provider_id).total_price
        )
    except (LookupError, ValueError):
        return math.nan
