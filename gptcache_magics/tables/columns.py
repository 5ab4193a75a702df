"""The columns of the tables and their dtypes, the same for an empty store and on every pandas."""

from __future__ import annotations

from typing import Any, Final, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from gptcache_magics.store.protocol import Match, Outcome

__all__ = [
    *("COUNT", "NUMBER", "TEXT"),
    *("ENTRIES", "LOOKUPS", "MATCH", "MISSED", "MODELS", "OUTCOME", "STATS", "WIDE"),
    "typed",
]

TIME, TEXT, COUNT, NUMBER = "datetime64[us, UTC]", "string", "Int64", "float64"
OUTCOME = pd.CategoricalDtype(list(get_args(Outcome)))
MATCH = pd.CategoricalDtype(list(get_args(Match)))
# Tokens that the provider read from its own cache, or wrote to it, are part of the input tokens.
_TOKENS: Final = dict.fromkeys(("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"), COUNT)

# lookups = hits + misses + bypassed + lookups that failed, which are errors as are answers that could not be stored.
STATS: Final = {
    **dict.fromkeys(("lookups", "hits", "misses", "bypassed"), COUNT),
    **dict.fromkeys(("hit_rate", "saved_usd", "paid_usd", "saved_seconds"), NUMBER),
    "errors": COUNT,
}
WIDE: Final = {
    **dict.fromkeys(("exact_hits", "semantic_hits", "ignoring_hits", "not_stored"), COUNT),
    **dict.fromkeys(("median_lookup_ms", "p95_lookup_ms", "paid_seconds"), NUMBER),
    **dict.fromkeys(
        ("saved_input_tokens", "saved_output_tokens", "paid_input_tokens", "paid_output_tokens"),
        COUNT,
    ),
    **dict.fromkeys(("unpriced_saved", "unpriced_paid"), COUNT),
}
"""Further columns of ``stats``. *Unpriced* are answers whose tokens or price are unknown: the money lacks theirs."""
MODELS: Final = {
    **{"provider": TEXT, "configurations": COUNT, "temperature": TEXT, "entries": COUNT, "bytes": COUNT},
    **{"hits": COUNT, "hit_rate": NUMBER, "first_used": TIME, "last_used": TIME},
}
ENTRIES: Final = {
    **{"model": TEXT, "configuration": TEXT, "question": TEXT, "answer": TEXT, "hits": COUNT},
    **{"created": TIME, "accessed": TIME, "expires": TIME, "paid_seconds": NUMBER},
    **_TOKENS,
    **{"paid_usd": NUMBER, "finish_reason": TEXT},
    **{"bytes": COUNT, "pinned": "boolean", "edited": "boolean", "tags": TEXT, "author": TEXT},
}
LOOKUPS: Final = {
    **{"at": TIME, "notebook": TEXT, "run": TEXT, "cell": TEXT, "execution_count": COUNT},
    **{"model": TEXT, "configuration": TEXT, "face": TEXT, "mode": TEXT, "question": TEXT},
    **{"outcome": OUTCOME, "cause": TEXT, "reason": TEXT, "match": MATCH, "similarity": NUMBER, "lookup_ms": NUMBER},
    **_TOKENS,
    **{"saved_seconds": NUMBER, "saved_usd": NUMBER},
    **{"paid_seconds": NUMBER, "paid_usd": NUMBER, "entry": TEXT, "author": TEXT},
}
"""Columns and dtypes of the lookups frame; its index is ``number``."""

MISSED: Final = {
    **{"who": TEXT, "model": TEXT, "question": TEXT, "times": COUNT, "last": TIME, "cause": TEXT},
    **{"nearest": TEXT, "nearest_entry": TEXT, "differs": TEXT},
}
"""Columns and dtypes of the questions that were asked in vain."""


def typed(df: pd.DataFrame, columns: dict[str, Any]) -> pd.DataFrame:
    """Return the frame with exactly these columns and dtypes."""
    columns_of = {}
    for name, dtype in columns.items():
        column = df[name]
        if dtype == TIME:
            column = _times(pd.to_numeric(column).to_numpy("float64"), df.index)
        elif dtype == COUNT:
            column = pd.to_numeric(column)
        columns_of[name] = column.astype(dtype)
    return pd.DataFrame(columns_of, index=df.index)


def _times(seconds: npt.NDArray[np.float64], index: pd.Index[Any]) -> pd.Series[Any]:
    """Return moments from seconds since 1970; unknown seconds give NaT.

    Not by ``pd.to_datetime``: where a value is missing, that of pandas 2.2.0 rounds memory that it has not written, and
    fails by chance.
    """
    known = ~np.isnan(seconds)
    times = np.full(len(seconds), "NaT", dtype="datetime64[us]")
    times[known] = np.round(seconds[known] * 1e6).astype("int64").astype("datetime64[us]")
    return pd.Series(times, index=index).dt.tz_localize("UTC")
