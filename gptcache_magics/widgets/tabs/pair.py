"""Two similar questions side by side with their answers, for a verdict whether one answer serves both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from gptcache_magics.store.protocol import LookupRow, Selection, Store
from gptcache_magics.tables import frames
from gptcache_magics.text.amounts import counted
from gptcache_magics.text.masking import masked
from gptcache_magics.text.word_diff import as_html, word_diff
from gptcache_magics.unprintable import printable
from gptcache_magics.widgets.redaction import hidden
from gptcache_magics.widgets.tabs.base import DETAIL_CHARACTERS

__all__ = ["pair_html", "pair_of", "verdict"]


def pair_html(store: Store, row: Mapping[str, Any], *, redact: bool = False) -> str:
    """Return both questions and answers as HTML with all foreign text escaped.

    Parameters
    ----------
    row
        A row of ``tuning.pairs``: ``asked, stored`` and their ids, and whether the stored answer was ``served``.
    redact
        Whether to hide the answers; the questions of ``row`` are then signs already.
    """
    stored, asked = masked(row["stored"]), masked(row["asked"])
    differing = "" if redact else as_html(word_diff(stored, asked))
    answers = [_answer(store, row[name]) for name in ("stored_id", "asked_id")]
    if redact:
        answers = list(map(hidden, answers))
    not_asked = "The model was not asked." if row["served"] else "The model's own answer is not stored."
    sides = (("Stored", stored, answers[0], "It is not stored any more."), ("Asked", asked, answers[1], not_asked))
    return (
        (f'<h5>Words that differ</h5><p class="gptcache-words">{differing}</p>' if differing else "")
        + '<div class="gptcache-pair">'
        + "".join(
            f"<section><h5>{name}</h5>{_text(question)}"
            f"<h5>Answer</h5>{_text(answer) if answer else f'<p>{none}</p>'}</section>"
            for name, question, answer, none in sides
        )
        + "</div>"
    )


def pair_of(store: Store, lookup: LookupRow) -> dict[str, Any] | None:
    """Return the pair of a lookup as a row of ``tuning.pairs``; None if no question was similar."""
    near, asked = lookup.near, lookup.question_id
    if near is None or asked is None:
        return None
    return {
        "asked": lookup.question or "",
        "stored": next((each.question for each in store.questions_of([near.key])), ""),
        "asked_id": asked,
        "stored_id": near.key,
        "served": lookup.match == "semantic",
        "right": next((each.right for each in store.labels() if (each.asked, each.entry) == (asked, near.key)), None),
    }


def verdict(right: object) -> str:
    """Return the label of a pair in one word."""
    if right is None or right is pd.NA:
        return "unlabelled"
    return "right" if right else "wrong"


def _answer(store: Store, id: str) -> str:
    """Return the present answer of an entry, if there is one."""
    found = frames.entries(store, Selection(ids=[id]), limit=1)
    answers: Sequence[str] = found["answer"].tolist()
    return masked(answers[0]) if answers else ""


def _text(text: str) -> str:
    more = len(text) - DETAIL_CHARACTERS
    left_out = f"\n… {counted(more, 'more character')}" if more > 0 else ""
    shown = printable(text[:DETAIL_CHARACTERS].replace("\r\n", "\n"))
    return f'<pre dir="auto">{escape(shown)}{left_out}</pre>'
