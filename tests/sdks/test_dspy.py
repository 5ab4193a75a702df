"""DSPy asks for several answers to one request, and has a cache of its own: each answer is in one of the two."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import dspy
import pytest

import gptcache_magics as gm
from gptcache_magics.sdk.hooks import installed
from tests.support.provider_server import KEY, ProviderServer

PREDICTED = "[[ ## city ## ]]\nParis is the one\n\n[[ ## completed ## ]]"
SAMPLED = {"n": 2, "temperature": 1.0}


@pytest.fixture(params=["lm15", "litellm"])
def lm(request: pytest.FixtureRequest, server: ProviderServer) -> Any:
    """Return a model that is asked over DSPy's own socket, or over litellm."""
    return dspy.LM("openai/gpt-4o", api_key=KEY, api_base=server.openai_url, num_retries=0, engine=request.param)


def requests(lm: Any, n: int) -> int:
    """Return how many requests a call for ``n`` answers sends: over its own socket, DSPy sends one for each."""
    return 1 if lm.engine == "litellm" else n


def figures() -> list[int]:
    """Return how many lookups, hits and bypasses are counted."""
    counted = gm.stats("total", wide=True).iloc[0]
    return [int(counted[name]) for name in ("lookups", "hits", "bypassed")]


def test_each_of_n_answers_is_paid_once(lm: Any, server: ProviderServer) -> None:
    first = lm("hi", **SAMPLED)
    sent = requests(lm, 2)
    assert (len({*first}), server.calls) == (2, sent)
    assert lm("hi", **SAMPLED) == first
    assert (server.calls, figures()) == (sent, [2 * sent, sent, 0])
    assert len(lm("hi", **{**SAMPLED, "n": 3})) == 3
    assert lm("hi", **SAMPLED) == first


def test_each_rollout_is_paid_once(lm: Any, server: ProviderServer) -> None:
    def rollouts() -> list[str]:
        return [lm("hi", rollout_id=number, temperature=1.0)[0] for number in (None, 1, 2)]

    first = rollouts()
    assert (len({*first}), server.calls) == (3, 3)
    assert rollouts() == first
    assert (server.calls, figures()) == (3, [6, 3, 0])
    assert lm.copy(rollout_id=2, temperature=1.0)("hi") == first[2:]
    assert server.calls == 3


def test_what_dspy_does_not_cache_goes_past(lm: Any, server: ProviderServer) -> None:
    lm("hi")
    assert lm("hi", cache=False) != lm("hi", cache=False) != lm("hi")
    assert lm.copy(cache=False)("hi") != lm("hi")
    assert (server.calls, figures()) == (4, [6, 2, 3])
    assert gm.lookups()["reason"].str.contains("cache=False").sum() == 3


def test_calls_at_once_are_told_apart(lm: Any, server: ProviderServer) -> None:
    async def ask() -> list[list[str]]:
        return await asyncio.gather(*(lm.acall(f"question {number // 2}", **SAMPLED) for number in range(8)))

    first = asyncio.run(ask())
    assert server.calls == 4 * requests(lm, 2)
    assert first[::2] == first[1::2]
    assert all(len({*answers}) == 2 for answers in first)
    assert asyncio.run(ask()) == first
    assert server.calls == 4 * requests(lm, 2)


def test_a_program_is_answered_whole_and_streamed(lm: Any, server: ProviderServer) -> None:
    server.text = PREDICTED
    city = dspy.Predict("question -> city")
    listener = dspy.streaming.StreamListener(signature_field_name="city")
    streamed = dspy.streamify(city, stream_listeners=[listener])

    async def stream(question: str) -> tuple[str, str]:
        pieces = [each async for each in streamed(question=question)]
        return "".join(each.chunk for each in pieces[:-1]), pieces[-1].city

    with dspy.context(lm=lm, adapter=dspy.ChatAdapter()):
        assert asyncio.run(stream("Where?")) == ("Paris is the one", "Paris is the one")
        # An answer that comes in one piece is announced by DSPy as one of its own cache is: by its prediction alone.
        assert asyncio.run(stream("Where?")) == ("", "Paris is the one")
        assert city(question="Where?").city == "Paris is the one"
        # Over litellm a stream is not asked for its usage, which a whole call is told.
        sent = 2 if lm.engine == "litellm" else 1
        assert (server.calls, figures()) == (sent, [3, 3 - sent, 0])
        assert city(question="Where?").city == "Paris is the one"
        with gm.using(mode="replay"), pytest.raises(Exception, match="CacheMiss: "):
            asyncio.run(stream("Where else?"))
    assert server.calls == sent


def test_replay_serves_a_bundle_and_refuses_all_else(lm: Any, server: ProviderServer, tmp_path: Path) -> None:
    first = lm("What is a token?")
    samples = lm("hi", **SAMPLED)
    gm.save(tmp_path / "lesson.jsonl")
    gm.off()
    dspy.configure_cache(enable_disk_cache=False)
    calls = server.calls

    gm.on(tmp_path / "lesson.jsonl")
    assert lm("What is a token?") == first
    assert lm("hi", **SAMPLED) == asyncio.run(lm.acall("hi", **SAMPLED)) == samples
    for refused in ({}, {"rollout_id": 7, "temperature": 1.0}, {"cache": False}):
        with pytest.raises(Exception, match="CacheMiss: "):
            lm("hi", **refused)
        with pytest.raises(Exception, match="CacheMiss: "):
            asyncio.run(lm.acall("hi", **refused))
    assert server.calls == calls


def test_replay_and_refresh_do_not_take_what_dspy_has_kept(lm: Any, server: ProviderServer) -> None:
    gm.off()
    kept = lm("hi")
    gm.on(":memory:")
    assert lm("hi") == kept
    with gm.using(mode="refresh"):
        new = lm("hi")
    assert (new != kept, server.calls) == (True, 2)
    gm.mode("replay")
    with pytest.raises(Exception, match="CacheMiss: "):
        lm("never recorded")
    assert server.calls == 2


def test_off_leaves_dspy_as_it_was(lm: Any, server: ProviderServer) -> None:
    lm("hi")
    assert [name for name in installed() if name.startswith("dspy")]
    gm.off()
    assert not installed()
    answer = lm("hi")
    assert server.calls == 2
    assert lm("hi") == answer
    assert lm("hi", rollout_id=1, temperature=1.0) != answer
    assert server.calls == 3


def test_an_error_of_the_provider_is_told_in_dspys_words(lm: Any, server: ProviderServer) -> None:
    server.fail_next(1, 400)
    with pytest.raises(Exception, match="the server fails with 400, as told"):
        lm("hi")
    assert gm.entries().empty
    assert lm("hi") == lm("hi")
    assert server.calls == 2


@pytest.mark.parametrize("installed", [{"httpx2"}, set()])
def test_a_kernel_may_lack_httpx(server: ProviderServer, monkeypatch: pytest.MonkeyPatch, installed: set[str]) -> None:
    lm = dspy.LM("openai/gpt-4o", api_key=KEY, api_base=server.openai_url, num_retries=0, cache=True, engine="lm15")
    for missing in {"httpx", "httpx2"} - installed:
        monkeypatch.setitem(sys.modules, missing, None)
    assert lm("hi") == lm("hi")
    assert asyncio.run(lm.acall("hello")) == asyncio.run(lm.acall("hello"))
    assert (server.calls, figures()[:2]) == (2, [4, 2] if installed else [0, 0])
