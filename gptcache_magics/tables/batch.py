"""Put the answers about rows beside the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from gptcache_magics.errors import CommandError
from gptcache_magics.tables.columns import NUMBER, OUTCOME, TEXT
from gptcache_magics.tables.mark import marked

__all__ = ["ANSWERED", "check_names", "with_answers"]

ANSWERED: Final[dict[str, Any]] = {
    **{"outcome": OUTCOME, "paid_usd": NUMBER, "saved_usd": NUMBER, "seconds": NUMBER, "error": TEXT},
}
"""Columns and dtypes beside the answer; the name of the answer's column stands before each, with a ``_``."""


def check_names(data: pd.DataFrame | pd.Series[Any], name: str) -> None:
    """Raise ``CommandError`` if a column of the result is one of the table's own."""
    if isinstance(data, pd.Series):
        return
    ours = [name, *(f"{name}_{each}" for each in ANSWERED)]
    taken = [each for each in ours if each in data.columns]
    if taken and len(taken) < len(ours):  # all of them are those of an earlier call
        raise CommandError(
            f"map: the table has a column '{taken[0]}' already. Name the answers: map(..., name='summary')"
        )


def with_answers(data: pd.DataFrame | pd.Series[Any], name: str, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the table with a column ``name`` of answers, and one for each of ``ANSWERED``.

    Parameters
    ----------
    rows
        The values of each row, by ``answer`` and the names of ``ANSWERED``.
    """
    df = data.to_frame("question" if data.name is None else data.name) if isinstance(data, pd.Series) else data.copy()
    answers = [row["answer"] for row in rows]
    texts = all(isinstance(each, str) or each is None for each in answers)
    df[name] = pd.Series(answers, df.index, dtype="string" if texts else "object")
    for each, dtype in ANSWERED.items():
        df[f"{name}_{each}"] = pd.Series([row[each] for row in rows], df.index).astype(dtype)
    return marked(df)
