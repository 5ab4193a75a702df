"""The share of the cache in a whole ``ChatOpenAI.invoke`` that hits. A server on loopback gives each answer once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from filling import settle
from langchain_core.globals import set_llm_cache
from measure import Bar, Options, Samples, median, microseconds, ratio, rounds, seconds_each, table
from payloads import messages, model, text_of_answer, words
from peers import FLOOR, MAP, OURS, SQLITE, make

__all__ = ["run"]

CALLS: Final = 30
BOUND: Final = 1.35


class _Answers(BaseHTTPRequestHandler):
    """As much of OpenAI's protocol as ``ChatOpenAI.invoke`` needs."""

    def do_POST(self) -> None:
        """Give every question the same answer, with the figures of a small model."""
        self.rfile.read(int(self.headers["Content-Length"]))
        usage = {"prompt_tokens": 180, "completion_tokens": 120, "total_tokens": 300}
        message = {"role": "assistant", "content": text_of_answer(1), "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        answer = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_767_225_600}
        body = json.dumps({**answer, "model": "gpt-4o-mini", "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def _server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


def run(options: Options) -> list[Bar]:
    """Print what one ``invoke`` takes; the bar is the ratio to the cache that keeps nothing."""
    caches = {name: make(name, options.folder / f"invoke {name}") for name in (FLOOR, OURS, SQLITE, MAP)}
    # The one made last: its wraps are on while the others are measured too, and pass them by.
    asked = [(messages(f"Question {number}: {words(number, 300)}"),) for number in range(CALLS)]
    with _server() as url:
        chat = model(url)

        def turn(name: str, number_of_round: int) -> dict[str, float]:
            cache: Any = getattr(caches[name], "cache", caches[name])  # here the model itself says that it asks
            set_llm_cache(cache)
            if not number_of_round:
                for each in asked:
                    chat.invoke(*each)
            seconds = {"invoke": seconds_each(options.clock, chat.invoke, asked)}
            settle(cache)
            return seconds

        try:
            figures = rounds(caches, 15 if options.quick else 61, turn)
        finally:
            set_llm_cache(None)
    samples: Samples = figures["invoke"]
    print("### ChatOpenAI.invoke on a hit\n")
    rows = ((name, microseconds(median(samples[name])), f"{ratio(samples, name, FLOOR):.2f}") for name in caches)
    table(("cache", "µs per call", f"× {FLOOR}"), rows)
    times = ratio(samples, OURS, FLOOR)
    return [Bar(f"invoke on a hit: ≤ {BOUND} × {FLOOR}", f"{times:.2f} ×", times <= BOUND)]
