"""What the cells of a column show where the whole text would hide what matters: that rows differ.

Questions of one template begin alike, and a narrow column would show nothing else. Paths of models begin alike, too.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from gptcache_magics.text.masking import masked
from gptcache_magics.text.word_diff import Words, word_diff
from gptcache_magics.unprintable import printable
from gptcache_magics.widgets.formats import one_line

__all__ = ["COMPARED", "differing_words", "from_place", "last_parts", "shared_beginnings"]

BESIDE: Final = 2
"""Number of other texts that begin alike where a beginning is the template's."""
LEAST: Final = 20
"""Characters of a beginning that is worth to be cut."""
COMPARED: Final = 2_000
"""Characters of a text that are compared."""
BETWEEN: Final = 24
"""Characters that are shown of what is the same before and between the words that differ."""
_KEPT: Final = 12
"""About the characters of a beginning that stay."""
_PART = re.compile(r"[/\\]")


def shared_beginnings(texts: Iterable[str]) -> dict[str, int]:
    """Return for each text that begins as others do the place from which to read: near the word that differs.

    A text is missing if fewer than ``BESIDE`` others share ``LEAST`` characters with it. Of long texts the keys are
    the first ``COMPARED`` characters.
    """
    known = sorted({each[:COMPARED] for each in texts})
    shared = [_shared(*two) for two in pairwise(known)]
    places: dict[str, int] = {}
    for at, text in enumerate(known):
        alike = max((min(shared[low : low + BESIDE]) for low in _windows(at, len(shared))), default=0)
        place = _word(text, _word(text, alike) - 1)  # the word that differs, and the one before it
        if place >= LEAST:
            places[text] = place
    return places


def from_place(text: str, place: int) -> tuple[str, str]:
    """Return a short beginning of a text with an ellipsis, and its line from a place on."""
    return f"{_beginning(text)} … ", one_line(text[place:])


def last_parts(names: Iterable[str]) -> dict[str, str]:
    """Return the last part of each path or name with slashes, or as many parts as tell it from the others."""
    parts = {name: _PART.split(name.rstrip("/\\")) for name in names}
    short: dict[str, str] = {}
    for name, own in parts.items():
        others = [each for other, each in parts.items() if other != name]
        count = next((n for n in range(1, len(own)) if all(own[-n:] != each[-n:] for each in others)), len(own))
        short[name] = "/".join(own[-count:]) if count < len(own) else name
    return short


def differing_words(old: str, new: str) -> Words:
    """Return the words in which two texts differ, with a little of what is the same around; empty if they are equal."""
    words = word_diff(masked(old[:COMPARED]), masked(new[:COMPARED]))
    last = len(words) - 1
    return tuple(
        (kind, printable(_around(text, first=at == 0, last=at == last) if kind == "same" else text))
        for at, (kind, text) in enumerate(words)
    )


def _around(text: str, *, first: bool, last: bool) -> str:
    """Return the ends of a text that touch a difference; the last one whole, as the column cuts it where it ends."""
    if last or len(text) <= BETWEEN:
        return text
    half = BETWEEN // 2
    before, after = text[:half].rsplit(" ", 1)[0], text[-half:].split(" ", 1)[-1]
    return f"…{after}" if first else f"{before} … {after}"


def _shared(one: str, other: str) -> int:
    """Return the number of characters that two texts begin with alike."""
    return bisect_left(range(1, min(len(one), len(other)) + 1), True, key=lambda end: one[:end] != other[:end])


def _windows(at: int, count: int) -> Sequence[int]:
    """Return where runs of ``BESIDE`` shared beginnings start that hold the text at a place."""
    return range(max(0, at - BESIDE), min(at, count - BESIDE) + 1)


def _word(text: str, end: int) -> int:
    """Return the beginning of the word that begins at a place, holds it or ends there."""
    return text.rfind(" ", 0, max(0, end)) + 1


def _beginning(text: str) -> str:
    line = one_line(text[: 4 * _KEPT])
    return line[:_KEPT].rsplit(" ", 1)[0] if " " in line[:_KEPT] else line[:_KEPT]
