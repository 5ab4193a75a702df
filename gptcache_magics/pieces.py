"""Decode an answer both as its chunks and as a whole, for handlers that hear the pieces of a whole answer."""

from __future__ import annotations

from typing import Any

from gptcache_magics import chunks, generations
from gptcache_magics.chunks import check_storable, encode, finish_reason, usage

__all__ = ["check_storable", "decode", "encode", "finish_reason", "usage"]


def decode(data: bytes, **how: Any) -> tuple[list[Any], list[Any]]:
    """Decode an answer into new chunks and a new whole, as :func:`generations.decode` takes the parameters."""
    ids = how.pop("ids", None)
    whole = generations.decode(data, ids=ids, **how)
    return chunks.decode(data, **{**how, "mark": None}), whole
