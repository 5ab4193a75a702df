"""From the store's words to PostgreSQL's rows and back. Rows are checked when they are read: anybody may write them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from gptcache_magics.store.postgres.schema import LARGEST, LARGEST_BYTES
from gptcache_magics.store.protocol import Configuration, Entry, LabelRow, LookupRow, Usage
from gptcache_magics.store.sqlite.damage import fits
from gptcache_magics.store.sqlite.statements import id_number, id_text
from gptcache_magics.text.unicode import readable

__all__ = [
    "FIND",
    "FOUND",
    "PUT_CONFIGURATION",
    "PUT_ENTRY",
    "PUT_LABEL",
    "PUT_LOOKUP",
    "PUT_QUESTION",
    "QUESTION_CHARACTERS",
    "SHORT",
    "StoredEntry",
    "bounded",
    "configuration_values",
    "digest",
    "entry_values",
    "is_shared",
    "label_values",
    "lookup_values",
    "plain",
    "sound_entry",
    "text_of",
    "unpacked",
]

QUESTION_CHARACTERS: Final = 2_000
LONG: Final = 10_000
SHORT: Final = 1_000
_TOKENS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_NUL: Final = str.maketrans({"\0": "␀"})


class StoredEntry(NamedTuple):
    """The columns of an entry, as PostgreSQL keeps them."""

    key: bytes
    configuration: bytes
    prompt: bytes
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
    edited: int
    tags: str
    shape: int | None
    ignored: str
    digest: int
    author: str


def _columns(of: str) -> str:
    return ", ".join(f"{of}.edited::int" if name == "edited" else f"{of}.{name}" for name in StoredEntry._fields)


FOUND: Final = _columns("e")
"""Columns to read of ``entry e``."""
_NEWEST: Final = "coalesce((SELECT s.newest FROM gptcache.space s WHERE s.space = %s), 0)"
FIND: Final = (
    f"SELECT n.newest, {FOUND} FROM (SELECT {_NEWEST} AS newest) n"
    " LEFT JOIN gptcache.entry e ON e.space = %s AND e.id = %s"
)
"""The values are the space, the space, and the number of the id."""

_ENTRY: Final = (
    *("space", "id", "key", "configuration", "prompt", "question", "answer", "bytes", "created", "seconds"),
    *_TOKENS,
    *("finish_reason", "expires", "edited", "prompt_digest", "sample", "digest", "shape", "ignored", "tags", "origin"),
)
_LOOKUP: Final = (
    *("space", "run", "number_in_run", "at", "outcome", "reason_kind", "reason_detail", "mode", "match"),
    *("configuration", "entry", "asked", "near", "similarity", "embedder"),
    *("objection_kind", "objection_guard", "objection_detail", "prompt_digest", "lookup_seconds", "seconds"),
    *(*_TOKENS, "notebook", "cell", "cell_line", "execution_count", "face"),
)
_CONFIGURATION: Final = (
    *("space", "key", "provider", "model", "label", "temperature", "parameters", "portable", "environment"),
    "call_parameters",
)
_LABEL: Final = (
    *("space", "asked", "entry", "verdict", "similarity", "objection_kind", "objection_guard", "objection_detail"),
    *("embedder", "at"),
)


def _insert(table: str, columns: Sequence[str]) -> str:
    return (
        f"INSERT INTO gptcache.{table} AS t ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
        " ON CONFLICT "
    )


def _changes(columns: Sequence[str], key: Sequence[str]) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"({', '.join(key)}) DO UPDATE SET {changes}"


# The server notes what was replaced, and by whom. A row that was found damaged is replaced by any other, and one of the
# same kernel by what that stored later, whatever its clock says.
PUT_ENTRY: Final = (
    _insert("entry", _ENTRY)
    + _changes(_ENTRY, ("space", "id"))
    + " WHERE %s OR ((excluded.created > t.created OR excluded.origin = t.origin)"
    " AND (excluded.digest <> t.digest OR excluded.expires IS DISTINCT FROM t.expires))"
)
PUT_CONFIGURATION: Final = (
    _insert("configuration", _CONFIGURATION) + "(space, key) DO UPDATE SET call_parameters = excluded.call_parameters"
    " WHERE t.call_parameters IS NULL AND excluded.call_parameters IS NOT NULL"
)
PUT_QUESTION: Final = _insert("question", ("space", "id", "question")) + "DO NOTHING"
PUT_LOOKUP: Final = _insert("lookup", _LOOKUP) + _changes(_LOOKUP, ("space", "run", "number_in_run", "at"))
PUT_LABEL: Final = (
    _insert("label", _LABEL) + _changes(_LABEL, ("space", "asked", "entry")) + " WHERE excluded.at >= t.at"
)


# To the server


def is_shared(entry: Entry) -> bool:
    """Return whether an entry is small enough for a team."""
    # A character takes up to four bytes; most texts are far from the bound.
    texts = (len(_exact(text)) for text in (entry.prompt, entry.question))
    return len(entry.answer) <= LARGEST_BYTES and max(texts) <= LARGEST_BYTES


def entry_values(space: str, entry: Entry, origin: str, *, damaged: bool = False) -> tuple[Any, ...]:
    """Return the values of ``PUT_ENTRY``."""
    usage = entry.usage
    return (
        *(space, id_number(entry.key), bytes.fromhex(entry.key), bytes.fromhex(entry.configuration)),
        *(zlib.compress(_exact(entry.prompt)), plain(entry.question, LARGEST_BYTES), zlib.compress(entry.answer)),
        *(len(entry.answer), entry.created, bounded(entry.seconds)),
        *map(bounded, (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)),
        *(plain(entry.finish_reason), bounded(entry.expires), bool(entry.edited), _number(entry.prompt_digest)),
        *(entry.sample, digest(entry.answer), _number(entry.shape), plain(entry.ignored), plain(entry.tags)),
        *(plain(origin, SHORT), damaged),
    )


def question_values(space: str, id: str, question: str) -> tuple[str, int, str]:
    """Return the values of ``PUT_QUESTION``."""
    return space, id_number(id), plain(question[:QUESTION_CHARACTERS], 8_000)


def configuration_values(space: str, each: Configuration) -> tuple[Any, ...]:
    """Return the values of ``PUT_CONFIGURATION``."""
    texts = (plain(each.provider), plain(each.model), plain(each.label))
    call = each.call_parameters
    return (
        *(space, bytes.fromhex(each.key), *texts, each.temperature, plain(each.parameters, LARGEST_BYTES)),
        *(bytes.fromhex(each.portable), plain(each.environment)),
        None if call is None else plain(call, LARGEST_BYTES),
    )


def lookup_values(space: str, row: LookupRow) -> tuple[Any, ...]:
    """Return the values of ``PUT_LOOKUP``."""
    return (
        *(space, plain(row.run, SHORT), row.number_in_run, row.at, row.outcome, plain(row.reason_kind, SHORT)),
        *(plain(row.reason_detail), plain(row.mode, SHORT), row.match),
        bytes.fromhex(row.configuration) if row.configuration else None,
        *(_number(row.entry), _number(row.asked), _number(row.near_entry), row.similarity, plain(row.embedder, SHORT)),
        *(plain(row.objection_kind, SHORT), plain(row.objection_guard, SHORT), plain(row.objection_detail)),
        *(_number(row.prompt_digest), bounded(row.lookup_seconds), bounded(row.seconds)),
        *map(bounded, (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens)),
        *(plain(row.notebook), plain(row.cell), plain(row.cell_line), bounded(row.execution_count)),
        plain(row.face, SHORT),
    )


def label_values(space: str, row: LabelRow) -> tuple[Any, ...]:
    """Return the values of ``PUT_LABEL``."""
    return (
        *(space, id_number(row.asked), id_number(row.entry), bool(row.right), row.similarity),
        *(plain(row.objection_kind), plain(row.objection_guard), plain(row.objection_detail)),
        *(plain(row.embedder), row.at),
    )


def plain(text: str, size: int = LONG) -> str:
    """Return text that PostgreSQL can keep, within that many bytes: valid Unicode without the character NUL."""
    text = readable(text).translate(_NUL)
    if len(text) * 4 <= size or len(data := text.encode()) <= size:
        return text
    return data[:size].decode(errors="ignore")


def digest(answer: bytes) -> int:
    """Return blake2b-64 of an answer: whether two are equal does not depend on how they were compressed."""
    return int.from_bytes(blake2b(answer, digest_size=8).digest(), "big", signed=True)


def _exact(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _number(id: str | None) -> int | None:
    return id_number(id) if id else None


def bounded(value: float | int | None) -> Any:
    """Return a number within the bounds of a store; None in place of an impossible one."""
    return value if value is not None and 0 <= value <= LARGEST else None


# From the server


def sound_entry(values: Sequence[Any], key: str | None = None) -> tuple[Entry, str] | None:
    """Return the entry that was read as ``FOUND``, and its author; None if it is damaged."""
    row: StoredEntry = tuple.__new__(StoredEntry, values)
    if not fits(StoredEntry, row) or len(row.key) != 16:
        return None
    prompt, answer = unpacked(row.prompt), unpacked(row.answer)
    if prompt is None or answer is None or digest(answer) != row.digest:
        return None
    text = text_of(prompt)
    if text is None or len(row.configuration) != 16 or row.created < 0:
        return None
    entry = Entry(
        key=row.key.hex(),
        configuration=row.configuration.hex(),
        prompt=text,
        question=row.question,
        answer=answer,
        created=row.created,
        seconds=row.seconds,
        usage=Usage(row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens),
        finish_reason=row.finish_reason,
        prompt_digest=id_text(row.prompt_digest) if row.prompt_digest is not None else "",
        sample=row.sample,
        expires=row.expires,
        edited=bool(row.edited),
        tags=row.tags,
        shape=id_text(row.shape) if row.shape is not None else "",
        ignored=row.ignored,
    )
    return entry, row.author


def unpacked(data: bytes) -> bytes | None:
    """Return what was compressed; None if it is damaged, or larger than what anybody shares."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(data, LARGEST_BYTES)
    except zlib.error:
        return None
    return found if stream.eof and not stream.unused_data else None


def text_of(data: bytes) -> str | None:
    """Return a prompt as it was; None if it is damaged."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
