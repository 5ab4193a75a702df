"""Write numbers in one way: ``twenty five`` is ``25``, ``1,000`` is ``1k``, ``third`` is ``3rd``.

A *one* in words is not a number: "one sentence", "a single sentence" and "a sentence" are the same. Where the other
question says two, that two lacks a counterpart and the numbers differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

__all__ = ["NUMBER_WORDS", "ROMAN", "with_digits"]

_UNITS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS: Final = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS: Final = "second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_VALUES: Final = (
    {word: str(value) for value, word in enumerate([*_UNITS[1:], *_TEENS.split()], 2)}
    | {word: str(10 * value) for value, word in enumerate(_TENS, 2)}
    | {word: str(value) for value, word in enumerate(_ORDINALS.split(), 2)}
    | {"zero": "0", "half": "0.5", "twice": "2", "double": "2", "triple": "3", "dozen": "12"}
)
ROMAN: Final = {
    "II": "2",
    "III": "3",
    "IV": "4",
    "VI": "6",
    "VII": "7",
    "VIII": "8",
    "IX": "9",
    "XI": "11",
    "XII": "12",
}
"""Roman numbers that are always numbers; a single letter mostly is not."""
_FACTORS: Final = {"hundred": 100, "thousand": 1_000, "k": 1_000, "million": 10**6, "billion": 10**9, "bn": 10**9}
_ENDINGS: Final = frozenset({"st", "nd", "rd", "th"})
_DIGITS: Final = 15
"""Digits that a float holds exactly: longer numbers are compared as they are written."""
NUMBER_WORDS: Final = frozenset({*_UNITS, *_VALUES, *_FACTORS})


def with_digits(words: Iterable[str]) -> Iterator[str]:
    """Yield lower-case words with each number in digits: ``two hundred rows`` becomes ``200 rows``."""
    number = before = ""
    for word in words:
        factor = _FACTORS.get(word)
        if factor and before in ("a", "one"):
            number = str(factor)
        elif factor and number and len(number) <= _DIGITS and number.count(".") < 2:
            number = f"{float(number) * factor:.{_DIGITS}g}"
        elif before in _TENS and word in _UNITS:
            number = str(int(number) + 1 + _UNITS.index(word))
        elif not (number and word in _ENDINGS):
            if number:
                yield number
            number = _value(word)
            if not number:
                yield word
        before = word
    if number:
        yield number


def _value(word: str) -> str:
    """Return the number that a word says in digits, or an empty text."""
    if word[-1].isdecimal():
        sign = "-" if word[0] == "-" else ""
        return sign + (word.removeprefix("-").replace(",", "").removesuffix(".0").lstrip("0") or "0")
    return _VALUES.get(word, "")
