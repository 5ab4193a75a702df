"""A ``GPTCache`` that is set with ``set_llm_cache`` is the cache: tables, commands, marks and cells know of it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_core.outputs import Generation

import gptcache_magics as gm
from gptcache_magics.errors import CommandError
from gptcache_magics.langchain import hooks
from gptcache_magics.settings import Options
from tests.support.kernel import Kernel, badges
from tests.support.processes import output_of
from tests.support.provider_server import ProviderServer
from tests.support.shell import NumberedModel, Typist, ask

Made = Callable[..., gm.GPTCache]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Make caches and set them for LangChain."""
    caches: list[gm.GPTCache] = []

    def make(name: str = "own", *args: Any, **options: Any) -> gm.GPTCache:
        where = name if name == ":memory:" else str(tmp_path / name)
        caches.append(gm.GPTCache(*args, **{"store": where, **options}))
        set_llm_cache(caches[-1])
        return caches[-1]

    yield make
    if gm.current() is not None:
        gm.off()
    set_llm_cache(None)
    for cache in caches:
        cache.close()


# What the commands see


def test_every_table_and_command_reads_the_cache_that_was_set(made: Made) -> None:
    cache = made()
    answer = ask("question")
    assert ask("question") == answer

    assert gm.current() is cache
    assert gm.status().cache == "on (set by hand)"
    assert gm.status().run.startswith("1 hit, 1 miss")
    assert gm.status().warnings == "none"
    assert gm.stats(by="total")[["hits", "misses"]].iloc[0].tolist() == [1, 1]
    assert gm.lookups()["outcome"].tolist() == ["hit", "miss"]
    assert gm.entries()["answer"].tolist() == [answer]
    assert gm.models().index.tolist() == ["small-model"]
    assert "A hit: the answer was stored" in str(gm.why("question"))
    assert gm.panel() is not None
    assert gm.doctor() is not None
    gm.pin(gm.entries().index[0])
    assert gm.entries(pinned=True)["answer"].tolist() == [answer]
    gm.clear(yes=True)
    assert ask("question") != answer


def test_a_bundle_is_saved_from_and_loaded_into_it(made: Made, tmp_path: Path) -> None:
    made()
    answer = ask("question")
    assert gm.save(tmp_path / "lesson.jsonl").startswith("Saved 1 entry")

    made(":memory:")
    assert "1 entry added" in gm.load(tmp_path / "lesson.jsonl")
    assert ask("question") == answer


def test_the_latest_of_two_caches_is_the_cache_and_the_other_serves_its_models(made: Made) -> None:
    first, second = made("first"), made("second")
    ask("question")
    assert gm.current() is second
    assert len(gm.entries()) == 1
    own = NumberedModel(cache=first)
    assert own.invoke("question") is not None
    assert len(gm.lookups(outcome="hit")) == 0

    set_llm_cache(first)
    assert gm.current() is first
    assert gm.lookups()["outcome"].tolist() == ["miss"]
    set_llm_cache(InMemoryCache())
    assert gm.current() is None
    assert gm.status().cache == "off"


def test_modes_and_blocks_hold_for_it(made: Made, server: ProviderServer) -> None:
    made()
    model = server.model("ChatOpenAI")
    first = model.invoke("question").text
    gm.mode("replay")
    assert model.invoke("question").text == first
    with pytest.raises(gm.CacheMiss):
        model.invoke("another question")
    gm.mode("auto")
    with gm.using(mode="refresh"):
        assert model.invoke("question").text != first
    assert server.calls == 2


def test_help_and_status_import_no_cache(tmp_path: Path) -> None:
    script = """
import sys
import gptcache_magics as gm
assert gm.current() is None and gm.status().cache == "off"
print([name for name in sys.modules if name.startswith(("langchain", "gptcache_magics.langchain"))])
"""
    assert output_of(script, folder=tmp_path) == "[]"


# Marks


async def test_a_hit_of_a_model_is_marked_and_a_plain_lookup_is_not(made: Made, server: ProviderServer) -> None:
    cache = made()
    model = server.model("ChatOpenAI")
    model.invoke("question")
    entry = gm.entries().index[0]

    for hit in (model.invoke("question"), await model.ainvoke("question"), *model.batch(["question"])):
        assert entry.startswith(hit.response_metadata["gptcache"]["entry"][:8])
        assert hit.response_metadata["gptcache"]["match"] == "exact"
    list(model.stream("streamed"))
    assert [piece for piece in model.stream("streamed") if "gptcache" in piece.response_metadata]

    cache.update("prompt", "model", [Generation(text="answer")])
    assert cache.lookup("prompt", "model") == [Generation(text="answer")]
    assert await cache.alookup("prompt", "model") == [Generation(text="answer")]


# On and off


def test_on_takes_it_over_and_off_gives_it_back_as_it_was(made: Made) -> None:
    cache = made()
    answer = ask("question")
    told = gm.on(ttl="7d", budget="2usd", mode="readonly")

    assert gm.current() is get_llm_cache() is cache
    assert "1 entry" in told
    assert "set aside" not in told
    assert gm.status().cache == "on (set by hand)"
    assert cache.settings.options.ttl == 7 * 86_400
    assert ask("question") == answer
    assert gm.status().run.startswith("1 hit, 1 miss")

    told = gm.off()
    assert told.startswith("Cache off. This run: 1 hit, 1 miss")
    assert "The GPTCache that was set by hand stays open." in told
    assert get_llm_cache() is None
    assert gm.current() is None
    assert (cache.settings.options, cache.ledger.budget) == (Options(), None)
    assert ask("question") != answer
    assert NumberedModel(cache=cache).invoke("question").content == answer  # open, and with its wraps
    set_llm_cache(cache)
    assert ask("question") == answer
    assert gm.status().run.startswith("3 hits, 1 miss")


def test_off_alone_takes_it_away_and_leaves_it_open(made: Made) -> None:
    cache = made()
    answer = ask("question")
    assert "stays open" in gm.off()

    assert gm.off() == "The cache is off already."
    assert get_llm_cache() is None
    assert NumberedModel(cache=cache).invoke("question").content == answer


def test_while_on_a_cache_set_over_it_is_reported_and_replay_holds(made: Made, server: ProviderServer) -> None:
    made()
    gm.on(mode="replay")
    set_llm_cache(InMemoryCache())

    assert gm.status().cache == "replaced (set by hand)"
    with pytest.raises(gm.CacheMiss):
        server.model("ChatOpenAI").invoke("question")
    gm.on()
    assert gm.status().warnings == "none"


def test_on_at_the_same_place_takes_it_over_and_at_another_sets_it_aside(made: Made, tmp_path: Path) -> None:
    cache = made("own")
    gm.on(tmp_path / "own")
    assert gm.current() is cache
    gm.off()
    set_llm_cache(cache)

    told = gm.on(tmp_path / "another")
    assert told.endswith("GPTCache set aside (off restores it). Keep using it: %gptcache off")
    assert gm.status().cache == "on"
    assert gm.current() is not cache
    with pytest.raises(CommandError, match=r"GPTCache of this package\. Use it: %gptcache off"):
        gm.on(wrap=True)
    assert "GPTCache is back." in gm.off()
    assert gm.current() is get_llm_cache() is cache
    with pytest.raises(CommandError, match=r"a GPTCache of this package\. Use it: %gptcache on$"):
        gm.on(wrap=True)
    assert gm.status().cache == "on (set by hand)"


def test_matching_by_meaning_is_turned_on_for_it_and_off_again(made: Made) -> None:
    cache = made()
    gm.on(match="semantic", embedder=DeterministicFakeEmbedding(size=8), threshold=0.9, wait=True)
    assert gm.status().match.startswith("semantic")
    gm.off()
    assert cache.similar is None
    assert cache.settings.options == Options()


class Broken(Embeddings):
    """Cannot embed."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise KeyboardInterrupt

    def embed_query(self, text: str) -> list[float]:
        raise KeyboardInterrupt


@pytest.mark.parametrize("where", [None, "own", "another"])
def test_an_on_that_fails_leaves_it_set_as_it_was(made: Made, tmp_path: Path, where: str | None) -> None:
    cache = made("own")
    wraps = hooks.installed()
    (tmp_path / "another").write_text("not a folder")
    place = None if where is None else tmp_path / where
    with pytest.raises(gm.GPTCacheMagicsError):
        gm.on(place, mode="replay", budget="2usd", ttl="7d", match="semantic", embedder=object())
    if where != "own":
        with pytest.raises(gm.GPTCacheMagicsError):
            gm.on(tmp_path / "another", mode="replay", budget="2usd")

    assert gm.current() is get_llm_cache() is cache
    assert gm.status().cache == "on (set by hand)"
    assert (cache.settings.options, cache.ledger.budget, cache.watch.in_charge) == (Options(), None, False)
    assert hooks.installed() == wraps


# In a notebook


def test_config_holds_for_it(magic: Typist, made: Made) -> None:
    made()
    magic.cell("%config GPTCacheMagics.mark_hits = False")
    ask("question")
    assert "gptcache" not in NumberedModel().invoke("question").response_metadata
    magic.cell("%config GPTCacheMagics.mark_hits = True")
    assert "gptcache" in NumberedModel().invoke("question").response_metadata
    magic.cell("%config GPTCacheMagics.stream = False")
    assert len(gm.lookups(outcome="bypass")) == 0
    list(NumberedModel().stream("streamed"))
    assert len(gm.lookups(outcome="bypass")) == 1


def test_unloading_leaves_what_the_user_has_set(magic: Typist, made: Made) -> None:
    cache = made()
    magic.cell("%config GPTCacheMagics.mark_hits = False")
    magic.cell("%unload_ext gptcache_magics")
    assert get_llm_cache() is cache
    ask("question")
    assert "gptcache" in NumberedModel().invoke("question").response_metadata, "%config ends with the extension"


@pytest.mark.slow
@pytest.mark.kernel
def test_cells_attribute_their_lookups_and_show_what_they_saved(tmp_path: Path) -> None:
    with Kernel(tmp_path) as kernel:
        kernel.run("import gptcache_magics as gm\nfrom langchain_core.globals import set_llm_cache\n%gptcache off")
        kernel.run("cache = gm.GPTCache(store='own'); set_llm_cache(cache)")
        first = kernel.run("ask('by hand')", cell_id="a")
        assert badges(first) == ["gptcache: 1 miss · paid 0.0 s"]
        again = kernel.run("ask('by hand')", cell_id="b")
        assert again.text == first.text
        assert badges(again)[0].startswith("gptcache: 1 hit")
        assert kernel.run("gm.lookups()['execution_count'].tolist()").text == f"[{again.count}, {first.count}]"

        threads = "import threading\nthread = threading.Thread(target=ask, args=('by hand',))"
        kernel.run(f"%%gptcache refresh\n{threads}\nthread.start(); thread.join()")
        assert kernel.run("gm.lookups()['mode'].tolist()[0]").text == "'refresh'"
        one_cell = "cache.close(); other = gm.GPTCache(store='other'); set_llm_cache(other); ask('by hand')"
        assert badges(kernel.run(one_cell, cell_id="c")) == ["gptcache: 1 miss · paid 0.0 s"]


def test_a_thread_asks_the_cache_that_was_set(made: Made) -> None:
    made()
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(ask("question")))
    thread.start()
    thread.join()
    assert ask("question") == answers[0]
    assert gm.stats(by="total")["hits"].iloc[0] == 1


def test_a_cache_that_was_closed_is_set_aside_and_not_used(made: Made) -> None:
    closed = made(":memory:")
    closed.close()
    assert gm.current() is None

    gm.on(":memory:")
    assert gm.current() is not closed
    assert ask("question") == ask("question")
    gm.off()
    assert get_llm_cache() is closed
