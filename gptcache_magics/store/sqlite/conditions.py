"""From selections and periods to conditions in SQL."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Period, Selection
from gptcache_magics.store.sqlite.live import LIVE
from gptcache_magics.store.sqlite.statements import id_number
from gptcache_magics.text.messages import chat_messages, content_text
from gptcache_magics.text.unicode import readable

__all__ = ["allow_grep", "id_range", "searches", "where_entries", "where_lookups"]


def where_entries(selection: Selection) -> tuple[str, tuple[Any, ...]]:
    """Return a condition on ``entry e``, which only live entries meet."""
    conditions = [LIVE]
    values: list[Any] = []
    if selection.ids is not None:
        condition, ids = _where_ids(selection.ids)
        conditions.append(condition)
        values += ids
    if selection.configurations is not None:
        conditions.append(f"e.configuration IN ({', '.join('?' * len(selection.configurations))})")
        values += map(bytes.fromhex, selection.configurations)
    for condition, value in (
        ("instr(e.tags, ' ' || ? || ' ')", selection.tag),
        ("e.pinned=?", selection.pinned),
        ("e.created<?", selection.older_than),
        ("max(e.created, coalesce(e.accessed, 0))<?", selection.unused_since),
        ("e.expires<=?", selection.expired_at),
        ("e.prompt_digest=?", id_number(selection.prompt_digest) if selection.prompt_digest else None),
        ("e.shape=?", id_number(selection.shape) if selection.shape else None),
        ("(grep(?, e.question) OR grep(?, e.prompt))", selection.grep),
    ):
        if value is not None:
            conditions.append(condition)
            values += [value] * condition.count("?")
    return " AND ".join(conditions), tuple(map(_bindable, values))


def where_lookups(period: Period) -> tuple[str, tuple[Any, ...]]:
    """Return a condition on ``lookup l``."""
    given = [
        ("l.run=?", period.run),
        ("l.at>=?", period.after),
        ("l.number=?", period.number),
        ("l.number<?", period.below),
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


def allow_grep(db: sqlite3.Connection, selection: Selection) -> None:
    """Add the function to a connection that ``where_entries`` uses for ``selection.grep``."""
    if selection.grep is not None:
        fits = searches(selection.grep)
        db.create_function("grep", 2, lambda _, text: fits(text))


def searches(grep: str) -> Callable[[str | bytes], bool]:
    """Return a function that tells whether a question or a prompt matches. Raises ``CommandError`` for no pattern."""
    try:
        search = re.compile(grep, re.IGNORECASE).search
    except re.error as error:
        raise CommandError(f"--grep takes a regular expression. Got {grep!r}: {error}.") from error
    return lambda text: search(_searched(text)) is not None


def _searched(prompt: str | bytes) -> str:
    """Return what a search looks through: of a chat the texts of its messages, not the JSON around them."""
    if isinstance(prompt, bytes):
        prompt = prompt.decode("utf-8", "surrogatepass")
    messages = chat_messages(prompt)
    if messages is None:
        return prompt
    try:
        return "\n".join(content_text(message["kwargs"].get("content"), names=False) for message in messages)
    except (AttributeError, TypeError):
        return prompt


def _where_ids(beginnings: Sequence[str]) -> tuple[str, list[Any]]:
    """Return a condition on the beginnings of ids. Whole ids are one value: SQLite refuses thousands of conditions."""
    ranges = [id_range(beginning) for beginning in beginnings]
    whole = json.dumps([first for first, last in ranges if first == last])
    parts = [bound for first, last in ranges if first != last for bound in (first, last)]
    between = " OR e.id BETWEEN ? AND ?" * (len(parts) // 2)
    return f"(e.id IN (SELECT value FROM json_each(?)){between})", [whole, *parts]


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
