"""Encode and decode the answers of SDKs: they are kept as the provider's own JSON, whole.

This is the ``AnswerCodec`` of answers over HTTP. :mod:`gptcache_magics.generations` reads the same bytes for tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gptcache_magics import finish, generations
from gptcache_magics.generations import Ids
from gptcache_magics.protocols import wire
from gptcache_magics.protocols.base import Incomplete, Json, Protocol
from gptcache_magics.protocols.json_values import loads
from gptcache_magics.sdk.credentials import without_credentials
from gptcache_magics.sdk.passing import TAIL, Ending
from gptcache_magics.store.protocol import Usage
from gptcache_magics.store.reasons import Kind, Reason, Unusable, not_stored

__all__ = ["Answer", "AnswerTo", "check_storable", "cut_short", "decode", "encode", "finish_reason", "read", "usage"]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An answer of a provider, or what came in its place."""

    protocol: Protocol
    whole: Json | None
    """The JSON of the whole answer; None if it is none."""
    broken: str = ""
    """Why there is no whole answer."""
    mark: Mapping[str, Any] | None = None
    """The mark of a hit."""
    stored: bytes = b""
    """The JSON of a stored answer as it is kept."""


def read(protocol: Protocol, content: bytes, body: Json | None = None, *, in_pieces: bool) -> Answer:
    """Return the answer that a provider has sent to a request."""
    try:
        whole = protocol.fold(content) if in_pieces else loads(content)
        if not isinstance(whole, dict):
            return Answer(protocol, None, "it is no answer of this API")
        protocol.answers(whole)
        return Answer(protocol, whole if body is None else protocol.kept(whole, body))
    except Incomplete as incomplete:
        return Answer(protocol, None, f"broken off: {incomplete}")
    except ValueError:
        return Answer(protocol, None, "it is not JSON")
    except Exception:  # whatever a server of another kind answers
        return Answer(protocol, None, "it is no answer of this API")


def cut_short(answer: Answer, content: bytes, body: Json, ending: Ending) -> Answer:
    """Return the answer that a stream says which was not read to its end: none, unless nothing is missing."""
    protocol = answer.protocol
    if answer.whole is not None and protocol.ended(content[-TAIL:]):
        return answer
    if answer.whole is not None and ending == "left" and protocol.settled(content, body):
        return answer
    why = "the connection broke" if ending == "broken" else "its reader left"
    return Answer(protocol, None, f"broken off: {why}")


def check_storable(answer: Answer, call: Any, /, *, keep: bool = False) -> str:
    """Raise ``NotStorable`` for an answer that no later call should be given; see ``AnswerCodec``."""
    if answer.whole is None:
        raise not_stored(answer.broken)
    made = generations.of_fields(answer.protocol.answers(answer.whole))
    return finish.check_storable(made, call, keep=keep)


def encode(answer: Answer, /) -> bytes:
    """Encode an answer: its JSON, without the spaces between and the credentials of the request that it repeats."""
    if answer.whole is None:
        raise not_stored(answer.broken)
    try:
        return wire.wire(answer.protocol.name, orjson.dumps(without_credentials(answer.whole)))
    except (TypeError, ValueError) as error:
        raise not_stored(f"{type(error).__name__} while encoding the answer") from error


def decode(
    data: bytes,
    /,
    *,
    ids: Ids | None = None,
    mark: Mapping[str, Any] | None = None,
    validate: bool = False,
    parse: Callable[[str, Any], Any] | None = None,
) -> Answer:
    """Decode an answer. Raises ``ValueError`` for one that is of another face, or damaged."""
    protocol, whole = wire.unwired(data)
    if validate:
        protocol.answers(whole)
    return Answer(protocol, whole, mark=mark, stored=data.partition(b"\0")[2])


def usage(answer: Answer, /) -> Usage:
    """Return the tokens of an answer."""
    return Usage() if answer.whole is None else answer.protocol.usage(answer.whole)


def finish_reason(answer: Answer, /) -> str:
    """Return why the model stopped, in the provider's word."""
    if answer.whole is None:
        return ""
    made = generations.of_fields(answer.protocol.answers(answer.whole))
    return finish.finish_reason(made) if made else ""


class AnswerTo:
    """The ``AnswerCodec`` of the answers to one request.

    A stored answer that lacks the tokens is none to a request that asks for them; its own answer then takes the place.
    In ``replay``, which asks no provider, it is given as it is: SDKs read a ``usage`` of None as unknown.
    """

    check_storable = staticmethod(check_storable)
    encode = staticmethod(encode)
    usage = staticmethod(usage)
    finish_reason = staticmethod(finish_reason)

    def __init__(self, body: Json, *, replays: bool) -> None:
        self._body, self._replays = body, replays

    def decode(self, data: bytes, /, **how: Any) -> Answer:
        """Decode an answer as :func:`decode`. Raises ``Unusable`` for one that lacks what is asked for."""
        answer = decode(data, **how)
        if answer.whole is not None and not self._replays and answer.protocol.lacks(answer.whole, self._body):
            raise Unusable(Reason(Kind.NO_USAGE))
        return answer
