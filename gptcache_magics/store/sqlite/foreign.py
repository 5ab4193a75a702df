"""Know the schema of a file for ours, so that the SQL of a hostile file never runs.

A trigger, a view, a generated column, a CHECK or an index on an expression is a program in the file: SQLite runs it
when the tables are used, as long as it likes. What is not word for word in our own schema is foreign.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from gptcache_magics.errors import StoreError
from gptcache_magics.text.word_diff import shown

__all__ = ["ForeignSchemaError", "SchemaRow", "foreign_names", "is_same_schema", "schema_of"]

_TOKEN: Final = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|\s+"""  # a comment or a space
    r"""|(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])"""
    r"""|(?P<token>'(?:[^']|'')*'|\w+|.)""",
    re.DOTALL,
)
_AFFINITIES: Final = frozenset({"blob", "flexnum", "int", "num", "numeric", "real", "text"})
"""Types that decide how a value is stored, of which versions of SQLite write others for ``CREATE TABLE … AS``."""
_STATISTICS: Final = re.compile(r"sqlite_stat[1-4]")
"""Tables of ``ANALYZE``, which a user may run."""


class ForeignSchemaError(StoreError):
    """The file says that it is ours, and its schema is another one.

    Parameters
    ----------
    names
        Names of tables, triggers and views that are not ours. Without any, one of ours is missing or is another one,
        as in a damaged file.
    """

    def __init__(self, where: str, names: Collection[str]) -> None:
        self.names = names
        some = ", ".join(shown(name, 40) for name in sorted(names)[:3])
        super().__init__(
            f"{where} has tables, triggers or views that are not of gptcache-magics: {some}"
            if names
            else f"{where} has damaged tables, or not those of gptcache-magics"
        )


class SchemaRow(NamedTuple):
    """One row of ``sqlite_master``."""

    page: object
    type: str
    name: str
    table: str
    sql: str
    """Empty for an index that SQLite makes by itself."""


def schema_of(db: sqlite3.Connection) -> list[SchemaRow]:
    """Return the schema of a database. SQLite parses it, and runs nothing of it."""
    texts = ", ".join(f"CAST({name} AS BLOB)" for name in ("type", "name", "tbl_name", "sql"))  # may not be UTF-8
    found = db.execute(f"SELECT rootpage, {texts} FROM sqlite_master").fetchall()
    return [SchemaRow(page, *((text or b"").decode("utf-8", "replace") for text in row)) for page, *row in found]


def foreign_names(found: Sequence[SchemaRow], own: Sequence[SchemaRow]) -> set[str]:
    """Return the names of tables, indices, triggers and views that are not of our schema."""
    ours = {(row.type, row.name) for row in own}
    return {row.name for row in found if (row.type, row.name) not in ours and not _is_statistics(row)}


def is_same_schema(found: Sequence[SchemaRow], own: Sequence[SchemaRow]) -> bool:
    """Return whether a schema is our own, whatever its spaces, comments, quotes and letters."""
    rows = [row for row in found if not _is_statistics(row)]
    # Two tables in one place would change each other, or the schema itself, which is on page 1.
    pages = [row.page for row in rows if row.page]
    sound = all(isinstance(page, int) and page > 1 for page in pages) and len(pages) == len({*pages})
    if not sound:
        return False
    other, missing = Counter(map(_words, rows)), Counter(map(_words, own))
    both = other & missing  # nearly always all: reading words costs more
    return _essences(other - both) == _essences(missing - both)


def _is_statistics(row: SchemaRow) -> bool:
    known = {f"CREATE TABLE {row.name}({columns})" for columns in ("tbl,idx,stat", "tbl,idx,neq,nlt,ndlt,sample")}
    named = bool(_STATISTICS.fullmatch(row.name)) and row.table == row.name
    return row.type == "table" and named and row.sql in known


def _words(row: SchemaRow) -> tuple[str, str, str, bool, str]:
    return row.type, row.name, row.table, bool(row.page), row.sql


def _essences(rows: Counter[tuple[str, str, str, bool, str]]) -> Counter[tuple[object, ...]]:
    return Counter((*row, *_tokens(sql)) for *row, sql in rows.elements())


def _tokens(sql: str) -> Iterator[str]:
    """Yield the words and signs of a statement, names without their quotes."""
    for match in _TOKEN.finditer(sql):
        quoted, token = match["quoted"], match["token"]
        if quoted:
            yield quoted[1:-1].lower()
        elif token and token.lower() not in _AFFINITIES:
            yield token if token.startswith("'") else token.lower()
