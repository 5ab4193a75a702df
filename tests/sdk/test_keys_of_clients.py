"""A client that cannot be made without a key is made in replay: a placeholder stands in the variable it reads."""

import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

import gptcache_magics as gm
from tests.support.provider_server import KEY, ProviderServer

QUESTION = [{"role": "user", "content": "What is a token?"}]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GROQ_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_replay_makes_the_clients_of_a_bundle_without_their_keys(
    server: ProviderServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gm.on(":memory:")
    openai.OpenAI(api_key=KEY, base_url=server.openai_url).chat.completions.create(model="gpt-4o", messages=QUESTION)  # type: ignore[call-overload]
    anthropic.Anthropic(api_key=KEY, base_url=server.url).messages.create(  # type: ignore[call-overload]
        model="claude-haiku-4-5", max_tokens=9, messages=QUESTION
    )
    gm.save(tmp_path / "lesson.jsonl")
    gm.off()
    monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)

    gm.on(tmp_path / "lesson.jsonl")
    openai.OpenAI().chat.completions.create(model="gpt-4o", messages=QUESTION)  # type: ignore[call-overload]
    anthropic.Anthropic().messages.create(model="claude-haiku-4-5", max_tokens=9, messages=QUESTION)  # type: ignore[call-overload]
    gm.off()

    assert server.calls == 2
    assert "OPENAI_API_KEY" not in os.environ
    assert "ANTHROPIC_API_KEY" not in os.environ


@pytest.mark.parametrize(("host", "variable"), [("api.groq.com", "GROQ_API_KEY"), ("127.0.0.1", "OPENAI_API_KEY")])
def test_a_library_for_every_provider_reads_the_variable_of_the_one_it_asks(
    server: ProviderServer, tmp_path: Path, host: str, variable: str
) -> None:
    gm.on(":memory:")

    def to_the_server(request: Any) -> Any:
        sent = urllib.request.Request(f"{server.openai_url}/chat/completions", request.content)
        with urllib.request.urlopen(sent) as answer:
            return library.Response(200, content=answer.read())

    library = sys.modules[openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]]
    with library.Client(transport=library.MockTransport(to_the_server)) as http:
        body = {"model": "llama", "messages": QUESTION}
        http.post(f"https://{host}/v1/chat/completions", json=body, headers={"User-Agent": "litellm/1.80"})
    gm.save(tmp_path / "lesson.jsonl")
    gm.off()

    lines = [json.loads(line) for line in (tmp_path / "lesson.jsonl").read_text().splitlines()]
    assert [line["environment"] for line in lines if "environment" in line] == [[variable]]
