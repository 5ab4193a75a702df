"""Amounts as a person types and reads them: ``7d``, ``500MB``, ``2usd``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from gptcache_magics.errors import CommandError

__all__ = ["bytes_of", "cosine", "dollars_of", "money", "seconds_of", "sized"]

_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES: Final = {"kb": 1e3, "mb": 1e6, "gb": 1e9}
_DOLLARS: Final = {"usd": 1, "": 1}


def seconds_of(text: str, allowed: str) -> float:
    """Seconds in ``30m``, ``1h``, ``7d`` or ``2w``; ``allowed`` begins the sentence about anything else."""
    return _amount(text, _SECONDS, allowed)


def bytes_of(text: str) -> float:
    """Bytes in ``800kB``, ``500MB`` or ``2GB``."""
    return _amount(text, _BYTES, "--max-size takes a size such as 500MB or 2GB")


def dollars_of(text: str) -> float:
    """US dollars in ``2usd``, ``0.50usd`` or ``$2``."""
    return _amount(text.removeprefix("$"), _DOLLARS, "--budget takes US dollars such as 2usd or 0.50usd")


def sized(number: float) -> str:
    """``840 B``, ``34 kB`` or ``1.2 MB``."""
    if number < 1_000:
        return f"{number:.0f} B"
    return f"{number / 1e3:.0f} kB" if number < 999_500 else f"{number / 1e6:,.1f} MB"


def money(dollars: float) -> str:
    """``$0.0041``, ``$12.34``, or ``<$0.0001``."""
    if 0 < dollars < 0.00005:
        return "<$0.0001"
    return f"${dollars:,.4f}" if dollars < 1 else f"${dollars:,.2f}"


def cosine(similarity: float, digits: int = 2) -> str:
    """``0.95``, cut and not rounded: only the same question is ``1.00``."""
    return f"{math.floor(similarity * 10**digits + 1e-6) / 10**digits:.{digits}f}"


def _amount(text: str, units: Mapping[str, float], allowed: str) -> float:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([a-z]*)", text.strip().lower(), re.ASCII)
    unit = units.get(found.group(2)) if found else None
    if found is None or unit is None:
        raise CommandError(f"{allowed}. Got '{text}'.")
    return float(found.group(1)) * unit
