"""The differences of two configurations: each parameter, and what changed inside a tool."""

import json
from typing import Any

import pytest

from gptcache_magics.explain.parameters import changes
from gptcache_magics.store.protocol import Configuration


def configured(key: str, **parameters: Any) -> Configuration:
    return Configuration(key * 32, "openai", "gpt-4o-mini", "gpt-4o-mini", None, json.dumps(parameters))


def told(before: dict[str, Any], after: dict[str, Any], **options: bool) -> list[str]:
    return [each.text for each in changes(configured("a", **before), configured("b", **after), **options)]


def openai(description: str = "Searches.", **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": [*properties]}
    return {"type": "function", "function": {"name": "search", "description": description, "parameters": schema}}


def anthropic(description: str = "Searches.", **properties: Any) -> dict[str, Any]:
    return {
        "name": "search",
        "description": description,
        "input_schema": {"type": "object", "properties": properties},
    }


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
LONG = "Searches the shop for articles that are in stock, and returns their names and prices in a table."


@pytest.mark.parametrize(
    ("before", "after", "parts"),
    [
        (openai("one"), openai("two"), "description “one” → “two”"),
        (anthropic("one"), anthropic("two"), "description “one” → “two”"),
        (anthropic(q=TEXT), anthropic(q=NUMBER), "parameter q.type “string” → “integer”"),
        (anthropic(q=TEXT), anthropic(q=TEXT, place=TEXT), "parameter place added"),
        (anthropic(q=TEXT, place=TEXT), anthropic(q=TEXT), "parameter place removed"),
        (anthropic(type=TEXT), anthropic(type=NUMBER), "parameter type.type “string” → “integer”"),
        (anthropic(properties=TEXT), anthropic(properties=NUMBER), "parameter properties.type “string” → “integer”"),
        (
            anthropic(LONG),
            anthropic(LONG.replace("prices", "sizes")),
            "description "
            "Searches the shop for articles that are in stock, and returns their names and "
            "[-prices-]{+sizes+} in a table.",
        ),
        ({"name": "search", "x": 1}, {"name": "search", "x": [1]}, "x 1 → [1]"),
        ({"name": "search"}, {"name": "search", "strict": True}, "strict added: true"),
        ({"name": "search", "k": "sk-0123456789abcdef"}, {"name": "search", "k": "sk-0123456789abcdeg"}, "k changed"),
    ],
)
def test_what_changed_inside_a_tool_is_named(before: dict[str, Any], after: dict[str, Any], parts: str) -> None:
    assert told({"tools": [before]}, {"tools": [after]}) == [f"tools changed: search ({parts})"]


def test_many_changes_of_a_tool_are_cut() -> None:
    before, after = ({"name": "search", **{f"x{n}": each for n in range(9)}} for each in (1, 2))
    (only,) = told({"tools": [before]}, {"tools": [after]})
    assert only.endswith("x4 1 → 2, and 4 more)")


def test_each_tool_is_named_by_its_own() -> None:
    one, two, three = ({"name": name, "x": 1} for name in ("one", "two", "three"))
    changed = {**two, "x": 2}
    assert told({"tools": [one, two]}, {"tools": [changed, three]}) == [
        "tools added: three",
        "tools removed: one",
        "tools changed: two (x 1 → 2)",
    ]
    assert told({"tools": [one, two]}, {"tools": [two, one]}) == ["tools in another order"]


def test_parameters_come_before_tools_and_models_before_both() -> None:
    before = {"temperature": 0.2, "tools": [{"name": "one"}], "base_url": "http://a"}
    after = {"temperature": 0.9, "max_tokens": 10, "tools": [], "base_url": "http://b"}
    assert told(before, after) == [
        "base URL http://a → http://b",
        "max_tokens (default) → 10",
        "temperature 0.2 → 0.9",
        "tools removed: one",
    ]
    assert told(before, after, portable=True)[0] == "max_tokens (default) → 10"
