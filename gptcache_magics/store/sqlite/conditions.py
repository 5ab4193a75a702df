"""From selections and periods to conditions in SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Period, Selection
from gptcache_magics.store.search import Search
from gptcache_magics.store.sqlite.live import LIVE
from gptcache_magics.store.sqlite.statements import id_number, moment
from gptcache_magics.text.messages import CHAT_PROMPT
from gptcache_magics.text.unicode import readable

__all__ = ["chosen", "id_range", "in_order", "names_few", "where_entries", "where_lookups"]

_LIKE: Final = ("e.question LIKE ?", "e.prompt LIKE ?")
_UNLIKE: Final = f"""typeof(e.prompt)='blob'
    OR (e.prompt NOT BETWEEN '{CHAT_PROMPT}' AND '{CHAT_PROMPT}~' AND instr(e.prompt, char(0)))"""
"""``LIKE`` reads a text up to the character NUL, which JSON does not hold. A chat goes on with a colon."""
_ANSWER: Final = """CAST(CASE substr(e.answer, 1, 1) WHEN ? THEN substr(e.answer, instr(e.answer, x'00') + 1)
    ELSE e.answer END AS TEXT) LIKE ?"""
"""``LIKE`` is several times as fast as ``instr``, which looks for the NUL in few answers."""
_NAMED: Final = """SELECT named.id FROM json_each(?) CROSS JOIN entry named
    WHERE named.id BETWEEN json_extract(value, '$[0]') AND json_extract(value, '$[1]')"""
EARLIER: Final = 200_000
"""Most lookups before another one that are looked through for the same question, in 0.05 s."""
_RECENT: Final = "SELECT created FROM entry ORDER BY created DESC LIMIT 1 OFFSET ?"
WINDOWS: Final = (2_000, 20_000)
"""Numbers of the newest entries with which a search for a few begins, and mostly ends."""


def names_few(selection: Selection) -> bool:
    """Return whether an index finds the few entries that a selection can hold."""
    return any(each is not None for each in (selection.ids, selection.prompt_digest, selection.shape))


def in_order(selection: Selection) -> bool:
    """Return whether an index lists the entries of a selection by their age, and holds all that it asks of them."""
    asked = (selection.tag, selection.pinned, selection.unused_since, selection.expired_at)
    return all(each is None for each in asked)


def where_entries(selection: Selection) -> tuple[str, tuple[Any, ...]]:
    """Return a condition on ``entry e``, which only live entries meet.

    It leaves ``grep`` out: see ``chosen``.
    """
    conditions = [LIVE]
    values: list[Any] = []
    if selection.ids is not None:
        condition, ids = _where_ids(selection.ids)
        conditions.append(condition)
        values += ids
    if selection.configurations is not None:
        # Where few entries are named, SQLite would go through all of a configuration rather than look at those.
        configuration = "+e.configuration" if names_few(selection) else "e.configuration"
        conditions.append(f"{configuration} IN ({', '.join('?' * len(selection.configurations))})")
        values += map(bytes.fromhex, selection.configurations)
    for condition, value in (
        ("instr(e.tags, ' ' || ? || ' ')", selection.tag),
        ("e.pinned=?", selection.pinned),
        ("e.created<?", selection.older_than),
        ("max(e.created, coalesce(e.accessed, 0))<?", selection.unused_since),
        ("e.expires<=?", selection.expired_at),
        ("e.prompt_digest=?", id_number(selection.prompt_digest) if selection.prompt_digest else None),
        ("e.shape=?", id_number(selection.shape) if selection.shape else None),
    ):
        if value is not None:
            conditions.append(condition)
            values += [value] * condition.count("?")
    return " AND ".join(conditions), tuple(map(_bindable, values))


def chosen(db: sqlite3.Connection, selection: Selection, limit: int | None = None) -> tuple[str, tuple[Any, ...]]:
    """Return a condition on ``entry e`` that the entries of a selection meet, and of a search the newest ``limit``."""
    where, values = where_entries(selection)
    if selection.grep is None:
        return where, values
    search = Search(selection)
    if search.grep.likes:
        # First, for it holds for few entries.
        likely, likes = _likely(search)
        where, values = f"({likely}) AND {where}", (*likes, *values)
    for window in WINDOWS if limit is not None else ():
        ids = _found(db, search, f"{where} AND e.created >= ({_RECENT})", (*values, window), limit)
        if len(ids) == limit:
            break
    else:
        ids = _found(db, search, where, values, limit)
    return "e.id IN (SELECT value FROM json_each(?))", (json.dumps(ids),)


def _likely(search: Search) -> tuple[str, list[str | bytes]]:
    """Return a condition on ``entry e`` that holds wherever the search finds something, and its values."""
    conditions, values = list[str](), list[str | bytes]()
    if search.questions:
        conditions += [*_LIKE * len(search.grep.likes), _UNLIKE]
        values += [like for like in search.grep.likes for _ in _LIKE]
    if search.answers is not None:
        likes = [*search.grep.likes, *search.answers.in_pieces]
        conditions += [_ANSWER] * len(likes)
        values += [each for like in likes for each in (search.answers.headed, like)]
    return " OR ".join(conditions), values


def _found(db: sqlite3.Connection, search: Search, where: str, values: Sequence[Any], limit: int | None) -> list[int]:
    """Return the ids of the entries in which a search finds something, newest first."""
    answer = "e.answer" if search.answers is not None else "x''"
    sql = f"SELECT {moment('e.created')}, e.id, e.question, e.prompt, {answer} FROM entry e WHERE {where}"
    found = sorted(_matching(search, db.execute(sql, values)), reverse=True)
    return [id for _, id in found[:limit]]


def _matching(search: Search, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[float, int]]:
    # In Python and not as a function of SQLite's, which would turn an interrupt into an error of its own.
    for created, id, question, prompt, answer in rows:
        sound = isinstance(question, str) and isinstance(prompt, str | bytes) and isinstance(answer, bytes)
        if sound and search.finds(question, prompt, answer):
            yield created or 0.0, id


def where_lookups(period: Period) -> tuple[str, tuple[Any, ...]]:
    """Return a condition on ``lookup l``."""
    first = period.below - EARLIER if period.asked is not None and period.below is not None else None
    given = [
        ("l.run=?", period.run),
        ("l.at>=?", period.after),
        ("l.number=?", period.number),
        ("l.number<?", period.below),
        ("l.number>=?", first),
        ("l.entry=?", id_number(period.key) if period.key is not None else None),
        ("coalesce(l.asked, l.entry)=?", id_number(period.asked) if period.asked is not None else None),
        ("coalesce(l.asked, l.entry) IN (SELECT id FROM question WHERE question=?)", period.question),
        ("l.near IS NOT NULL AND ?", period.near or None),
    ]
    conditions = [condition for condition, value in given if value is not None]
    return " AND ".join(conditions) or "1", tuple(_bindable(value) for _, value in given if value is not None)


def _bindable(value: object) -> object:
    """Return a value as it is stored: SQLite refuses text that is not valid Unicode."""
    return readable(value) if isinstance(value, str) else value


def _where_ids(beginnings: Sequence[str]) -> tuple[str, list[Any]]:
    """Return a condition on the beginnings of ids. They are one value: SQLite refuses thousands of conditions."""
    ranges = [id_range(beginning) for beginning in beginnings]
    whole = json.dumps([first for first, last in ranges if first == last])
    if parts := [each for each in ranges if each[0] != each[1]]:
        return f"e.id IN (SELECT value FROM json_each(?) UNION ALL {_NAMED})", [whole, json.dumps(parts)]
    return "e.id IN (SELECT value FROM json_each(?))", [whole]


def id_range(beginning: str) -> tuple[int, int]:
    """Return the first and the last row number of the ids that begin like this."""
    try:
        first, last = (bytes.fromhex(beginning.ljust(16, digit)).hex() for digit in "0f")
    except ValueError:
        raise CommandError(
            f"'{beginning}' is not the id of an entry: ids are hexadecimal, as in %gptcache show a41f. "
            "All: %gptcache entries"
        ) from None
    return id_number(first), id_number(last)
