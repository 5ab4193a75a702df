"""The part of the SQLite file that keeps embeddings, in a table of their own, and the figures about them."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple
from functools import partial
from hashlib import blake2b
from typing import Any, Final

from gptcache_magics.errors import NotWrittenYetError, StoreLockedError
from gptcache_magics.store.records import Configuration, Embedding, EmbeddingUse, Period
from gptcache_magics.store.sqlite.part import SQLitePart
from gptcache_magics.store.sqlite.statements import hex_of, id_number

__all__ = ["SQLiteEmbeddings", "by_digest", "embedding_checksum", "embedding_size", "model_from", "model_values"]

LATE_KEPT: Final = 10_000
"""Most embeddings to hold while another process keeps the file locked."""
PAGE: Final = 500
"""Embeddings that are read, removed or asked for at once."""
_COLUMNS: Final = (
    f"{hex_of('e.key')}, {hex_of('e.model')}, e.sent, e.digest, e.vector, e.rest, e.created, e.tokens, e.expires, "
    "e.checksum"
)
_FIND: Final = f"SELECT {_COLUMNS} FROM embedding e WHERE e.id IN (SELECT value FROM json_each(:ids))"
_FIND_PORTABLE: Final = f"""SELECT {_COLUMNS} FROM embedding e JOIN embedding_model m ON m.key=e.model
    WHERE m.portable=:portable AND e.digest IN (SELECT value FROM json_each(:digests))"""
_PAGE: Final = f"""SELECT {_COLUMNS} FROM embedding e WHERE (e.model, e.key) > (:model, :key)
    ORDER BY e.model, e.key LIMIT {PAGE}"""
_PUT: Final = """INSERT OR REPLACE INTO embedding
    (id, key, model, digest, sent, vector, rest, created, tokens, expires, bytes, checksum)
    VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"""
_USES: Final = f"""SELECT run, process, day, {hex_of("model")}, at, texts, hits, sent, tokens, saved_tokens
    FROM embedding_use WHERE (:run IS NULL OR run=:run) AND at >= :after ORDER BY at DESC"""
ROW_BYTES: Final = 150
"""Bytes of a row beside its texts and its vector."""


class SQLiteEmbeddings(SQLitePart):
    """The part of an SQLite store that keeps embeddings."""

    _late_embeddings: dict[str, tuple[Embedding, Sequence[Configuration]]]
    """The embeddings that wait for a locked file, by key: the next transaction writes them."""

    def get_embeddings(self, keys: Sequence[str]) -> Mapping[str, Embedding]:
        """Return the embeddings that are stored under these keys, but for expired ones. Never writes."""
        wanted = {*keys}
        stored = self._embeddings_under([id_number(key) for key in keys])
        late = [self._late_embeddings[key][0] for key in wanted & self._late_embeddings.keys()]
        return {each.key: each for each in [*stored, *late] if each.key in wanted}

    def _embeddings_under(self, ids: Sequence[int]) -> Sequence[Embedding]:
        """Return the embeddings that are stored under these numbers of ids, but for expired ones."""
        rows: list[Sequence[Any]] = []
        for at in range(0, len(ids), PAGE):
            rows += self._connections.read(partial(_fetched, _FIND, {"ids": json.dumps(ids[at : at + PAGE])}))
        return [*self._sound(rows)]

    def find_embeddings(self, portable: str, digests: Sequence[str]) -> Mapping[str, Embedding]:
        """Return embeddings by their digests, of all configurations with this portable key."""
        rows: list[Sequence[Any]] = []
        for at in range(0, len(digests), PAGE):
            numbers = json.dumps([id_number(each) for each in digests[at : at + PAGE]])
            values = {"portable": bytes.fromhex(portable), "digests": numbers}
            rows += self._connections.read(partial(_fetched, _FIND_PORTABLE, values))
        return by_digest(self._sound(rows))

    def put_embeddings(self, embeddings: Iterable[Embedding], models: Iterable[Configuration]) -> int:
        """Store embeddings durably, in place of those under their keys.

        Raises
        ------
        NotWrittenYetError
            If another process keeps the file locked. This kernel has the embeddings, and writes them when it is free.
        """
        new, models = [*embeddings], [*models]
        try:
            return self._write(lambda db: self._put_embeddings(db, new, models), patient=False)
        except StoreLockedError as locked:
            if len(self._late_embeddings) + len(new) > LATE_KEPT:
                raise
            self._write_at_exit()
            self._late_embeddings.update((each.key, (each, models)) for each in new)
            raise NotWrittenYetError(str(locked)) from locked

    def record_embeddings(self, uses: Iterable[EmbeddingUse], used: Mapping[str, float]) -> None:
        """Write figures, in place of earlier ones of their place, and when the embeddings of keys were used."""
        rows = [(each.run, each.process, each.day, bytes.fromhex(each.model), *astuple(each)[4:]) for each in uses]
        times = [(at, id_number(key)) for key, at in used.items()]

        def work(db: sqlite3.Connection) -> None:
            db.executemany("INSERT OR REPLACE INTO embedding_use VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
            db.executemany("UPDATE embedding SET used=? WHERE id=?", times)

        self._write(work, patient=False)

    def embedding_uses(self, period: Period) -> Sequence[EmbeddingUse]:
        """Return the figures of a period."""
        values = {"run": period.run, "after": period.after or 0.0}
        rows = self._connections.read(partial(_fetched, _USES, values))
        return [EmbeddingUse(*row) for row in rows if [*map(type, row[4:])] == [float, *[int] * 5]]

    def embedding_models(self) -> Sequence[Configuration]:
        """Return the configurations that embedded."""
        sql = "SELECT configuration FROM embedding_model ORDER BY key"
        found = (model_from(row) for (row,) in self._connections.read(partial(_fetched, sql, {})))
        return [each for each in found if each is not None]

    def each_embedding(self) -> Iterator[Embedding]:
        """Yield all embeddings that are not expired, by configuration and key, but for damaged ones."""
        place = {"model": b"", "key": b""}
        rows: Sequence[Any] = self._connections.read(partial(_fetched, _PAGE, place))
        while rows:
            yield from self._sound(rows)
            place = {"model": bytes.fromhex(rows[-1][1]), "key": bytes.fromhex(rows[-1][0])}
            rows = self._connections.read(partial(_fetched, _PAGE, place))

    def count_embeddings(self) -> tuple[int, int]:
        """Return the number of embeddings and their bytes."""
        number, size = self._connections.read(
            lambda db: db.execute("SELECT count(*), total(bytes) FROM embedding").fetchone()
        )
        return number, round(size)

    def clear_embeddings(self) -> int:
        """Remove all embeddings for good. Return the number removed."""
        self.settle()
        removed = 0
        more = True
        while more:  # others write in between
            number = self._write(_remove_some)
            removed += number
            more = number == PAGE * 10
        self._write(_forget_models)
        self._sweep()
        return removed

    def _put_late(self, db: sqlite3.Connection, late: Mapping[str, tuple[Embedding, Sequence[Configuration]]]) -> None:
        """Write the embeddings that waited for a locked file."""
        for each, models in late.values():
            self._put_embeddings(db, [each], models)

    def _put_embeddings(
        self, db: sqlite3.Connection, embeddings: Sequence[Embedding], models: Sequence[Configuration]
    ) -> int:
        """Store embeddings in a transaction. Return how many are new or changed."""
        db.executemany(
            "INSERT OR IGNORE INTO embedding_model VALUES (?,?,?)",
            [*map(model_values, models)],
        )
        changed = 0
        for each in embeddings:
            number = id_number(each.key)
            before = db.execute("SELECT key, vector, created FROM embedding WHERE id=?", (number,)).fetchone()
            if before is not None and before[0] == bytes.fromhex(each.key) and before[2] > each.created:
                continue  # another thread or process may have stored a newer one meanwhile
            changed += before is None or before[1] != each.vector
            db.execute(_PUT, _values(each))
        return changed

    def _write_at_exit(self) -> None:
        """Let what waits for a locked file be written when the process ends."""
        raise NotImplementedError

    def _sound(self, rows: Iterable[Sequence[Any]]) -> Iterator[Embedding]:
        """Yield the embeddings that are as they were written, and not expired."""
        now, damaged = time.time(), 0
        for key, model, sent, digest, vector, rest, created, tokens, expires, found in rows:
            types = (type(sent), type(digest), type(vector), type(rest), type(created))
            if types != (str, int, bytes, str, float) or type(expires) not in (float, type(None)):
                damaged += 1
                continue
            name = (digest % 2**64).to_bytes(8, "big").hex()
            each = Embedding(key, model, sent, name, vector, rest, created, tokens, expires)
            if found != embedding_checksum(each):
                damaged += 1
            elif expires is None or expires > now:
                yield each
        self._damage.skip("embedding", damaged)


def _values(each: Embedding) -> tuple[Any, ...]:
    return (
        *(id_number(each.key), bytes.fromhex(each.key), bytes.fromhex(each.model), id_number(each.digest)),
        *(each.sent, each.vector, each.rest, each.created, each.tokens, each.expires),
        *(embedding_size(each), embedding_checksum(each)),
    )


def by_digest(embeddings: Iterable[Embedding]) -> Mapping[str, Embedding]:
    """Return embeddings by their digests, without those that differ from another of the digest."""
    found: dict[str, Embedding] = {}
    two = set[str]()
    for each in embeddings:
        if found.setdefault(each.digest, each).vector != each.vector:
            two.add(each.digest)
    return {digest: each for digest, each in found.items() if digest not in two}


def embedding_checksum(each: Embedding) -> int:
    """Return blake2b-64 over everything that decides whether a vector is served, and for which text."""
    facts = f"{each.key} {each.model} {each.digest} {each.tokens} {each.expires} {len(each.sent)} {len(each.rest)} "
    data = b"".join((facts.encode(), each.sent.encode(), each.rest.encode(), each.vector))
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big", signed=True)


def embedding_size(each: Embedding) -> int:
    """Return the bytes that an embedding counts for."""
    return len(each.vector) + len(each.sent) + len(each.rest) + ROW_BYTES


def model_values(each: Configuration) -> tuple[bytes, bytes, str]:
    """Return a configuration as it is stored: its key, its portable key, and JSON."""
    return bytes.fromhex(each.key), bytes.fromhex(each.portable), json.dumps(asdict(each))


def model_from(text: Any) -> Configuration | None:
    """Return a configuration that was stored as JSON; None if it is damaged."""
    try:
        found = Configuration(**json.loads(text))
        bytes.fromhex(found.key + found.portable)
        texts = (found.provider, found.model, found.label, found.parameters, found.environment)
    except (TypeError, ValueError):
        return None
    sound = all(isinstance(each, str) for each in (*texts, found.call_parameters or ""))
    return found if sound and isinstance(found.temperature, int | float | None) else None


def _fetched(sql: str, values: Mapping[str, Any], db: sqlite3.Connection) -> list[Any]:
    return db.execute(sql, values).fetchall()


def _remove_some(db: sqlite3.Connection) -> int:
    return db.execute(f"DELETE FROM embedding WHERE id IN (SELECT id FROM embedding LIMIT {PAGE * 10})").rowcount


def _forget_models(db: sqlite3.Connection) -> None:
    used = "SELECT model FROM embedding UNION SELECT model FROM embedding_use"
    db.execute(f"DELETE FROM embedding_model WHERE key NOT IN ({used})")
