"""An address that a provider's SDK uses by default is no part of a label, which says model, API and parameters."""

import json
import sys
from pathlib import Path
from typing import Any

import openai
import pytest

import gptcache_magics as gm

BODY = {"model": "m-1", "messages": [{"role": "user", "content": "What is a token?"}]}
ANSWER = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "A piece."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
}
HTTP = sys.modules[openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]]


@pytest.mark.parametrize(
    ("base", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://api.deepseek.com", "deepseek"),
        ("https://api.deepseek.com/v1", "deepseek"),
        ("https://api.together.xyz/v1", "together"),
        ("https://api.fireworks.ai/inference/v1", "fireworks"),
        ("https://api.x.ai/v1", "xai"),
        ("https://api.mistral.ai/v1", "mistralai"),
    ],
)
def test_the_address_of_a_provider_is_no_part_of_its_label(tmp_path: Path, base: str, provider: str) -> None:
    asked: list[Any] = []

    def answer(request: Any) -> Any:
        asked.append(request)
        return HTTP.Response(200, json=ANSWER)

    gm.on(":memory:")
    client = openai.OpenAI(
        api_key="k", base_url=base, http_client=HTTP.Client(transport=HTTP.MockTransport(answer)), max_retries=0
    )
    for _ in range(2):
        assert client.chat.completions.create(**BODY).choices[0].message.content == "A piece."  # type: ignore[arg-type]
    gm.save(tmp_path / "lesson.jsonl")
    gm.off()

    assert len(asked) == 1
    (found,) = [each for line in (tmp_path / "lesson.jsonl").open() if "provider" in (each := json.loads(line))]
    assert (found["provider"], "base_url" in found["parameters"]) == (provider, False)
