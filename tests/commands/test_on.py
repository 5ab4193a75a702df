"""An ``on`` that changes a cache and fails leaves the cache as it was."""

import _thread
import os
import threading
from pathlib import Path

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_openai import ChatOpenAI

import gptcache_magics as gm
from gptcache_magics.controller import controller
from tests.support.provider_server import ProviderServer


class Slow(Embeddings):
    """Embeds until the user interrupts."""

    def __init__(self) -> None:
        self.freed = threading.Event()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        _thread.interrupt_main()
        self.freed.wait(60)
        return [[1.0] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


@pytest.mark.parametrize("before", ["exact", "semantic"])
def test_an_interrupted_change_leaves_everything_as_it_was(
    on: Path, server: ProviderServer, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    ChatOpenAI(model="gpt-4o-mini", base_url=server.openai_url).invoke("hello")
    monkeypatch.delenv("OPENAI_API_KEY")
    gm.on(budget="3usd", ttl="7d")
    if before == "semantic":
        gm.on(match="semantic", embedder=DeterministicFakeEmbedding(size=8), threshold=0.9, wait=True)
    cache = controller.cache
    assert cache is not None
    budget, options, embedder = cache.ledger.budget, cache.settings.options, cache.similar and cache.similar.embedder
    slow = Slow()
    with pytest.raises(KeyboardInterrupt):
        gm.on(mode="replay", budget="2usd", ttl="1d", samples=3, match="semantic", embedder=slow, wait=True)
    slow.freed.set()

    assert "OPENAI_API_KEY" not in os.environ
    assert cache.settings.options == options
    assert cache.ledger.budget is budget
    assert (cache.similar and cache.similar.embedder) == embedder
