"""How a value reads in a table: one format per kind of column, the same in the panel, in static HTML and in a terminal.

Prompts and answers are foreign text. `plain` makes them safe to show on any surface: terminal escapes and characters
that reorder a line become visible signs, and lone surrogates, which no message can carry, are replaced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import pandas as pd

from gptcache_magics.quantities import cosine

Kind = Literal["text", "outcome", "count", "money", "ms", "seconds", "similarity", "cosine", "percent", "bytes", "time"]

UNKNOWN = "–"
CELL_CHARACTERS = 160
TEXT_KINDS = frozenset({"text", "outcome"})

# C0 and C1 controls but for line breaks and tabs, and the characters that open or close a change of direction.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table as it is shown.

    Parameters
    ----------
    name
        Column or index name in the DataFrame.
    label
        Heading.
    kind
        Decides the format and the side: texts and times stand left, numbers right.
    width
        In characters. The column marked ``grow`` takes what is left over.
    level
        How soon the column gives way when the table is narrow: 5 goes first, 0 always stays.
    """

    name: str
    label: str
    kind: Kind = "text"
    width: int = 10
    grow: bool = False
    level: int = 0

    @property
    def number(self) -> bool:
        """Whether the column stands right and sorts large values first."""
        return self.kind not in TEXT_KINDS and self.kind != "time"


def shown(kind: Kind, value: Any) -> str:
    """Return `value` as the text of a cell; unknown values are a dash, never a zero."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):
        return UNKNOWN
    match kind:
        case "count":
            return f"{int(value):,}"
        case "money":
            return _money(float(value))
        case "ms":
            return _digits(float(value))
        case "seconds":
            return f"{float(value):,.1f}"
        case "similarity":
            return cosine(float(value))
        case "cosine":
            return cosine(float(value), 3)
        case "percent":
            return f"{float(value):.0%}"
        case "bytes":
            return _bytes(float(value))
        case "time":
            return _time(value)
        case _:
            return one_line(str(value))


def plain(text: str) -> str:
    """Return `text` with nothing in it that a terminal or a browser would obey instead of showing it."""
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n")
    return _CONTROLS.sub(lambda found: _sign(found.group()), text)


def one_line(text: str, characters: int = CELL_CHARACTERS) -> str:
    """Return the beginning of `text` on one line, with an ellipsis where something was left out."""
    # Cut before cleaning: a stored answer may be one line of megabytes.
    line = " ".join(plain(text[: 2 * characters]).split())
    return line if len(line) <= characters and len(text) <= 2 * characters else line[: characters - 1] + "…"


def duration(seconds: float) -> str:
    """Return seconds as a person would say them: ``4.2 s``, ``8 min 28 s``, ``3 h 5 min``."""
    if seconds != seconds:
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds else "0 s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"


def _sign(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)  # ESC becomes the sign ␛, and so on
    return "\u2421" if code == 0x7F else "\ufffd"


def _money(dollars: float) -> str:
    if dollars == 0:
        return "$0"
    if dollars < 0.000001:
        return "<$0.000001"
    # One call of a small model costs less than a hundredth of a cent.
    digits = 2 if dollars >= 1 else 4 if dollars >= 0.0001 else 6
    return f"${dollars:,.{digits}f}"


def _digits(number: float) -> str:
    if number >= 10:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 1 else f"{number:.2f}"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


def _time(moment: datetime) -> str:
    moment = pd.Timestamp(moment).to_pydatetime()
    local = moment.astimezone() if moment.tzinfo else moment
    return f"{local:%H:%M:%S}" if local.date() == date.today() else f"{local:%Y-%m-%d}"
