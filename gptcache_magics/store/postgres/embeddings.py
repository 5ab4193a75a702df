"""The embeddings of a team: what members ask of the database and send to it, and how their rows are written and read.

Rows are checked when they are read, as those of answers are. Figures about embeddings are not shared: each folder
counts what it was asked.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

import orjson

from gptcache_magics.errors import StoreError
from gptcache_magics.store.postgres.connections import COMMAND_SECONDS, QUICK_SECONDS, Connections
from gptcache_magics.store.postgres.line import Line
from gptcache_magics.store.postgres.schema import LARGEST_BYTES
from gptcache_magics.store.postgres.statements import SHORT, bounded, plain, unpacked
from gptcache_magics.store.postgres.writing import keep, write
from gptcache_magics.store.protocol import Configuration, Embedding
from gptcache_magics.store.sqlite.embeddings import embedding_checksum, embedding_size, model_from, model_values
from gptcache_magics.store.sqlite.outbox import EVERY_EMBEDDING
from gptcache_magics.store.sqlite.statements import id_number, id_text

__all__ = ["COUNT", "EMBEDDING", "TeamEmbedding", "TeamEmbeddings", "is_expired", "sound_embedding"]

PAGE: Final = 100
"""Most embeddings that one statement brings: some hundred kB."""
DAY: Final = 24 * 3600.0
EMBEDDING: Final = "e.key, e.model, e.text_digest, e.sent, e.vector, e.rest, e.created, e.tokens, e.expires, e.digest"
"""Columns to read of ``embedding e``: what ``sound_embedding`` takes."""
_FIND: Final = f"""SELECT coalesce((SELECT newest FROM gptcache.space WHERE space = %s), 0), {EMBEDDING}
    FROM gptcache.embedding e WHERE e.space = %s AND e.id = ANY(%s::int8[])"""
_MODELS: Final = "SELECT key, configuration FROM gptcache.embedding_model WHERE space = %s AND key = ANY(%s::bytea[])"
_PUT_MODEL: Final = """INSERT INTO gptcache.embedding_model (space, key, portable, configuration)
    VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"""
_PUT: Final = """INSERT INTO gptcache.embedding AS t (space, id, key, model, text_digest, sent, vector, rest, created,
        tokens, expires, bytes, digest, origin) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (space, id) DO UPDATE SET key = excluded.key, model = excluded.model, sent = excluded.sent,
        text_digest = excluded.text_digest, vector = excluded.vector, rest = excluded.rest, created = excluded.created,
        tokens = excluded.tokens, expires = excluded.expires, bytes = excluded.bytes, digest = excluded.digest,
        origin = excluded.origin
    WHERE %s OR ((excluded.created > t.created OR excluded.origin = t.origin) AND excluded.digest <> t.digest)"""
_USED: Final = f"""UPDATE gptcache.embedding e SET used = u.at FROM unnest(%s::int8[], %s::float8[]) AS u (id, at)
    WHERE e.space = %s AND e.id = u.id AND greatest(e.created, e.used) < u.at - {DAY}"""
"""Once a day for each: when it was used is asked by whoever prunes, in days."""
COUNT: Final = "SELECT count(*), coalesce(sum(bytes), 0)::int8 FROM gptcache.embedding WHERE space = %s"
_CLEAR: Final = "DELETE FROM gptcache.embedding WHERE space = %s"
_NOTE: Final = "INSERT INTO gptcache.change (space, id, why, origin) VALUES (%s, %s, 'removed', %s)"


class TeamEmbedding(NamedTuple):
    """An embedding that the team has, with its configuration."""

    embedding: Embedding
    model: Configuration | None
    """None if the team does not know it, or has it damaged."""
    newest: int
    """Sequence of the newest change of the space, as of the same moment."""


class TeamEmbeddings:
    """The embeddings of one space. Every method may be called from any thread, and raises as those of ``TeamDatabase``.

    Parameters
    ----------
    identity
        Tells which database is asked: what another one knows says nothing of this one.
    """

    def __init__(self, connections: Connections, space: str, origin: str, identity: Callable[[], str]) -> None:
        self._connections, self._space, self._origin, self._identity = connections, space, origin, identity
        self._models: dict[tuple[str, str], Configuration] = {}
        """Configurations that the database has, by its identity and their keys."""
        self._distrusted: set[str] = set()
        """Ids under which something damaged was found: the next embedding replaces it."""

    def find(self, keys: Sequence[str]) -> Sequence[TeamEmbedding]:
        """Return what the team has under exact keys, ``PAGE`` of them with one statement.

        All of it takes half a second at most, as one answer does: what is not found in that time counts as unknown.
        """
        began, found = time.monotonic(), list[TeamEmbedding]()
        for at in range(0, len(keys), PAGE):
            left = QUICK_SECONDS - (time.monotonic() - began)
            if left < QUICK_SECONDS / 2:
                break
            try:
                found += self._connections.ask(partial(self._page, keys[at : at + PAGE]), left)
            except StoreError:
                if not found:
                    raise
                break
        return found

    def _page(self, keys: Sequence[str], line: Line) -> list[TeamEmbedding]:
        values = (self._space, self._space, [*map(id_number, keys)])
        rows = line.execute(_FIND, values, binary=True).fetchall()
        sound, damaged = list[tuple[Embedding, int]](), set[str]()
        for newest, *row in rows:
            each = sound_embedding(row)
            if each is None:
                damaged.add(bytes(row[0]).hex()[:16])
            elif each.key in keys and not is_expired(each):
                sound.append((each, newest))
        self._distrusted |= damaged
        models = self._known(line, {each.model for each, _ in sound})
        return [TeamEmbedding(each, models.get(each.model), newest) for each, newest in sound]

    def _known(self, line: Line, keys: set[str]) -> Mapping[str, Configuration]:
        """Return configurations by their keys; those that were not met before are asked for."""
        identity = self._identity()
        new = [bytes.fromhex(key) for key in sorted(keys) if (identity, key) not in self._models]
        for key, text in line.execute(_MODELS, (self._space, new)).fetchall() if new else ():
            model = model_from(text)
            if model is not None and model.key == bytes(key).hex():
                self._models[identity, model.key] = model
        return {key: self._models[identity, key] for key in keys if (identity, key) in self._models}

    def put(self, embeddings: Sequence[Embedding], models: Sequence[Configuration]) -> None:
        """Store embeddings. A newer one replaces an older one, an equal one changes nothing.

        Those that are too large for a team, or whose values no database can keep, are left out.
        """
        distrusted, identity = set(self._distrusted), self._identity()
        new = [each for each in models if (identity, each.key) not in self._models]
        newest = {each.key[:16]: each for each in sorted(filter(_is_shared, embeddings), key=_created)}
        ordered = sorted(newest.values(), key=lambda each: id_number(each.key))  # all lock them in one order
        rows = [self._values(each, damaged=each.key[:16] in distrusted) for each in ordered]

        def work(line: Line) -> None:
            keep(line, _PUT_MODEL, [(self._space, *model_values(each)) for each in new])
            keep(line, _PUT, rows)

        write(self._connections, work)
        self._models.update(((identity, each.key), each) for each in new)
        self._distrusted -= distrusted & newest.keys()

    def _values(self, embedding: Embedding, *, damaged: bool) -> tuple[Any, ...]:
        each = replace(embedding, tokens=bounded(embedding.tokens), expires=bounded(embedding.expires))
        return (
            *(self._space, id_number(each.key), bytes.fromhex(each.key), bytes.fromhex(each.model)),
            *(
                id_number(each.digest),
                zlib.compress(each.sent.encode()),
                each.vector,
                zlib.compress(each.rest.encode()),
            ),
            *(each.created, each.tokens, each.expires, embedding_size(each), embedding_checksum(each)),
            *(plain(self._origin, SHORT), damaged),
        )

    def use(self, used: Mapping[str, float]) -> None:
        """Note when embeddings were used, by key."""
        at = {id_number(key): moment for key, moment in used.items()}
        values = ([*at], [*at.values()], self._space)
        write(self._connections, lambda line: line.execute(_USED, values))

    def count(self) -> tuple[int, int]:
        """Return the number of embeddings of the space, and their bytes."""
        number, size = self._connections.ask(lambda line: line.one(COUNT, self._space), COMMAND_SECONDS, command=True)
        return number, size

    def clear(self) -> int:
        """Remove all embeddings of the space for everybody, for good. Return the number removed."""

        def work(line: Line) -> int:
            removed = line.execute(_CLEAR, [self._space]).rowcount
            line.execute(_NOTE, (self._space, id_number(EVERY_EMBEDDING), self._origin))
            return removed

        return write(self._connections, work, command=True)


def _is_shared(each: Embedding) -> bool:
    return max(len(each.vector), len(each.sent.encode()), len(each.rest.encode())) <= LARGEST_BYTES


def _created(each: Embedding) -> float:
    return each.created


def sound_embedding(row: Sequence[Any]) -> Embedding | None:
    """Return the embedding that was read as ``EMBEDDING``; None if it is damaged."""
    key, model, text_digest, packed_text, vector, packed_rest, created, tokens, expires, digest = row
    sent, rest = unpacked(packed_text), unpacked(packed_rest)
    if sent is None or rest is None or len(key) != 16 or len(model) != 16:
        return None
    try:  # whoever writes a bundle reads them
        _, is_object, _ = orjson.loads(sent), isinstance(orjson.loads(rest), dict), orjson.loads(vector.split(b"\n")[0])
    except ValueError:
        return None
    found = Embedding(
        *(key.hex(), model.hex(), sent.decode(), id_text(text_digest), vector, rest.decode(), created, tokens, expires)
    )
    return found if is_object and embedding_checksum(found) == digest else None


def is_expired(embedding: Embedding) -> bool:
    """Return whether an embedding may not be served any more."""
    return embedding.expires is not None and embedding.expires <= time.time()
