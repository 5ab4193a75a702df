"""A report on a threshold from labelled pairs of questions: charts in a notebook, a table in a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from html import escape
from typing import Any, Final

import pandas as pd

from gptcache_magics.semantic import tuning
from gptcache_magics.semantic.options import PRESETS
from gptcache_magics.semantic.tuning import Suggestion
from gptcache_magics.text.amounts import UNKNOWN, cosine, counted
from gptcache_magics.text.masking import masked
from gptcache_magics.text.word_diff import as_html, word_diff
from gptcache_magics.unprintable import printable
from gptcache_magics.widgets.charts import tuning_html
from gptcache_magics.widgets.charts.cosines import named
from gptcache_magics.widgets.formats import one_line

__all__ = ["Tuned"]

TARGET: Final = 0.99
SHOWN: Final = (0.80, 0.90)
"""Thresholds in the short table, beside the presets and the present one."""
QUESTION: Final = 90
_HEADS: Final = ("Threshold", "Hits", "Right", "Wrong", "Unlabelled", "Wrong of 100")
_CELL: Final = "padding:2px 14px 2px 0;text-align:{side};background:none;white-space:nowrap"
_SOFT: Final = "color:var(--jp-content-font-color2,gray)"


class Tuned:
    """Pairs of questions, with the hits and errors of each threshold.

    Parameters
    ----------
    pairs
        The frame that ``tuning.pairs`` returns.
    threshold
        The present threshold.
    target
        The share of hits that should be right.
    """

    def __init__(self, pairs: pd.DataFrame, threshold: float, target: float = TARGET) -> None:
        self.pairs, self.threshold, self.target = pairs, threshold, target

    def to_frame(self) -> pd.DataFrame:
        """Return the hits and errors of each threshold from 0.70 to 1: ``tuning.thresholds``."""
        return self._table.copy()

    @property
    def suggestion(self) -> Suggestion:
        """The threshold that the labels ask for, if it is another; the report never applies it."""
        return tuning.suggestion(self.pairs, self.threshold, self.target)

    @property
    def counts(self) -> str:
        """Number of pairs, and of each label."""
        right = self.pairs["right"]
        of = [int((right == verdict).sum()) for verdict in (True, False)] + [int(right.isna().sum())]
        labels = ", ".join(
            f"{count:,} {name}" for count, name in zip(of, ("right", "wrong", "unlabelled"), strict=True)
        )
        blocked = int((self.pairs["blocked"] != "").sum())
        embedder = next(iter(self.pairs["embedder"].dropna()), "")
        by = f" by {one_line(embedder)}" if embedder else ""
        pairs = f"{counted(len(self.pairs), 'pair')}{by}"
        return f"{pairs}: {labels}" + (f"; a guard blocks {blocked:,}" if blocked else "") + "."

    @property
    def expected(self) -> str:
        """Share of wrong hits at the present threshold."""
        return f"Threshold {named(self.threshold)}: {tuning.expected(self._table, self.threshold)}."

    def charts(self, room: int = 0) -> str:
        """Return both charts as HTML for a page of `room` pixels; 0 if that is not known."""
        return tuning_html(self._table, self.threshold, room)

    def suggestion_html(self) -> str:
        """Return the suggestion, with its command as code."""
        reason, command = escape(self.suggestion.reason), escape(self.suggestion.command)
        return f"{reason} To use it: <code>{command}</code>" if command else reason

    def __repr__(self) -> str:
        rows = [_HEADS, *self._rows()]
        widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADS))]
        table = [
            "  ".join([row[0].ljust(widths[0]), *(x.rjust(n) for x, n in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        ]
        worst = [
            line
            for row in self._worst()
            for line in (
                f"  {_verdict(row, self.threshold)}",
                f"    stored  {_question(row['stored'])}",
                f"    asked   {_question(row['asked'])}",
            )
        ]
        parts = [[self.counts], table, [self.expected, self.suggestion.sentence]]
        return "\n\n".join("\n".join(lines) for lines in [*parts, ["Worst pairs", *worst] if worst else []] if lines)

    def _repr_html_(self) -> str:
        worst = "".join(
            f'<tr style="background:none"><td style="{_CELL.format(side="left")};vertical-align:top">'
            f"{escape(_verdict(row, self.threshold))}</td>"
            f'<td style="padding:2px 0;text-align:left;background:none;overflow-wrap:anywhere">{_words(row)}</td></tr>'
            for row in self._worst()
        )
        title = f'<div style="font-weight:600;padding:8px 0 2px">Worst pairs</div>{_table(worst)}' if worst else ""
        return (
            '<div class="tex2jax_ignore mathjax_ignore" style="color:var(--jp-content-font-color1,inherit)">'
            f"<div><b>{escape(self.expected)}</b> {self.suggestion_html()}</div>"
            f'<div style="{_SOFT};padding:2px 0 8px">{escape(self.counts)}</div>'
            f"{self.charts()}{self._rows_html()}{title}</div>"
        )

    @cached_property
    def _table(self) -> pd.DataFrame:
        return tuning.thresholds(self.pairs)

    def _rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the rows of the short table."""
        now = tuning.step_of(self._table, self.threshold)
        names = {cosine: [name] for name, cosine in PRESETS.items()}
        names.setdefault(now, []).append("now" if now == self.threshold else f"now {self.threshold:g}")
        table = self._table.astype("float64")
        for at in sorted({*SHOWN, *names}):
            row = table.iloc[table.index.tolist().index(at)]
            wrong = UNKNOWN
            if row["right"] + row["wrong"] >= tuning.FEW_LABELS:
                rate, low, high = (100 * row[name] for name in ("wrong_rate", "wrong_low", "wrong_high"))
                wrong = f"{rate:.0f} ({low:.0f} to {math.ceil(high)})"
            counts = (f"{row[name]:,.0f}" for name in ("hits", "right", "wrong", "unlabelled"))
            yield f"{at:.2f} {', '.join(names.get(at, []))}".strip(), *counts, wrong

    def _rows_html(self) -> str:
        def row(cells: tuple[str, ...], tag: str, style: str = "") -> str:
            sides = ["left", *["right"] * (len(cells) - 1)]
            columns = (
                f'<{tag} style="{_CELL.format(side=side)};{style}">{escape(cell)}</{tag}>'
                for cell, side in zip(cells, sides, strict=True)
            )
            return f'<tr style="background:none">{"".join(columns)}</tr>'

        return _table(row(_HEADS, "th", "font-weight:600") + "".join(row(cells, "td") for cells in self._rows()))

    def _worst(self) -> list[dict[str, Any]]:
        return [
            {str(k): v for k, v in row.items()} for row in tuning.worst(self.pairs, self.threshold).to_dict("records")
        ]


def _verdict(row: Mapping[str, Any], threshold: float) -> str:
    """Return what is wrong with a pair: ``0.95, served though wrong``."""
    similar = cosine(row["similarity"])
    if not row["right"]:
        return f"{similar}, served though wrong"
    kept_back = f"blocked by {one_line(row['blocked'])}" if row["blocked"] else f"below {threshold:g}"
    return f"{similar}, right but {kept_back}"


def _question(text: str) -> str:
    return one_line(masked(text), QUESTION)


def _words(row: Mapping[str, Any]) -> str:
    stored, asked = (masked(row[name]) for name in ("stored", "asked"))
    return as_html(word_diff(stored, asked)) or escape(printable(one_line(asked, QUESTION)))


def _table(rows: str) -> str:
    return f'<table style="border:0;border-collapse:collapse;margin:4px 0"><tbody>{rows}</tbody></table>'
