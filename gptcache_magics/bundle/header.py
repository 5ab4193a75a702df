"""The first line of a bundle, by which one is told from every other file before more of it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson

from gptcache_magics.errors import CommandError, StoreError

__all__ = ["HEADER", "HEADER_BYTES", "check_header", "is_pickle_name", "pickle_refused", "schema_of"]

SCHEMA: Final = 1
HEADER: Final = b'{"gptcache_magics":"bundle","schema":%d}' % SCHEMA
HEADER_BYTES: Final = 1_000


def check_header(line: bytes, path: str | Path) -> None:
    """Raise ``CommandError`` unless a line is a bundle's header, and ``StoreError`` for that of a newer version."""
    if line[:1] == b"\x80":
        raise pickle_refused(path)
    schema = schema_of(line)
    if schema is None:
        raise CommandError(f"{path} is not a bundle. A bundle is made by %gptcache save lesson.jsonl")
    if schema > SCHEMA:
        raise StoreError(
            f"{path} was written by a newer gptcache-magics (bundle schema {schema}, this one reads {SCHEMA}). "
            "Update: %pip install -U gptcache-magics"
        )


def schema_of(line: bytes) -> int | None:
    """Return the schema that a header names; None if the line is not a header."""
    try:
        header = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        return None
    if not isinstance(header, dict) or header.get("gptcache_magics") != "bundle":
        return None
    schema = header.get("schema")
    return schema if type(schema) is int and schema > 0 else None


def is_pickle_name(path: Path) -> bool:
    """Return whether a file is named like a pickle."""
    return path.suffix.lower() in (".pkl", ".pickle")


def pickle_refused(path: str | Path) -> CommandError:
    """Return the error that refuses a pickle."""
    return CommandError(
        f"{path} is a Python pickle and was not opened: loading one can run code. "
        "Ask for a bundle (%gptcache save lesson.jsonl)."
    )
