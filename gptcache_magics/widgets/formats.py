"""How a value reads in a table: one format per kind of column, the same in the panel, in static HTML and in a terminal.

Prompts and answers are foreign text. `plain` makes them safe to show on any surface: control characters, those that
reorder a line, and lone surrogates, which no message can carry, become visible escapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import pandas as pd

from gptcache_magics.text.amounts import UNKNOWN, byte_size, cosine, duration, figure, money, percent
from gptcache_magics.text.masking import masked
from gptcache_magics.unprintable import printable

Kind = Literal[
    "text",
    "prompt",
    "diff",
    "model",
    "outcome",
    "time",
    "count",
    "money",
    "ms",
    "seconds",
    "duration",
    "similarity",
    "cosine",
    "percent",
    "bytes",
    "shares",
]

CELL_CHARACTERS = 160
FOREIGN_KINDS = frozenset({"text", "prompt", "diff", "model"})
TEXT_KINDS = FOREIGN_KINDS | {"outcome"}
BLANK = "(blank)"
_DIGIT, _POINT = "\u2007", "\u2008"  # spaces as wide as a digit and a point


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
        Decides the format and the side: texts and times stand left, numbers right. What many a ``prompt`` begins
        with is shortened, and a ``model`` whose name is a path shows its last part. ``shares`` are a tuple of numbers
        from 0 to 1, the earliest first, which the panel draws; None stands where nothing happened.
    width
        Width in characters. The column marked ``grow`` takes the rest.
    level
        Order in which columns are hidden when the table is narrow: 5 goes first, 0 always stays.
    blank
        Sign for an empty text.
    against
        Of a ``diff``, the column of the older text: the cell shows the words that differ.
    """

    name: str
    label: str
    kind: Kind = "text"
    width: int = 10
    grow: bool = False
    level: int = 0
    blank: str = ""
    against: str = ""

    def text(self, value: Any, digits: int = 0) -> str:
        """Return `value` as the text of a cell, padding money so that the points stand below each other."""
        text = shown(self.kind, value)
        return _aligned(text, digits) if self.kind == "money" else text or self.blank

    def whole(self, value: Any) -> str:
        """Return `value` without a cut, but for what looks like a key."""
        return plain(masked(value)) if isinstance(value, str) else shown(self.kind, value)

    @property
    def number(self) -> bool:
        """Whether the column stands right and sorts large values first."""
        return self.kind not in TEXT_KINDS | {"time", "shares"}


def shown(kind: Kind, value: Any) -> str:
    """Return `value` as the text of a cell; unknown values are a dash, never a zero."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):
        return UNKNOWN
    match kind:
        case "count":
            return f"{int(value):,}"
        case "money":
            return money(float(value))
        case "ms" | "seconds":  # the unit stands in the heading
            return figure(float(value))
        case "duration":
            return duration(float(value))
        case "similarity":
            return cosine(float(value))
        case "cosine":
            return cosine(float(value), 3)
        case "percent":
            return percent(float(value))
        case "bytes":
            return byte_size(float(value))
        case "time":
            return _time(value)
        case "shares":
            return ", ".join(UNKNOWN if each is None else percent(each) for each in value)
        case _:
            return one_line(str(value))


def tokens_of(row: Mapping[str, Any] | pd.Series[Any]) -> str:
    """Return the tokens of an entry or a lookup: ``1,000 in, 200 out``; empty if none are known."""
    counts = [shown("count", row[name]) for name in ("input_tokens", "output_tokens")]
    return "" if counts == [UNKNOWN, UNKNOWN] else f"{counts[0]} in, {counts[1]} out"


def plain(text: str) -> str:
    """Return `text` without characters that a terminal or a browser would obey instead of showing."""
    return printable(text.replace("\r\n", "\n"))


def one_line(text: str, characters: int = CELL_CHARACTERS) -> str:
    """Return the beginning of `text` on one line, with an ellipsis where it was cut."""
    # Cut before cleaning: a stored answer may be one line of megabytes.
    line = " ".join(plain(text[: 2 * characters]).split())
    return line if len(line) <= characters and len(text) <= 2 * characters else line[: characters - 1] + "…"


def most_digits(dollars: Iterable[Any]) -> int:
    """Return how many digits stand behind the point in a column of money."""
    return max((len(money(each).partition(".")[2]) for each in dollars if pd.notna(each)), default=0)


def _aligned(text: str, digits: int) -> str:
    if text == UNKNOWN or not digits:
        return text
    _, point, behind = text.partition(".")
    return text + ("" if point else _POINT) + _DIGIT * (digits - len(behind))


def _time(moment: datetime) -> str:
    moment = pd.Timestamp(moment).to_pydatetime()
    local = moment.astimezone() if moment.tzinfo else moment
    return f"{local:%H:%M:%S}" if local.date() == date.today() else f"{local:%Y-%m-%d}"
