"""From selections and periods to conditions in PostgreSQL's SQL, and their values."""

from __future__ import annotations

from typing import Any

from gptcache_magics.store.postgres.statements import plain
from gptcache_magics.store.protocol import Period, Selection
from gptcache_magics.store.sqlite.conditions import id_range
from gptcache_magics.store.sqlite.statements import id_number

__all__ = ["where_entries", "where_lookups"]


def where_entries(space: str, selection: Selection) -> tuple[str, list[Any]]:
    """Return a condition on ``entry e``. It leaves ``grep`` out: prompts are compressed, so that the reader searches.

    Pins are of each member's own file: the team knows none.
    """
    ids, parts, bounds = _where_ids(selection.ids or ())
    configurations = selection.configurations
    given: list[tuple[str, Any]] = [
        ("e.space = %s", space),
        ("strpos(e.tags, %s) > 0", f" {plain(selection.tag)} " if selection.tag is not None else None),
        ("NOT %s::bool", selection.pinned),
        ("e.created < %s", selection.older_than),
        ("greatest(e.created, e.accessed) < %s", selection.unused_since),
        ("e.expires <= %s", selection.expired_at),
        ("e.prompt_digest = %s", id_number(selection.prompt_digest) if selection.prompt_digest else None),
        ("e.shape = %s", id_number(selection.shape) if selection.shape else None),
        (
            "e.configuration = ANY(%s::bytea[])",
            [*map(bytes.fromhex, configurations)] if configurations is not None else None,
        ),
    ]
    conditions = [condition for condition, value in given if value is not None]
    values = [value for _, value in given if value is not None]
    if selection.ids is not None:
        conditions.append(f"(e.id = ANY(%s::int8[]){parts})")
        values += [ids, *bounds]
    return " AND ".join(conditions), values


def where_lookups(space: str, period: Period) -> tuple[str, list[Any]]:
    """Return a condition on ``lookup l``."""
    asked = id_number(period.asked) if period.asked is not None else None
    of_question = "SELECT q.id FROM gptcache.question q WHERE q.space = %s AND q.question = %s"
    given: list[tuple[str, list[Any]]] = [
        ("l.space = %s", [space]),
        ("l.run = %s", [plain(period.run) if period.run is not None else None]),
        ("l.at >= %s", [period.after]),
        ("l.number = %s", [period.number]),
        ("l.number < %s", [period.below]),
        ("l.entry = %s", [id_number(period.key) if period.key is not None else None]),
        ("(l.asked = %s OR (l.asked IS NULL AND l.entry = %s))", [asked, asked]),
        (
            f"coalesce(l.asked, l.entry) IN ({of_question})",
            [space, plain(period.question) if period.question is not None else None],
        ),
        ("l.near IS NOT NULL AND %s", [period.near or None]),
    ]
    kept = [(condition, values) for condition, values in given if values[-1] is not None]
    return " AND ".join(condition for condition, _ in kept), [value for _, values in kept for value in values]


def _where_ids(beginnings: Any) -> tuple[list[int], str, list[int]]:
    """Return the numbers of whole ids, and a condition on the beginnings of others with its values."""
    ranges = [id_range(beginning) for beginning in beginnings]
    bounds = [bound for first, last in ranges if first != last for bound in (first, last)]
    whole = [first for first, last in ranges if first == last]
    return whole, " OR e.id BETWEEN %s AND %s" * (len(bounds) // 2), bounds
