"""The tables of a store in SQLite, as numbered steps: step *n* brings ``PRAGMA user_version`` from *n* - 1 to *n*."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import cache, partial
from itertools import chain
from typing import Any, Final, TypeVar

from gptcache_magics.errors import StoreError
from gptcache_magics.store.sqlite.damage import checksum
from gptcache_magics.store.sqlite.embedding_tables import EMBEDDINGS, SHARED_EMBEDDINGS
from gptcache_magics.store.sqlite.foreign import (
    ForeignSchemaError,
    SchemaRow,
    foreign_names,
    is_same_schema,
    schema_of,
)
from gptcache_magics.store.sqlite.live import REMOVAL
from gptcache_magics.store.sqlite.outbox import OUTBOX
from gptcache_magics.store.sqlite.statements import StoredEntry, sound_entry
from gptcache_magics.store.sqlite.stored_secrets import HIDE, allow_hiding, forget
from gptcache_magics.store.sqlite.sum_steps import FACES, SUMS

__all__ = ["APPLICATION_ID", "MIGRATIONS", "is_current", "migrate", "transaction"]

C = TypeVar("C", bound=sqlite3.Connection)
T = TypeVar("T")
CHECKSUMS: Final = 6
"""The first version whose entries have checksums."""
CHECKED: Final = 10_000
"""Number of entries of an earlier version that get one: in half a second."""
APPLICATION_ID: Final = 0x67636D61
"""The mark of our files: the letters gcma."""

_ENTRY = """(
    id INTEGER PRIMARY KEY,          -- first 64 bits of the key, signed
    key BLOB NOT NULL,
    configuration BLOB NOT NULL,
    prompt TEXT NOT NULL,            -- BLOB where the text is not valid Unicode
    question TEXT NOT NULL,
    answer BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    created REAL NOT NULL,
    accessed REAL,
    hits INTEGER NOT NULL DEFAULT 0,
    expires REAL,
    seconds REAL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    finish_reason TEXT NOT NULL DEFAULT '',
    pinned INTEGER NOT NULL DEFAULT 0,
    edited INTEGER NOT NULL DEFAULT 0,
    tags TEXT NOT NULL DEFAULT ''
)"""

_ALONG: Final = """CREATE TRIGGER {0}_deleted AFTER DELETE ON {0} WHEN NOT EXISTS (SELECT 1 FROM {1} WHERE id=old.id)
    BEGIN DELETE FROM vector WHERE id=old.id; END"""

# The sentences of version 0.1, or their beginnings, with the kind of each.
_BEGINNINGS: Final = {
    "exact only: error: ": "matching error",
    "exact only: ": "exact only",
    "error: ": "error",
    "not stored: ": "not stored",
    "a cache of its own: ": "own cache",
    "mode ": "mode",
}
_WHOLE: Final = {
    "nothing stored for it": "new",
    "a stream of its own": "own stream",
    "streams are not cached here": "no streams",
    "events v3": "events",
    "budget reached": "budget",
}
_SAME: Final = ("", "expired", "removed", "evicted", "model unknown", "cache=False")
_KINDS: Final = (*_SAME, *_WHOLE.values(), *_BEGINNINGS.values(), "replaced", "similar")
_REASONS: Final = (
    *(
        f"UPDATE lookup SET reason_kind='{kind}', reason_detail=substr(reason_kind, {len(beginning) + 1})"
        f" WHERE reason_kind GLOB '{beginning}*'"
        for beginning, kind in _BEGINNINGS.items()
    ),
    *(f"UPDATE lookup SET reason_kind='{kind}' WHERE reason_kind='{whole}'" for whole, kind in _WHOLE.items()),
    "UPDATE lookup SET reason_kind='replaced', reason_detail=substr(reason_kind, 1, length(reason_kind) - 20)"
    " WHERE reason_kind GLOB '* replaced this cache'",
    "UPDATE lookup SET reason_kind='similar' WHERE reason_kind GLOB 'similar *' AND near IS NOT NULL",
    "UPDATE lookup SET reason_kind='other', reason_detail=reason_kind"
    f" WHERE reason_kind NOT IN ({', '.join(repr(kind) for kind in _KINDS)})",
)


def _objections(table: str) -> tuple[str, ...]:
    """Return the steps that cut the objections of a table: ``below 0.93``, ``number: 2023 / 2024``."""
    return (
        f"ALTER TABLE {table} RENAME COLUMN objection TO objection_kind",
        f"ALTER TABLE {table} ADD COLUMN objection_guard TEXT NOT NULL DEFAULT ''",
        f"ALTER TABLE {table} ADD COLUMN objection_detail TEXT NOT NULL DEFAULT ''",
        f"UPDATE {table} SET objection_kind='judged wrong' WHERE objection_kind='called wrong before'",
        f"UPDATE {table} SET objection_kind='shadow' WHERE objection_kind='shadow mode'",
        f"UPDATE {table} SET objection_kind='below', objection_detail=substr(objection_kind, 7)"
        " WHERE objection_kind GLOB 'below *'",
        f"UPDATE {table} SET objection_guard=substr(objection_kind, 1, instr(objection_kind, ': ') - 1),"
        " objection_detail=substr(objection_kind, instr(objection_kind, ': ') + 2), objection_kind='guard'"
        " WHERE objection_kind NOT IN ('', 'judged wrong', 'shadow', 'below')",
    )


MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE configuration (
            key BLOB PRIMARY KEY,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            label TEXT NOT NULL,
            temperature REAL,
            parameters TEXT NOT NULL
        ) WITHOUT ROWID""",
        f"CREATE TABLE entry {_ENTRY}",
        "CREATE INDEX entry_by_configuration ON entry (configuration, created, bytes)",
        "CREATE INDEX entry_by_created ON entry (created)",
        # The last removal, kept for undo.
        f"CREATE TABLE removed {_ENTRY}",
        # The entries that other kernels must forget; a NULL id means all of them.
        "CREATE TABLE dropped (sequence INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER)",
        # Grows with every clear; part of every key in a user's own gptcache manager, which cannot always be emptied.
        "CREATE TABLE generation (number INTEGER NOT NULL)",
        "INSERT INTO generation VALUES (0)",
        "CREATE TABLE history (id INTEGER NOT NULL, replaced REAL NOT NULL, answer BLOB NOT NULL)",
        "CREATE INDEX history_by_id ON history (id)",
        """CREATE TABLE lookup (
            number INTEGER PRIMARY KEY,
            run TEXT NOT NULL,
            number_in_run INTEGER NOT NULL,
            at REAL NOT NULL,
            outcome TEXT NOT NULL,
            reason TEXT NOT NULL,
            mode TEXT NOT NULL,
            match TEXT,
            similarity REAL,
            configuration BLOB,
            entry INTEGER,
            lookup_seconds REAL,
            seconds REAL,
            input_tokens INTEGER,
            output_tokens INTEGER,
            cache_read_tokens INTEGER,
            cache_write_tokens INTEGER,
            notebook TEXT NOT NULL,
            cell TEXT NOT NULL,
            cell_line TEXT NOT NULL,
            execution_count INTEGER,
            UNIQUE (run, number_in_run)
        )""",
        "CREATE INDEX lookup_by_time ON lookup (at)",
        # Each question once, however often it was looked up.
        "CREATE TABLE question (id INTEGER PRIMARY KEY, question TEXT NOT NULL)",
    ),
    (
        "ALTER TABLE entry ADD COLUMN prompt_digest INTEGER",
        "ALTER TABLE removed ADD COLUMN prompt_digest INTEGER",
        "CREATE INDEX entry_by_prompt ON entry (prompt_digest)",
        "ALTER TABLE entry ADD COLUMN sample INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE removed ADD COLUMN sample INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE configuration ADD COLUMN portable BLOB NOT NULL DEFAULT x''",
        "ALTER TABLE configuration ADD COLUMN environment TEXT NOT NULL DEFAULT ''",
        # The reason why an entry is gone: removed, evicted, replaced.
        "ALTER TABLE dropped ADD COLUMN why TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX dropped_by_id ON dropped (id)",
        "ALTER TABLE lookup ADD COLUMN prompt_digest INTEGER",
        # From now on the question of every entry is here, small enough to be searched whole.
        "INSERT OR IGNORE INTO question SELECT id, substr(question, 1, 2000) FROM entry",
    ),
    (
        # The vectors that make entries searchable by meaning. Without a context, a search may not find the entry.
        """CREATE TABLE vector (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            id INTEGER NOT NULL,
            embedder TEXT NOT NULL,
            context BLOB,
            vector BLOB,                     -- float32, little-endian
            UNIQUE (id, embedder)
        )""",
        "CREATE INDEX vector_by_context ON vector (embedder, context, sequence)",
        # The vectors of a removed entry go when its removal cannot be undone any more.
        _ALONG.format("entry", "removed"),
        _ALONG.format("removed", "entry"),
        "CREATE TABLE threshold (embedder TEXT PRIMARY KEY, threshold REAL NOT NULL) WITHOUT ROWID",
        # The vector of a text that every embedder gets: it tells two embedders of one name apart.
        "CREATE TABLE probe (embedder TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID",
        # Judgements of two questions: whether the answer to the stored one is right for the one asked.
        """CREATE TABLE label (
            asked INTEGER NOT NULL,
            entry INTEGER NOT NULL,
            verdict INTEGER NOT NULL,
            similarity REAL NOT NULL,
            objection TEXT NOT NULL,
            embedder TEXT NOT NULL,
            at REAL NOT NULL,
            PRIMARY KEY (asked, entry)
        ) WITHOUT ROWID""",
        # For a semantic hit, the question asked; for every semantic lookup, the most similar entry.
        "ALTER TABLE lookup ADD COLUMN asked INTEGER",
        "ALTER TABLE lookup ADD COLUMN near INTEGER",
        "ALTER TABLE lookup ADD COLUMN embedder TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE lookup ADD COLUMN objection TEXT NOT NULL DEFAULT ''",
    ),
    (
        # NULL: not known yet.
        "ALTER TABLE configuration ADD COLUMN call_parameters TEXT",
    ),
    (
        # A reason was a sentence. Now it is a kind and a detail, and so is an objection.
        "ALTER TABLE lookup RENAME COLUMN reason TO reason_kind",
        "ALTER TABLE lookup ADD COLUMN reason_detail TEXT NOT NULL DEFAULT ''",
        *_REASONS,
        *_objections("lookup"),
        *_objections("label"),
    ),
    (
        # NULL: written by an earlier version, and not checked.
        *(f"ALTER TABLE {table} ADD COLUMN checksum INTEGER" for table in ("entry", "removed", "vector", "label")),
        # The entries that were found damaged when another answer took their place.
        "CREATE TABLE damaged AS SELECT 0.0 AS at, entry.* FROM entry WHERE 0",
    ),
    HIDE,
    (
        # The prompt without what differs from run to run. NULL: not known, as of entries that no such search needed.
        *(f"ALTER TABLE {table} ADD COLUMN shape INTEGER" for table in ("entry", "removed", "damaged")),
        *(
            f"ALTER TABLE {table} ADD COLUMN ignored TEXT NOT NULL DEFAULT ''"
            for table in ("entry", "removed", "damaged")
        ),
        "CREATE INDEX entry_by_shape ON entry (shape)",
    ),
    (*REMOVAL, *SUMS, *OUTBOX),
    FACES,
    EMBEDDINGS,
    SHARED_EMBEDDINGS,
)
HIDING: Final = 7
"""The version that hides credentials which earlier ones stored."""


def migrate(db: sqlite3.Connection, where: str) -> None:
    """Bring the schema forward, one numbered step at a time.

    Raises
    ------
    StoreError
        If the database is not ours, or of a newer schema. It is left as it was.
    """
    before = _version(db, where)
    if before == len(MIGRATIONS):
        return
    if before < HIDING:
        allow_hiding(db)

    def work(db: sqlite3.Connection) -> None:
        version = _version(db, where)  # another process may have been faster
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                db.execute(statement)
        if version < CHECKSUMS:
            _add_checksums(db)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    transaction(db, work)
    if before:
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")  # takes effect where the file is small enough to be written anew
        forget(db)


def _add_checksums(db: sqlite3.Connection) -> None:
    """Give the newest entries of an earlier version their checksums. All of a million would take minutes."""
    db.text_factory = partial(str, encoding="utf-8", errors="replace")
    try:
        columns = ", ".join(StoredEntry._fields)
        rows = db.execute(f"SELECT {columns}, id FROM entry ORDER BY created DESC LIMIT {CHECKED}")
        found = list(_checksums(rows))
    finally:
        db.text_factory = str
    db.executemany("UPDATE entry SET checksum=? WHERE id=?", found)


def _checksums(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, int]]:
    """Yield the checksum and the id of each sound row."""
    for *row, id in rows:
        entry = sound_entry(row)
        if entry is not None:
            yield checksum(entry), id


def transaction(db: C, work: Callable[[C], T]) -> T:
    """Run ``work`` in one transaction that is on disk, or undone, when this returns."""
    try:  # around BEGIN as well: an interrupt that waits for it is raised right after it
        db.execute("BEGIN IMMEDIATE")
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result


def is_current(db: sqlite3.Connection, where: str) -> bool:
    """Return whether the tables are of this version; False if of an earlier one.

    Raises
    ------
    StoreError
        If the database is not ours, or of a newer schema.
    """
    return _version(db, where) == len(MIGRATIONS)


@cache
def _own_schema(version: int) -> Sequence[SchemaRow]:
    """Return the schema that the steps up to a version make, as this SQLite writes it."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as new:
        allow_hiding(new)
        for statement in chain.from_iterable(MIGRATIONS[:version]):
            new.execute(statement)
        return schema_of(new)


def _version(db: sqlite3.Connection, where: str) -> int:
    """Return the version of a database whose whole schema is ours: nothing else of the file has run until then.

    Raises
    ------
    ForeignSchemaError
        If the database says that it is ours, and its schema is another one.
    """
    owner, version, schema = _read_schema(db)
    if owner != APPLICATION_ID and (owner or version or schema):
        raise StoreError(
            f"{where} belongs to another program and was not touched. Choose another folder: %gptcache on FOLDER"
        )
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{where} was written by a newer gptcache-magics (schema {version}, this one reads {len(MIGRATIONS)}). "
            "Update: %pip install -U gptcache-magics"
        )
    own = _own_schema(max(version, 0))
    if version < 0 or not is_same_schema(schema, own):
        raise ForeignSchemaError(where, foreign_names(schema, own))
    return version


def _read_schema(db: sqlite3.Connection) -> tuple[int, int, Sequence[SchemaRow]]:
    """Return the mark, the version and the schema of a database at one moment: another process may make tables now."""
    # Not pragma_user_version in one SELECT: a hostile file may have a view of that name.
    inside = db.in_transaction
    try:
        if not inside:
            db.execute("BEGIN")
        schema = schema_of(db)
        (owner,), (version,) = (db.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version"))
    finally:
        if not inside and db.in_transaction:
            db.execute("ROLLBACK")
    return owner, version, schema
