"""Read the file of LangChain's ``SQLiteCache``; it is never written."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gptcache_magics.errors import StoreError
from gptcache_magics.store.sqlite.guarded import guarded, interrupt_heard, is_interrupt
from gptcache_magics.store.sqlite.owner import check_files

__all__ = ["Answered", "answered", "is_sqlite"]

_COLUMNS: Final = ("prompt", "llm", "idx", "response")
_MAGIC: Final = b"SQLite format 3\0"


@dataclass(slots=True)
class Answered:
    """One prompt to one model, with its generations as the file holds them."""

    row: int
    """Number of the first row."""
    prompt: str
    llm_string: str
    responses: list[str] = field(default_factory=list)
    refused: str = ""
    """Reason why the answer cannot be taken; empty if it can."""


def is_sqlite(path: str | Path) -> bool:
    """Return whether a file begins like every SQLite file."""
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def answered(path: str | Path) -> list[Answered]:
    """Read all answers of the file, by prompt and model.

    Raises
    ------
    StoreError
        If the file is not of a ``SQLiteCache``, or cannot be read.
    """
    check_files(Path(path))
    try:
        with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as db:
            return _answered(guarded(db), path)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # of a damaged schema, not even the message can be decoded
        if is_interrupt(error):
            raise interrupt_heard() from error
        raise StoreError(f"{path} cannot be read as LangChain's SQLiteCache: {error}.") from error


def _answered(db: sqlite3.Connection, path: str | Path) -> list[Answered]:
    # A view, a virtual table or a generated column could be any program.
    kinds = {name: hidden for _, name, *_, hidden in db.execute("PRAGMA table_xinfo('full_llm_cache')")}
    made = db.execute("SELECT sql FROM sqlite_master WHERE name='full_llm_cache' AND type='table'").fetchone()
    plain = made is not None and re.match(r"\s*CREATE\s+TABLE\b", str(made[0]), re.IGNORECASE)
    if not plain or [kinds.get(name) for name in _COLUMNS] != [0] * len(_COLUMNS):
        raise StoreError(
            f"{path} has no answers of LangChain's SQLiteCache. To read a store of this package: "
            "%gptcache entries --at FOLDER"
        )
    db.text_factory = bytes
    rows = db.execute("SELECT rowid, prompt, llm, response FROM full_llm_cache ORDER BY prompt, llm, idx")
    found: list[Answered] = []
    for row, *values in rows:
        texts = [_text(value) for value in values]
        prompt, llm_string, response = (text or "" for text in texts)
        if not found or (found[-1].prompt, found[-1].llm_string) != (prompt, llm_string) or None in texts[:2]:
            found.append(Answered(row, prompt, llm_string))
        found[-1].responses.append(response)
        if None in texts:
            found[-1].refused = "not text"
    return found


def _text(value: object) -> str | None:
    try:
        return value.decode() if isinstance(value, bytes) else None
    except UnicodeDecodeError:
        return None
