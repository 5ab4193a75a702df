"""Server-sent events: read what a provider sent, and write what it would send.

The format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html, as far as providers use it.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from gptcache_magics.protocols.base import Incomplete

__all__ = ["event", "events", "pieces_of"]

PIECE: Final = 400
"""Most characters of one piece of a text that comes from the cache: an SDK takes 80 µs for each piece."""
_BREAK: Final = re.compile(r"\r\n|\r|\n")


def events(raw: bytes) -> list[tuple[str, str]]:
    """Return the events of a stream, each with its name and its data; the last may lack its empty line.

    Raises
    ------
    Incomplete
        If one of them is an error by its name, whatever its data are.
    ValueError
        For bytes that are no text: nobody knows what was said there.
    """
    found: list[tuple[str, str]] = []
    name, data = "", list[str]()
    for line in [*_BREAK.split(raw.decode("utf-8-sig")), ""]:
        if not line:
            if any(data):
                found.append((name, "\n".join(data)))
            name, data = "", []
        elif line.startswith("event:"):
            name = line[6:].strip()
            if name == "error":
                raise Incomplete("an error in the stream")
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
    return found


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
