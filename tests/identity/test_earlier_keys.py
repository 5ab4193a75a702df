"""Answers that the code before the reduction stored: ``tests/data/before-reduction`` was made by that of 9eb2b83.

Their keys count what does not reach the model, too: extras of messages, ids of tool calls, the order of tools,
bookkeeping.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.globals import get_llm_cache, set_llm_cache

import gptcache_magics as gm
from tests.support.reducible import reducible_calls

DATA = Path(__file__).parents[1] / "data" / "before-reduction"
CALLS = {name: call for name, *call in reducible_calls()}
ELSEWHERE = {name: call for name, *call in reducible_calls("http://127.0.0.1:10")}

pytestmark = pytest.mark.filterwarnings("ignore:Parameters {'metadata'}")


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[gm.GPTCache]:
    """Return a cache with a copy of the store."""
    shutil.copy(DATA / "cache.db", tmp_path)
    before, cache = get_llm_cache(), gm.GPTCache(store=tmp_path)
    set_llm_cache(cache)
    yield cache
    set_llm_cache(before)
    cache.close()


@pytest.mark.parametrize("name", CALLS)
def test_a_stored_answer_is_served(cache: gm.GPTCache, name: str) -> None:
    model, prompt, arguments = CALLS[name]
    answer = model.invoke(prompt, **arguments)

    assert "(call " in getattr(answer, "content", answer) or answer.tool_calls
    assert [lookup.outcome for lookup in cache.ledger.recent] == ["hit"]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_bundle_replays_at_another_address(name: str) -> None:
    model, prompt, arguments = ELSEWHERE[name]
    gm.on(DATA / "bundle.jsonl", mode="replay")
    try:
        model.invoke(prompt, **arguments)
        assert gm.stats()["hits"].sum() == 1
    finally:
        gm.off()
