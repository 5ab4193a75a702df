"""Which fields of a model count, as they are at each call."""

import math
from typing import Any

import pytest

from tests.support.calls import SECRET, Chat, Persona, key, without_address


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
        {"anything": {}} | {"anything": {"a": None}},
        {"anything": 0},
        {"anything": ""},
        {"anything": math.nan},
        {"anything": Persona()},
        {"anything": b"bytes"},
    ],
    ids=without_address,
)
def test_a_field_that_can_change_an_answer_changes_the_key(fields: dict[str, Any]) -> None:
    assert key(Chat(**fields)) != key(Chat())
    assert key(Chat(**fields)) == key(Chat(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"max_retries": 7},
        {"timeout": 30.0},
        {"streaming": True},
        {"name": "assistant"},
        {"tags": ["a"], "metadata": {"a": 1}, "verbose": True},
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


def test_the_fields_are_read_anew_for_each_call() -> None:
    model = Chat(anything={"a": [1]})
    before = key(model)
    model.anything["a"].append(2)
    assert key(model) != before

    model.anything["a"].pop()
    assert key(model) == before
