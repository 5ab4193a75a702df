"""Amounts as a person reads and types them: money, time, size, number, share and similarity.

Every amount on every surface is written here, so that the badge, the panel, a table and a chart say the same:

- **Two significant digits**, and whole numbers whole: ``0.031``, ``4.2``, ``42``, ``1,234``. Nobody acts on the third
  digit of a duration or a size, and `duration` and `byte_size` change the unit before the figure grows long.
- **Money** has four digits below a dollar, because one call costs about a hundredth of a cent, and two above. Whole
  cents have two digits, as a person types a budget. Less than the last digit is ``<$0.0001``, never ``$0.0000``.
- **Rounding makes no claim**: a few are not ``0%``, nearly all are not ``100%``, and a cosine is cut, because only the
  same question is ``1.00``.
- A number that a person typed, such as a threshold, is written back with ``:g``. The ticks of an axis have the digits
  of their step. Neither is measured.

The readers accept what the writers write where somebody types it: ``7d``, ``500MB``, ``2usd``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from gptcache_magics.errors import CommandError

__all__ = [
    "UNKNOWN",
    *("byte_size", "cosine", "counted", "duration", "figure", "money", "percent", "short", "tokens"),
    *("bytes_of", "dollars_of", "seconds_of", "typed_money", "typed_size"),
]

UNKNOWN: Final = "–"
"""Sign for an unknown amount, which is not zero."""

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_LONG: Final = ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1, "s"))
_SECONDS: Final = {"m": _MINUTE, "h": _HOUR, "d": _DAY, "w": 7 * _DAY}
_BYTES: Final = {"kb": 1e3, "mb": 1e6, "gb": 1e9}
_DOLLARS: Final = {"usd": 1, "": 1}


def figure(number: float) -> str:
    """Write a number: ``0``, ``0.031``, ``4.2``, ``42``, ``1,234``."""
    if not number:
        return "0"
    rounded = float(f"{number:.1e}")  # 9.96 is 10, which has no digit behind the point
    return f"{number:,.{max(0, 1 - math.floor(math.log10(abs(rounded))))}f}"


def money(dollars: float) -> str:
    """Write US dollars: ``$0``, ``<$0.0001``, ``$0.0041``, ``$0.50``, ``$12.34``."""
    if math.isnan(dollars):
        return UNKNOWN
    if 0 < dollars < 0.00005:
        return "<$0.0001"
    text = f"${dollars:,.4f}"
    return "$0" if not dollars else text if dollars < 1 and not text.endswith("00") else f"${dollars:,.2f}"


def typed_money(dollars: float) -> str:
    """Write US dollars as a command takes them: ``0.50usd``, ``1234.00usd``."""
    return f"{dollars:.2f}usd"


def typed_size(size: float) -> str:
    """Write a size as a command takes it: ``1GB``, ``500MB``."""
    return f"{size / 1e9:g}GB" if size >= 1e9 else f"{size / 1e6:g}MB"


def duration(seconds: float) -> str:
    """Write a length of time: ``31 ms``, ``0.23 s``, ``4.2 s``, ``3 min 20 s``, ``3 h 5 min``, ``7 d``."""
    if math.isnan(seconds):
        return UNKNOWN
    if 0 < seconds < 0.0995:
        return f"{figure(seconds * 1000)} ms"
    if seconds < 59.5:
        return f"{figure(seconds)} s"
    size, unit, part, unit_of_part = next(each for each in _LONG if round(seconds) >= each[0])
    whole, rest = divmod(round(seconds / part), size // part)
    return f"{whole:,} {unit}" + (f" {rest} {unit_of_part}" if rest else "")


def byte_size(number: float) -> str:
    """Write a size: ``840 B``, ``1.5 kB``, ``34 kB``, ``1.2 MB``, ``3.4 GB``."""
    if number < 999.5:
        return f"{number:.0f} B"
    for unit in ("kB", "MB"):
        number /= 1000
        if number < 999.5:
            return f"{figure(number)} {unit}"
    return f"{figure(number / 1000)} GB"


def counted(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun: ``1 entry``, ``1,234 entries``; `many` is the plural where no rule gives it."""
    if number == 1:
        return f"1 {one}"
    if not many:
        many = f"{one[:-1]}ies" if one.endswith("ry") else f"{one}es" if one.endswith("s") else f"{one}s"
    return f"{number:,} {many}"


def short(number: int) -> str:
    """Write a count in little room: ``999``, ``12.3k``, ``4.1M``, ``2B``."""
    size, unit = 1.0, ""
    for unit in ("", "k", "M", "B"):
        if number / size < 999.95 or unit == "B":
            break
        size *= 1000
    return f"{number:,}" if not unit else f"{number / size:,.1f}".removesuffix(".0") + unit


def tokens(sent: int, received: int) -> str:
    """Write what a call sent and received: ``1,234 tokens in, 56 out``."""
    return f"{counted(sent, 'token')} in, {received:,} out"


def percent(share: float) -> str:
    """Write a share from 0 to 1 in percent: ``<1%``, ``62%``, ``>99%``, and ``0%`` and ``100%`` for none and all."""
    written = f"{share:.0%}"
    if written == "0%" and share > 0:
        return "<1%"
    return ">99%" if written == "100%" and share < 1 else written


def cosine(similarity: float, digits: int = 2) -> str:
    """Write a similarity: ``0.95``, cut and not rounded."""
    return f"{math.floor(similarity * 10**digits + 1e-6) / 10**digits:.{digits}f}"


def seconds_of(text: str, allowed: str) -> float:
    """Read seconds from ``30m``, ``1h``, ``7d`` or ``2w``; `allowed` begins the error about any other text."""
    return _amount(text, _SECONDS, allowed)


def bytes_of(text: str) -> float:
    """Read bytes from ``800kB``, ``500MB`` or ``2GB``."""
    return _amount(text, _BYTES, "--max-size takes a size such as 500MB or 2GB")


def dollars_of(text: str) -> float:
    """Read US dollars from ``2usd``, ``0.50usd`` or ``$2``."""
    return _amount(text.removeprefix("$"), _DOLLARS, "--budget takes US dollars such as 2usd or 0.50usd")


def _amount(text: str, units: Mapping[str, float], allowed: str) -> float:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([a-z]*)", text.strip().lower(), re.ASCII)
    unit = units.get(found.group(2)) if found else None
    if found is None or unit is None:
        raise CommandError(f"{allowed}. Got '{text}'.")
    return float(found.group(1)) * unit
