"""The equivalences of the audit: each hides what it names, and nothing else of a request."""

import json
from typing import Any

import pytest

from tests.audit.equivalent import EQUIVALENT, reduced

Json = dict[str, Any]


def _call(number: str, arguments: str = '{"a": 1, "b": [1, 2]}') -> Json:
    return {"id": number, "type": "function", "function": {"name": "search", "arguments": arguments}}


def _body(**changes: Any) -> Json:
    first, second = changes.pop("ids", ("call_1", "call_2"))
    one, two = changes.pop("results", (first, second))
    arguments = changes.pop("arguments", '{"a": 1, "b": [1, 2]}')
    body = {
        "model": "m",
        "messages": [
            {"role": "assistant", "tool_calls": [_call(first, arguments), _call(second)]},
            {"role": "tool", "tool_call_id": one, "content": "Italy"},
            {"role": "tool", "tool_call_id": two, "content": "Norway"},
        ],
        "tools": [{"name": "search", "description": "Search."}, {"name": "draw", "description": "Draw."}],
    }
    return {**body, **changes}


def _sent(**changes: Any) -> str:
    request = json.dumps([0, "POST", "/chat", [], {}, _body(**changes)], sort_keys=True)
    return reduced(request, EQUIVALENT, "openai")


TOOLS = _body()["tools"]


@pytest.mark.parametrize(
    "changes",
    [
        {"ids": ("toolu_a", "toolu_b")},
        {"ids": ("call_2", "call_1")},
        {"tools": TOOLS[::-1]},
        {"arguments": '{"b": [1, 2], "a": 1}'},
        *({name: "one"} for name in ("user", "safety_identifier", "prompt_cache_key", "service_tier")),
        {"metadata": {"course": "one"}},
    ],
    ids=str,
)
def test_an_equivalence_hides_what_it_names(changes: Json) -> None:
    assert _sent(**changes) == _sent()


@pytest.mark.parametrize(
    "changes",
    [
        {"results": ("call_2", "call_1")},
        {"results": ("call_1", "call_1")},
        {"ids": ("call_1", "call_1")},
        {"tools": TOOLS[:1]},
        {"tools": [TOOLS[0], {**TOOLS[1], "description": "Paint."}]},
        {"arguments": '{"a": 2, "b": [1, 2]}'},
        {"arguments": '{"a": 1, "b": [2, 1]}'},
        {"arguments": '{"a": "1", "b": [1, 2]}'},
        {"store": True},
        {"temperature": 0.5},
        {"prompt": "user"},
        {"extra": {"user": "one"}},
        {"model": "n"},
    ],
    ids=str,
)
def test_an_equivalence_hides_nothing_else(changes: Json) -> None:
    assert _sent(**changes) != _sent()


def test_tools_of_one_name_keep_their_order() -> None:
    tools = [{"name": "search", "description": text} for text in ("Search.", "Find.")]

    assert _sent(tools=tools) != _sent(tools=tools[::-1])


def test_an_id_in_a_text_stays() -> None:
    noted = [{"role": "user", "content": "And call_1?"}, *_body()["messages"]]
    others = [{"role": "user", "content": "And call_1?"}, *_body(ids=("call_3", "call_2"))["messages"]]

    assert _sent(messages=noted) != _sent(messages=others)


def test_another_provider_counts_what_one_calls_bookkeeping() -> None:
    request = json.dumps([0, "POST", "/chat", [], {}, {"user": "one"}])

    assert reduced(request, EQUIVALENT, "deepseek") != reduced(request.replace("one", "two"), EQUIVALENT, "deepseek")
