"""Read the body of a request: JSON of which nothing is lost, so that two bodies that differ stay two requests."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

import orjson

from gptcache_magics.protocols.base import Json, NotRead
from gptcache_magics.protocols.json_values import WHOLE_NUMBERS

__all__ = ["body_of"]


def body_of(content: bytes) -> Json:
    """Return the JSON object that a body is.

    Raises
    ------
    NotRead
        If it is none, or one of which readers make different things: servers do not agree on a name that comes twice.
    """
    try:
        body = orjson.loads(content)
    except ValueError:
        raise NotRead("its body is not JSON") from None
    if not isinstance(body, dict):
        raise NotRead("its body is no object")
    try:
        if orjson.dumps(body) == content:  # as most clients write it
            return body
    except TypeError:
        raise NotRead("its body is nested too deep") from None
    json.loads(content, object_pairs_hook=_named_once, parse_int=_whole_number, parse_float=_number)
    return body


def _named_once(pairs: list[tuple[str, Any]]) -> Any:
    if len(dict(pairs)) < len(pairs):
        raise NotRead("a name comes twice in its body")
    return None


def _whole_number(text: str) -> Any:
    # Longer texts are not even read: Python takes seconds for some.
    if len(text) > 20 or int(text) not in WHOLE_NUMBERS:
        raise NotRead("a number of its body is too large")
    return None


def _number(text: str) -> Any:
    if not isfinite(float(text)):
        raise NotRead("a number of its body is too large")
    return None
