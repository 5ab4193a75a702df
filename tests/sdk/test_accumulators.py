"""What an SDK gathers from the stream of a stored answer is what it gathered from the provider's."""

from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from gptcache_magics.protocols import PROTOCOLS
from tests.protocols.streams import STREAMS, Json

USER: Any = [{"role": "user", "content": "hi"}]
ASKED: Json = {"stream": True, "stream_options": {"include_usage": True}}
UNREAD = ("no number", "Azure", "Mistral", "does not name", "Groq", "Moonshot")
"""Streams of which the SDK itself does not read all."""


def gathered(api: str, raw: bytes) -> Any:
    sdk: Any = anthropic if api == "anthropic-messages" else openai
    library: Any = httpx2 if issubclass(sdk.DefaultHttpxClient, httpx2.Client) else httpx
    answer = {"content": raw, "headers": {"content-type": "text/event-stream"}}
    http = library.Client(transport=library.MockTransport(lambda _: library.Response(200, **answer)))
    if api == "anthropic-messages":
        claude = anthropic.Anthropic(api_key="k", http_client=http, max_retries=0)
        with claude.messages.stream(model="m", max_tokens=9, messages=USER) as message:
            return message.get_final_message().model_dump()
    client = openai.OpenAI(api_key="k", http_client=http, max_retries=0)
    if api == "openai-responses":
        with client.responses.stream(model="m", input="hi") as response:
            return response.get_final_response().model_dump()
    with client.chat.completions.stream(model="m", messages=USER) as completion:
        return completion.get_final_completion().model_dump()


@pytest.mark.parametrize(
    "what",
    [
        what
        for what, stream in STREAMS.items()
        if stream.api in ("openai-chat", "openai-responses", "anthropic-messages")
        and not any(each in what for each in UNREAD)
    ],
)
def test_an_sdk_gathers_the_same_of_a_stored_stream(what: str) -> None:
    stream = STREAMS[what]
    api = PROTOCOLS[stream.api]
    again = api.unfold(api.fold(stream.raw()), ASKED)
    assert gathered(stream.api, again) == gathered(stream.api, stream.raw())
