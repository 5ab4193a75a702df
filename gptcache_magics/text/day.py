"""Find a day in a text, in the usual spellings of dates."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Final

__all__ = ["spelling_of"]

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def spelling_of(day: date, text: str) -> str:
    """Return the first spelling of a day in a text; empty if the text does not name that day with its year."""
    found = _spellings(day).search(text)
    return found.group() if found else ""


@lru_cache(maxsize=4)
def _spellings(day: date) -> re.Pattern[str]:
    year, month, number = f"{day.year}", f"0?{day.month}", f"0?{day.day}"
    name = _MONTHS[day.month - 1]
    word, of_day = rf"(?:{name}|{name[:3]}\.?)", rf"{number}(?:st|nd|rd|th)?"
    time = r"(?:\d\d:\d\d(?::\d\d)? (?:[A-Z]{3,4} )?)?"
    numbers = [
        rf"{year}(?P<a>[-/.]){month}(?P=a){number}",
        rf"(?:{month}/{number}|{number}/{month})/(?:{year}|{year[2:]})",
        rf"{number}(?P<b>[.-]){month}(?P=b){year}",
        rf"(?:datetime\.)?date(?:time)?\({year}, {day.month}, {day.day}\b",
        rf"{of_day}(?: of)?[ -]{word},?[ -]{year}",
        rf"{word} {of_day},? {time}{year}",
        rf"{word}  ?{number} {time}{year}",
    ]
    return re.compile(rf"(?<![\w./-])(?:{'|'.join(numbers)})(?![\d/-]|\.\d)", re.IGNORECASE)
