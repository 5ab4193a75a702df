"""Which fields of a model count, as they are at each call."""

import math
import uuid
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from tests.support.calls import SECRET, Chat, Color, Persona, key, without_address


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "large"},
        {"temperature": 0.2},
        {"temperature": 0},
        {"temperature": None},
        {"max_tokens": 7},
        {"seed": 1},
        {"seed": 2**70},
        {"strict": True},
        {"stop_words": []},
        {"stop_words": ["\n", "."]},
        {"instructions": "Be brief."},
        {"base_url": "http://elsewhere/v1"},
        {"an_extra": "field"},
        {"anything": {}},
        {"anything": []},
        {"anything": {"a": None}},
        {"anything": 0},
        {"anything": ""},
        {"anything": math.nan},
        {"anything": Persona()},
        {"anything": b"bytes"},
        {"name": "assistant"},  # a method of the user's may read it
        {"tags": ["a"]},
        {"metadata": {"a": 1}},
    ],
    ids=without_address,
)
def test_a_field_that_can_change_an_answer_changes_the_key(fields: dict[str, Any]) -> None:
    assert key(Chat(**fields)) != key(Chat())
    assert key(Chat(**fields)) == key(Chat(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"verbose": True},
        {"metadata": {"lc_versions": {"langchain-core": "0"}}},
        {"cache": False},
        {"disable_streaming": True},
        {"password": SECRET},
        {"model": "small", "temperature": 0.7, "stop_words": ["\n"]},  # as the class has them
        {"anything": None},
    ],
    ids=without_address,
)
def test_a_field_that_changes_no_answer_leaves_the_key(fields: dict[str, Any]) -> None:
    assert key(Chat(**fields)) == key(Chat())


def test_the_fields_are_read_again_for_each_call() -> None:
    model = Chat(anything={"a": [1]})
    before = key(model)
    model.anything["a"].append(2)
    assert key(model) != before

    model.anything["a"].pop()
    assert key(model) == before


@pytest.mark.parametrize(
    ("one", "two"),
    [([uuid.UUID(int=1)], [str(uuid.UUID(int=1))]), ({"a": Color.RED}, {"a": "red"}), ((b"a",), ("a",))],
)
def test_values_that_json_writes_the_same_have_keys_of_their_own(one: Any, two: Any) -> None:
    """Also for a class whose values are remembered."""
    first, second = (FakeListChatModel(responses=["a"]) for _ in range(2))

    assert key(first, metadata_=two) != key(second, metadata_=one)


@pytest.mark.parametrize(
    ("one", "two"),
    [(1, True), (0, 0.0), (0.0, -0.0), (0, False), (None, math.nan), ("1", 1), ({"a": 1}, {"a": 1.0})],
)
def test_values_that_python_calls_equal_have_keys_of_their_own(one: Any, two: Any) -> None:
    """Also where the key of one was asked for just before, on the same object."""
    llm = Chat(anything="before")
    keys = []
    for value in (one, two, one, two):
        llm.anything = value
        keys.append(key(llm))

    assert keys[:2] == keys[2:]
    assert keys[0] != keys[1]


def test_a_container_changed_in_place_changes_the_key() -> None:
    llm = Chat(anything={"deep": [{"a": 1}]})
    before = key(llm)
    llm.anything["deep"][0]["a"] = 2
    changed = key(llm)
    llm.anything["deep"][0]["a"] = 1

    assert changed != before
    assert key(llm) == before


def test_numbers_that_json_has_no_word_for_differ() -> None:
    values = [math.nan, math.inf, -math.inf, None, 0.0]

    assert len({key(Chat(temperature=value)) for value in values}) == len(values)
