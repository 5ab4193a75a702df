"""What each API may say in place of a whole answer passes to its reader untouched, and no later call is given it."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import orjson
import pytest

import gptcache_magics as gm
from tests.protocols.samples import ANSWERS, REQUESTS, Json
from tests.protocols.streams import STREAMS, Stream

pytestmark = pytest.mark.usefixtures("sdks_on")
APIS = sorted(REQUESTS)
AGENTS = {"gemini": "google-genai-sdk/1.0", "anthropic-messages": "Anthropic/Python 0.99"}
HTML = b"<!DOCTYPE html><html><body>Sign in</body></html>"


class Provider:
    """A server that answers with what it is given, whatever is asked, and may break off."""

    url: str
    content: bytes = b""
    kind: str = "application/json"
    breaks: bool = False
    calls: int = 0


@pytest.fixture
def provider() -> Iterator[Provider]:
    told = Provider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            told.calls += 1
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            for name, value in (("Content-Type", told.kind), ("Transfer-Encoding", "chunked"), ("Connection", "close")):
                self.send_header(name, value)
            self.end_headers()
            for at in range(0, len(told.content), 300):
                piece = told.content[at : at + 300]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if not told.breaks:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        told.url = f"http://127.0.0.1:{http.server_address[1]}"
        Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
        yield told
        http.shutdown()


def ask(on: Provider, api: str, *, stream: bool = False, until: bytes = b"", **fields: Any) -> bytes:
    """Return what a reader gets that leaves when it has seen some bytes, if any are given."""
    path, body = REQUESTS[api]
    if api == "gemini" and stream:
        path = path.replace(":generateContent", ":streamGenerateContent?alt=sse")
    asked = {**body, **({} if api == "gemini" else {"stream": stream}), **fields}
    got = b""
    with (
        httpx.Client(headers={"user-agent": AGENTS.get(api, "OpenAI/Python 3")}) as client,
        client.stream("POST", f"{on.url}{path}", json=asked) as response,
    ):
        for piece in response.iter_bytes():
            got += piece
            if until and until in got:
                break
    return got


def reason() -> str:
    return str(gm.lookups()["reason"].iloc[0])


ENDS: dict[str, dict[str, list[str]]] = {
    "openai-chat": {
        "kept": ["stop", "tool_calls", "function_call"],
        "cut off": ["length"],
        "withheld": ["content_filter"],
        "never": ["error", "novelty", "insufficient_system_resource"],
    },
    "openai-completions": {"kept": ["stop"], "cut off": ["length"], "withheld": ["content_filter"], "never": ["error"]},
    "anthropic-messages": {
        "kept": ["end_turn", "stop_sequence", "tool_use"],
        "cut off": ["max_tokens", "model_context_window_exceeded"],
        "withheld": ["refusal"],
        "never": ["pause_turn", "novelty"],
    },
    "gemini": {
        "kept": ["STOP"],
        "cut off": ["MAX_TOKENS"],
        "withheld": ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"],
        "never": ["OTHER", "LANGUAGE", "MALFORMED_FUNCTION_CALL", "FINISH_REASON_UNSPECIFIED", "UNEXPECTED_TOOL_CALL"],
    },
    "ollama-chat": {"kept": ["stop"], "cut off": ["length"], "never": ["load", "unload", "novelty"]},
    "ollama-generate": {"kept": ["stop"], "cut off": ["length"], "never": ["load", "unload", "novelty"]},
    "cohere-chat": {
        "kept": ["COMPLETE", "STOP_SEQUENCE"],
        "cut off": ["MAX_TOKENS"],
        "never": ["ERROR", "TIMEOUT", "ERROR_TOXIC"],
    },
}
REASONS = [
    pytest.param(api, kind, word, id=f"{api} {word}")
    for api, kinds in ENDS.items()
    for kind, words in kinds.items()
    for word in words
]


def ended(api: str, word: str) -> Json:
    """Return an answer that ended for a reason."""
    whole = ANSWERS[api][0]
    match api:
        case "anthropic-messages":
            return {**whole, "stop_reason": word}
        case "gemini":
            return {**whole, "candidates": [{**whole["candidates"][0], "finishReason": word}]}
        case "openai-chat" | "openai-completions":
            choice = whole["choices"][-1 if "call" in word else 0]
            return {**whole, "choices": [{**choice, "index": 0, "finish_reason": word}]}
        case "cohere-chat":
            return {**whole, "finish_reason": word}
    return {**whole, "done_reason": word}


@pytest.mark.parametrize(("api", "kind", "word"), REASONS)
def test_the_reason_why_an_answer_ended_tells_whether_it_is_kept(
    provider: Provider, api: str, kind: str, word: str
) -> None:
    provider.content = orjson.dumps(ended(api, word))
    assert [ask(provider, api) for _ in range(2)] == [provider.content] * 2
    assert provider.calls == (1 if kind == "kept" else 2)
    if kind in ("cut off", "withheld"):
        assert kind in reason()
    gm.on(keep_cut_off=True)
    assert [ask(provider, api, seed=7) for _ in range(2)] == [provider.content] * 2
    assert provider.calls == {"kept": 2, "never": 4}.get(kind, 3)


@pytest.mark.parametrize("status", ["in_progress", "queued", "failed", "cancelled", "incomplete", "novelty", None])
def test_a_response_that_has_not_ended_is_not_kept(provider: Provider, status: str | None) -> None:
    provider.content = orjson.dumps({**ANSWERS["openai-responses"][0], "status": status})
    gm.on(keep_cut_off=True)
    assert [ask(provider, "openai-responses") for _ in range(2)] == [provider.content] * 2
    assert provider.calls == 2


@pytest.mark.parametrize(("word", "kind"), [("max_output_tokens", "cut off"), ("content_filter", "withheld")])
def test_an_incomplete_response_is_kept_only_on_wish(provider: Provider, word: str, kind: str) -> None:
    whole = {**ANSWERS["openai-responses"][0], "status": "incomplete", "incomplete_details": {"reason": word}}
    provider.content = orjson.dumps(whole)
    ask(provider, "openai-responses")
    assert kind in reason()
    gm.on(keep_cut_off=True)
    assert [ask(provider, "openai-responses") for _ in range(2)] == [provider.content] * 2
    assert provider.calls == 2


def _errors(api: str) -> list[Any]:
    said: Json = {"message": "m", "type": "server_error", "code": 500, "status": "INTERNAL"}
    return [
        *({"error": said}, {"error": "m"}, {"type": "error", "error": said}, {"message": "m"}, {"detail": "m"}, {}, []),
        *(None, 7, "m", [ANSWERS[api][0]], {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}}),
        *({"choices": []}, {"choices": [{}]}, {"content": []}, {"candidates": []}, {"output": []}, {"message": {}}),
        *({"choices": [], "error": said}, {"candidates": [{}]}, {"response": ""}, {"done": True}),
    ]


@pytest.mark.parametrize("api", APIS)
def test_what_is_no_answer_passes_and_is_not_kept(provider: Provider, api: str) -> None:
    gm.on(keep_cut_off=True)
    others = [orjson.dumps(each[0]) for name, each in ANSWERS.items() if name != api]
    whole = orjson.dumps(ANSWERS[api][0])
    cut = [HTML, b"", whole[:-1], whole[: len(whole) // 2], whole + whole]
    for number, content in enumerate([*cut, *map(orjson.dumps, _errors(api)), *others]):
        provider.content, provider.kind = content, ("application/json", "text/html")[number % 2]
        assert ask(provider, api, seed=number) == content
    assert gm.entries().empty


@pytest.mark.parametrize("api", APIS)
def test_what_comes_in_place_of_a_stream_passes_and_is_not_kept(provider: Provider, api: str) -> None:
    gm.on(keep_cut_off=True)
    contents = [HTML, b"", b"data: {", b"data: [1]\n\n", b"data: [DONE]\n\n", b"[]", b"{}\n", b": x\n\n"]
    for number, content in enumerate(contents):
        for kind in ("text/event-stream", "application/json"):
            provider.content, provider.kind = content, kind
            assert ask(provider, api, stream=True, seed=number) == content
    assert gm.entries().empty


def kind_of(api: str) -> str:
    return "application/x-ndjson" if api.startswith("ollama") else "text/event-stream"


FIRST: dict[str, Stream] = {}
for each in STREAMS.values():
    FIRST.setdefault(each.api, each)


@pytest.mark.parametrize("api", APIS)
def test_a_connection_that_breaks_leaves_nothing(provider: Provider, api: str) -> None:
    raw, provider.kind, provider.breaks = FIRST[api].raw(), kind_of(api), True
    several = {"n": 2} if api in ("openai-chat", "openai-completions") else {}
    for at in (1, len(raw) // 3, len(raw) // 2, len(raw) - 40, len(raw) - 15):
        provider.content = raw[:at]
        with pytest.raises(httpx.RemoteProtocolError):
            ask(provider, api, stream=True, **several)
        assert gm.entries().empty, raw[:at][-80:]
    provider.content, provider.breaks = raw, False
    assert ask(provider, api, stream=True, **several) == raw
    assert len(gm.entries()) == 1
    ask(provider, api, **several)
    assert provider.calls == 6


def test_a_finish_reason_in_each_piece_says_nothing_to_a_reader_that_leaves(provider: Provider) -> None:
    said = {
        "gemini: thoughts, words and signed calls": (b'"index":0', b'"finishReason":"STOP","index":0'),
        "openai-chat: a refusal": (b'"finish_reason":null', b'"finish_reason":"stop"'),
        "openai-chat: what Azure's filter found, before and after": (
            b'"finish_reason":null',
            b'"finish_reason":"stop"',
        ),
    }
    for name, (before, after) in said.items():
        stream = STREAMS[name]
        provider.content, provider.kind = stream.raw().replace(before, after), kind_of(stream.api)
        ask(provider, stream.api, stream=True, until=b"Ra" if "Azure" in name else b"\n\n")
        assert gm.entries().empty
        assert "broken off" in reason()


def test_a_reader_that_leaves_at_the_finish_reason_keeps_the_answer_but_not_without_the_tokens_it_asked_for(
    provider: Provider,
) -> None:
    stream = FIRST["openai-chat"]
    provider.kind = "text/event-stream"
    *before, used, done = stream.events()
    provider.content = b"".join([*before, b": wait\n\n" * 500, used, done])
    ask(provider, "openai-chat", stream=True, n=2, until=b": wait", stream_options={"include_usage": True})
    assert gm.entries().empty
    ask(provider, "openai-chat", stream=True, n=2, until=b": wait")
    assert len(gm.entries()) == 1
    ask(provider, "openai-chat", n=3, stream=True, until=b": wait")
    assert "2 of 3 answers" in reason()


MCP: Json = {
    **{"type": "mcp", "server_label": "m", "server_url": "https://u:s3cret-1@m.example.com/?token=s3cret-2"},
    **{"headers": {"X-Of-Mine": "s3cret-3"}, "authorization": "s3cret-4", "allowed_tools": ["f"]},
}
FUNCTION: Json = {
    "type": "function",
    "name": "login",
    "parameters": {"type": "object", "properties": {"password": {"type": "string", "default": "seen"}}},
}


@pytest.mark.parametrize("streams", [False, True])
def test_the_credentials_that_an_answer_repeats_are_not_stored(
    provider: Provider, streams: bool, tmp_path: Path
) -> None:
    gm.off()
    gm.on(tmp_path)
    whole = {**ANSWERS["openai-responses"][0], "tools": [MCP, FUNCTION], "api_key": "s3cret-5"}
    provider.content = orjson.dumps(whole)
    if streams:
        said = [{"type": "response.created", "response": whole}, {"type": "response.completed", "response": whole}]
        provider.content, provider.kind = Stream("openai-responses", said, whole).raw(), "text/event-stream"
    assert ask(provider, "openai-responses", stream=streams) == provider.content
    given = ask(provider, "openai-responses", stream=streams) + ask(provider, "openai-responses")
    assert provider.calls == 1
    gm.off()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*.db*"))
    assert b"s3cret" not in stored + given
    assert orjson.dumps(FUNCTION) in given
    assert b'"allowed_tools":["f"]' in given
