"""Every way to ask every SDK: paid once, counted once, the same object again, and refused in replay."""

from __future__ import annotations

import re
from typing import Any

import anthropic
import cohere
import groq
import ollama
import openai
import pytest
from google.genai import errors as google
from mistralai.client import errors as mistral

import gptcache_magics as gm
from gptcache_magics.lookup.refusal import refusal_in
from tests.sdk.libraries import LIBRARIES
from tests.support.provider_server import ProviderServer

pytestmark = pytest.mark.usefixtures("sdks_on", "certificates_read_once")
CALLS = [(name, way) for name, make in LIBRARIES.items() for way in make("http://127.0.0.1:9")]
QUICK = ("whole", "async stream")
"""The ways in which every library is asked by the quick tests, too."""
EACH = pytest.mark.parametrize(
    ("name", "way"),
    [
        pytest.param(name, way, id=f"{name} {way}", marks=() if way in QUICK else pytest.mark.slow)
        for name, way in CALLS
    ],
)
REFUSALS: dict[str, Any] = {
    "openai": openai.APIStatusError,
    "azure": openai.APIStatusError,
    "anthropic": anthropic.APIStatusError,
    "google-genai": google.ClientError,
    "mistralai": mistral.MistralError,
    "groq": groq.APIStatusError,
    "cohere": cohere.core.ApiError,
    "ollama": ollama.ResponseError,
}
"""The exception that each SDK raises for an error of its provider, and for our refusal."""


def outcomes() -> list[str]:
    return gm.lookups()["outcome"].tolist()[::-1]


@EACH
def test_a_call_is_paid_once_and_counted_once(name: str, way: str, server: ProviderServer) -> None:
    ask = LIBRARIES[name](server.url)[way]
    first = ask("hi")
    assert server.calls == 1
    assert ask("hi") == first
    assert server.calls == 1
    ask("something else")
    assert (server.calls, outcomes()) == (2, ["miss", "hit", "miss"])


@EACH
def test_in_replay_a_call_is_refused_at_once(name: str, way: str, server: ProviderServer) -> None:
    ask = LIBRARIES[name](server.url)[way]
    with gm.using(mode="replay"), pytest.raises(REFUSALS[name]) as refused:
        ask("never recorded")
    assert re.search("CacheMiss: nothing is recorded for “never recorded", str(refused.value))
    refusal = refusal_in(refused.value)
    assert isinstance(refusal, gm.CacheMiss)
    assert re.fullmatch(
        r"nothing is recorded for “never recorded.*Nothing at all is recorded\.", str(refusal), re.DOTALL
    )
    assert (server.calls, len(gm.lookups())) == (0, 1)


UNTOLD = {"azure", "groq", "openai"}
"""Libraries whose streams tell no usage unless they are asked."""


@pytest.mark.parametrize("name", sorted(LIBRARIES))
def test_a_whole_answer_and_a_stream_serve_each_other(name: str, server: ProviderServer) -> None:
    calls = LIBRARIES[name](server.url)
    whole, stream = str(calls["whole"]("hi")), calls["stream"]("hi")
    assert stream
    assert stream in whole
    stream, whole = calls["stream"]("hello"), str(calls["async"]("hello"))
    untold = name in UNTOLD
    assert (stream in whole) != untold
    assert calls["async stream"]("hello") in whole
    outcome = "miss" if untold else "hit"
    assert (server.calls, outcomes()) == (2 + untold, ["miss", "hit", "miss", outcome, "hit"])


@pytest.mark.parametrize("name", sorted(LIBRARIES))
def test_the_tokens_are_those_of_the_provider(name: str, server: ProviderServer) -> None:
    ask = LIBRARIES[name](server.url)["whole"]
    answer = str(ask("hi"))
    ask("hi")
    lookups = gm.lookups()
    tokens = lookups[["input_tokens", "output_tokens"]].drop_duplicates().to_numpy().tolist()
    assert len(tokens) == 1
    assert all(re.search(rf"\b{number}(\.0)?\b", answer) for number in tokens[0])
    stats = gm.stats(by="total").iloc[0]
    assert (stats["lookups"], stats["hits"]) == (2, 1)


@pytest.mark.parametrize("status", [400, 401])
@pytest.mark.parametrize("name", sorted(LIBRARIES))
def test_an_error_of_the_provider_passes(name: str, status: int, server: ProviderServer) -> None:
    server.fail_next(1, status)
    ask = LIBRARIES[name](server.url)["whole"]
    with pytest.raises(REFUSALS[name], match=f"the server fails with {status}, as told"):
        ask("hi")
    assert gm.entries().empty
    assert ask("hi") == ask("hi")
    assert server.calls == 2
