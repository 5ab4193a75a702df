"""Make what a library expects of its HTTP client: the response that a stored answer is, or that refuses to ask."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import orjson

from gptcache_magics.errors import BudgetReached, CacheMiss
from gptcache_magics.sdk.answers import Answer
from gptcache_magics.sdk.request import Asked

__all__ = ["HIT", "REFUSED", "refusal", "response"]

HIT: Final = "x-gptcache"
"""Header of a hit; its value is the id of the entry."""
REFUSED: Final = 424
"""Status of a refusal: SDKs raise at once for it, and do not try again."""
NO_RETRY: Final = {"x-should-retry": "false"}


def response(library: Any, client: Any, request: Any, asked: Asked, answer: Answer, *, stream: bool) -> Any:
    """Return a stored answer as the response to a request: whole, or as a stream if one is asked for.

    Parameters
    ----------
    library
        httpx or httpx2.
    stream
        Whether the client reads the response itself.
    """
    assert answer.whole is not None
    headers = {HIT: str(answer.mark["entry"])} if answer.mark else {}
    if asked.streams:
        content, kind = answer.protocol.unfold(answer.whole, asked.body), answer.protocol.stream_type
    else:
        content, kind = orjson.dumps(answer.whole), "application/json"
    return _made(library, client, request, 200, {"content-type": kind, **headers}, content, stream=stream)


def refusal(
    library: Any, client: Any, request: Any, asked: Asked, error: CacheMiss | BudgetReached, stream: bool
) -> Any:
    """Return a refusal as an error of the provider: the library raises its own exception with our sentence."""
    name = type(error).__name__
    content = orjson.dumps(asked.protocol.error(name, f"{name}: {error}", REFUSED))
    headers = {"content-type": "application/json", **NO_RETRY}
    return _made(library, client, request, REFUSED, headers, content, stream=stream)


def _made(
    library: Any, client: Any, request: Any, status: int, headers: dict[str, str], content: bytes, *, stream: bool
) -> Any:
    body = {"stream": library.ByteStream(content)} if stream else {"content": content}
    headers = {**headers, "content-length": str(len(content))}
    made = library.Response(status, headers=headers, request=request, extensions={"http_version": b"HTTP/1.1"}, **body)
    made.elapsed = timedelta(0)
    made.default_encoding = getattr(client, "_default_encoding", "utf-8")
    return made
