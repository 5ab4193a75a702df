"""Two models side by side: what each cost in total, a row for each question that both were asked, and both answers."""

from __future__ import annotations

from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from gptcache_magics.tables import comparison
from gptcache_magics.tables.comparison import COMPARED
from gptcache_magics.text.amounts import counted, tokens
from gptcache_magics.unprintable import printable
from gptcache_magics.widgets.entry.beside import beside_html
from gptcache_magics.widgets.formats import Column, shown
from gptcache_magics.widgets.grid.grid import Grid
from gptcache_magics.widgets.redaction import redacted
from gptcache_magics.widgets.tabs.base import error_html
from gptcache_magics.widgets.unsaved import UnsavedHTML

if TYPE_CHECKING:
    from gptcache_magics.store.protocol import Store

__all__ = ["TwoModels"]

COLUMNS = (
    Column("question", "Question", "prompt", 20, grow=True),
    Column("answer_a", "Answer A", width=20, level=1),
    Column("answer_b", "Answer B", width=20, level=1),
    Column("answers", "Answers", "outcome", 11),
    Column("output_tokens_a", "Tokens A", "count", 11, level=4),
    Column("output_tokens_b", "Tokens B", "count", 11, level=4),
    Column("paid_usd_a", "Cost A", "money", 11, level=2),
    Column("paid_usd_b", "Cost B", "money", 11, level=2),
    Column("paid_seconds_a", "Took A, s", "seconds", 12, level=3),
    Column("paid_seconds_b", "Took B, s", "seconds", 12, level=3),
)


class TwoModels(ipywidgets.VBox):
    """The answers of two models to the questions that both were asked, as they were when somebody asked for them."""

    def __init__(self) -> None:
        super().__init__(layout={"display": "none"})
        self.add_class("gptcache-two")
        self._store: Store | None = None
        self.redact = False
        """Whether prompts and answers are hidden."""

    def close(self) -> None:
        """Close the comparison and forget the store."""
        super().close()
        self.unobserve_all()
        self.children, self._store = tuple[ipywidgets.Widget, ...](), None

    @cached_property
    def totals(self) -> UnsavedHTML:
        """What each model cost."""
        return UnsavedHTML()

    @cached_property
    def grid(self) -> Grid:
        """A row for each question."""
        grid = Grid(COLUMNS, key="entry_a", label="Questions that both models were asked", multiple=False)
        grid.observe(lambda _: self._show_answers(), "selection")
        return grid

    @cached_property
    def beside(self) -> UnsavedHTML:
        """Both answers to the selected question."""
        return UnsavedHTML()

    def show(self, store: Store, one: str, other: str, *, redact: bool) -> None:
        """Compare two models by their names."""
        self._store, self.redact = store, redact
        df = comparison.models(store, [one], [other])
        self.totals.value = _totals_html(df, one, other)
        same = df["same"].astype("object").map({True: "same", False: "differ"}).astype("string")
        df = df.assign(answers=same)
        self.grid.select([])
        self.grid.update(redacted(df) if redact else df, newest=len(df) == comparison.MOST)
        self.grid.layout.display = "" if len(df) else "none"
        self.children = self.totals, self.grid, self.beside
        self.layout.display = ""

    def hide(self) -> None:
        """Show nothing, and forget what was shown."""
        if self.children:
            self.layout.display = "none"
            self.grid.update(pd.DataFrame(columns=[*COMPARED, "answers"]))
            self.totals.value = self.beside.value = ""

    def _show_answers(self) -> None:
        rows = self.grid.selected()
        try:
            if self._store is None or rows.empty:
                self.beside.value = ""
                return
            one, other = (str(rows[name].iloc[0]) for name in ("entry_a", "entry_b"))
            self.beside.value = beside_html(self._store, one, other, redact=self.redact, focus=False)
        except LookupError as error:
            self.beside.value = error_html(str(error))


def _totals_html(df: pd.DataFrame, one: str, other: str) -> str:
    """Return the number of questions, and what each model cost for them."""
    heading = f"{counted(len(df), 'question')} that both models were asked" if len(df) else "No question in common"
    region = (
        f'<div class="gptcache-detail" role="region" tabindex="-1" data-focus aria-label="{heading}"><h4>{heading}</h4>'
    )
    if not len(df):
        return f"{region}<p>No conversation was asked of both {_name(one)} and {_name(other)}.</p></div>"
    same = int(df["same"].sum())
    answers = f"{counted(same, 'answer is', 'answers are')} the same, {counted(len(df) - same, 'differs', 'differ')}."
    totals = comparison.totals(df)
    sides = "".join(
        f"<section><p>{side.upper()} <b>{_name(name)}</b></p><dl>{_facts(df, totals, side)}</dl></section>"
        for side, name in zip("ab", (one, other), strict=True)
    )
    return f'{region}<p>{answers}</p><div class="gptcache-pair">{sides}</div></div>'


def _facts(df: pd.DataFrame, totals: pd.DataFrame, side: str) -> str:
    sums: dict[str, Any] = {str(name): value for name, value in totals.loc[side].items()}
    sent, received = sums["input_tokens"], sums["output_tokens"]
    unpriced = int(df[f"paid_usd_{side}"].isna().sum())
    facts = {
        "Tokens": "" if pd.isna(sent) or pd.isna(received) else tokens(int(sent), int(received)),
        "Cost": shown("money", sums["paid_usd"]) + (f", {unpriced:,} of unknown price" if unpriced else ""),
        "Took": shown("duration", sums["paid_seconds"]),
    }
    return "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in facts.items() if text)


def _name(model: str) -> str:
    return escape(printable(model))
