"""Put the answers about rows beside the rows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final

import pandas as pd

from gptcache_magics.errors import CommandError
from gptcache_magics.tables.columns import COUNT, NUMBER, OUTCOME, TEXT
from gptcache_magics.tables.mark import marked

__all__ = ["ANSWERED", "check_names", "with_answers"]

ANSWERED: Final[dict[str, Any]] = {
    **{"outcome": OUTCOME, "paid_usd": NUMBER, "saved_usd": NUMBER, "seconds": NUMBER, "error": TEXT},
}
"""Columns and dtypes beside the answer; the name of the answer's column stands before each, with a ``_``."""


_DTYPES: Final[dict[str, Any]] = {
    "string": TEXT,
    "empty": TEXT,
    "boolean": "boolean",
    "integer": COUNT,
    "floating": NUMBER,
}
"""Dtypes of answers, by what pandas calls their values; of others the column is one of objects."""


def check_names(data: pd.DataFrame | pd.Series[Any], name: str, asked: Sequence[Hashable]) -> None:
    """Raise ``CommandError`` if a column of the result is one of the table's own, or of those that are asked about."""
    ours = [name, *(f"{name}_{each}" for each in ANSWERED)]
    taken = [each for each in ours if each in (data.columns if isinstance(data, pd.DataFrame) else asked)]
    earlier = len(taken) == len(ours) and not set(ours) & set(asked)  # the answers of an earlier call, which go
    if taken and not earlier:
        raise CommandError(
            f"map: the table has a column '{taken[0]}' already. Name the answers: map(..., name='summary')"
        )


def with_answers(data: pd.DataFrame | pd.Series[Any], name: str, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return a copy of the table with a column ``name`` of answers, and one for each of ``ANSWERED``.

    Parameters
    ----------
    rows
        The values of each row, by ``answer`` and the names of ``ANSWERED``.
    """
    df = data.to_frame("question" if data.name is None else data.name) if isinstance(data, pd.Series) else data.copy()
    df[name] = _answers([row["answer"] for row in rows], df.index)
    for each, dtype in ANSWERED.items():
        df[f"{name}_{each}"] = pd.Series([row[each] for row in rows], df.index).astype(dtype)
    return marked(df)


def _answers(answers: list[Any], index: pd.Index[Any]) -> pd.Series[Any]:
    column = pd.Series(pd.NA, index, dtype="object")
    for place, answer in enumerate(answers):  # one by one: pandas would make rows of lists
        column.iat[place] = answer
    try:
        return column.astype(_DTYPES.get(pd.api.types.infer_dtype(answers, skipna=True), object))
    except (OverflowError, TypeError, ValueError):  # a whole number of more than 64 bits
        return column
