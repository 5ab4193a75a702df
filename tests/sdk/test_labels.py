"""A configuration of an SDK is named by what a person chose: ``gpt-4o · T 0.2 · chat completions · 1 tool``."""

from typing import Any

import pytest

from gptcache_magics.identity.label import label_of

SCHEMA = {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("parameters", "label"),
    [
        ({"api": "chat completions"}, "m · chat completions"),
        ({"api": "chat completions", "temperature": 0.2, "tools": [{}]}, "m · T 0.2 · chat completions · 1 tool"),
        ({"api": "responses", "text": {"format": {"type": "json_schema"}}}, "m · responses · structured"),
        ({"api": "messages", "headers": {"anthropic-version": "2023-06-01"}}, "m · messages"),
        (
            {"api": "messages", "headers": {"anthropic-beta": "x"}, "max_tokens": 9},
            "m · messages · headers · max_tokens 9",
        ),
        (
            {
                "api": "generateContent",
                "generationConfig": {"temperature": 0.1, "responseSchema": SCHEMA},
                "tools": [{"functionDeclarations": [{}, {}]}],
            },
            "m · T 0.1 · generateContent · structured · 2 tools",
        ),
        ({"api": "x", "tools": [{"function_declarations": [{}, {}, {}]}]}, "m · x · 3 tools"),
        ({"api": "ollama chat", "options": {"temperature": 0, "seed": 1}}, "m · T 0 · ollama chat · seed 1"),
    ],
)
def test_a_label_says_the_api_and_what_was_chosen(parameters: dict[str, Any], label: str) -> None:
    assert label_of("m", parameters) == label
