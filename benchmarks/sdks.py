"""The calls of SDKs over a transport that answers at once: alone, with our cache, and with caches of HTTP beside it.

``alone`` is all that an SDK does for a call. A cache of the transport cannot take less than that; ours stands above the
transport, so that it saves the transport's part. hishel keeps the answers to GET and HEAD alone, so that
every call of a model is sent; it is shown for what it adds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final

import orjson
from measure import Bar, Options, Samples, median, microseconds, ratio, rounds, seconds_each, table
from payloads import text_of_answer, words

__all__ = ["run"]

ALONE, HIT, MISS, VCR, HISHEL = "SDK alone", "gptcache-magics, hit", "gptcache-magics, miss", "vcrpy", "hishel"
CALLS: Final = 20
SIZES: Final = {"0.6 kB": 600, "40 kB": 40_000}
INSIDE: Final = {"0.6 kB": 150e-6, "40 kB": 700e-6}
"""Longest time of a hit inside ``send``."""
TIMES: Final = 1.15
OTHERS: Final = 5e-6
FIRST_PIECE: Final = 1e-3
URL: Final = "http://127.0.0.1:9/v1"


def run(options: Options) -> list[Bar]:
    """Print what a call takes by SDK and cache, and what is added to requests that are no hits."""
    bars: list[Bar] = []
    for sdk, (make, call) in {"openai": (_openai, _chat), "anthropic": (_anthropic, _message)}.items():
        for size, letters in SIZES.items():
            bars += _Calls(options, sdk, size, make, call, letters).bars()
    return bars


class _Calls:
    """The calls of one SDK with prompts of one size."""

    def __init__(
        self, options: Options, sdk: str, size: str, make: Callable[[Any], Any], call: Callable[..., Any], letters: int
    ) -> None:
        self.options, self.sdk, self.size, self.letters = options, sdk, size, letters
        self.make, self.call = make, call
        self.new = itertools.count(1_000)
        self.sent = 0

    def bars(self) -> list[Bar]:
        """Print a table; return the bars."""
        import httpx2

        with ExitStack() as stack:
            client = self.make(httpx2.Client(transport=httpx2.MockTransport(self.answer)))
            used = {ALONE: client, HIT: client, MISS: client}
            if peers := _peers(self.options, stack, self):
                used |= peers
            asked = [(self.prompt(number),) for number in range(CALLS)]
            figures = rounds(used, 7 if self.options.quick else 41, lambda name, number: self.turn(name, used, asked))
        return self.told(figures, list(used))

    def prompt(self, number: int) -> str:
        """Return a prompt of its own text."""
        return f"Question {number}: {words(number, self.letters)}"[: self.letters]

    def answer(self, request: Any) -> Any:
        """Answer a request at once."""
        import httpx2

        self.sent += 1
        if request.url.path.endswith("/other"):
            return httpx2.Response(200, content=b"{}")
        body = orjson.loads(request.content)
        if body.get("stream"):
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=_Pieces.over(httpx2))
        return httpx2.Response(200, json=_answer_of(request.url.path))

    def turn(self, name: str, used: dict[str, Any], asked: list[tuple[str]]) -> dict[str, float]:
        """Time one round of one way."""
        client = used[name]
        if name not in (HIT, MISS):
            with client.within() if name == VCR else ExitStack():
                sdk = client.sdk if name in (VCR, HISHEL) else client
                self.call(sdk, asked[0][0])
                before = self.sent
                seconds = seconds_each(self.options.clock, lambda prompt: self.call(sdk, prompt), asked)
                assert name != VCR or self.sent == before, "vcrpy has sent a request"
                assert name != HISHEL or self.sent == before + CALLS, "hishel has kept the answer to a POST"
            found = {"call": seconds}
            if name == ALONE:
                found |= self.passing(client)
            return found
        import gptcache_magics as gm

        gm.on(":memory:")
        try:
            for each in asked:
                self.call(client, *each)
            before = self.sent
            if name == MISS:
                new = [(self.prompt(next(self.new)),) for _ in range(CALLS)]
                found = {"call": seconds_each(self.options.clock, lambda prompt: self.call(client, prompt), new)}
                assert self.sent == before + CALLS
                return found | self.passing(client)
            found = {"call": seconds_each(self.options.clock, lambda prompt: self.call(client, prompt), asked)}
            http, requests = client._client, _requests(client, self.call, asked)
            found["inside send"] = seconds_each(self.options.clock, http.send, requests)
            assert self.sent == before, "a hit has sent a request"
            return found
        finally:
            gm.off()

    def passing(self, client: Any) -> dict[str, float]:
        """Time a request that is no model call, and the first piece of a stream that is new."""
        http = client._client
        other = http.build_request("POST", f"{URL}/other", headers={"user-agent": "OpenAI/Python 3"}, json={})
        prompts = [(self.prompt(next(self.new)),) for _ in range(CALLS)]
        streams = [self.call(client, *each, unsent=True, stream=True) for each in prompts]

        def first(request: Any) -> None:
            response = http.send(request, stream=True)
            next(response.iter_raw())
            response.close()

        return {
            "other": seconds_each(self.options.clock, http.send, [(other,)] * 100),
            "first piece": seconds_each(self.options.clock, first, [(each,) for each in streams]),
        }

    def told(self, figures: dict[str, Samples], names: list[str]) -> list[Bar]:
        """Print what was measured; return the bars."""
        calls = figures["call"]
        print(f"### {self.sdk}, prompts of {self.size}: µs per call\n")
        rows = ((name, microseconds(median(calls[name])), f"{ratio(calls, name, ALONE):.2f}") for name in names)
        table(("way", "µs per call", f"× {ALONE}"), rows)
        inside, times = median(figures["inside send"][HIT]), ratio(calls, HIT, ALONE)
        added = {
            each: median([a - b for a, b in zip(figures[each][MISS], figures[each][ALONE], strict=True)])
            for each in ("other", "first piece")
        }
        self.options.results.setdefault("sdks", {})[f"{self.sdk}, {self.size}"] = {
            **{name: median(calls[name]) for name in names},
            **{"inside send": inside, "other, added": added["other"], "first piece, added": added["first piece"]},
        }
        what = f"{self.sdk}, {self.size}"
        limit = INSIDE[self.size]
        return [
            Bar(f"{what}: a hit ≤ {TIMES} × {ALONE}", f"{times:.2f} ×", times <= TIMES),
            Bar(f"{what}: inside send ≤ {limit * 1e6:.0f} µs", f"{inside * 1e6:.0f} µs", inside <= limit),
            Bar(f"{what}: other requests ≤ 5 µs more", f"{added['other'] * 1e6:.1f} µs", added["other"] <= OTHERS),
            Bar(
                f"{what}: first piece ≤ 1 ms later",
                f"{added['first piece'] * 1e6:.0f} µs",
                added["first piece"] <= FIRST_PIECE,
            ),
        ]


class _Pieces:
    """A stream whose first piece comes at once."""

    @staticmethod
    def over(library: Any) -> Any:
        """Return the stream in the form that a library expects."""

        class Stream(library.SyncByteStream):  # type: ignore[misc]
            def __iter__(self) -> Iterator[bytes]:
                yield b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'

        return Stream()


class _Peer:
    """An SDK over a cache of HTTP."""

    def __init__(self, sdk: Any, within: Callable[[], Any]) -> None:
        self.sdk, self.within = sdk, within


def _peers(options: Options, stack: ExitStack, calls: _Calls) -> dict[str, _Peer]:
    """Return the caches of HTTP that are installed."""
    import httpx2

    found: dict[str, _Peer] = {}
    try:
        import vcr

        sdk = calls.make(httpx2.Client(transport=httpx2.MockTransport(calls.answer)))
        file = str(options.folder / f"{calls.sdk} {calls.size}.yaml")
        with vcr.use_cassette(file, match_on=["method", "uri", "body"]):
            for number in range(CALLS):
                calls.call(sdk, calls.prompt(number))
        replay = vcr.VCR(record_mode="none", match_on=["method", "uri", "body"])
        found[VCR] = _Peer(sdk, lambda: replay.use_cassette(file, allow_playback_repeats=True))
    except ImportError:
        pass
    try:
        from hishel import SqliteStorage
        from hishel.httpx2 import CacheTransport

        storage = SqliteStorage(database_path=str(options.folder / f"{calls.sdk} {calls.size}.db"))
        transport = CacheTransport(next_transport=httpx2.MockTransport(calls.answer), storage=storage)
        found[HISHEL] = _Peer(calls.make(httpx2.Client(transport=transport)), ExitStack)
    except ImportError:
        pass
    return found


def _requests(client: Any, call: Callable[..., Any], asked: list[tuple[str]]) -> list[tuple[Any]]:
    return [(call(client, *each, unsent=True),) for each in asked]


def _answer_of(path: str) -> dict[str, Any]:
    text = text_of_answer(1)
    if path.endswith("/messages"):
        content, usage = [{"type": "text", "text": text}], {"input_tokens": 180, "output_tokens": 120}
        whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5"}
        return {**whole, "content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 180, "completion_tokens": 120, "total_tokens": 300}
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_767_225_600, "model": "gpt-4o-mini"}
    return {**whole, "choices": [choice], "usage": usage}


def _openai(http: Any) -> Any:
    import openai

    return openai.OpenAI(api_key="sk-benchmark", base_url=URL, http_client=http)


def _anthropic(http: Any) -> Any:
    import anthropic

    return anthropic.Anthropic(api_key="sk-benchmark", base_url=URL.removesuffix("/v1"), http_client=http)


def _chat(client: Any, prompt: str, **kwargs: Any) -> Any:
    return _called(client, client.chat.completions.create, "gpt-4o-mini", prompt, **kwargs)


def _message(client: Any, prompt: str, **kwargs: Any) -> Any:
    return _called(client, client.messages.create, "claude-sonnet-4-5", prompt, max_tokens=1_000, **kwargs)


def _called(
    client: Any, create: Callable[..., Any], model: str, prompt: str, *, unsent: bool = False, **kwargs: Any
) -> Any:
    """Return the answer to a prompt; with ``unsent``, the request that the SDK would send for it."""
    asked = {"model": model, "messages": [{"role": "user", "content": prompt}], **kwargs}
    if not unsent:
        return create(**asked)
    path = "messages" if "max_tokens" in asked else "chat/completions"
    headers = {name: value for name, value in client.default_headers.items() if isinstance(value, str)}
    return client._client.build_request("POST", f"{URL}/{path}", headers=headers, json=asked)
