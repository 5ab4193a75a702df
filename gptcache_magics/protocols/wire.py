"""The form in which the answer of an SDK is stored: the name of a protocol, and the provider's own JSON of the whole.

:mod:`gptcache_magics.generations` reads such bytes beside the forms of LangChain's answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import orjson

from gptcache_magics.protocols import PROTOCOLS
from gptcache_magics.protocols.base import Json, Protocol

__all__ = ["WIRE", "reworded", "unwired", "wire", "with_text"]

WIRE: Final = b"H"
"""First byte of this form; the name of the protocol, a zero byte and the JSON follow."""


def wire(protocol: str, answer: bytes) -> bytes:
    """Return the encoded form of a provider's own JSON."""
    return WIRE + protocol.encode() + b"\0" + answer


def unwired(data: bytes) -> tuple[Protocol, Json]:
    """Return the protocol and the JSON of an answer in this form. Raises ``ValueError`` if it is none."""
    name, zero, answer = data[1:].partition(b"\0")
    protocol = PROTOCOLS.get(name.decode("ascii", "replace"))
    if data[:1] != WIRE or not zero or protocol is None:
        raise ValueError("not an answer of a known API")
    whole = orjson.loads(answer)
    if not isinstance(whole, dict):
        raise ValueError("not an answer of a known API")
    return protocol, whole


def with_text(data: bytes, text: str) -> bytes:
    """Return an answer with the text of its first choice replaced; its tool calls and everything else stay."""
    protocol, answer = unwired(data)
    return wire(protocol.name, orjson.dumps(protocol.with_text(answer, text)))


def reworded(data: bytes, change: Callable[[str], str]) -> bytes:
    """Return an answer with every text of the model changed; its metadata stay."""
    protocol, answer = unwired(data)
    before, after = (orjson.dumps(each) for each in (answer, protocol.reworded(answer, change)))
    return data if before == after else wire(protocol.name, after)
