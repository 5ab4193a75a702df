"""Embeddings while their store is locked, full, read-only or gone: each call passes, and what can be kept is kept."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import openai
import pytest

import gptcache_magics as gm
from gptcache_magics.store.sqlite import connections
from gptcache_magics.store.sqlite.store import SQLiteStore
from tests.support.processes import output_of
from tests.support.provider_server import KEY, ProviderServer
from tests.support.unusable_stores import full, locked, replaced_by_a_file

MODEL = "text-embedding-3-small"
READ_ONLY = """
import json
import sys

import openai
import gptcache_magics as gm
from tests.support.processes import obey_file_modes

folder, url, key = sys.argv[1:]
obey_file_modes()
gm.on(folder, embeddings=True)
client = openai.OpenAI(api_key=key, base_url=url, max_retries=0)
answers = [client.embeddings.create(model="text-embedding-3-small", input=["known", "new"]) for _ in range(2)]
print(json.dumps([[len(each.data) for each in answers], repr(gm.doctor())]))
"""


def texts(client: openai.OpenAI, *given: str) -> list[list[float]]:
    return [each.embedding for each in client.embeddings.create(model=MODEL, input=[*given]).data]


@pytest.mark.parametrize("trouble", [locked, full, replaced_by_a_file])
def test_the_call_passes(
    on: Path, client: openai.OpenAI, trouble: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.05)
    gm.on(embeddings=True)
    (known,) = texts(client, "known")
    cache = gm.current()
    assert cache is not None
    cache.ledger.flush()
    with trouble(on):  # type: ignore[attr-defined]
        for _ in range(2):
            assert texts(client, "new", "known")[1] == known
        assert "embeddings: " in repr(gm.doctor())
        assert "Warnings  none" not in repr(gm.status())


def test_what_was_embedded_while_the_file_was_locked_is_kept(
    on: Path, server: ProviderServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.05)
    gm.on(embeddings=True)
    texts(client, "known")
    with locked(on):
        texts(client, "known", "new")
        texts(client, "new")
        assert server.calls == 2
    gm.off()
    with closing(SQLiteStore(on)) as store:
        assert store.count_embeddings()[0] == 2


def test_a_store_that_may_only_be_read_serves_what_it_has(
    on: Path, server: ProviderServer, client: openai.OpenAI
) -> None:
    gm.on(embeddings=True)
    texts(client, "known")
    gm.off()
    for path, mode in [*((each, 0o400) for each in on.iterdir()), (on, 0o500)]:
        path.chmod(mode)
    numbers, checkup = json.loads(output_of(READ_ONLY, on, server.openai_url, KEY, folder=on.parent))
    on.chmod(0o700)
    assert numbers == [2, 2]
    assert [each["input"] for each in server.requests] == [["known"], ["new"], ["new"]]
    assert "embeddings: kept, 1 embedding in the store" in checkup
