"""Reduce words to their stem in one spelling, so that *colours* and *coloring* are one word."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["stem"]

_LONGEST: Final = 30
_VOWEL = re.compile(r"[aeiouy]")
_ONE_SYLLABLE = re.compile(r"[^aeiouy]+[aeiouy][^aeiouywx]")
"""A root whose e is part of the word: *care* is not *car*, and *caring* is *care*."""
_DOUBLED = re.compile(r"(?<=\w\w)([bdfglmnprt])\1$")
_BRITISH: Final = (
    ("our", re.compile(r"(?<=\w{3})our"), "or"),
    ("s", re.compile(r"(?<=\w\w)([iy])s(?=e|ing|ation)"), r"\1z"),
)


def stem(word: str) -> str:
    """Return the word without plural, -ing and -ed, in American spelling. Other endings stay, such as -er and -ly."""
    return _stem(word) if 3 < len(word) < _LONGEST else word


@lru_cache(maxsize=10_000)
def _stem(word: str) -> str:
    for mark, british, american in _BRITISH:
        if mark in word:
            word = british.sub(american, word)
    if word.endswith(("ies", "ied")):
        word = word[:-3] + "y"
    elif word.endswith(("sses", "shes", "ches", "xes")):
        word = word[:-2]
    elif word[-1] == "s" and word[-2] not in "sui":
        word = word[:-1]
    for ending in ("ing", "ed"):
        root = word.removesuffix(ending)
        if root != word and len(root) > 1 and _VOWEL.search(root):
            word = f"{root}e" if len(root) == 2 or _ONE_SYLLABLE.fullmatch(root) else root
            break
    silent = len(word) > 3 and word[-1] == "e" and not _ONE_SYLLABLE.fullmatch(word[:-1])
    return _DOUBLED.sub(r"\1", word[:-1] if silent else word)
