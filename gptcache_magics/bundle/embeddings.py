"""Write and read the lines of a bundle that hold embeddings: a configuration that embeds, and a text with its vector.

Vectors are written in base64, as they are stored. A text that looks like it holds a key is left out with its vector.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Final

import orjson

from gptcache_magics.bundle.forms import dumps
from gptcache_magics.bundle.lines import configuration_from, configuration_line, count_of, key_in, number_of
from gptcache_magics.bundle.masks import is_clean
from gptcache_magics.identity.canonical import dumps as canonical_json
from gptcache_magics.identity.key import key_of
from gptcache_magics.protocols.embeddings import APIS
from gptcache_magics.protocols.embeddings.vectors import unpack
from gptcache_magics.store.protocol import Configuration, Embedding

__all__ = ["EMBEDDER", "EMBEDDING", "embedder_from", "embedder_line", "embedding_from", "embedding_line"]

EMBEDDER: Final = "embedder"
EMBEDDING: Final = "embedding"


def embedder_line(configuration: Configuration) -> bytes:
    """Return a configuration that embeds as JSON, without a line break."""
    fields = orjson.loads(configuration_line(configuration))
    return dumps({EMBEDDER: fields.pop("configuration"), **fields})


def embedding_line(embedding: Embedding) -> bytes | None:
    """Return an embedding as JSON, without a line break; None if its text looks like it holds a key."""
    sent, rest = orjson.loads(embedding.sent), orjson.loads(embedding.rest)
    if not is_clean(sent, rest):
        return None
    head, _, vectors = embedding.vector.partition(b"\n")
    return dumps(
        {
            EMBEDDING: embedding.key,
            "sent": sent,
            "vector": orjson.loads(head),
            "data": base64.b64encode(vectors).decode(),
            "rest": rest,
            "created": embedding.created,
            **({} if embedding.tokens is None else {"tokens": embedding.tokens}),
            EMBEDDER: embedding.model,
        }
    )


def embedder_from(fields: Mapping[str, Any]) -> Configuration:
    """Return a configuration that embeds after checking every field. Raises ``ValueError``."""
    return configuration_from({**fields, "configuration": fields[EMBEDDER]})


def embedding_from(fields: Mapping[str, Any]) -> Embedding:
    """Return an embedding after checking every field, its vector, and that its key fits its text.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    created, rest = number_of(fields, "created"), fields.get("rest")
    if created is None:
        raise ValueError("'created' is missing")
    if not isinstance(rest, dict):
        raise ValueError("'rest' is not an object")
    try:
        vector = orjson.dumps(fields["vector"]) + b"\n" + base64.b64decode(fields["data"], validate=True)
        unpack(vector)
    except Exception as error:  # whatever a stranger has written
        raise ValueError("the vector cannot be read") from error
    embedding = Embedding(
        key=key_in(fields, EMBEDDING),
        model=key_in(fields, EMBEDDER),
        sent=orjson.dumps(fields.get("sent")).decode(),
        digest="",
        vector=vector,
        rest=orjson.dumps(rest).decode(),
        created=created,
        tokens=count_of(fields, "tokens"),
    )
    for api in APIS:
        seen = canonical_json([api.name, fields.get("sent")])
        if key_of(embedding.model, seen) == embedding.key:
            return replace(embedding, digest=blake2b(seen, digest_size=8).hexdigest())
    raise ValueError("its key does not fit its text")
