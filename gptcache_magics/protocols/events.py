"""Server-sent events: read what a provider sent, and write what it would send.

The format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html, as far as providers use it.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import Any, Final

import orjson

from gptcache_magics.protocols.base import Incomplete

__all__ = ["ends_done", "ends_with", "event", "events", "is_done", "pieces_of"]

PIECE: Final = 400
"""Most characters of one piece of a text that comes from the cache: an SDK takes 80 µs for each piece."""
_DONE: Final = "[DONE]"
"""Data of the event that ends a stream of OpenAI's, and of those who have taken its form over."""
_BREAK: Final = re.compile(rb"\r\n|\r|\n")


def events(raw: bytes) -> Iterator[tuple[str, str]]:
    """Yield the events of a stream, each with its name and its data; the last may lack its empty line.

    A reader that leaves at the end of an answer hears of nothing behind it.

    Raises
    ------
    Incomplete
        If one of them is an error by its name, whatever its data are.
    ValueError
        For bytes that are no text: nobody knows what was said there.
    """
    name, data = "", list[str]()
    for each in [*_BREAK.split(raw.removeprefix(BOM_UTF8)), b""]:
        line = each.decode()
        if not line:
            if any(data):
                yield name, "\n".join(data)
            name, data = "", []
        elif line.startswith("event:"):
            name = line[6:].strip()
            if name == "error":
                raise Incomplete("an error in the stream")
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))


def is_done(data: str) -> bool:
    """Return whether the data of an event are the end of a stream of OpenAI's."""
    return data.lstrip().startswith(_DONE)


def ends_done(tail: bytes) -> bool:
    """Return whether the end of a stream of OpenAI's is among its last bytes."""
    return _DONE.encode() in tail and any(is_done(data) for _, data in _last_events(tail))


def ends_with(tail: bytes, kind: str) -> bool:
    """Return whether an event of a kind is among the last bytes of a stream, by its name or its own type."""
    return kind.encode() in tail and any(kind in _kinds(*each) for each in _last_events(tail))


def _last_events(tail: bytes) -> Iterator[tuple[str, str]]:
    try:
        yield from events(_BREAK.split(tail, maxsplit=1)[-1])  # the first line may have lost its beginning
    except (Incomplete, ValueError):
        return


def _kinds(name: str, data: str) -> tuple[str, Any]:
    """Return the name of an event and the type that it gives itself; nothing while it is not whole."""
    try:
        said = orjson.loads(data)
    except ValueError:
        return "", None
    return name, said.get("type") if isinstance(said, dict) else None


def event(value: Any, name: str = "") -> bytes:
    """Return one event with a JSON value."""
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + orjson.dumps(value) + b"\n\n"


def pieces_of(text: str) -> list[str]:
    """Return a text in pieces of some words, as a provider sends it; an empty text is one piece."""
    pieces, rest = list[str](), text
    while len(rest) > PIECE:
        cut = rest.rfind(" ", 1, PIECE)
        cut = cut if cut > 0 else PIECE
        pieces.append(rest[:cut])
        rest = rest[cut:]
    return [*pieces, rest]
