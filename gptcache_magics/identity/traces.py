"""Find what a text tells of an id, a day or a time, in whatever form it says it.

An answer to a prompt of another day may name the old day in a form of its own. Such an answer is of that day, so it is
better not served. Everything here is read generously: what is found too much is a miss more, never a wrong answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from typing import Final

__all__ = ["known_as", "traces", "traces_of"]

PIECE: Final = 8
"""Characters of a piece of an id by which people and programs shorten it."""
_MONTHS: Final = (
    *("jan(?:uary)?", "feb(?:ruary)?", "mar(?:ch)?", "apr(?:il)?", "may", "june?", "july?", "aug(?:ust)?"),
    *("sep(?:t(?:ember)?)?", "oct(?:ober)?", "nov(?:ember)?", "dec(?:ember)?"),
)
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTH: Final = f"(?P<month>{'|'.join(_MONTHS)})"
_YEAR: Final = "(?P<y>(?:19|20)[0-9]{2})"
_M: Final = "(?P<m>1[0-2]|0?[1-9])"
_D: Final = "(?P<d>3[01]|[12][0-9]|0?[1-9])"
_ORDINAL: Final = "(?:st|nd|rd|th)?"
_GAP: Final = "[^0-9A-Za-z]{1,3}"
_DOT: Final = " ?[/.-] ?"
_DAYS: Final = [
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?<![0-9]){_YEAR}{_GAP}{_M}{_GAP}{_D}(?![0-9])",
        rf"(?<![0-9]){_YEAR}(?P<m>[01][0-9])(?P<d>[0-3][0-9])(?![0-9])",
        rf"(?<![0-9]){_D}{_DOT}{_M}{_DOT}(?P<y>(?:19|20)?[0-9]{{2}})(?![0-9])",
        rf"(?<![0-9]){_M}{_DOT}{_D}{_DOT}(?P<y>(?:19|20)?[0-9]{{2}})(?![0-9])",
        rf"(?<![0-9A-Za-z]){_D}{_ORDINAL}(?: of)?[^0-9A-Za-z]{{0,3}}{_MONTH}(?![a-z])(?:{_GAP}{_YEAR})?",
        rf"(?<![a-z]){_MONTH}{_GAP}(?:the )?{_D}{_ORDINAL}(?![0-9a-z])(?:{_GAP}{_YEAR}(?![0-9]))?",
    )
]
_WEEKDAY: Final = re.compile(rf"(?<![a-z])(?:{'|'.join(_WEEKDAYS)})", re.IGNORECASE)
_TIMES: Final = [
    re.compile(form, re.IGNORECASE)
    for form in (
        r"(?<![0-9:.])(?P<h>2[0-3]|[01]?[0-9])[:h](?P<m>[0-5][0-9])(?::(?P<s>[0-5][0-9])(?:[.,](?P<f>[0-9]{1,9}))?)?"
        r"(?![0-9])(?: ?(?P<half>[ap])\.?m\b)?",
        r"(?P<h>2[0-3]|1?[0-9]), (?P<m>[0-5]?[0-9])(?:, (?P<s>[0-5]?[0-9])(?:, (?P<f>[0-9]{1,6}))?)?(?![0-9])",
        r"(?<![0-9])(?P<h>1[0-2]|0?[1-9]) ?(?P<half>[ap])\.?m\b",
        r"(?<=[0-9]T)(?P<h>2[0-3]|[01][0-9])(?P<m>[0-5][0-9])(?P<s>[0-5][0-9])?(?![0-9])",
    )
]


def traces(rule: str, text: str) -> set[str]:
    """Return what a text tells of values that a rule masks: pieces of ids, or days or times in one form each."""
    if rule == "date":
        return {*_days(text), *(match[0].lower() for match in _WEEKDAY.finditer(text))}
    return {*(_times(text) if rule == "time" else _pieces(text))}


def traces_of(rule: str, value: str) -> set[str]:
    """Return what any text could tell of one value: of a day also its weekday, and the day without its year."""
    found = traces(rule, value)
    if rule != "date":
        return found
    days = [[*map(int, each.split("-"))] for each in found if each.count("-") == 2]
    return found | {f"{month}-{day}" for _, month, day in days} | {*_weekdays(days)}


def known_as(rule: str, value: str) -> str:
    """Return one name for all spellings of an id or a day."""
    if rule == "date":
        return " ".join(sorted({each for each in _days(value) if each.count("-") == 2})) or value
    return value.replace("-", "").lower() if rule == "id" else value


def _weekdays(days: Sequence[Sequence[int]]) -> Iterator[str]:
    for year, month, day in days:
        with suppress(ValueError):
            yield _WEEKDAYS[date(year, month, day).weekday()]


def _pieces(text: str) -> Iterator[str]:
    """Yield every piece of the words of a text, without dashes and in small letters."""
    for word in re.findall(f"[0-9a-z]{{{PIECE},}}", text.replace("-", "").lower()):
        yield from (word[at : at + PIECE] for at in range(len(word) - PIECE + 1))


def _days(text: str) -> Iterator[str]:
    """Yield the days that a text names, such as ``2026-1-5``, or ``1-5`` without a year."""
    for form in _DAYS:
        for match in form.finditer(text):
            parts = match.groupdict()
            name, year = parts.get("month"), parts["y"]
            month = int(parts["m"]) if name is None else _number_of(name)
            yield "-".join([*([year if len(year) == 4 else f"20{year}"] if year else []), f"{month}-{int(parts['d'])}"])


def _number_of(month: str) -> int:
    return next(number for number, form in enumerate(_MONTHS, 1) if form.startswith(month[:3].lower()))


def _times(text: str) -> Iterator[str]:
    """Yield the times that a text names, to the minute, the second and its fraction; without am or pm both."""
    for form in _TIMES:
        for match in form.finditer(text):
            parts = match.groupdict()
            hour, half = int(parts["h"]), (parts.get("half") or "").lower()
            hours = {hour % 12 + 12 * (half == "p")} if half else {hour, *([hour + 12] if hour < 12 else [])}
            for each in hours:
                at = f"{each}:{int(parts.get('m') or 0)}"
                yield at
                if parts.get("s"):
                    yield (at := f"{at}:{int(parts['s'])}")
                    if parts.get("f"):
                        yield f"{at}.{parts['f']}"
