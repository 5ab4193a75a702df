"""The keys of version 0.1, which stores and bundles hold: they must not change within one key version."""

from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel, FakeListLLM

from gptcache_magics.identity.key import identify_by_llm_string
from tests.support.calls import identity

PROMPT = (
    '[{"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "HumanMessage"], '
    '"kwargs": {"content": "Hi", "type": "human"}}]'
)


@pytest.mark.parametrize(
    ("model", "kwargs", "key", "second_sample", "portable", "prompt_digest"),
    [
        (
            FakeListChatModel(responses=["a"]),
            {},
            "3e190e23acd4cc6728bfa96886f7a86a",
            "b313eddfce49c1fab93ff7cda380bf80",
            "1f3699edb4dab0d29d0965f184255823",
            "07636a13fd7fec31",
        ),
        (
            FakeListChatModel(responses=["a"]),
            {"stop": ["."], "temperature": 0.5},
            "4ce0a307501f5bee073d6b4a6810a450",
            "92dfcd8371a83fcc5b3ce6d5627ea700",
            "3269ee43d5ff8807dc07a58411c5c885",
            "07636a13fd7fec31",
        ),
        (
            FakeListLLM(responses=["a", "b"]),
            {"stop": ["."]},
            "4943b274834f35d07b82318528b4165d",
            "224f51ad126844950b8ae0c6124d3ed7",
            "d1411dc904c70388f531f5be9a8047a0",
            "557d58d8d592b45c",
        ),
    ],
    ids=["chat", "arguments", "completion"],
)
def test_a_call_has_the_key_that_it_had(
    model: Any, kwargs: dict[str, Any], key: str, second_sample: str, portable: str, prompt_digest: str
) -> None:
    found = identity(model, PROMPT, **kwargs)

    assert found.key == found.sample(0).key == key
    assert found.sample(1).key == second_sample
    assert found.configuration.portable == portable
    assert found.prompt_digest == prompt_digest


def test_a_lookup_that_no_hook_saw_has_the_key_that_it_had() -> None:
    found = identify_by_llm_string("Hi", "[('model', 'gpt-4o-mini')]")

    assert found.key == "7bb71cdba33bd13e1aa79352807218bf"
