"""From the store's words to SQL and back: values, and text that SQLite cannot keep as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final, NamedTuple

from gptcache_magics.store.protocol import (
    Configuration,
    Entry,
    EntryRow,
    Lookup,
    LookupRow,
    Near,
    Outcomes,
    Usage,
)
from gptcache_magics.store.reasons import FAILURES, Kind
from gptcache_magics.store.sqlite.damage import LARGEST, checksum, fits
from gptcache_magics.store.sqlite.live import LIVE
from gptcache_magics.store.sums import Facts
from gptcache_magics.text.unicode import readable

__all__ = [
    "ADD_IGNORED",
    "ADD_TAG",
    "CONFIGURATION",
    "ENTRY",
    "FIND",
    "LEARN_CONFIGURATION",
    "LOOKUP",
    "LOOKUP_ENDS",
    "OUTCOMES",
    "PUT_CONFIGURATION",
    "PUT_ENTRY",
    "PUT_LOOKUP",
    "PUT_QUESTION",
    "StoredEntry",
    "configuration_values",
    "entry_values",
    "exact",
    "facts_of",
    "hex_of",
    "id_number",
    "id_of",
    "id_text",
    "lookup_values",
    "moment",
    "objection_values",
    "question_values",
    "sound_entry",
    "sound_row",
    "tag_values",
]

QUESTION_CHARACTERS: Final = 2_000

_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_ENTRY = (
    "id",
    "key",
    "configuration",
    "prompt",
    "question",
    "answer",
    "bytes",
    "created",
    "seconds",
    *_TOKENS,
    "finish_reason",
    "expires",
    "edited",
    "prompt_digest",
    "sample",
    "checksum",
    "shape",
    "ignored",
)
_LOOKUP = (
    *("run", "number_in_run", "at", "outcome", "reason_kind", "reason_detail", "mode", "match", "similarity"),
    *(
        "lookup_seconds",
        "seconds",
        "notebook",
        "cell",
        "cell_line",
        "execution_count",
        "configuration",
        "entry",
        *_TOKENS,
    ),
    *("prompt_digest", "asked", "near", "embedder", "objection_kind", "objection_guard", "objection_detail"),
    "face",
)
_FACTS: Final = [_LOOKUP.index(name) for name in Facts._fields if name != "number"]
_CONFIGURATION = (
    *("key", "provider", "model", "label", "temperature", "parameters", "portable", "environment", "call_parameters"),
)


def _upsert(table: str, columns: tuple[str, ...], conflict: str) -> str:
    kept = {name.strip() for name in conflict.split(",")}
    changes = ", ".join(f"{name}=excluded.{name}" for name in columns if name not in kept)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        f" ON CONFLICT ({conflict}) DO UPDATE SET {changes}"
    )


def hex_of(column: str) -> str:
    """Return SQL for the text of a column of keys; the empty key is empty."""
    return f"lower(hex({column}))"


def moment(column: str) -> str:
    """Return SQL for a column of moments; NULL where a damaged row holds something else."""
    return f"CASE WHEN typeof({column})='real' AND {column} BETWEEN {-LARGEST} AND {LARGEST} THEN {column} END"


def id_of(column: str) -> str:
    """Return SQL for the text of a column of row numbers or digests; NULL where there is none."""
    return f"CASE WHEN {column} IS NOT NULL THEN printf('%016x', {column}) END"


class StoredEntry(NamedTuple):
    """The columns of an entry that a hit needs, as SQLite keeps them."""

    key: bytes
    configuration: bytes
    prompt: str | bytes
    question: str
    answer: bytes
    created: float
    seconds: float | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    expires: float | None
    prompt_digest: int | None
    sample: int
    finish_reason: str
    edited: bool
    checksum: int | None


FIND: Final = f"SELECT {', '.join(StoredEntry._fields)} FROM entry e WHERE e.id=? AND {LIVE}"
_TEXTS: Final = {
    "configuration": f"nullif({hex_of('l.configuration')}, '')",
    "failed": f"l.reason_kind IN ({', '.join(map(repr, sorted(map(str, FAILURES))))})",
    "not_stored": f"l.reason_kind='{Kind.NOT_STORED}'",
    **{name: id_of(f"l.{name}") for name in ("entry", "asked", "prompt_digest")},
    "near_entry": id_of("l.near"),
    "question": "q.question",
    "author": "''",
}
OUTCOMES: Final = ", ".join(
    _TEXTS[each.name] if each.name in ("failed", "not_stored") else f"l.{each.name}" for each in fields(Outcomes)
)
"""Columns to read of ``lookup l``: the fields of ``Outcomes``, with the configuration as a blob."""
LOOKUP: Final = ", ".join(_TEXTS.get(name, f"l.{name}") for name in LookupRow._fields)
"""Columns to read of ``lookup l`` and its ``question q``: the fields of a ``LookupRow``."""
ENTRY: Final = ", ".join(
    {
        **{name: hex_of(f"e.{name}") for name in ("key", "configuration")},
        **{name: f"coalesce({id_of(f'e.{name}')}, '')" for name in ("prompt_digest", "shape")},
    }.get(name, f"e.{name}")
    for name in EntryRow._fields
)
"""Columns to read of ``entry e``: the fields of an ``EntryRow``."""
_PROMPT: Final = EntryRow._fields.index("prompt")
CONFIGURATION: Final = ", ".join(
    hex_of(each.name) if each.name in ("key", "portable") else each.name for each in fields(Configuration)
)
"""Columns to read of ``configuration``: the fields of a ``Configuration``."""
# Without ``generation`` among the changes: the one of a live entry is good. The copy of a team's answer is none now.
PUT_ENTRY: Final = (
    _upsert("entry", _ENTRY, "id")
    .replace(") VALUES (", ", generation) VALUES (", 1)
    .replace(") ON CONFLICT", ", (SELECT number FROM generation)) ON CONFLICT", 1)
) + ", team=NULL, author=''"
PUT_CAUSE: Final = "UPDATE lookup SET reason_kind=?, reason_detail=? WHERE number=? AND reason_kind=?"
PUT_LOOKUP: Final = _upsert("lookup", _LOOKUP, "run, number_in_run")
# A bundle of version 0.1 does not know the call's parameters, and must not make a store forget them.
PUT_CONFIGURATION: Final = _upsert("configuration", _CONFIGURATION, "key").replace(
    "=excluded.call_parameters", "=coalesce(excluded.call_parameters, call_parameters)"
)
# A file may say anything about a configuration that the store knows from a live model.
LEARN_CONFIGURATION: Final = re.sub(
    "DO UPDATE SET .*",
    "DO UPDATE SET call_parameters=coalesce(call_parameters, excluded.call_parameters)",
    PUT_CONFIGURATION,
)
# In two, for SQLite would read every lookup to find both at once.
LOOKUP_ENDS: Final = """SELECT coalesce((SELECT min(number) FROM lookup), 1),
    coalesce((SELECT max(number) FROM lookup), 0)"""
PUT_QUESTION: Final = "INSERT OR IGNORE INTO question VALUES (?,?)"
ADD_TAG: Final = "tags=CASE WHEN instr(tags, ?) THEN tags WHEN tags='' THEN ? ELSE tags || ? END"
"""A change of an entry; its values are ``tag_values``."""
ADD_IGNORED: Final = (
    "ignored=CASE WHEN instr(' ' || ignored, ' ' || ? || ' ') THEN ignored ELSE ignored || ? || ' ' END"
)
"""A change of an entry; its values are a rule and the rule again."""


def entry_values(entry: Entry) -> tuple[Any, ...]:
    """Return the values of ``PUT_ENTRY``."""
    digest, shape = (id_number(each) if each else None for each in (entry.prompt_digest, entry.shape))
    return (
        *(id_number(entry.key), bytes.fromhex(entry.key), bytes.fromhex(entry.configuration), _exact(entry.prompt)),
        *(readable(entry.question), entry.answer, len(entry.answer), entry.created, entry.seconds),
        *(*_tokens(entry.usage), readable(entry.finish_reason)),
        *(entry.expires, entry.edited, digest, entry.sample, checksum(entry), shape, entry.ignored),
    )


def question_values(key: str, question: str) -> tuple[int, str]:
    """Return the values of ``PUT_QUESTION``."""
    return id_number(key), readable(question[:QUESTION_CHARACTERS])


def tag_values(tag: str) -> tuple[str, str, str]:
    """Return the values of ``ADD_TAG``. Tags are words between spaces: `` draft lesson-1 ``."""
    tag = readable(tag)
    return f" {tag} ", f" {tag} ", f"{tag} "


def lookup_values(lookup: Lookup) -> tuple[Any, ...]:
    """Return the values of ``PUT_LOOKUP``."""
    near, reason = lookup.near, lookup.reason
    return (
        *(lookup.run, lookup.number_in_run, lookup.at, lookup.outcome),
        *((reason.kind, readable(reason.detail)) if reason is not None else ("", "")),
        *(lookup.mode, lookup.match, near.similarity if near else None, lookup.lookup_seconds, lookup.seconds),
        *(readable(lookup.notebook), readable(lookup.cell_id), readable(lookup.cell_line), lookup.execution_count),
        bytes.fromhex(lookup.configuration) if lookup.configuration else None,
        *(id_number(lookup.key) if lookup.key else None, *_tokens(lookup.usage)),
        id_number(lookup.prompt_digest) if lookup.prompt_digest else None,
        id_number(lookup.asked) if lookup.asked else None,
        *((id_number(near.key), readable(near.embedder)) if near else (None, "")),
        *objection_values(near),
        readable(lookup.face),
    )


def facts_of(values: Sequence[Any], number: int) -> Facts:
    """Return what figures are made of, from the values of ``PUT_LOOKUP`` and the number of the lookup."""
    return Facts._make((*(values[place] for place in _FACTS), number))


def objection_values(near: Near | None) -> tuple[str, str, str]:
    """Return kind, guard and detail of an objection, empty where there is none."""
    objection = near.objection if near is not None else None
    return (objection.kind, objection.guard, readable(objection.detail)) if objection is not None else ("", "", "")


def configuration_values(configuration: Configuration) -> tuple[Any, ...]:
    """Return the values of ``PUT_CONFIGURATION``."""
    return (
        *(bytes.fromhex(configuration.key), readable(configuration.provider), readable(configuration.model)),
        *(readable(configuration.label), configuration.temperature, readable(configuration.parameters)),
        *(bytes.fromhex(configuration.portable), readable(configuration.environment)),
        configuration.call_parameters and readable(configuration.call_parameters),
    )


def sound_entry(values: Sequence[Any]) -> Entry | None:
    """Return what was read as ``FIND``; None if it is damaged."""
    if not fits(StoredEntry, values):
        return None
    row: StoredEntry = tuple.__new__(StoredEntry, values)
    entry = Entry(
        key=row.key.hex(),
        configuration=row.configuration.hex(),
        prompt=exact(row.prompt),
        question=row.question,
        answer=row.answer,
        created=row.created,
        seconds=row.seconds,
        usage=Usage(row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens),
        prompt_digest=id_text(row.prompt_digest) if row.prompt_digest is not None else "",
        sample=row.sample,
        expires=row.expires,
        finish_reason=row.finish_reason,
        edited=bool(row.edited),
    )
    return entry if row.checksum is None or row.checksum == checksum(entry) else None


def sound_row(values: Sequence[Any]) -> EntryRow | None:
    """Return what was read as ``ENTRY`` with id and checksum; None if it is damaged."""
    *values, id, found = values
    if not isinstance(values[_PROMPT], str):
        if not isinstance(values[_PROMPT], bytes):
            return None
        values[_PROMPT] = exact(values[_PROMPT])
    if not fits(EntryRow, values):
        return None
    row = EntryRow._make(values)
    same = found is None or found == checksum(row)
    return row if same and row.key[:16] == id_text(id) else None


def exact(text: str | bytes) -> str:
    """Return a prompt as it was stored: SQLite keeps one that is not valid Unicode as bytes."""
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # damaged
        return text.decode("utf-8", "replace")


def id_number(key: str) -> int:
    """Return the row number of a key or id: its first 64 bits, signed as SQLite's integers are."""
    return int.from_bytes(bytes.fromhex(key[:16]), "big", signed=True)


def id_text(number: int) -> str:
    """Return the id that has this row number."""
    return number.to_bytes(8, "big", signed=True).hex()


def _exact(text: str) -> str | bytes:
    # A lone surrogate is not valid Unicode: SQLite keeps such a text as bytes.
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _tokens(usage: Usage) -> tuple[int | None, ...]:
    return usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens
