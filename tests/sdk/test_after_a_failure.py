"""The same question right after it failed: a retry of the SDK or a call of its user, and libraries do not say which."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest
from google import genai
from google.genai import types

import gptcache_magics as gm
from tests.support.provider_server import KEY, ProviderServer

pytestmark = pytest.mark.usefixtures("sdks_on")
FLASH = "gemini-2.5-flash"


@pytest.fixture
def google(server: ProviderServer) -> genai.Client:
    """Return a client that does not number its attempts, and makes one."""
    options = types.HttpOptions(base_url=server.url, retry_options=types.HttpRetryOptions(attempts=1))
    return genai.Client(api_key=KEY, http_options=options)


def ask(client: genai.Client, question: str) -> str:
    return str(client.models.generate_content(model=FLASH, contents=question).text)


def fails(client: genai.Client, server: ProviderServer, question: str) -> None:
    server.fail_next(1, 500)
    with suppress(Exception):
        ask(client, question)
        raise AssertionError("the server answered")


def outcomes() -> list[str]:
    return gm.lookups()["outcome"].tolist()[::-1]


def test_what_was_stored_meanwhile_answers_it(google: genai.Client, server: ProviderServer) -> None:
    fails(google, server, "hi")
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(ask(google, "hi")))
    thread.start()
    thread.join()
    assert [ask(google, "hi")] == answers
    assert (server.calls, outcomes()) == (2, ["miss", "miss", "hit"])


def test_a_spent_budget_refuses_it(google: genai.Client, server: ProviderServer) -> None:
    gm.on(budget="0.000001usd")
    fails(google, server, "hi")
    ask(google, "another")
    with pytest.raises(Exception, match=r"BudgetReached: .* spent"):
        ask(google, "hi")
    assert server.calls == 2


def test_it_is_one_lookup_with_the_first(google: genai.Client, server: ProviderServer) -> None:
    fails(google, server, "hi")
    answer = ask(google, "hi")
    assert (server.calls, outcomes()) == (2, ["miss"])
    assert ask(google, "hi") == answer
    assert gm.stats("total", wide=True).iloc[0]["paid_input_tokens"] > 0


def test_another_mode_holds_for_it(google: genai.Client, server: ProviderServer) -> None:
    ask(google, "hi")
    with gm.using(mode="refresh"):
        fails(google, server, "hi")
    with gm.using(mode="replay"):
        assert ask(google, "hi")
    settings: Any = gm.lookups()["mode"].tolist()[::-1]
    assert (server.calls, outcomes(), settings) == (2, ["miss", "bypass", "hit"], ["auto", "refresh", "replay"])
