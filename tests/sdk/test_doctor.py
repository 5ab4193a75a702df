"""``doctor`` says what of the SDKs is wrapped, what went past the cache, and what no cache can reach."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import httpx2
import openai
import pytest

import gptcache_magics as gm
from gptcache_magics.commands._checks import Check
from gptcache_magics.sdk import hooks
from tests.sdk.ask import ask
from tests.support.processes import output_of
from tests.support.provider_server import ProviderServer

KINDS = [httpx.Client, httpx2.Client]
CHAT: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


def check(name: str) -> Check:
    (found,) = [each for each in gm.doctor().checks if each.check == name]
    return found


def test_what_is_wrapped_is_listed_while_the_cache_is_on(sdks_on: None) -> None:
    found = check("SDKs")
    assert found.ok
    for name in ("httpx.Client.send", "httpx.AsyncClient.send", "httpx2.Client.send", "httpx2.AsyncClient.send"):
        assert name in found.finding
    gm.off()
    assert check("SDKs") == Check("SDKs", True, "nothing is wrapped, as the cache is off")


def test_before_an_sdk_is_imported_nothing_is_wrapped(tmp_path: Path) -> None:
    code = """
import gptcache_magics as gm
from gptcache_magics.commands import _sdk_checks
gm.on(":memory:")
import sys
print("imported", *[name for name in ("httpx", "httpx2") if name in sys.modules])
print(_sdk_checks.wraps(gm.current(), turned_on=True))
"""
    *_, imported, said = output_of(code, folder=tmp_path).splitlines()
    if imported != "imported":  # an earlier LangChain imports httpx
        assert f"{imported.removeprefix('imported ')}.Client.send" in said
    else:
        assert said == "✓ SDKs: none that sends over HTTP is imported yet"


@pytest.mark.parametrize("kind", KINDS, ids=["httpx", "httpx2"])
def test_a_library_that_has_wrapped_over_it_is_named(sdks_on: None, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = kind.send
    monkeypatch.setattr(kind, "send", lambda *args, **kwargs: ours(*args, **kwargs))
    found = check("SDKs")
    name = f"{kind.__module__.partition('.')[0]}.Client.send"
    assert found.ok
    assert f"{__name__} has wrapped over {name}" in found.finding
    assert f"{name}," not in found.finding
    assert "%gptcache off, then %gptcache on" in found.hint


def test_wraps_that_are_missing_or_left_behind_are_found(sdks_on: None) -> None:
    (capture,) = hooks._captures
    hooks.release(capture)
    assert check("SDKs") == Check(
        "SDKs", False, "httpx and httpx2 imported and not wrapped", "Restart the kernel, then %gptcache on"
    )
    gm.off()
    hooks.install(capture)
    try:
        found = check("SDKs")
        assert not found.ok
        assert found.finding.endswith("wrapped although the cache is off")
    finally:
        hooks.release(capture)


def test_sdks_that_are_left_alone_are_said(sdks_on: None) -> None:
    gm.on(only="langchain")
    assert check("SDKs").finding == "left alone: only langchain uses the cache"
    assert "only langchain" in str(gm.status())
    gm.on(only="none")
    assert "wrapped" in check("SDKs").finding
    cache: Any = gm.current()
    cache.settings.config = type(cache.settings.config)(sdks=False)
    assert check("SDKs").finding == "left alone: GPTCacheMagics.sdks is False"
    assert "sdks no (%config)" in str(gm.status())


def test_a_cache_that_was_set_by_hand_leaves_them_alone(cache: gm.GPTCache) -> None:
    assert check("SDKs").finding == "left alone: the GPTCache was set by hand"


def test_calls_that_went_past_are_counted_by_library_and_reason(
    sdks_on: None, server: ProviderServer, client: openai.OpenAI
) -> None:
    ask(client, "hi")
    assert check("calls past the cache") == Check("calls past the cache", True, "none was seen in this run")
    for _ in range(2):
        with pytest.raises(openai.APIStatusError):
            client.audio.speech.create(model="tts-1", voice="alloy", input="hi")
    with pytest.raises(openai.APIStatusError):
        client.images.generate(prompt="a cat")
    server.model("ChatOpenAI", cache=False).invoke("hi")
    with gm.using(mode="bypass"):
        ask(client, "hi")
    with gm.using(mode="replay"), pytest.raises(openai.APIStatusError):
        client.images.generate(prompt="a dog")
    found = check("calls past the cache")
    assert (found.ok, found.finding) == (False, "langchain: 1 × cache=False; openai: 2 × audio, 1 × images")
    assert "%gptcache lookups --outcome bypass" in found.hint
    assert len(gm.lookups(outcome="bypass")) == 6


@pytest.mark.parametrize(
    ("module", "finding", "hint"),
    [
        ("botocore", "calls of Bedrock through boto3", "ChatBedrockConverse"),
        ("vertexai", "calls of Google over gRPC", "genai.Client(vertexai=True)"),
        ("google.generativeai", "calls of Google over gRPC", "Google-genai uses the cache"),
        ("openai.resources.realtime.realtime", "realtime models over websockets", "responses use the cache"),
    ],
)
def test_what_cannot_be_reached_is_said_where_it_is_imported(
    module: str, finding: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if "realtime" in each]:
        monkeypatch.delitem(sys.modules, name)
    assert not any(finding in each.finding for each in gm.doctor().checks)
    monkeypatch.setitem(sys.modules, module, ModuleType(module))
    found = check("out of reach")
    assert found.ok
    assert finding in found.finding
    assert hint in found.hint
