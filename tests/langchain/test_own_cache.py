"""``GPTCache`` as an object: its options, figures, repr, ``with``, copies and pickles, and the arguments it refuses."""

import copy
import functools
import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gptcache
import openai
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_openai import ChatOpenAI

import gptcache_magics as gm
from gptcache_magics.errors import CommandError
from gptcache_magics.langchain import hooks
from gptcache_magics.store.protocol import Selection
from gptcache_magics.store.sqlite.store import SQLiteStore
from tests.support.processes import output_of
from tests.support.provider_server import ProviderServer
from tests.support.shell import NumberedModel, ask

Made = Callable[..., gm.GPTCache]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder, and leave LangChain without a cache."""
    monkeypatch.chdir(tmp_path)
    yield
    set_llm_cache(None)


@pytest.fixture
def made() -> Iterator[Made]:
    """Make caches and close them."""
    caches: list[gm.GPTCache] = []

    def make(*args: Any, **options: Any) -> gm.GPTCache:
        caches.append(gm.GPTCache(*args, **options))
        return caches[-1]

    yield make
    for cache in caches:
        cache.close()


# Options


def test_the_options_of_on_hold(made: Made, server: ProviderServer) -> None:
    with made(store="own", mode="replay"), pytest.raises(gm.CacheMiss):
        ask("question")
    with made(store="own", samples=2):
        assert len({ask("question") for _ in range(6)}) == 2
    with made(store="own", ttl="7d", mark_hits=False) as cache:
        ask("another question")
        assert [entry.expires is not None for entry in cache.store.entries(Selection(), 1)] == [True]
        assert "gptcache" not in NumberedModel().invoke("another question").response_metadata
    with made(store="marked", mark_hits=True):
        ask("question")
        assert "gptcache" in NumberedModel().invoke("question").response_metadata
    with made(store="small", max_size="0.1kB") as cache:
        for n in range(3):
            ask(f"question {n} {'long ' * 20}")
        cache.ledger.flush()
        assert cache.store.count()[1] <= 100
    with made(store="poor", budget="0.000001usd"):
        model = server.model("ChatOpenAI")
        model.invoke("question")
        with pytest.raises(gm.BudgetReached):
            model.invoke("another question")


def test_matching_by_meaning_is_an_option(made: Made) -> None:
    embedder = DeterministicFakeEmbedding(size=8)
    with made(store="own", match="semantic", embedder=embedder, threshold="strict", any_temperature=True) as cache:
        assert gm.status().match.startswith("semantic: DeterministicFakeEmbedding, threshold strict (0.96), at any")
        assert cache.settings.options.threshold == 0.96


def test_a_bundle_is_replayed(made: Made) -> None:
    with made(store=":memory:"):
        answer = ask("question")
        gm.save("lesson.jsonl")
    for given in ("lesson.jsonl", Path("lesson.jsonl").absolute()):
        with made(store=given) as cache:
            assert ask("question") == answer
            with pytest.raises(gm.CacheMiss):
                ask("another question")
            assert repr(cache) == "GPTCache('lesson.jsonl', 1 entry, mode replay)"
    assert not Path("lesson.jsonl").is_dir()
    with pytest.raises(CommandError, match=r"There is no file missing\.jsonl"):
        made(store="missing.jsonl")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "mode": ({"mode": "reply"}, "mode takes auto, replay, refresh, readonly, bypass. Got 'reply'. Did you mean"),
    "match": ({"match": "meaning"}, "match takes exact, semantic. Got 'meaning'."),
    "ttl": ({"ttl": "soon"}, "GPTCache: ttl takes a time such as 12h or 7d. Got 'soon'."),
    "max_size": ({"max_size": "much"}, "GPTCache: max_size takes a size such as 500MB or 2GB. Got 'much'."),
    "samples": ({"samples": 0}, "samples takes a whole number above 0. Got 0."),
    "ttl of nothing": ({"ttl": "0h"}, "GPTCache: ttl is above 0, or none. Got 0."),
    "max_size of nothing": ({"max_size": "0MB"}, "GPTCache: max_size is above 0, or none. Got 0."),
    "ignore": ({"ignore": "uuid"}, "GPTCache: ignore takes id, date, time, address and order, with commas, or none."),
    "ignore as a number": ({"ignore": 3}, "GPTCache: ignore takes id, date, time, address and order"),
    "ignore with none": ({"ignore": "id,none"}, "GPTCache: ignore takes rules or none. Got none and id."),
    "ignore with a number": ({"ignore": ["id", 3]}, "Got 3."),
    "template": ({"match": "semantic", "template": "no gap"}, "GPTCache: template needs a text with a {gap}"),
    "keep_cut_off as text": ({"keep_cut_off": "no"}, "keep_cut_off takes True or False. Got 'no'."),
    "mark_hits as text": ({"mark_hits": "no"}, "mark_hits takes True or False. Got 'no'."),
    "any_temperature as text": ({"match": "semantic", "any_temperature": "no"}, "any_temperature takes True or False."),
    "samples as a flag": ({"samples": True}, "samples takes a whole number above 0. Got True."),
    "wrapped": ({"wrapped": "sqlite"}, "GPTCache: wrapped is another LangChain cache. Got 'sqlite'."),
    "samples as text": ({"samples": "3"}, "samples takes a whole number above 0. Got '3'."),
    "budget": ({"budget": "2eur"}, "GPTCache: budget takes US dollars such as 2usd or 0.50usd. Got '2eur'."),
    "threshold": ({"match": "semantic", "threshold": 92}, "GPTCache: threshold is strict, balanced, loose or a cosine"),
    "threshold alone": (
        {"threshold": 0.9},
        "GPTCache: threshold is about matching by meaning. Type: GPTCache(match='semantic', threshold=…)",
    ),
    "exact with an embedder": ({"match": "exact", "embedder": "minilm"}, "Type: GPTCache(match='semantic', embedder=…"),
    "embedder": ({"match": "semantic", "embedder": 5}, "5"),
    "ttl of others": (
        {"wrapped": InMemoryCache(), "ttl": "7d"},
        "GPTCache: ttl is about answers in a store, but init_func or wrapped keeps them elsewhere.",
    ),
    "meaning of others": ({"init_func": lambda cache: None, "match": "semantic"}, "match is about answers in a store"),
}


@pytest.mark.parametrize(("options", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_option_is_one_sentence_and_leaves_nothing(options: dict[str, Any], sentence: str) -> None:
    before = hooks.installed()
    with pytest.raises(CommandError) as refused:
        gm.GPTCache(**options)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
    assert hooks.installed() == before
    assert list(Path().iterdir()) == []


# What is no init_func


async def sets_up(cache: gptcache.Cache) -> None: ...


class SetsUp:
    """An object that sets caches up."""

    def __call__(self, cache: gptcache.Cache, llm: str) -> None:
        cache.init()

    def method(self, cache: gptcache.Cache) -> None:
        cache.init()


TAKES = "GPTCache(init_func) takes a function that sets up a gptcache.Cache."
NO_FUNCTIONS: dict[str, tuple[Any, str]] = {
    "text": ("some/path", f"{TAKES} Got the text 'some/path'. A folder: GPTCache(store='some/path')"),
    "empty": ("", f"{TAKES} Got the text ''."),
    "path": (Path("some/path"), f"{TAKES} Got the path 'some/path'. A folder: GPTCache(store='some/path')"),
    "number": (5, f"{TAKES} Got 5."),
    "false": (False, f"{TAKES} Got False."),
    "cache": (InMemoryCache(), f"{TAKES} Got a InMemoryCache. To keep the answers in it: GPTCache(wrapped=…)"),
    "store": (SQLiteStore(":memory:"), f"{TAKES} Got a SQLiteStore. A store: GPTCache(store=…)"),
    "gptcache": (gptcache.Cache(), f"{TAKES} Got a Cache."),
    "class": (gptcache.Cache, f"{TAKES} It has one parameter, the cache, or two"),
    "none": (lambda: None, "<lambda> has others."),
    "three": (lambda cache, llm, more: None, "<lambda> has others."),
    "names": (lambda *, cache: None, "<lambda> has others."),
    "async": (sets_up, "sets_up is async: write def in place of async def."),
    "built in": (getattr, "It has one parameter"),
}


@pytest.mark.parametrize(("given", "sentence"), NO_FUNCTIONS.values(), ids=NO_FUNCTIONS)
def test_what_cannot_set_a_cache_up_is_refused_when_it_is_given(given: Any, sentence: str) -> None:
    with pytest.raises(CommandError) as refused:
        gm.GPTCache(given)
    assert sentence in str(refused.value)
    if callable(given):
        with pytest.raises(CommandError):
            gm.on(init=given)
        assert gm.current() is None


@pytest.mark.parametrize(
    "given",
    [
        SetsUp(),
        SetsUp().method,
        functools.partial(lambda folder, cache: cache.init(), "folder"),
        lambda cache, llm="": cache.init(),
        lambda cache, *more, **options: cache.init(),
        lambda *both: both[0].init(),
        None,
    ],
)
def test_whatever_can_is_taken(made: Made, given: Any) -> None:
    with made(given, store=":memory:") as cache:
        assert ask("question") == ask("question")
        assert cache.ledger.failures == 0, cache.ledger.last_error


# Figures and words


def test_stats_are_those_of_this_cache(made: Made) -> None:
    one, two = made(store="one"), made(store="two")
    with one:
        ask("question")
        ask("question")
    with two:
        ask("question", "large-model")

    assert one.stats().loc["small-model", ["hits", "misses"]].tolist() == [1, 1]
    assert two.stats(by="total")[["hits", "misses"]].iloc[0].tolist() == [0, 1]
    assert one.stats(by="configuration", wide=True)["exact_hits"].tolist() == [1]
    assert one.stats(model="small")["hits"].tolist() == [1]
    with pytest.raises(CommandError, match="No model 'large-model' in this store"):
        one.stats(model="large-model")
    one.ledger.start_run()
    assert len(one.stats()) == 0
    assert one.stats(since="all")["hits"].tolist() == [1]
    with pytest.raises(CommandError, match=r"by takes model, .*Got 'modal'\. Did you mean 'model'"):
        one.stats("modal")  # type: ignore[arg-type]


def test_the_repr_names_the_place_and_makes_no_file(made: Made, tmp_path: Path) -> None:
    cache = made()
    assert repr(cache) == "GPTCache('.gptcache', mode auto)"
    assert list(tmp_path.iterdir()) == []
    with cache:
        ask("question")
        assert repr(cache) == "GPTCache('.gptcache', 1 entry, mode auto)"
        gm.mode("readonly")
    assert str(cache) == "GPTCache('.gptcache', 1 entry, mode readonly)"
    assert repr(made(store=":memory:")) == "GPTCache(':memory:', 0 entries, mode auto)"
    assert repr(made(wrapped=InMemoryCache(), store=":memory:")) == (
        "GPTCache(':memory:', answers in InMemoryCache, mode auto)"
    )
    assert "the gptcache of init_func SetsUp" in repr(made(SetsUp(), store=":memory:"))
    assert "GPTCache('.gptcache'" in repr(NumberedModel(cache=cache))


def test_the_repr_of_a_broken_store_is_no_error(made: Made, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "cache.db").mkdir()
    assert repr(made(store="broken")) == "GPTCache('broken', mode auto)"


def test_the_repr_is_no_part_of_a_key(made: Made, server: ProviderServer) -> None:
    cache = made(store="own")
    model = server.model("ChatOpenAI", cache=cache)
    first = model.invoke("question").text
    server.model("ChatOpenAI", cache=cache).invoke("another question")
    assert server.model("ChatOpenAI", cache=cache).invoke("question").text == first
    assert "GPTCache" not in model._get_llm_string()


# With


def test_with_sets_it_and_puts_back_what_was_there(made: Made) -> None:
    theirs = InMemoryCache()
    set_llm_cache(theirs)
    with made(store="outer") as outer:
        assert gm.current() is get_llm_cache() is outer
        answer = ask("question")
        with suppress(ZeroDivisionError), made(store="inner") as inner:
            assert gm.current() is inner
            raise ZeroDivisionError
        assert gm.current() is outer
        with outer:
            assert ask("question") == answer
        assert gm.current() is outer
    assert get_llm_cache() is theirs
    with outer:
        assert ask("question") == answer, "the store stays open"


def test_with_leaves_a_cache_that_was_set_meanwhile(made: Made) -> None:
    later = InMemoryCache()
    with made(store="own"):
        set_llm_cache(later)
    assert get_llm_cache() is later


def test_off_within_a_block_puts_back_what_was_there(made: Made) -> None:
    theirs = InMemoryCache()
    set_llm_cache(theirs)
    with made(store="own"):
        assert "InMemoryCache is back." in gm.off()
        assert get_llm_cache() is theirs
    assert get_llm_cache() is theirs


def test_while_another_cache_is_on_a_block_is_reported(made: Made) -> None:
    gm.on(":memory:")
    with made(store="own"):
        assert "GPTCache replaced this cache" in gm.status().warnings
    assert gm.status().warnings == "none"
    gm.off()


# Copies and pickles


def test_a_copy_is_the_same_cache(made: Made) -> None:
    cache = made(store=":memory:")
    assert copy.copy(cache) is copy.deepcopy(cache) is cache
    model = NumberedModel(cache=cache)
    assert model.model_copy(deep=True).cache is cache
    assert copy.deepcopy([model])[0].cache is cache


def set_up(cache: gptcache.Cache) -> None:
    cache.init()


def test_a_pickle_names_the_place_and_keeps_the_options(made: Made, tmp_path: Path) -> None:
    options: dict[str, Any] = {"ttl": "7d", "max_size": "500MB", "samples": 2, "budget": "0.005usd", "mark_hits": False}
    cache = made(store="own", match="semantic", embedder=DeterministicFakeEmbedding(size=8), threshold=0.9, **options)
    with cache:
        answer = ask("question")
        gm.mode("replay")
    again = pickle.loads(pickle.dumps(cache))
    assert again is not cache
    assert again.settings.options == cache.settings.options
    assert again.ledger.budget.limit == 0.005
    assert again.similar.maker.given == cache.similar.maker.given
    assert repr(again) == repr(cache)
    with again:
        assert ask("question") == answer
        with pytest.raises(gm.CacheMiss):
            ask("another question")
    again.close()
    with_function = pickle.loads(pickle.dumps(made(set_up, store="own")))
    assert with_function.init_func is set_up
    with_function.close()


def test_a_pickle_of_the_cache_that_is_on_names_its_place(tmp_path: Path) -> None:
    gm.on("own", ttl="7d")
    current = gm.current()
    again = pickle.loads(pickle.dumps(current))
    assert (again.store.where, again.settings.options) == (current.store.where, current.settings.options)
    again.close()
    gm.off()


class Answers:
    """A store of the user's own."""

    def get(self, key: str) -> None: ...

    def put(self, entry: Any, configuration: Any) -> None: ...

    def clear(self) -> int:
        return 0


UNREACHABLE: dict[str, tuple[dict[str, Any], str]] = {
    "memory": ({"store": ":memory:"}, "another process cannot reach its answers"),
    "wrapped": ({"wrapped": InMemoryCache(), "store": "own"}, "InMemoryCache keeps its answers"),
    "store": ({"store": Answers()}, "keeps its answers"),
}


@pytest.mark.parametrize(("options", "reason"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_a_cache_that_another_process_cannot_reach_says_so(made: Made, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(TypeError, match=reason) as refused:
        pickle.dumps(made(**options))
    assert str(refused.value).endswith("Give it a folder: GPTCache(store='.gptcache')")


def ask_with(cache: gm.GPTCache) -> str:
    """Ask in another process."""
    with cache:
        return ask("question")


@pytest.mark.slow
def test_a_worker_process_asks_the_same_store(tmp_path: Path) -> None:
    script = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
import gptcache_magics as gm
from tests.langchain.test_own_cache import ask_with

if __name__ == "__main__":
    cache = gm.GPTCache(store="own")
    first = ask_with(cache)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        print(pool.submit(ask_with, cache).result() == first)
"""
    (tmp_path / "workers.py").write_text(script)
    assert output_of("import runpy; runpy.run_path('workers.py', run_name='__main__')", folder=tmp_path) == "True"


def ask_model(model: NumberedModel) -> tuple[str, str]:
    """Ask in another process. Returns the answer, and the outcome of the lookup."""
    answer = str(model.invoke("question").content)
    assert isinstance(model.cache, gm.GPTCache)
    model.cache.close()
    return answer, model.cache.ledger.recent[-1].outcome


@pytest.mark.slow
@pytest.mark.parametrize("way", ["spawn", "forkserver"])
def test_a_model_with_its_own_cache_goes_to_another_process(tmp_path: Path, way: str) -> None:
    if way not in multiprocessing.get_all_start_methods():
        pytest.skip("this system has no such processes")
    script = """
import copy
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
import gptcache_magics as gm
from tests.langchain.test_own_cache import ask_model
from tests.support.shell import NumberedModel

if __name__ == "__main__":
    model = NumberedModel(cache=gm.GPTCache(store="own"))
    first = model.invoke("question").content
    with ProcessPoolExecutor(2, multiprocessing.get_context(sys.argv[1])) as pool:
        for answer, outcome in pool.map(ask_model, [model, copy.deepcopy(model), model.model_copy()]):
            print(answer == first, outcome)
"""
    (tmp_path / "workers.py").write_text(script)
    run = "import runpy; runpy.run_path('workers.py', run_name='__main__')"
    assert output_of(run, way, folder=tmp_path).splitlines() == ["True hit"] * 3


# What replays without a key


@pytest.mark.parametrize("where", ["store", "lesson.jsonl"])
def test_models_are_built_without_their_keys_while_it_replays(
    made: Made, server: ProviderServer, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    with made(store="store"):
        answer = server.model("ChatOpenAI").invoke("question").content
        gm.save("lesson.jsonl")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def built() -> Any:
        return ChatOpenAI(model="gpt-4o-mini", base_url=f"{server.url}/v1")

    cache = made(store=where, mode="replay")
    assert os.environ["OPENAI_API_KEY"]
    with cache:
        assert built().invoke("question").content == answer
    with pytest.raises(openai.OpenAIError, match="OPENAI_API_KEY"):
        built()
    set_llm_cache(cache)
    with cache:  # within itself
        pass
    assert built().invoke("question").content == answer
    gm.on(mode="auto")
    assert "OPENAI_API_KEY" not in os.environ
    gm.on(mode="replay")
    assert built().invoke("question").content == answer
    gm.off()
    assert "OPENAI_API_KEY" not in os.environ
    again = gm.GPTCache(store=where, mode="replay")
    again.close()
    cache.close()
    assert "OPENAI_API_KEY" not in os.environ
    assert server.calls == 1
