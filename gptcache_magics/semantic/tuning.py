"""Find the right threshold from labelled pairs of questions.

A pair is a stored question and one that was asked, with their cosine. A person labels the stored answer right or wrong
for the question asked; most pairs have no label. This module suggests a threshold and never applies one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final, cast

import numpy as np
import pandas as pd

from gptcache_magics.semantic import guards
from gptcache_magics.store.protocol import LabelRow, LookupRow, Period, Store
from gptcache_magics.tables.columns import COUNT, NUMBER, TEXT, TIME, typed
from gptcache_magics.text.amounts import counted

__all__ = [
    *("FEW_LABELS", "THRESHOLDS", "Suggestion"),
    *("expected", "made_pairs", "pairs", "step_of", "suggestion", "thresholds", "wilson", "worst"),
]

PAIRS: Final = {
    **{"asked": TEXT, "stored": TEXT, "similarity": NUMBER, "blocked": TEXT, "right": "boolean", "served": "boolean"},
    **{"guard": TEXT, "difference": TEXT},
    **{"number": COUNT, "asked_id": TEXT, "stored_id": TEXT, "at": TIME, "embedder": TEXT},
}
"""Columns of a frame of pairs. ``blocked`` is a guard's objection or an empty text,
with its name and the difference in two columns; ``right`` is NA without a label.
``number`` is that of the lookup, to label it by. The ids are the store's, and NA for a pair from elsewhere."""
THRESHOLDS: Final = {
    **dict.fromkeys(("hits", "right", "wrong", "unlabelled"), COUNT),
    **dict.fromkeys(("wrong_rate", "wrong_low", "wrong_high"), NUMBER),
    **dict.fromkeys(("unguarded_hits", "unguarded_wrong"), COUNT),
}
"""Columns of a frame of thresholds: the pairs that each would serve, and the share of labelled ones that is wrong."""
LOWEST: Final = 0.70
FEW_LABELS, SURE_LABELS = 50, 200
"""Below the first no threshold is suggested: a curve would say little. From the second on no range is mentioned."""
BAND_LABELS: Final = 20
"""Labels below the present threshold that it takes to suggest a lower one."""
Z: Final = 1.96
"""Quantile of the normal distribution for ranges that hold with 95 %."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A threshold that the labels suggest."""

    threshold: float | None
    """The threshold; None if the labels are too few or support the present one."""
    reason: str
    """Sentences about the labels."""

    @property
    def command(self) -> str:
        """Command that sets the threshold; empty without one."""
        return "" if self.threshold is None else f"%gptcache on --threshold {self.threshold:g}"

    @property
    def sentence(self) -> str:
        """The reason, and the command to use the threshold."""
        return f"{self.reason} To use it: {self.command}" if self.command else self.reason


def pairs(
    store: Store,
    embedder: str = "",
    period: Period = Period(),
    *,
    configurations: Collection[str] | None = None,
    execution_count: int | None = None,
) -> pd.DataFrame:
    """Return the pairs that lookups by meaning found, each once, newest first.

    Labelled pairs whose lookups are no longer kept are included unless the arguments select lookups.

    Parameters
    ----------
    embedder
        Name of the embedder, because cosines of two embedders do not compare. Empty for the one used last.
    """
    found = store.lookups(replace(period, near=True))
    seen = pd.DataFrame(found, columns=list(LookupRow._fields), dtype="object")
    labels = pd.DataFrame(store.labels(), columns=list(LabelRow._fields), dtype="object")
    embedder = embedder or next(iter([*seen["embedder"], *labels["embedder"]]), "")
    if configurations is not None:
        seen = seen[seen["configuration"].isin(configurations)]
    if execution_count is not None:
        seen = seen[seen["execution_count"] == execution_count]
    every = period == Period() and configurations is None and execution_count is None
    seen, labels = seen[seen["embedder"] == embedder], labels[labels["embedder"] == embedder]
    looked = pd.DataFrame(
        {
            "asked_id": seen["asked"].where(seen["asked"].notna(), seen["entry"]),
            "stored_id": seen["near_entry"],
            "asked": seen["question"],
            "similarity": seen["similarity"],
            "served": seen["match"] == "semantic",
            "number": seen["number"],
            "at": seen["at"],
        }
    ).drop_duplicates(["asked_id", "stored_id"])
    questions = dict(store.questions_of(looked["stored_id"].tolist()))
    looked["stored"] = [questions.get(each) for each in looked["stored_id"]]
    said = pd.DataFrame(
        {
            "asked_id": labels["asked"],
            "stored_id": labels["entry"],
            "asked": labels["asked_question"],
            "stored": labels["stored_question"],
            "similarity": labels["similarity"],
            "right": labels["right"].astype("boolean"),
            "at": labels["at"],
        }
    )
    keys = ["asked_id", "stored_id"]
    both = looked.merge(said, on=keys, how="outer" if every else "left", suffixes=("", "_said"))
    for name in ("asked", "stored", "similarity", "at"):
        both[name] = both[name].where(both[name].notna(), both[f"{name}_said"])
    both = both.dropna(subset=["asked", "stored"]).sort_values("at", ascending=False)
    return _with_guards(both.assign(embedder=embedder))


def made_pairs(rows: Iterable[tuple[str, str, float, bool]], embedder: str) -> pd.DataFrame:
    """Return a frame of labelled pairs from elsewhere: ``asked, stored, similarity, right``."""
    df = pd.DataFrame.from_records(list(rows), columns=["asked", "stored", "similarity", "right"])
    return _with_guards(df.assign(embedder=embedder, number=None, asked_id=None, stored_id=None, at=None, served=None))


def thresholds(pairs: pd.DataFrame, step: float = 0.01) -> pd.DataFrame:
    """Return the hits and errors of each threshold from 0.70 to 1 with these pairs."""
    cosine, free = pairs["similarity"].to_numpy("float64"), (pairs["blocked"] == "").to_numpy("bool")
    right = pairs["right"].fillna(False).to_numpy("bool")
    wrong = (~pairs["right"].fillna(True)).to_numpy("bool")
    rows = {}
    for threshold in np.round(np.arange(LOWEST, 1 + step / 2, step), 4).tolist():
        above = cosine >= threshold
        hits = above & free
        n_right, n_wrong = int((hits & right).sum()), int((hits & wrong).sum())
        low, high = wilson(n_wrong, n_right + n_wrong)
        labelled = n_right + n_wrong
        rows[threshold] = {
            **{"hits": int(hits.sum()), "right": n_right, "wrong": n_wrong, "unlabelled": int(hits.sum()) - labelled},
            **{"wrong_rate": n_wrong / labelled if labelled else math.nan, "wrong_low": low, "wrong_high": high},
            **{"unguarded_hits": int(above.sum()), "unguarded_wrong": int((above & wrong).sum())},
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.Index(table.index.astype("float64"), name="threshold")
    return typed(table, THRESHOLDS)


def expected(table: pd.DataFrame, threshold: float) -> str:
    """Return the expected share of wrong hits of a threshold: ``of 100 hits about 3 wrong, between 1 and 9``.

    Few labels give counts: ``2 of 10 labelled hits wrong``.
    """
    row = _at(table, step_of(table, threshold))
    labelled = row["right"] + row["wrong"]
    if labelled and table[["right", "wrong"]].iloc[0].sum() < FEW_LABELS:
        return f"{row['wrong']:.0f} of {labelled:.0f} labelled hits wrong"
    return _of_100(row)


def wilson(count: int, of: int) -> tuple[float, float]:
    """Return Wilson's score interval of a share, 0 to 1, that holds with 95 %; (0, 1) if ``of`` is 0.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    if not of:
        return 0.0, 1.0
    share, z2 = count / of, Z * Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def suggestion(pairs: pd.DataFrame, threshold: float, target: float = 0.99) -> Suggestion:
    """Suggest a threshold if these labels ask for a change.

    A higher one is suggested as soon as more hits are wrong than ``target`` allows. A lower one is suggested only if
    the upper end of its range is still good enough, and if enough labels are of pairs below the present threshold:
    labels of hits say nothing about pairs that were never served.

    Parameters
    ----------
    threshold
        The present threshold.
    target
        The share of hits, 0 to 1, that should be right.
    """
    labels = int(pairs["right"].notna().sum())
    if labels < FEW_LABELS:
        more = FEW_LABELS - labels
        return Suggestion(None, f"{counted(labels, 'label')}: {more} more, and a threshold can be suggested.")
    table = thresholds(pairs)
    allowed = 1 - target
    now = _at(table, step_of(table, threshold))
    good = table[(table["wrong_rate"] <= allowed).fillna(False)]
    surely = good[good["wrong_high"] <= allowed]
    lower = [each for each in surely.index if each < threshold - 1e-9 and _known(pairs, each, threshold)]
    best: float | None = None
    if lower:
        best = float(min(lower))
    elif not now["right"] + now["wrong"]:
        return Suggestion(
            None, f"{counted(labels, 'label')}, but none about a hit at the threshold {threshold:g}: label some hits."
        )
    elif now["wrong_rate"] > allowed:
        higher = [each for each in good.index if each > threshold]
        best = float(min(higher)) if higher else None
        if best is None:
            return Suggestion(None, f"No threshold makes {100 * target:g}% of the hits right: {_of_100(now)}.")
    if best is None:
        return Suggestion(
            None, f"The threshold {threshold:g} is right for a target of {100 * target:g}%: {_of_100(now)}."
        )
    message = f"For {100 * target:g}% right hits: threshold {best:g} ({_of_100(_at(table, best))})."
    few = f" {counted(labels, 'label')}; from {SURE_LABELS} on the range is narrower." if labels < SURE_LABELS else ""
    return Suggestion(best, f"{message}{few}")


def worst(pairs: pd.DataFrame, threshold: float, limit: int = 5) -> pd.DataFrame:
    """Return the pairs on the wrong side of the threshold: first wrong ones served, then right ones kept back."""
    free = pairs["blocked"] == ""
    served = (pairs["similarity"] >= threshold) & free
    wrong = pairs[served & ~pairs["right"].fillna(True)].sort_values("similarity", ascending=False)
    lost = pairs[~served & pairs["right"].fillna(False)].sort_values("similarity", ascending=False)
    return pd.concat([wrong.head(limit), lost.head(max(0, limit - len(wrong)))])


def _known(pairs: pd.DataFrame, low: float, high: float) -> bool:
    """Return whether enough labels are about pairs between two thresholds."""
    between = (pairs["similarity"] >= low) & (pairs["similarity"] < high) & (pairs["blocked"] == "")
    return int(pairs.loc[between, "right"].notna().sum()) >= BAND_LABELS


def step_of(table: pd.DataFrame, threshold: float) -> float:
    """Return the index of a table's row for a threshold, or for the next below it."""
    below = table.index[table.index <= threshold + 1e-9]
    return float(below[-1] if len(below) else table.index[0])


def _at(table: pd.DataFrame, threshold: float) -> pd.Series[float]:
    return cast("pd.Series[float]", table.loc[threshold])


def _of_100(row: pd.Series[float]) -> str:
    labelled = row["right"] + row["wrong"]
    if not labelled:
        return "no labels there"
    low, high = 100 * float(row["wrong_low"]), 100 * float(row["wrong_high"])
    return f"of 100 hits about {100 * float(row['wrong_rate']):.0f} wrong, between {low:.0f} and {math.ceil(high)}"


def _with_guards(df: pd.DataFrame) -> pd.DataFrame:
    blocked = [guards.blocked(stored, asked) for stored, asked in zip(df["stored"], df["asked"], strict=True)]
    columns = {
        "blocked": [str(each or "") for each in blocked],
        "guard": [each.guard if each else "" for each in blocked],
        "difference": [each.difference if each else "" for each in blocked],
    }
    return typed(df.assign(**columns).reset_index(drop=True), PAIRS)
