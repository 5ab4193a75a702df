"""The sums of a team's lookups, which the server adds up: a log of millions gives some hundred rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from gptcache_magics.store.postgres.conditions import where_lookups
from gptcache_magics.store.postgres.line import Line
from gptcache_magics.store.protocol import Period
from gptcache_magics.store.sqlite.damage import LARGEST, Damage
from gptcache_magics.store.sums import FIGURES, LARGE_TOKENS, SIZE_TOKENS, Sum, day_of

__all__ = ["read_sums", "read_sums_of_authors"]

_SECONDS: Final = "round(coalesce(l.seconds, 0) * 1e9)::int8"
_VALUES: Final = {
    "run": "''::text",
    "day": "0",
    "notebook": "''::text",
    "cell_line": "''::text",
    "execution_count": "NULL::int8",
    "configuration": "l.configuration",
    "outcome": "l.outcome",
    "reason_kind": "l.reason_kind",
    "match": "l.match",
    "known": "(l.input_tokens IS NOT NULL)::int + 2 * (l.output_tokens IS NOT NULL)::int"
    " + CASE WHEN l.seconds IS NULL THEN 0 WHEN l.seconds = 0 THEN 4 ELSE 12 END",
    "size": f"CASE WHEN l.input_tokens >= {LARGE_TOKENS} THEN (l.input_tokens - 1) / {SIZE_TOKENS} ELSE 0 END",
    "face": "l.face",
    "lookups": "count(*)",
    "nanoseconds": f"sum({_SECONDS})::int8",
    **{name: f"coalesce(sum(l.{name}_tokens), 0)::int8" for name in FIGURES[2:]},
    "first": "min(l.at)",
    "last": "max(l.at)",
    "newest": "max(l.number)",
}
"""The values of a sum as SQL over ``lookup l``, as ``sum_of`` makes them. No figure needs the run of each."""
_KEYS: Final = Sum._fields[: Sum._fields.index("lookups")]
_DAY: Final = "width_bucket(l.at, %s::float8[])"
_CELL: Final = {name: f"l.{name}" for name in ("notebook", "cell_line", "execution_count")}
_ENDS: Final = "SELECT min(l.at), max(l.at) FROM gptcache.lookup l WHERE {}"


def read_sums(line: Line, damage: Damage, space: str, period: Period, *, cells: bool) -> list[Sum]:
    """Return the sums of a period by cell or by day, newest first."""
    where, values = where_lookups(space, Period(run=period.run, after=period.after))
    if cells:
        rows = line.execute(_sql(_CELL, where), values, binary=True).fetchall()
        return damage.sound(Sum, [_named(row, [""]) for row in rows], "lookup")
    ends = line.one(_ENDS.format(where), *values)
    if not all(isinstance(end, float) and 0 <= end <= LARGEST for end in ends):
        return []
    midnights, days = _days(*ends)
    rows = line.execute(_sql({"day": _DAY}, where), [midnights, *values], binary=True).fetchall()
    return damage.sound(Sum, [_named(row, days) for row in rows], "lookup")


def read_sums_of_authors(line: Line, damage: Damage, space: str, period: Period) -> list[tuple[str, Sum]]:
    """Return the sums of a period by the member who asked, newest first."""
    where, values = where_lookups(space, Period(run=period.run, after=period.after))
    rows = line.execute(_sql({}, where, "l.author"), values, binary=True).fetchall()
    return [
        (author, sum)
        for *row, author in rows
        for sum in damage.sound(Sum, [_named(row, [""])], "lookup")
        if isinstance(author, str)
    ]


def _sql(places: dict[str, str], where: str, more: str = "") -> str:
    values = {**_VALUES, **places}
    columns = ", ".join([*(f"{values[name]} AS {name}" for name in Sum._fields), *([more] if more else [])])
    groups = ", ".join([*(str(number) for number, _ in enumerate(_KEYS, 1)), *([more] if more else [])])
    return f"SELECT {columns} FROM gptcache.lookup l WHERE {where} GROUP BY {groups} ORDER BY newest DESC"


def _named(row: Any, days: list[str]) -> tuple[Any, ...]:
    """Return the fields of a sum from its row, in which the day is a place among ``days``."""
    run, day, *places, configuration, outcome, kind, match = row[:9]
    key = configuration.hex() if isinstance(configuration, bytes) else None
    return (run, days[day], *places, key, outcome, kind, match, *row[9:])


def _days(first: float, last: float) -> tuple[list[float], list[str]]:
    """Return the midnights between two moments by the local clock, and the day before, between and after them.

    A day of 23 or 25 hours is one, too.
    """
    noon = datetime.fromtimestamp(first).replace(hour=12, minute=0, second=0, microsecond=0)
    days, midnights = [day_of(first)], list[float]()
    while days[-1] != day_of(last):
        noon += timedelta(days=1)
        days.append(noon.strftime("%Y-%m-%d"))
        midnights.append(noon.replace(hour=0).timestamp())
    return midnights, days
