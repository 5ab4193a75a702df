"""Make what a library expects of its HTTP client: the response that a stored answer is, or that refuses to ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import Any, Final

import orjson

from gptcache_magics.errors import BudgetReached, CacheMiss
from gptcache_magics.lookup.refusal import EXTENSION
from gptcache_magics.protocols.base import Protocol
from gptcache_magics.sdk.answers import Answer
from gptcache_magics.sdk.request import Asked
from gptcache_magics.text.word_diff import shown

__all__ = ["HIT", "REFUSED", "Place", "hit", "made", "refusal"]

HIT: Final = "x-gptcache"
"""Header of a hit; its value is the id of the entry."""
FIELDS: Final = "gptcache"
"""Field of the body of a refusal."""
REFUSED: Final = 424
"""Status of a refusal: SDKs raise at once for it, and do not try again."""
NO_RETRY: Final = {"x-should-retry": "false"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a response is expected."""

    library: ModuleType
    """httpx or httpx2."""
    client: Any
    http: Any
    """The request, as the library has it."""
    stream: bool
    """Whether the client's caller reads the response itself."""


def hit(place: Place, asked: Asked, answer: Answer) -> Any:
    """Return a stored answer as the response to a request: whole, or as a stream if one is asked for."""
    assert answer.whole is not None
    headers = {HIT: str(answer.mark["entry"])} if answer.mark else {}
    if asked.streams:
        content, kind = answer.protocol.unfold(answer.whole, asked.body), answer.protocol.stream_type
    else:
        content, kind = answer.stored or orjson.dumps(answer.whole), "application/json"
    return made(place, 200, {"content-type": kind, **headers}, content)


def refusal(place: Place, protocol: Protocol, error: CacheMiss | BudgetReached) -> Any:
    """Return a refusal as an error of the provider: the library raises its own exception with our sentence.

    The fields of ``error`` stand beside the sentence. Texts are short there and hide keys: a library's exception
    prints the whole body.
    """
    name = type(error).__name__
    body = protocol.error(name, f"{name}: {error}", REFUSED)
    said = body["error"] if isinstance(body.get("error"), dict) else body
    said[FIELDS] = {field: shown(value) if isinstance(value, str) else value for field, value in vars(error).items()}
    response = made(place, REFUSED, {"content-type": "application/json", **NO_RETRY}, orjson.dumps(body))
    response.extensions[EXTENSION] = error
    return response


def made(place: Place, status: int, headers: dict[str, str], content: bytes) -> Any:
    """Return a response with a body, as the client of a library would have received it."""
    library = place.library
    made = library.Response(
        status,
        headers={**headers, "content-length": str(len(content))},
        request=place.http,
        extensions={"http_version": b"HTTP/1.1"},
        **({"stream": library.ByteStream(content)} if place.stream else {"content": content}),
    )
    made.elapsed = timedelta(0)
    made.default_encoding = getattr(place.client, "_default_encoding", "utf-8")
    return made
