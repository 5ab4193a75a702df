"""Bring a cache to a number of entries before it is measured.

Caches whose update takes milliseconds are filled behind ``update``, with the same rows it would have written.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from payloads import answer, llm_string, prompt
from peers import FAISS, MAP, OURS, SQLITE

__all__ = ["fill", "settle"]

FILL_SECONDS: Final = 240.0
BATCH: Final = 5_000


def fill(cache: Any, name: str, first: int, last: int) -> bool:
    """Add the entries ``first`` to ``last``. Return whether the time was enough; ours is always filled."""
    started = time.monotonic()
    for start in range(first, last, BATCH):
        prompts = [prompt(number) for number in range(start, min(start + BATCH, last))]
        if name == SQLITE:
            _insert(cache, prompts)
        elif name in (MAP, FAISS):
            _import(cache, name, prompts)
        else:
            for each in prompts:
                cache.update(each, llm_string(), answer(1))
        settle(cache)
        if time.monotonic() - started > FILL_SECONDS and name != OURS:
            print(f"{name} is left out from here on: {start - first:,} entries took {FILL_SECONDS:.0f} s.\n")
            return False
    return True


def settle(cache: Any) -> None:
    """Let our ledger write now; its thread would write within a second."""
    ours = getattr(cache, "cache", cache)
    if hasattr(ours, "ledger"):
        ours.ledger.flush()


def _insert(cache: Any, prompts: Sequence[str]) -> None:
    from langchain_core.load import dumps
    from sqlalchemy import insert

    response = dumps(answer(1)[0])
    rows = [{"prompt": each, "llm": llm_string(), "idx": 0, "response": response} for each in prompts]
    with cache.engine.begin() as connection:
        connection.execute(insert(cache.cache_schema), rows)


def _import(cache: Any, name: str, prompts: Sequence[str]) -> None:
    from gptcache.manager.scalar_data.base import Answer, DataType
    from langchain_community.cache import _dumps_generations

    gptcache, text = cache._get_gptcache(llm_string()), _dumps_generations(answer(1))
    if name == MAP:
        nothing = [None] * len(prompts)
        gptcache.data_manager.import_data(prompts, [text] * len(prompts), prompts, nothing)
    else:
        gptcache.import_data(prompts, [Answer(text, DataType.STR)] * len(prompts))
