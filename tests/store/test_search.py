"""A search through answers finds what tables show of them, in whatever form they are stored."""

import re

import orjson
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation

from gptcache_magics import generations
from gptcache_magics.protocols.wire import wire
from gptcache_magics.store.protocol import Selection
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import GPT, key, keys, make_entry
from tests.protocols.samples import ANSWERS


def _encoded(*contents: object, **fields: object) -> bytes:
    return generations.encode([ChatGeneration(message=AIMessage(content=each, **fields)) for each in contents])


_FORMS = {
    "plain": _encoded("Lyon, then Nîmes"),
    "several": _encoded("Lyon", "Dijon"),
    "texts": _encoded(["Ly", "on"]),
    "blocks": _encoded([{"type": "text", "text": "Ly"}, {"type": "text", "text": "on"}]),
    "call": _encoded("", tool_calls=[tool_call(name="route", args={"to": "Lyon", "stops": 1e5}, id="1")]),
    "completion": generations.encode([Generation(text="Lyon or Dijon")]),
    "slow": generations.encode([ChatGenerationChunk(message=AIMessageChunk(content="Lyon \\ Dijon"))]),
    **{
        f"{name} {at}": wire(name, orjson.dumps(each))
        for name, found in ANSWERS.items()
        for at, each in enumerate(found)
    },
}


@pytest.fixture(scope="module")
def store() -> SQLiteStore:
    store = SQLiteStore(":memory:")
    store.put_all([make_entry(name, answer) for name, answer in _FORMS.items()], [GPT], replace=False)
    return store


def _found(store: SQLiteStore, pattern: str) -> set[str]:
    found = keys(store.entries(Selection(grep=pattern, answers=generations.ANSWERS, only_answers=True)))
    return {name for name in _FORMS if key(name) in found}


@pytest.mark.parametrize("name", _FORMS)
def test_each_piece_of_a_shown_answer_finds_it(store: SQLiteStore, name: str) -> None:
    shown = generations.text_of(_FORMS[name])
    for start in range(0, min(len(shown), 300), 3):
        piece = shown[start : start + 6]
        assert name in _found(store, re.escape(piece)), piece


@pytest.mark.parametrize("hidden", ["finish_reason", "usage_metadata", "response_metadata", "index", "lc_kwargs"])
def test_what_is_not_shown_of_an_answer_is_not_found(store: SQLiteStore, hidden: str) -> None:
    assert _found(store, hidden) == set()
