"""What an embedding takes of the SQLite file."""

from contextlib import closing
from pathlib import Path

from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.embeddings import make_embedding
from gptcache_magics.testing.samples import GPT


def test_a_vector_takes_little_more_of_the_file_than_its_bytes(tmp_path: Path) -> None:
    with closing(SQLiteStore(tmp_path)) as store:
        store.open()
    empty = (tmp_path / "cache.db").stat().st_size
    with closing(SQLiteStore(tmp_path)) as store:
        for first in range(0, 1_000, 100):
            numbers = range(first, first + 100)
            store.put_embeddings([make_embedding(each, vector=b"{}\n" + bytes(6_144)) for each in numbers], [GPT])
        _, counted = store.count_embeddings()
    assert (tmp_path / "cache.db").stat().st_size - empty < 1.35 * counted
