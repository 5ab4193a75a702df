"""Find the stored questions that have the same frame: all of a question but the parts that change from run to run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["fits", "frame"]


def frame(question: str, parts: Iterable[str]) -> Sequence[str]:
    """Return what is left of a question around parts of it, in their order; one text more than the parts."""
    longest_first = sorted({*parts}, key=len, reverse=True)
    return re.split("|".join(map(re.escape, longest_first)), question) if longest_first else [question]


def fits(text: str, frame: Sequence[str]) -> bool:
    """Return whether a text is a frame with other parts."""
    first, *between = frame
    if not between:
        return text == first
    *between, last = between
    end = len(first)
    if not text.startswith(first) or not text.endswith(last):
        return False
    for each in between:
        at = text.find(each, end)
        if at < 0:
            return False
        end = at + len(each)
    return end + len(last) <= len(text)
