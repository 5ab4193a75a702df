"""The two methods of httpx and httpx2 are wrapped while the cache is on, and exactly as they were afterwards."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import httpx2
import openai
import pytest

import gptcache_magics as gm
from gptcache_magics.sdk import hooks
from tests.sdk.ask import ask
from tests.support.processes import output_of
from tests.support.provider_server import ProviderServer

KINDS = [httpx.Client, httpx.AsyncClient, httpx2.Client, httpx2.AsyncClient]
ALL = [f"{kind.__module__.partition('.')[0]}.{kind.__name__}.send" for kind in KINDS]


def test_both_libraries_are_wrapped_and_put_back() -> None:
    before = [vars(kind)["send"] for kind in KINDS]
    gm.on(":memory:")
    assert {*hooks.installed()} >= {*ALL}
    for kind, original in zip(KINDS, before, strict=True):
        assert inspect.signature(kind.send) == inspect.signature(original)
        assert inspect.iscoroutinefunction(kind.send) == inspect.iscoroutinefunction(original)
    gm.off()
    assert [vars(kind)["send"] for kind in KINDS] == before
    assert hooks.installed() == []


def test_a_library_that_is_imported_later_is_wrapped_then(tmp_path: Path) -> None:
    code = """
import sys
import gptcache_magics as gm
gm.on(":memory:")
from gptcache_magics.sdk import hooks
import httpx2
print([each for each in hooks.installed() if each.startswith("httpx2")])
gm.off()
print(hooks.installed(), httpx2.Client.send.__module__)
"""
    lines = output_of(code, folder=tmp_path).splitlines()
    assert lines[-2:] == ["['httpx2.Client.send', 'httpx2.AsyncClient.send']", "[] httpx2._client"]


@pytest.mark.parametrize("kind", [httpx.Client, httpx2.Client], ids=["httpx", "httpx2"])
def test_a_patch_over_ours_stays_and_ours_does_nothing_any_more(
    kind: Any, server: ProviderServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    gm.on(":memory:")
    ours = kind.send
    seen: list[Any] = []

    def traced(self: Any, request: Any, **kwargs: Any) -> Any:
        seen.append(request)
        return ours(self, request, **kwargs)

    monkeypatch.setattr(kind, "send", traced)
    assert ask(client, "hi") == ask(client, "hi")
    gm.off()
    assert vars(kind)["send"] is traced
    calls = server.calls
    assert ask(client, "hi") != ask(client, "hi")
    assert server.calls == calls + 2


def test_a_patch_that_came_before_still_runs_on_a_miss(client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    library = httpx2 if issubclass(type(client._client), httpx2.Client) else httpx
    original: Callable[..., Any] = library.Client.send
    seen: list[Any] = []

    def traced(self: Any, request: Any, **kwargs: Any) -> Any:
        seen.append(request)
        return original(self, request, **kwargs)

    monkeypatch.setattr(library.Client, "send", traced)
    gm.on(":memory:")
    assert ask(client, "hi") == ask(client, "hi")
    assert len(seen) == 1
    gm.off()
    assert vars(library.Client)["send"] is traced


def test_a_class_with_a_send_of_its_own_works(server: ProviderServer, sdks_on: None) -> None:
    library = httpx2 if issubclass(openai.DefaultHttpxClient, httpx2.Client) else httpx
    sent: list[str] = []

    class Own(library.Client):  # type: ignore[name-defined,misc]
        def send(self, request: Any, **kwargs: Any) -> Any:
            sent.append(request.url.path)
            return super().send(request, **kwargs)

    client = openai.OpenAI(api_key="k", base_url=server.openai_url, max_retries=0, http_client=Own())
    assert ask(client, "hi") == ask(client, "hi")
    assert (server.calls, len(sent)) == (1, 2)
