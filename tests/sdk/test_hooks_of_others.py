"""Other tools that patch the same methods, before or after the cache, and are taken away in either order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import groq
import httpx
import httpx2
import openai
import pytest

import gptcache_magics as gm
from gptcache_magics.sdk import hooks
from tests.sdk.ask import ask
from tests.support.provider_server import KEY, ProviderServer

KINDS = [httpx.Client, httpx.AsyncClient, httpx2.Client, httpx2.AsyncClient]
EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__.partition('.')[0]}.{kind.__name__}")
ORDERS = [
    ("put", "on", "take away", "off"),
    ("put", "on", "off", "take away"),
    ("on", "put", "take away", "off"),
    ("on", "put", "off", "take away"),
]


class Tracer:
    """Patches a class as tracers do: keeps what was there, and puts that back."""

    def __init__(self, kind: Any) -> None:
        self.kind, self.seen = kind, 0
        self.steps: dict[str, Callable[[], object]] = {
            **{"put": self.put, "take away": self.take_away},
            **{"on": lambda: gm.on(":memory:"), "off": gm.off},
        }

    def put(self) -> None:
        """Patch the class."""
        self.before = vars(self.kind)["send"]

        def send(client: Any, *args: Any, **kwargs: Any) -> Any:
            self.seen += 1
            return self.before(client, *args, **kwargs)

        self.kind.send = send

    def take_away(self) -> None:
        """Put back what was there."""
        self.kind.send = self.before


@EACH
@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_the_method_is_as_it_was_once_both_are_away(kind: Any, order: tuple[str, ...]) -> None:
    original = vars(kind)["send"]
    tracer = Tracer(kind)
    try:
        for step in order:
            tracer.steps[step]()
        assert hooks.installed() == []
        if order[1:] == ("put", "off", "take away"):  # the tracer has put back what was there when it came
            tracer.steps["on"]()
            gm.off()
        assert vars(kind)["send"] is original
    finally:
        kind.send = original


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_calls_pass_at_each_step(server: ProviderServer, client: openai.OpenAI, order: tuple[str, ...]) -> None:
    kind = next(each for each in KINDS if isinstance(client._client, each))
    name = f"{kind.__module__.partition('.')[0]}.{kind.__name__}.send"
    original = vars(kind)["send"]
    tracer = Tracer(kind)
    try:
        for number, step in enumerate((*order, *order)):
            tracer.steps[step]()
            calls = server.calls
            first, second = ask(client, f"question {number}"), ask(client, f"question {number}")
            assert (first == second) == (server.calls == calls + 1)
            if name in hooks.installed():
                assert first == second
            if gm.current() is None:
                assert first != second
        assert tracer.seen
    finally:
        kind.send = original


def test_both_libraries_are_answered_in_one_process(
    server: ProviderServer, client: openai.OpenAI, sdks_on: None
) -> None:
    other: Any = groq.Groq(api_key=KEY, base_url=server.url, max_retries=0)
    for _ in range(2):
        ask(client, "hi")
        other.chat.completions.create(model="llama-3.3-70b-versatile", messages=[{"role": "user", "content": "hi"}])
    assert server.calls == 2
    lookups = gm.lookups()
    assert lookups["outcome"].tolist()[::-1] == ["miss", "miss", "hit", "hit"]
    assert set(lookups["face"]) == {"openai", "groq"}
