"""Every API is read as its provider documents it: nothing of a request and nothing of an answer is lost."""

import copy
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from gptcache_magics import generations
from gptcache_magics.identity.carried import STORED
from gptcache_magics.identity.prompt import canonical
from gptcache_magics.protocols import PROTOCOLS, protocol_of, wire
from gptcache_magics.protocols.base import Incomplete, NotRead
from gptcache_magics.sdk.libraries import LIBRARIES
from gptcache_magics.sdk.request import Asked, identify
from gptcache_magics.text.said import said_in_prompt
from tests.protocols.samples import ANSWERS, REQUESTS, Json

NAMES = sorted(PROTOCOLS)
EACH = [pytest.param(name, answer, id=f"{name} {n}") for name in NAMES for n, answer in enumerate(ANSWERS[name])]


def asked(name: str, body: Json, path: str = "", **changes: Any) -> Asked:
    api = PROTOCOLS[name]
    path = path or REQUESTS[name][0]
    given: Json = {
        **{"protocol": api, "library": LIBRARIES["openai"], "body": body, "path": path},
        **{"server": f"https://example.com{api.fits(path)}", "host": "example.com", "query": [], "headers": []},
    }
    return Asked(**{**given, **changes})


def key_of(name: str, body: Json, **changes: Any) -> str:
    return identify(asked(name, body, **changes)).key


def changed(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield copies of a JSON value with one thing in it changed, left out, or added."""
    if isinstance(value, dict):
        yield path, {**value, "added": 1}
        for name, each in value.items():
            yield (*path, name, "left out"), {key: item for key, item in value.items() if key != name}
            for place, new in changed(each, (*path, name)):
                yield place, {**value, name: new}
    elif isinstance(value, list):
        yield (*path, "added"), [*value, "added"]
        for at, each in enumerate(value):
            yield (*path, at, "left out"), value[:at] + value[at + 1 :]
            for place, new in changed(each, (*path, at)):
                yield place, [*value[:at], new, *value[at + 1 :]]
    elif isinstance(value, str):
        yield path, f"{value}!"
    elif isinstance(value, bool):
        yield path, not value
    else:
        yield path, "changed" if value is None else value + 1


@pytest.mark.parametrize("name", NAMES)
def test_any_change_of_a_request_makes_another_key(name: str) -> None:
    path, body = REQUESTS[name]
    assert protocol_of(path) is PROTOCOLS[name]
    same, seen = key_of(name, body), dict[str, Any]()
    assert key_of(name, copy.deepcopy(body)) == same
    seen[same] = "as it is"
    for place, each in changed(body):
        try:
            key = key_of(name, each)
        except NotRead:  # what is left is no request
            continue
        assert key not in seen, (place, seen[key])
        seen[key] = place
    assert len(seen) > 7


@pytest.mark.parametrize("name", NAMES)
def test_messages_give_the_request_again(name: str) -> None:
    api, (_, body) = PROTOCOLS[name], REQUESTS[name]
    read = api.messages(body)
    again = api.asking(read)
    assert again == {field: body[field] for field in again}
    for _, each in changed(body):
        try:
            read = api.messages(each)
        except NotRead:
            continue
        assert api.messages({**api.parameters(each), **api.asking(read)}) == read


@pytest.mark.parametrize("name", NAMES)
def test_what_only_changes_how_an_answer_comes_makes_the_same_key(name: str) -> None:
    path, body = REQUESTS[name]
    same = key_of(name, body)
    if name != "gemini":
        assert key_of(name, {**body, "stream": True}) == key_of(name, {**body, "stream": False}) == same
    else:
        streaming = path.replace(":generateContent", ":streamGenerateContent")
        assert key_of(name, body, path=streaming, query=[("alt", "sse")]) == same
    if name.startswith("openai") and "responses" not in name:
        assert key_of(name, {**body, "stream": True, "stream_options": {"include_usage": True}}) == same
    for header in ("authorization", "x-api-key", "user-agent", "x-stainless-retry-count", "traceparent", "accept"):
        assert key_of(name, body, headers=[(header, "anything")]) == same
    assert key_of(name, body, query=[("key", "secret")]) == same
    for header in ("anthropic-beta", "openai-beta", "x-variant"):
        assert key_of(name, body, headers=[(header, "anything")]) != same
    assert key_of(name, body, query=[("api-version", "2026-01-01")]) != same
    assert key_of(name, body, server="https://example.org") != same


@pytest.mark.parametrize("name", NAMES)
def test_the_stored_prompt_tells_the_key_again_and_reads_as_a_conversation(name: str) -> None:
    identity = identify(asked(name, REQUESTS[name][1]))
    assert canonical(identity.prompt, STORED).seen == identity.seen
    said = said_in_prompt(identity.prompt)
    assert {"human"} <= {each.role for each in said} <= {"human", "ai", "system", "tool"}
    assert all(each.parts for each in said)


@pytest.mark.parametrize(("name", "answer"), EACH)
def test_a_whole_answer_and_its_stream_are_each_made_of_the_other(name: str, answer: Json) -> None:
    api = PROTOCOLS[name]
    body = {**REQUESTS[name][1], "stream": True, "stream_options": {"include_usage": True}}
    stream = api.unfold(answer, body)
    assert api.fold(stream) == answer
    assert api.fold(stream.replace(b"\n", b"\r\n")) == answer
    if not name.startswith(("gemini", "openai-responses")):
        assert api.ended(stream[-512:])
    for cut in {len(stream) // 4, len(stream) // 2, len(stream) - 120} - {0}:
        begun = stream[: max(cut, 1)].rpartition(b"\n")[0]
        try:
            assert {**api.fold(begun), "usage": None} == {**answer, "usage": None}  # which comes last
        except (Incomplete, ValueError):
            assert not api.ended(begun[-512:])


@pytest.mark.parametrize(("name", "answer"), EACH)
def test_an_answer_is_read_as_langchains(name: str, answer: Json) -> None:
    api = PROTOCOLS[name]
    data = wire.wire(name, orjson.dumps(answer))
    first = generations.decode(data, validate=True)[0]
    assert "Rain" in generations.text_of(data) or "weather(" in generations.text_of(data) or "rain" in first.text
    assert generations.finish_reason([first]).lower() in ("stop", "completed", "tool_use", "complete", "tool_call")
    used = api.usage(answer)
    assert (used.input_tokens, used.output_tokens) == (9, 4)
    assert generations.usage([first]) == used


@pytest.mark.parametrize(("name", "answer"), EACH)
def test_the_text_of_an_answer_can_be_changed(name: str, answer: Json) -> None:
    data = wire.wire(name, orjson.dumps(answer))
    assert generations.reworded(data, lambda text: text) == data
    assert b"Oslo" not in generations.reworded(data, lambda text: text.replace("Oslo", "Bergen"))
    edited = generations.with_text(data, "It snows.")
    assert generations.decode(edited, validate=True)[0].text == "It snows."
    before, after = (generations.decode(each, validate=True)[0] for each in (data, edited))
    assert before.message.tool_calls == after.message.tool_calls
    assert generations.finish_reason([after]) == generations.finish_reason([before])
