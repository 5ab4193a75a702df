"""Hide the credentials that an earlier version stored: parameters of configurations, lines of cells, error messages."""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache
from typing import Any, Final

import orjson

from gptcache_magics.store.sqlite.guarded import is_interrupt
from gptcache_magics.text.code_line import shown_line
from gptcache_magics.text.masking import HIDDEN, scrubbed, shown, without_secrets
from gptcache_magics.text.secret_names import is_doubtful

__all__ = ["HIDE", "allow_hiding", "forget"]

HIDE: Final = (
    "UPDATE configuration SET label=hidden_label(label), parameters=hidden_parameters(parameters),"
    " call_parameters=hidden_parameters(call_parameters)",
    "UPDATE lookup SET cell_line=hidden_line(cell_line), reason_detail=hidden_text(reason_detail)"
    " WHERE cell_line<>hidden_line(cell_line) OR reason_detail<>hidden_text(reason_detail)",
)
REMEMBERED: Final = 20_000
VACUUMED_BYTES: Final = 50_000_000
_CLASS: Final = re.compile(r"[A-Za-z_][\w.<>]*")


def allow_hiding(db: sqlite3.Connection) -> None:
    """Give a connection the functions of ``HIDE``, and let it overwrite what they replace.

    A cell that ran a thousand times has one first line, so each text is looked at once.
    """
    db.execute("PRAGMA secure_delete=ON")
    functions = {"label": _label, "parameters": _parameters, "line": shown_line, "text": scrubbed}
    for name, function in functions.items():
        remembered = lru_cache(REMEMBERED)(function)
        db.create_function(f"hidden_{name}", 1, remembered, deterministic=True)


def forget(db: sqlite3.Connection) -> None:
    """Take hidden values out of the journal and, of a small file, out of pages that were free before.

    Another kernel that uses the file prevents it. A large file would take half a minute, in a model call perhaps.
    """
    try:
        pages, size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        if pages * size <= VACUUMED_BYTES:
            db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        if is_interrupt(error):
            raise


def _parameters(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        parameters = orjson.loads(text)
    except ValueError:
        return "{}"
    return orjson.dumps(shown(without_secrets(_with_objects(parameters))), option=orjson.OPT_SORT_KEYS).decode()


def _with_objects(value: Any) -> Any:
    """Mark what 0.1 stored of objects, ``[class, repr, attributes]``, and functions, ``[module, name, code, kept]``."""
    if isinstance(value, dict):
        return {name: _with_objects(item) for name, item in value.items()}
    if isinstance(value, list):
        named = len(value) in (3, 4) and all(isinstance(each, str) for each in value[:2]) and _CLASS.fullmatch(value[0])
        if named and isinstance(value[2], dict | list):
            return {HIDDEN: value[0] if len(value) == 3 else f"{value[0]}.{value[1]}"}
        return [_with_objects(item) for item in value]
    return value


def _label(label: str) -> str:
    return " · ".join(map(_part, label.split(" · ")))


def _part(part: str) -> str:
    name, space, _ = part.partition(" ")
    return f"{name} {HIDDEN}" if space and is_doubtful(name) else scrubbed(part)
