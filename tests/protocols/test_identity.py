"""Two requests that a provider can tell apart never share a key, and one request has one key however it is sent."""

import json
import random
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from gptcache_magics.identity.carried import STORED
from gptcache_magics.identity.prompt import canonical
from gptcache_magics.protocols import PROTOCOLS
from gptcache_magics.protocols.base import Json, NotRead
from gptcache_magics.protocols.body import body_of
from gptcache_magics.sdk.libraries import LIBRARIES
from gptcache_magics.sdk.request import Asked, identify
from tests.protocols.full_requests import FULL, SAME
from tests.protocols.samples import REQUESTS

NAMES = sorted(PROTOCOLS)
VALUES: list[Any] = [None, "", "1", 1, 1.0, True, 0, -0.0, [], {}]
"""Values that some languages take for the same."""
EMPTY = {"gemini": ["generationConfig"], "ollama-chat": ["tools", "options"], "ollama-generate": ["options"]}
"""Parameters that a library may send empty, which is as good as absent."""


def asked(name: str, body: Json, path: str = "", **changes: Any) -> Asked:
    api = PROTOCOLS[name]
    path = path or REQUESTS[name][0]
    library = {"anthropic-messages": "anthropic", "gemini": "google-genai-sdk"}.get(name, "openai")
    given: Json = {
        **{"protocol": api, "library": LIBRARIES[library], "body": body, "path": path},
        **{"server": f"https://example.com{api.fits(path)}", "host": "example.com", "query": [], "headers": []},
    }
    return Asked(**{**given, **changes})


def key_of(name: str, body: Json, **changes: Any) -> str:
    return identify(asked(name, body, **changes)).key


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a body."""
    if path:
        yield path
    for at, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(each, (*path, at))


def put(value: Any, path: tuple[Any, ...], *new: Any) -> Any:
    """Return a copy with another value at a path; without it if there is no other value."""
    first, *rest = path
    if isinstance(value, dict):
        if rest:
            return {**value, first: put(value[first], tuple(rest), *new)}
        return {**value, first: new[0]} if new else {name: each for name, each in value.items() if name != first}
    if rest:
        return [*value[:first], put(value[first], tuple(rest), *new), *value[first + 1 :]]
    return [*value[:first], *new, *value[first + 1 :]]


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for each in path:
        value = value[each]
    return value


def variants(body: Json) -> Iterator[tuple[str, Json]]:
    """Yield a body with one thing in it left out, added, replaced or in another order."""
    for path in places(body):
        where, value = ".".join(map(str, path)), at(body, path)
        yield f"{where} left out", put(body, path)
        for new in (*VALUES, [value], f"{value}!"):
            if type(new) is not type(value) or repr(new) != repr(value):
                yield f"{where} = {new!r}", put(body, path, new)
        if isinstance(value, dict):
            for name in (
                "added",
                "type",
                "content",
                "role",
                "in",
                "sent",
                "absent",
                "thinking",
                "output",
                "parts",
                "api",
            ):
                if name not in value:
                    yield f"{where}.{name} added", put(body, path, {**value, name: None})
        if isinstance(value, list) and len(value) > 1:
            yield f"{where} reversed", put(body, path, value[::-1])
            yield f"{where} twice", put(body, path, [*value, value[-1]])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_whatever_differs_in_a_full_request_makes_another_key(name: str) -> None:
    body = FULL[name]
    content = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    keys = {key_of(name, body_of(content)): ("as it is", content)}
    for what, each in variants(body):
        field = what.split(" ")[0].split(".")[0]
        if field in ARRIVING or (field in EMPTY.get(name, ()) and not each.get(field)):
            continue
        content = orjson.dumps(each, option=orjson.OPT_SORT_KEYS)
        try:
            key = key_of(name, body_of(content))
        except NotRead:  # what is left is no request
            continue
        before, sent = keys.setdefault(key, (what, content))
        assert sent == content, (what, before)
    assert len(keys) > 100


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_messages_of_a_request_tell_it_again(name: str) -> None:
    api = PROTOCOLS[name]
    for what, each in [("as it is", FULL[name]), *variants(FULL[name]), *variants(REQUESTS[name][1])]:
        try:
            again = api.asking(api.messages(each))
        except NotRead:
            continue
        beside = api.parameters(each).keys() | {"model", "stream", "stream_options", "keep_alive"}
        sent = {field: value for field, value in each.items() if field not in beside}
        for field in EMPTY.get(name, ()):
            sent.pop(field, None)
        assert orjson.dumps(again, option=orjson.OPT_SORT_KEYS) == orjson.dumps(sent, option=orjson.OPT_SORT_KEYS), what


OWN = {"anthropic-messages": "api.anthropic.com"}
"""Hosts of the providers whose APIs have parameters for bookkeeping, but for OpenAI's."""
ARRIVING = ("stream", "stream_options", "keep_alive")


@pytest.mark.parametrize("name", NAMES)
def test_what_changes_no_answer_does_not_count_where_its_provider_answers(name: str) -> None:
    body, hosts = FULL[name], [OWN.get(name, "api.openai.com")]
    if hosts == ["api.openai.com"]:
        hosts += ["eu.api.openai.com", "mine.openai.azure.com"]
    for host in hosts:
        at = {"host": host, "server": f"https://{host}/v1"}
        for parameter in SAME[name]:
            for value in ("another", None, {"a": 1}):
                assert key_of(name, {**body, parameter: value}, **at) == key_of(name, body, **at), parameter
            assert key_of(name, put(body, (parameter,)), **at) == key_of(name, body, **at), parameter
            counted = identify(asked(name, body, **at), counts_bookkeeping=True).key
            other = identify(asked(name, {**body, parameter: "another"}, **at), counts_bookkeeping=True).key
            assert (counted == other) == (parameter in ARRIVING)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_server_of_ones_own_may_act_on_counts(name: str) -> None:
    body = FULL[name]
    for parameter in SAME[name]:
        same = key_of(name, {**body, parameter: "another"}) == key_of(name, body)
        assert same == (parameter in ARRIVING), parameter


def shuffled(value: Any, chance: random.Random, name: str = "") -> Any:
    """Return JSON with names in another order; models read the properties of a schema in theirs."""
    if isinstance(value, dict):
        names = [*value] if name == "properties" else chance.sample(sorted(value), len(value))
        return {each: shuffled(value[each], chance, each) for each in names}
    return [shuffled(each, chance) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_names_and_the_spaces_between_do_not_count(name: str) -> None:
    body, chance = FULL[name], random.Random(7)
    for indent, ascii_only in ((None, True), (2, False), (None, False)):
        content = json.dumps(shuffled(body, chance), indent=indent, ensure_ascii=ascii_only).encode()
        assert key_of(name, body_of(content)) == key_of(name, body)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_key_is_told_again_by_the_stored_prompt_of_every_variant(name: str) -> None:
    for what, each in variants(REQUESTS[name][1]):
        try:
            identity = identify(asked(name, each))
        except NotRead:
            continue
        assert canonical(identity.prompt, STORED).seen == identity.seen, what


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"model": "m", "temperature": 0, "temperature": 1}', "a name comes twice"),
        (b'{"model":"m","messages":[{"role":"user","role":"system","content":"a"}]}', "a name comes twice"),
        (b'{"model":"m","seed":18446744073709551616}', "too large"),
        (b'{"model":"m","seed":-9223372036854775809}', "too large"),
        (b'{"model":"m","seed":' + b"9" * 5000 + b"}", "too large|not JSON"),
        (b'{"model":"m","temperature":1e999}', "too large|not JSON"),
        (b'{"model":"m","temperature":NaN}', "not JSON"),
        (b'{"model":"m","content":"\\ud800"}', "not JSON"),
        (b'{"model":"m","content":"\xff"}', "not JSON"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "nested too deep"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "not JSON|nested too deep"),
        (b"[1]", "no object"),
        (b"", "not JSON"),
    ],
)
def test_a_body_that_readers_understand_in_different_ways_goes_past(content: bytes, reason: str) -> None:
    with pytest.raises(NotRead, match=reason):
        body_of(content)


def test_a_body_as_every_client_writes_it_is_read() -> None:
    body = {
        "a": 0.1,
        "b": 1e-05,
        "c": 1e16,
        "d": "é ☃ 😀 \u2028",
        "e": [True, None, -0.0],
        "f": 2**64 - 1,
        "g": -(2**63),
    }
    for ascii_only in (True, False):
        for separators in ((",", ":"), (", ", ": ")):
            assert body_of(json.dumps(body, ensure_ascii=ascii_only, separators=separators).encode()) == body


@pytest.mark.slow
def test_ten_megabytes_are_read() -> None:
    name = "openai-chat"
    body = {"model": "m", "messages": [{"role": "user", "content": "a word " * 1_500_000}]}
    one, other = (key_of(name, body_of(orjson.dumps(each))) for each in (body, {**body, "tools": ["x" * 10_000_000]}))
    assert one != other


@pytest.mark.parametrize("name", NAMES)
def test_where_a_request_goes_counts(name: str) -> None:
    body, path = FULL[name], REQUESTS[name][0]
    beside = [
        *({"server": server} for server in ("http://example.com", "https://example.com:8443", "https://example.com/a")),
        *({"query": query} for query in ([("api-version", "1")], [("api-version", "2")], [("a", "1"), ("a", "2")])),
        *({"query": query} for query in ([("a", "2"), ("a", "1")], [("a", "")], [("a", "1")])),
        *({"headers": [(header, "1")]} for header in ("anthropic-beta", "openai-beta", "x-client-tier", "x-variant")),
        {"headers": [("anthropic-beta", "1"), ("anthropic-beta", "2")]},
        {"headers": [("anthropic-beta", "2"), ("anthropic-beta", "1")]},
        {"headers": [("anthropic-beta", "2")]},
    ]
    keys = [key_of(name, body), *(key_of(name, body, **each) for each in beside)]
    assert len({*keys}) == len(keys)
    assert key_of(name, body, headers=[("Anthropic-Beta", "1")]) == key_of(
        name, body, headers=[("anthropic-beta", "1")]
    )
    others = {key_of(other, body) for other in NAMES if other != name and not _unread(other, body)}
    assert key_of(name, body) not in others
    assert PROTOCOLS[name].fits(path) is not None


def _unread(name: str, body: Json) -> bool:
    try:
        key_of(name, body)
    except NotRead:
        return True
    return False


@pytest.mark.parametrize(
    "header",
    [
        *("authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "user-agent", "accept", "host"),
        *("x-stainless-retry-count", "x-stainless-read-timeout", "x-stainless-helper-method", "x-stainless-async"),
        *("idempotency-key", "x-client-request-id", "x-request-id", "x-server-timeout", "x-goog-api-client"),
        *("x-fern-language", "x-client-name", "openai-organization", "openai-project", "traceparent"),
    ],
)
def test_what_an_sdk_adds_for_itself_does_not_count(header: str) -> None:
    body = FULL["openai-chat"]
    assert key_of("openai-chat", body, headers=[(header, "anything")]) == key_of("openai-chat", body)


def test_models_of_one_name_in_two_places_are_two() -> None:
    body = FULL["gemini"]
    paths = [f"/v1beta/{place}/7:generateContent" for place in ("models", "tunedModels", "endpoints")]
    assert len({key_of("gemini", body, path=path, server="https://example.com/v1beta") for path in paths}) == 3
    vertex = "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-flash:generateContent"
    assert PROTOCOLS["gemini"].model(body, vertex) == "gemini-2.5-flash"


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_a_version_of_geminis_counts_on_another_machine_too(version: str) -> None:
    host, path = "generativelanguage.googleapis.com", "/models/gemini-2.5-flash:generateContent"
    usual, other = (
        identify(asked("gemini", FULL["gemini"], f"/{each}{path}", server=f"https://{host}/{each}", host=host))
        for each in ("v1beta", version)
    )
    assert "base_url" not in usual.configuration.parameters
    assert usual.key != other.key
    assert usual.configuration.portable != other.configuration.portable


def test_a_deployment_of_azures_counts_on_another_machine_too() -> None:
    servers = [f"https://{host}.openai.azure.com/openai/deployments/{name}" for host, name in ("aa", "ab", "ba")]
    one, other, elsewhere = (
        identify(asked("openai-chat", FULL["openai-chat"], server=each, host="a.openai.azure.com")).configuration
        for each in servers
    )
    assert len({each.key for each in (one, other, elsewhere)}) == 3
    assert one.portable == elsewhere.portable != other.portable


def test_a_credential_of_another_server_does_not_count() -> None:
    tool = {
        "type": "mcp",
        "server_label": "m",
        "server_url": "https://m.example.com",
        "headers": {"Authorization": "a"},
    }
    bodies = [
        {**FULL["openai-responses"], "tools": [each]} for each in (tool, {**tool, "headers": {"Authorization": "b"}})
    ]
    assert len({key_of("openai-responses", each) for each in bodies}) == 1
    assert "Authorization" not in identify(asked("openai-responses", bodies[0])).configuration.parameters


def test_a_request_has_the_key_that_it_had_before() -> None:
    """A key that changes makes every answer that is stored a miss: change this only with the version of keys."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5}
    assert key_of("openai-chat", body) == "6990829bb7c4b690c490e7d8100b8a47"
