"""The ticks of an axis and their labels: round numbers, decades, and times as a clock shows them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from gptcache_magics.tables.chart_data import STEPS, bucket_start
from gptcache_magics.text.amounts import counted

__all__ = [
    *("clock", "decades", "lasting", "moment", "number", "round_ticks", "span", "time_ticks", "usd"),
]

# Not strftime's, which follow the locale of the process.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = 86_400
_UNITS = ((_DAY, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_TICK_STEPS = sorted({*STEPS, 20, 20 * 60, 2 * 3_600, 4 * 3_600, 2 * _DAY, 14 * _DAY, 182 * _DAY})


def round_ticks(top: float, most: int = 4, *, whole: bool = False) -> list[float]:
    """Return ticks from 0 to `top` or just above it, 1, 2 or 5 times a power of ten apart, `most` of them above 0."""
    if not top > 0:
        return [0.0, 1.0]
    power = math.floor(math.log10(top / most))
    steps = [factor * 10.0**exponent for exponent in (power, power + 1) for factor in (1, 2, 5)]
    step = next(step for step in steps if math.ceil(top / step - 1e-9) <= most)
    step = max(step, 1.0) if whole else step
    return [count * step for count in range(math.ceil(top / step - 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Return the ticks of a log axis: powers of ten, and some multiples of them where the powers would be few."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        ticks = [factor * 10.0**exponent for exponent in exponents for factor in factors]
        ticks = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
        if len(ticks) >= 4:
            break
    return ticks


def time_ticks(start: float, end: float, most: int = 5) -> list[tuple[float, str]]:
    """Return moments from `start` to `end`, in seconds since 1970, that a clock or a calendar has marks for."""
    length = end - start
    step = next((step for step in _TICK_STEPS if length / step <= most), length / most)
    first = bucket_start(start, step)
    ticks = [first + count * step for count in range(math.ceil((end - first) / step) + 1)]
    return [(tick, clock(tick, step, length)) for tick in ticks if start <= tick <= end]


def moment(at: float, step: float = 1) -> str:
    """Return a moment in words, ``2 Jan 2026, 12:10``, as exactly as a bucket that lasts `step` seconds needs."""
    here = _here(at)
    day = f"{here.day} {_MONTHS[here.month - 1]} {here.year}"
    return day if step >= _DAY else f"{day}, {here:%H:%M}" if step >= 60 else f"{day}, {here:%H:%M:%S}"


def clock(at: float, step: float, length: float) -> str:
    """Return a moment as short as an axis of such a step and length lets it be."""
    here = _here(at)
    day = f"{here.day} {_MONTHS[here.month - 1]}"
    if step >= _DAY:
        return day if length < 300 * _DAY else f"{_MONTHS[here.month - 1]} {here.year}"
    if step >= 60:
        return day if (here.hour, here.minute) == (0, 0) else f"{here:%H:%M}"
    return f"{here:%H:%M:%S}"


def span(start: float, end: float) -> str:
    """Return the day, or the first and the last day, of a time that ends before `end`."""
    first, last = moment(start, _DAY), moment(end - 0.001, _DAY)
    return first if first == last else f"{first} to {last}"


def lasting(seconds: float) -> str:
    """Return the length of a bucket in words, such as ``10 minutes``."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size)
    return counted(round(seconds / size), unit)


def usd(dollars: float, step: float) -> str:
    """Return the label of a tick on an axis of money with such a step: ``$0.05``, ``$1,200``."""
    digits = _digits(step)
    return f"${dollars:,.{max(digits, 2) if digits else 0}f}" if dollars else "$0"


def number(value: float, step: float) -> str:
    """Return the label of a tick, with the digits that its step needs."""
    return f"{value:,.{_digits(step)}f}" if value else "0"


def _digits(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + 1e-9))


def _here(at: float) -> datetime:
    """Return the moment on the clock here, with today's distance from UTC, as the buckets are cut."""
    return datetime.fromtimestamp(at, UTC).astimezone(datetime.now().astimezone().tzinfo)
