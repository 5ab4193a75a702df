"""Put two answers side by side: of two entries, of an entry and its history, of two models to the same conversation."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pandas as pd

from gptcache_magics.store.protocol import EntryRow, Selection, Store
from gptcache_magics.tables import frames
from gptcache_magics.tables.answers import said_in_answer
from gptcache_magics.tables.columns import COUNT, NUMBER, TEXT, typed
from gptcache_magics.tables.mark import marked
from gptcache_magics.tables.model_names import named
from gptcache_magics.text.said import in_words, said_in_prompt
from gptcache_magics.text.word_diff import Words, word_diff

__all__ = ["COMPARED", "MOST", "Comparison", "Side", "entries", "history", "models", "totals"]

MOST: Final = 5_000
"""The newest entries of each model that are compared."""
_ID_DIGITS: Final = (8, 16)
"""Digits of an id in a table: more if two ids begin alike."""
_SIDES: Final = ("a", "b")
_MEASURED: Final = {"input_tokens": COUNT, "output_tokens": COUNT, "paid_usd": NUMBER, "paid_seconds": NUMBER}
COMPARED: Final = {
    **{"question": TEXT, "answer_a": TEXT, "answer_b": TEXT, "same": "boolean"},
    **{f"{name}_{side}": dtype for name, dtype in _MEASURED.items() for side in _SIDES},
    **{"entry_a": TEXT, "entry_b": TEXT},
}
"""Columns and dtypes of the comparison of two models, one row for each conversation that both were asked."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two answers."""

    name: str
    """Id and configuration of the entry, or the time at which an earlier answer was replaced."""
    prompt: str
    """The conversation in words."""
    answer: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    paid_usd: float = float("nan")
    paid_seconds: float | None = None
    key: str = ""
    """Key of the entry; empty for an earlier answer."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two answers with the words in which they differ."""

    a: Side
    b: Side

    @property
    def prompts(self) -> Words:
        """The words in which the conversations differ; empty if they are equal."""
        return word_diff(self.a.prompt, self.b.prompt)

    @property
    def answers(self) -> Words:
        """The words in which the answers differ; empty if they are equal."""
        return word_diff(self.a.answer, self.b.answer)


def entries(store: Store, one: str, other: str) -> Comparison:
    """Return the comparison of two entries, by their keys."""
    return Comparison(_side(store, one), _side(store, other))


def history(store: Store, key: str) -> Comparison | None:
    """Return the comparison of an entry with the answer that it had before; None if it had none."""
    earlier = store.history(key)
    if not earlier:
        return None
    now, before = _side(store, key), earlier[0]
    replaced = datetime.fromtimestamp(before.replaced)
    answer = _answer(before.answer)
    return Comparison(Side(f"before {replaced:%Y-%m-%d %H:%M:%S}", now.prompt, answer), now)


def models(store: Store, one: Collection[str], other: Collection[str]) -> pd.DataFrame:
    """Return one row for each conversation that both models were asked, the newest first.

    Parameters
    ----------
    one, other
        Names of models, or labels of configurations, as ``frames.entries`` takes them. Of several answers of a model
        to one conversation the newest counts.
    """
    sides = [_newest(store, names) for names in (one, other)]
    both = [conversation for conversation in sides[0] if conversation in sides[1]]
    rows = [_row(sides[0][each], sides[1][each]) for each in both]
    df = pd.DataFrame(rows, columns=list(COMPARED), dtype="object")
    return marked(typed(df, COMPARED))


def totals(df: pd.DataFrame) -> pd.DataFrame:
    """Return the sums of a comparison of two models, in the rows ``a`` and ``b``; missing where nothing is known."""
    sums = {name: [df[f"{name}_{side}"].sum(min_count=1) for side in _SIDES] for name in _MEASURED}
    return pd.DataFrame(sums, index=pd.Index(_SIDES), dtype="object").astype(_MEASURED)


def _row(a: pd.Series[Any], b: pd.Series[Any]) -> dict[str, Any]:
    return {
        "question": a["question"],
        "answer_a": a["answer"],
        "answer_b": b["answer"],
        "same": a["answer"] == b["answer"],
        **{f"{name}_{side}": row[name] for name in _MEASURED for side, row in zip(_SIDES, (a, b), strict=True)},
        "entry_a": a.name,
        "entry_b": b.name,
    }


def _newest(store: Store, names: Collection[str]) -> dict[str, pd.Series[Any]]:
    """Return the newest entry of a model for each conversation, by the words of the conversation."""
    df = frames.entries(store, model=names, limit=MOST)
    known = frames.configurations(store)
    keys = list(known["key"][named(known, names)])
    prompts = {row.key: row.prompt for row in store.entries(Selection(configurations=keys), MOST)}
    by_id = {key[:digits]: prompt for key, prompt in prompts.items() for digits in _ID_DIGITS}
    newest: dict[str, pd.Series[Any]] = {}
    for id, row in df.iterrows():
        if str(id) in by_id:  # not one that has come since
            newest.setdefault(_conversation(by_id[str(id)]), row)
    return newest


def _conversation(prompt: str) -> str:
    return "\n".join(f"{each.role}: {in_words(each)}" for each in said_in_prompt(prompt))


def _answer(answer: bytes) -> str:
    return "\n".join(map(in_words, said_in_answer(answer)))


def _side(store: Store, key: str) -> Side:
    entry = _entry(store, key)
    row = frames.entries(store, Selection(ids=[key])).iloc[0]
    return Side(
        name=f"{key[:8]}  {row['configuration']}",
        prompt=_conversation(entry.prompt),
        answer=_answer(entry.answer),
        input_tokens=entry.input_tokens,
        output_tokens=entry.output_tokens,
        paid_usd=float(row["paid_usd"]),
        paid_seconds=entry.seconds,
        key=key,
    )


def _entry(store: Store, key: str) -> EntryRow:
    (entry,) = store.entries(Selection(ids=[key]), limit=1)
    return entry
