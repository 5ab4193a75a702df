"""Write to a team's store in one transaction. It need not be on disk when it ends: the local file has what it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg

from gptcache_magics.store.postgres.connections import PATIENT_SECONDS, Connections
from gptcache_magics.store.postgres.line import Line

__all__ = ["keep", "write"]

T = TypeVar("T")


def write(connections: Connections, work: Callable[[Line], T], *, command: bool = False) -> T:
    """Return what ``work`` returns, in one transaction. ``command`` tells whether somebody waits for it."""

    def transaction(line: Line) -> T:
        with line.transaction():
            line.execute("SET LOCAL synchronous_commit = off")
            return work(line)

    return connections.ask(transaction, PATIENT_SECONDS, command=command)


def keep(line: Line, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows in a transaction. One that the database refuses for its values is left out: it never will be taken."""
    if not rows:
        return
    try:
        with line.transaction():
            line.cursor().executemany(sql, rows)
    except (psycopg.DataError, psycopg.IntegrityError):
        if len(rows) > 1:
            for row in rows:
                keep(line, sql, [row])
