"""The Lookups tab: every lookup, newest first or by cell or cause, with its outcome and reason."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Final, Literal

import ipywidgets
import pandas as pd

from gptcache_magics.errors import CommandError
from gptcache_magics.explain.causes import explain
from gptcache_magics.explain.closest import Closest
from gptcache_magics.explain.headline import headline
from gptcache_magics.explain.view import table_html
from gptcache_magics.semantic.labels import label
from gptcache_magics.store.protocol import LookupRow, Period, Selection
from gptcache_magics.tables import frames
from gptcache_magics.text.word_diff import Words, as_html
from gptcache_magics.unprintable import printable
from gptcache_magics.widgets.formats import BLANK, Column, Kind, one_line, shown, tokens_of
from gptcache_magics.widgets.links import cell_link, link
from gptcache_magics.widgets.redaction import hidden
from gptcache_magics.widgets.tabs.base import MOST_ROWS, TableTab, detail_html
from gptcache_magics.widgets.tabs.headings import headings
from gptcache_magics.widgets.tabs.pair import pair_html, pair_of, verdict
from gptcache_magics.widgets.tabs.verdicts import Verdicts
from gptcache_magics.widgets.view import NAMES

if TYPE_CHECKING:
    from gptcache_magics.widgets.grid.groups import Groups
    from gptcache_magics.widgets.view import PanelSource, View


GONE: Final = "This lookup is not kept any more."


class LookupsTab(TableTab):
    """One row for each lookup; below the table, why the selected lookup hit or missed."""

    title = "Lookups"
    rows = "lookups"
    empty = "No lookups to show. Run a cell that calls a model, or look at a longer time."
    key = "number"
    sort = ("number", False)
    groupings = ("cell", "cause")
    columns = (
        Column("number", "#", "count", 7),
        Column("at", "At", "time", 10, level=1),
        Column("outcome", "Outcome", "outcome", 11),
        Column("model", "Model", "model", 16, level=2),
        Column("face", "Asked by", width=10, level=4),
        Column("question", "Question", "prompt", 20, grow=True, blank=BLANK),
        Column("reason", "Reason", width=20, level=1),
        Column("similarity", "Similar", "similarity", 10, level=4),
        Column("seconds", "Model, s", "seconds", 10, level=4),
        Column("tokens", "Tokens", "count", 9, level=5),
        Column("saved_usd", "Saved", "money", 11, level=3),
        Column("paid_usd", "Paid", "money", 11, level=3),
    )

    @cached_property
    def only_cell(self) -> ipywidgets.Button:
        """The button that filters the panel by the cell of the selected lookup."""
        return self._narrowing("cell")

    @cached_property
    def only_cause(self) -> ipywidgets.Button:
        """The button that filters the panel by the cause of the selected lookup."""
        return self._narrowing("cause")

    @cached_property
    def only_face(self) -> ipywidgets.Button:
        """The button that filters the panel by the library that asked the selected lookup."""
        return self._narrowing("face")

    @cached_property
    def verdicts(self) -> Verdicts:
        """The buttons for a lookup that was similar to another question."""
        return Verdicts(self.grid.model_id, self.judge, shown=False)

    def parts(self) -> tuple[ipywidgets.Widget, ...]:
        """Return the table, the buttons for matches by meaning, the selected row, and the buttons of its filters."""
        filters = ipywidgets.HBox([self.only_cell, self.only_cause, self.only_face])
        return self.grid, self.verdicts, self.detail, filters

    @staticmethod
    def read(source: PanelSource, view: View) -> pd.DataFrame:
        """Return the newest lookups within the filters of `view`; with who asked, unless all did.

        ``seconds`` and ``tokens`` are the model's, saved by a hit or paid for anything else.
        """
        frame = frames.lookups(
            source.store,
            period=source.period(view.since),
            model=view.model,
            **view.of_lookups,
            limit=MOST_ROWS,
            words=not view.redact,
        )
        frame = frame.assign(
            seconds=frame["saved_seconds"].fillna(frame["paid_seconds"]),
            tokens=frame["input_tokens"] + frame["output_tokens"],
        )
        return frame if frame["face"].nunique() > 1 or view.face is not None else frame.assign(face=None)

    def groups(self, source: PanelSource, view: View, frame: pd.DataFrame, by: str) -> Groups:
        """Return a heading for each cell or cause."""
        return headings(source, view, frame, "cause" if by == "cause" else "cell")

    def describe(self, row: dict[str, Any]) -> str:
        """Return the reason of the lookup's outcome, the question, the cell and the cost."""
        assert self._source is not None
        assert self._view is not None
        store, lookup = self._source.store, self._lookup(row["number"])
        facts: list[tuple[str, str]] = [
            ("Match", _text(row["match"])),
            ("Similarity", _text(row["similarity"], "similarity")),
            ("Model", _text(row["configuration"]) or _text(row["model"])),
            ("Asked by", _text(row["face"])),
            ("Asked in", _cell(lookup, redact=self._view.redact)),
            ("Lookup", shown("duration", row["lookup_ms"] / 1000)),
            ("Tokens", tokens_of(row)),
            ("Saved" if row["outcome"] == "hit" else "Paid", _cost(row)),
        ]
        heading = f"Lookup {row['number']}: {row['outcome']}, {shown('time', row['at'])}"
        pair = pair_of(store, lookup) if lookup is not None else None
        answer = self._answer(_text(row["entry"]))
        if lookup is not None and lookup.entry and answer:
            facts.append(("Its entry", link("entry", lookup.entry, lookup.entry[:8])))
        first, sentence, table = self._why(lookup)
        if pair is None:
            asked = "" if pd.isna(row["question"]) else str(row["question"])
            texts = [("Question", BLANK if asked.isspace() else asked), ("Answer", answer)]
            texts = [each for each in texts if each[1]]
            return detail_html(heading, facts, texts, first=first, sentence=sentence, table=table)
        facts.append(("Verdict", verdict(pair["right"])))
        if self._view.redact:
            pair |= {name: hidden(pair[name]) for name in ("asked", "stored")}
        beside = pair_html(store, pair, redact=self._view.redact)
        return detail_html(heading, facts, [], first=first, sentence=sentence, table=table, after=beside)

    def judge(self, keys: Sequence[str], right: bool) -> str:
        """Label the match of the selected lookup and return a sentence about it."""
        assert self._source is not None
        lookup = self._lookup(keys[0])
        if lookup is None:
            raise CommandError(GONE)
        said = label(self._source.store, lookup.number, lookup.question_id, lookup.near, right=right)
        self._described = ""  # the detail has changed although the row has not
        self.repaint()
        return said

    def selected(self) -> None:
        """Show the selected lookup, and the buttons that apply to it."""
        super().selected()
        self._offer_filters()
        if self.opened:
            self._offer_verdicts()

    def narrowed(self, view: View) -> None:
        """Hide the buttons of what the panel is filtered by."""
        self._view = view
        self._offer_filters()

    def _narrowing(self, name: Literal["cell", "cause", "face"]) -> ipywidgets.Button:
        button = ipywidgets.Button(description=f"Only this {NAMES[name]}", layout={"display": "none"})
        button.add_class("gptcache-button")
        button.add_class("gptcache-detail-button")
        button.on_click(lambda _: self.narrow(name, self._selected(name)))
        return button

    def _offer_filters(self) -> None:
        if self.opened and self._view is not None:
            for button, offered, set_already in (
                (self.only_cell, self._selected("cell"), self._view.cell),
                (self.only_cause, self._selected("cause"), self._view.cause),
                (self.only_face, self._selected("face"), self._view.face),
            ):
                button.layout.display = "none" if offered in (None, set_already) else ""

    def _selected(self, name: Literal["cell", "cause", "face"]) -> int | str | None:
        """Return the cell, the cause or the library of the selected lookup, if there is one to choose."""
        rows = self.grid.selected()
        if name != "cell":
            values = rows[name].dropna()
            return str(values.iloc[0]) if len(values) else None
        counts = rows["execution_count"].dropna()
        return int(counts.iloc[0]) if len(counts) else None

    def _offer_verdicts(self) -> None:
        rows = self.grid.selected()
        self.verdicts.shown = bool(rows["similarity"].notna().any())
        self.verdicts.writable = self._source is not None and not self._source.store.readonly

    def _lookup(self, number: object) -> LookupRow | None:
        assert self._source is not None
        return next(iter(self._source.store.lookups(Period(number=int(str(number))), 1)), None)

    def _why(self, lookup: LookupRow | None) -> tuple[str, str, str]:
        """Return what differs with the way to the closest entry, the cause in full, and a table that shows it."""
        assert self._source is not None
        assert self._view is not None
        if lookup is None:
            return "", GONE, ""
        redact = self._view.redact
        explanation = explain(self._source.store, lookup)
        sentence, closest = explanation.sentence, explanation.nearest
        # The pair below shows these words, unless something else is closest.
        is_pair = closest is not None and lookup.near is not None and lookup.near.key[:8] == closest.id
        if redact and explanation.cause == "guard":
            sentence = f"A stored question is near, but blocked by the guard “{lookup.objection_guard}”."
        line = "" if explanation.cause == "guard" else headline(explanation, words=not redact)
        words = () if closest is None or redact or is_pair else closest.words
        without = ["asked", "saved", "words", "closest", *(["stored"] if redact or is_pair or words else [])]
        on = self._source.ledger
        table = table_html(explanation, on, self._source.where if on is None else "", without=without)
        if line in ("", sentence.removesuffix(".")):
            line, sentence = sentence, ""
        return _first(line, words, closest), sentence, table

    def _answer(self, entry: str) -> str:
        """Return the present answer of an entry, if there is one."""
        assert self._source is not None
        assert self._view is not None
        if not entry:
            return ""
        found = frames.entries(self._source.store, Selection(ids=[entry]), limit=1)
        answer = str(found["answer"].iloc[0]) if len(found) else ""
        return hidden(answer) if self._view.redact else answer


def _text(value: Any, kind: Kind = "text") -> str:
    """Return a fact as text, empty if it is not known."""
    if pd.isna(value):
        return ""
    return str(value) if kind == "text" else shown(kind, value)


def _cost(row: dict[str, Any]) -> str:
    """Return what a hit saved or a miss cost, in known money and time."""
    name = "saved" if row["outcome"] == "hit" else "paid"
    return ", ".join(filter(None, (_text(row[f"{name}_usd"], "money"), _text(row[f"{name}_seconds"], "duration"))))


def _cell(lookup: LookupRow | None, *, redact: bool) -> str:
    """Return the cell that asked, with the way to it; its line may hold a prompt."""
    if lookup is None:
        return ""
    return cell_link(lookup.notebook, lookup.execution_count, "" if redact else lookup.cell_line)


def _first(line: str, words: Words, closest: Closest | None) -> str:
    """Return what differs as HTML: in a line, in the words, and the entry from which it differs."""
    parts = [f'<p class="gptcache-headline">{escape(printable(line))}</p>']
    if words:
        parts.append(f'<p class="gptcache-words">{as_html(words)}</p>')
    if closest is not None:
        label = escape(one_line(closest.configuration.label))
        parts.append(f"<p>Closest: {link('entry', closest.key, closest.id)} {label}</p>")
    return "".join(parts)
