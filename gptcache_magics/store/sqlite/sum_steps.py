"""The steps of the schema that make the sums. They stay as they are: a store may be of any earlier version."""

from __future__ import annotations

from typing import Final

__all__ = ["FACES", "SUMS"]

_PLACES: Final = {
    "cell_sum": {
        "run": "run",
        "notebook": "notebook",
        "cell_line": "cell_line",
        "execution_count": "coalesce(execution_count, -1)",
    },
    "day_sum": {"run": "run", "day": "date(at, 'unixepoch', 'localtime')"},
}
"""The first columns of each table, with their values as SQL over the table of lookups."""
_LIKE: Final = {
    "configuration": "coalesce(configuration, x'')",
    "outcome": "outcome",
    "reason_kind": "reason_kind",
    "match": "coalesce(match, '')",
    "known": "(input_tokens IS NOT NULL) + 2 * (output_tokens IS NOT NULL)"
    " + CASE WHEN seconds IS NULL THEN 0 WHEN seconds=0 THEN 4 ELSE 12 END",
    "size": "CASE WHEN input_tokens >= 32000 THEN (input_tokens - 1) / 1000 ELSE 0 END",
}
_FIGURES: Final = {
    "lookups": "count(*)",
    "nanoseconds": "sum(CAST(round(coalesce(seconds, 0) * 1e9) AS INTEGER))",
    **{name: f"coalesce(sum({name}_tokens), 0)" for name in ("input", "output", "cache_read", "cache_write")},
    "first": "min(at)",
    "last": "max(at)",
    "newest": "max(number)",
}
_KEY: Final = """configuration BLOB NOT NULL,     -- empty: unknown
    outcome TEXT NOT NULL,
    reason_kind TEXT NOT NULL,
    match TEXT NOT NULL,             -- empty: none
    known INTEGER NOT NULL,          -- 1 input tokens, 2 output tokens, 4 seconds, 8 seconds that are not 0
    size INTEGER NOT NULL,           -- thousands of input tokens, from 32 up
    """
_SUMS: Final = """lookups INTEGER NOT NULL,
    nanoseconds INTEGER NOT NULL,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    first REAL NOT NULL,
    last REAL NOT NULL,
    newest INTEGER NOT NULL"""
_FACE: Final = "face TEXT NOT NULL DEFAULT 'langchain'"
"""The column of the library that asked. A kernel of an earlier version, which has the file open, writes without it."""


def _table(table: str, more: str = "") -> str:
    types = {"execution_count": "INTEGER"}
    places = "".join(f"{name} {types.get(name, 'TEXT')} NOT NULL,\n    " for name in _PLACES[table])
    key = ", ".join([*_PLACES[table], *_LIKE, *(["face"] if more else [])])
    # Columns of the key come first: the check of SQLite 3.40 takes others for NULL where one with a default follows.
    return f"CREATE TABLE {table} (\n    {places}{_KEY}{more}{_SUMS},\n    PRIMARY KEY ({key})\n) WITHOUT ROWID"


def _fill(table: str) -> str:
    key = {**_PLACES[table], **_LIKE}
    chosen = ", ".join(f"{value} AS {name}" for name, value in {**key, **_FIGURES}.items())
    groups = ", ".join(str(place + 1) for place in range(len(key)))
    return f"INSERT INTO {table} SELECT {chosen} FROM lookup GROUP BY {groups}"


def _with_face(table: str) -> tuple[str, ...]:
    """Return the statements that make a table again with the face in its key: its rows are sums, and few."""
    columns = ", ".join([*_PLACES[table], *_LIKE, *_FIGURES])
    return (
        f"ALTER TABLE {table} RENAME TO faceless",
        _table(table, f"{_FACE},\n    "),
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM faceless",
        "DROP TABLE faceless",
    )


SUMS: Final = (*map(_table, _PLACES), *map(_fill, _PLACES))
"""Adds the sums, with those of the lookups that are there."""
FACES: Final = (
    f"ALTER TABLE lookup ADD COLUMN {_FACE}",
    *(statement for table in _PLACES for statement in _with_face(table)),
)
"""Adds the library that asked to lookups and sums: of earlier ones it was LangChain."""
