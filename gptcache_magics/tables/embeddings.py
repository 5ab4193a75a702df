"""Figures about embeddings, which are no part of the hit rate."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Final

import pandas as pd

from gptcache_magics import pricing
from gptcache_magics.store.protocol import EmbeddingStore, EmbeddingUse, Period, Usage
from gptcache_magics.tables.columns import COUNT, NUMBER, typed
from gptcache_magics.tables.mark import marked

__all__ = ["EMBEDDINGS", "embeddings"]

EMBEDDINGS: Final = {
    **dict.fromkeys(("texts", "hits", "sent", "tokens", "saved_tokens"), COUNT),
    **dict.fromkeys(("saved_usd", "paid_usd"), NUMBER),
}
"""Columns of ``stats --embeddings``: ``hits`` and ``sent`` are texts, ``tokens`` those that were paid for."""


def embeddings(
    store: EmbeddingStore, *, period: Period = Period(), model: str | Collection[str] | None = None
) -> pd.DataFrame:
    """Return the texts that were embedded, one row per model, most texts first."""
    known = {each.key: each for each in store.embedding_models()}
    names = {model} if isinstance(model, str) else model
    columns = ["model", "provider", *list(EmbeddingUse.__slots__)[5:]]
    rows = [
        {**asdict(use), "model": known[use.model].model, "provider": known[use.model].provider}
        for use in store.embedding_uses(period)
        if use.model in known and (names is None or known[use.model].model in names)
    ]
    used = pd.DataFrame(rows, columns=columns)
    df = used.groupby(["model", "provider"], sort=False).sum().reset_index().set_index("model")
    for name, tokens in (("saved_usd", "saved_tokens"), ("paid_usd", "tokens")):
        df[name] = [
            pricing.usd(str(provider), str(model), Usage(int(number), 0))
            for model, provider, number in zip(df.index, df["provider"], df[tokens], strict=True)
        ]
    df = df.sort_values("texts", ascending=False, kind="stable")
    df.index = pd.Index(df.index.astype("string"), name="model")
    return marked(typed(df, EMBEDDINGS))
