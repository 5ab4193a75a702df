"""Every way to ask every library: paid once, counted once, the same answer again, and nothing is sent in replay."""

from __future__ import annotations

import pytest

import gptcache_magics as gm
from tests.sdks.libraries import LIBRARIES
from tests.support.provider_server import ProviderServer

CALLS = [(name, way) for name, make in LIBRARIES.items() for way in make("http://127.0.0.1:9")]
EACH = pytest.mark.parametrize(("name", "way"), CALLS, ids=[f"{name} {way}" for name, way in CALLS])


def outcomes() -> list[str]:
    return gm.lookups()["outcome"].tolist()[::-1]


@EACH
def test_a_call_is_paid_once_and_counted_once(name: str, way: str, server: ProviderServer) -> None:
    ask = LIBRARIES[name](server.url)[way]
    first = ask("hi")
    assert server.calls == 1
    assert ask("hi") == first
    assert (server.calls, outcomes()) == (1, ["miss", "hit"])


@EACH
def test_in_replay_nothing_is_sent(name: str, way: str, server: ProviderServer) -> None:
    ask = LIBRARIES[name](server.url)[way]
    with (
        gm.using(mode="replay"),
        pytest.raises(Exception, match=r"CacheMiss: nothing is recorded .*never recorded"),
    ):
        ask("never recorded")
    assert server.calls == 0
