"""What LangChain's own GPTCache stored with an ``init_func`` is found where it names its model, and said where not."""

import hashlib
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from gptcache import Cache
from gptcache.manager import CacheBase, VectorBase, get_data_manager
from gptcache.processor.pre import get_prompt
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import Generation

import gptcache_magics as gm
from gptcache_magics.store.sqlite import connections
from tests.engines.test_init_func import DIMENSION, KeepsForEver, embed, map_by_llm, map_for
from tests.support.models import text_of
from tests.support.provider_server import ProviderServer
from tests.support.shell import Typist

InitFunc = Callable[..., None]
Install = Callable[..., gm.GPTCache]
QUESTION = "What is the capital of France?"
UNNAMED = "The answers that LangChain's GPTCache stored with this init_func do not say which model gave them"


@pytest.fixture
def install() -> Iterator[Install]:
    """Set our cache for LangChain."""
    caches = []

    def install(*args: Any, **options: Any) -> gm.GPTCache:
        cache = gm.GPTCache(*args, **{"store": ":memory:", **options})
        caches.append(cache)
        set_llm_cache(cache)
        return cache

    yield install
    set_llm_cache(None)
    for cache in caches:
        cache.close()


def stored_by_stock(init_func: InitFunc, *calls: Callable[[], Any]) -> list[str]:
    """Make calls with LangChain's own class as the cache, write its files, and return the answers."""
    from langchain_community.cache import GPTCache

    theirs = GPTCache(init_func)
    set_llm_cache(theirs)
    answers = [text_of(call()) for call in calls]
    set_llm_cache(None)
    for each in theirs.gptcache_dict.values():
        each.flush()
    return answers


def by_digest(folder: Path, name: str = "sha256") -> InitFunc:
    """Return the ``init_func`` of LangChain's documentation."""

    def init(cache: Cache, llm: str) -> None:
        path = folder / f"map_cache_{hashlib.new(name, llm.encode()).hexdigest()}.txt"
        cache.init(pre_embedding_func=get_prompt, data_manager=get_data_manager(data_path=str(path)))

    return init


def assert_quiet(cache: gm.GPTCache) -> None:
    assert cache.ledger.failures == 0, cache.ledger.last_error


@pytest.mark.parametrize("digest", ["sha256", "md5", "blake2b"])
def test_an_answer_whose_place_names_the_model_is_served(
    server: ProviderServer, install: Install, tmp_path: Path, digest: str
) -> None:
    model = server.model("ChatOpenAI", temperature=0.5)
    history = [HumanMessage("Hello."), AIMessage("Hi."), HumanMessage(QUESTION)]
    first, second = stored_by_stock(
        by_digest(tmp_path, digest), lambda: model.invoke(QUESTION), lambda: model.invoke(history)
    )
    cache = install(by_digest(tmp_path, digest))
    again = server.model("ChatOpenAI", temperature=0.5)
    hit = again.invoke(QUESTION)

    assert (text_of(hit), text_of(again.invoke(history))) == (first, second)
    assert server.calls == 2
    assert hit.response_metadata["gptcache"]["match"] == "exact"
    assert gm.stats(by="total")[["hits", "misses"]].iloc[0].tolist() == [2, 0]
    assert gm.status().warnings == "none"
    assert_quiet(cache)


def test_another_model_parameter_or_prompt_is_a_miss(server: ProviderServer, install: Install, tmp_path: Path) -> None:
    model = server.model("ChatOpenAI")
    stored_by_stock(by_digest(tmp_path), lambda: model.invoke(QUESTION))
    cache = install(by_digest(tmp_path))
    others: list[Callable[[], Any]] = [
        lambda: server.model("ChatOpenAI", model="gpt-5").invoke(QUESTION),
        lambda: server.model("ChatOpenAI", temperature=0.5).invoke(QUESTION),
        lambda: server.model("ChatOpenAI").bind(stop=["."]).invoke(QUESTION),
        lambda: server.model("ChatOpenAI").invoke(f"{QUESTION} "),
        lambda: server.model("ChatOpenAI").invoke([HumanMessage(QUESTION, name="Ada")]),
    ]
    for n, ask in enumerate(others, 2):
        ask()
        assert server.calls == n
    changed = server.model("ChatOpenAI")
    assert "call 1" in text_of(changed.invoke(QUESTION))
    changed.temperature = 0.9  # the llm_string of a used model stays as it was
    changed.invoke(QUESTION)
    assert server.calls == len(others) + 2
    assert_quiet(cache)


def test_our_own_answer_comes_first_and_clear_clears_both(
    server: ProviderServer, install: Install, tmp_path: Path
) -> None:
    model = server.model("ChatOpenAI")
    [old] = stored_by_stock(by_digest(tmp_path), lambda: model.invoke(QUESTION))
    cache = install(by_digest(tmp_path), store=str(tmp_path / "store"))
    assert text_of(model.invoke(QUESTION)) == old
    with gm.using(mode="refresh"):
        new = text_of(model.invoke(QUESTION))
    assert new != old
    assert text_of(model.invoke(QUESTION)) == new

    cache.clear()
    assert text_of(model.invoke(QUESTION)) not in (old, new)
    cache.close()
    set_llm_cache(None)
    stored_by_stock(by_digest(tmp_path), lambda: model.invoke("stored later"))
    later = install(by_digest(tmp_path), store=str(tmp_path / "store"))
    model.invoke("stored later")
    assert gm.lookups()["outcome"].iloc[0] == "miss", "of the time before the clearing, for all we know"
    later.close()


def test_replay_serves_it_and_samples_repeat_it_once(server: ProviderServer, install: Install, tmp_path: Path) -> None:
    model = server.model("ChatOpenAI")
    [old] = stored_by_stock(by_digest(tmp_path), lambda: model.invoke(QUESTION))
    install(by_digest(tmp_path))
    gm.mode("replay")
    assert text_of(model.invoke(QUESTION)) == old
    with pytest.raises(gm.CacheMiss):
        model.invoke("another question")
    gm.mode("auto")
    with gm.using(samples=2):
        answers = [text_of(model.invoke(QUESTION)) for _ in range(2)]
    assert answers[0] == old != answers[1]


def shared(folder: Path) -> InitFunc:
    """Return an ``init_func`` that puts every model's answers into one file, whatever ``llm`` is."""

    def init(cache: Cache, llm: str) -> None:
        cache.init(pre_embedding_func=get_prompt, data_manager=get_data_manager(data_path=str(folder / "data_map.txt")))

    return init


def one_parameter(folder: Path) -> InitFunc:
    return map_for(folder / "data_map.txt")


def vectors(folder: Path) -> InitFunc:
    def init(cache: Cache, llm: str) -> None:
        where = folder / hashlib.sha256(llm.encode()).hexdigest()
        where.mkdir(exist_ok=True)
        manager = get_data_manager(
            CacheBase("sqlite", sql_url=f"sqlite:///{where / 'sqlite.db'}"),
            VectorBase("faiss", dimension=DIMENSION, index_path=str(where / "faiss.index"), top_k=1),
        )
        cache.init(pre_embedding_func=get_prompt, embedding_func=embed, data_manager=manager)

    return init


UNPROVEN = {"one file": shared, "one parameter": one_parameter, "a hash": map_by_llm, "vectors": vectors}


@pytest.mark.parametrize("way", UNPROVEN.values(), ids=UNPROVEN)
def test_where_the_model_is_not_named_none_is_served_and_that_is_said_once(
    server: ProviderServer, install: Install, tmp_path: Path, way: Callable[[Path], InitFunc], magic: Typist
) -> None:
    model = server.model("ChatOpenAI")
    [old] = stored_by_stock(way(tmp_path), lambda: model.invoke(QUESTION))
    cache = install(way(tmp_path))
    new = text_of(model.invoke(QUESTION))

    assert new != old
    assert text_of(model.invoke(QUESTION)) == new
    assert gm.status().warnings.count(UNNAMED) == 1
    assert UNNAMED not in magic.told("mode auto"), "it was shown"
    assert_quiet(cache)


def test_a_model_that_llm_string_does_not_describe_is_asked(
    server: ProviderServer, install: Install, tmp_path: Path
) -> None:
    model = server.model("ChatOllama", model="llama3")
    [old] = stored_by_stock(by_digest(tmp_path), lambda: model.invoke(QUESTION))
    install(by_digest(tmp_path))
    assert text_of(server.model("ChatOllama", model="qwen3").invoke(QUESTION)) != old
    assert UNNAMED in gm.status().warnings


def test_a_reduced_prompt_is_not_taken_for_the_whole(server: ProviderServer, install: Install, tmp_path: Path) -> None:
    def init(cache: Cache, llm: str) -> None:
        path = tmp_path / f"{hashlib.sha256(llm.encode()).hexdigest()}.txt"
        cache.init(
            pre_embedding_func=lambda data, **options: data["prompt"][-60:],
            data_manager=get_data_manager(data_path=str(path)),
        )

    model = server.model("ChatOpenAI")
    stored_by_stock(init, lambda: model.invoke(f"Yes or no: {QUESTION}"))
    cache = install(init)
    assert "call 2" in text_of(model.invoke(f"In one word: {QUESTION}"))
    assert_quiet(cache)


@pytest.mark.parametrize("way", [*UNPROVEN.values(), by_digest], ids=[*UNPROVEN, "a digest"])
def test_nothing_is_said_where_stock_has_stored_nothing(
    server: ProviderServer, install: Install, tmp_path: Path, way: Callable[[Path], InitFunc]
) -> None:
    install(way(tmp_path))
    model = server.model("ChatOpenAI")
    for _ in range(2):
        model.invoke(QUESTION)
    install(way(tmp_path))
    model.invoke(QUESTION)
    assert gm.status().warnings == "none"


def test_a_plain_lookup_finds_what_stock_would(install: Install, tmp_path: Path) -> None:
    from langchain_community.cache import GPTCache

    theirs = GPTCache(by_digest(tmp_path))
    theirs.update("prompt", "[('model', 'small')]", [Generation(text="answer", generation_info={"seen": 1})])
    for each in theirs.gptcache_dict.values():
        each.flush()
    cache = install(by_digest(tmp_path))
    assert cache.lookup("prompt", "[('model', 'small')]") == [Generation(text="answer", generation_info={"seen": 1})]
    assert cache.lookup("prompt", "[('model', 'large')]") is None


@pytest.mark.parametrize("stored", ['[{"text": "old form"}]', "not JSON", '["{}"]', "[5]", '["{\\"lc\\": 1}"]', "[]"])
def test_an_answer_of_another_form_is_read_or_a_miss(
    server: ProviderServer, install: Install, tmp_path: Path, stored: str
) -> None:
    from gptcache.adapter import api
    from langchain_community.cache import GPTCache

    told: list[str] = []

    def noting(cache: Cache, llm: str) -> None:
        told.append(llm)
        by_digest(tmp_path)(cache, llm)

    model = server.model("ChatOpenAI")
    theirs = GPTCache(noting)
    set_llm_cache(theirs)
    model.invoke(QUESTION)
    [old] = theirs.gptcache_dict.values()
    [prompt] = old.data_manager.data
    api.put(prompt, stored, cache_obj=old)
    old.flush()
    cache = install(by_digest(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = text_of(model.invoke(QUESTION))
    assert answer == "old form" if "old form" in stored else answer.endswith("(call 2)")
    assert_quiet(cache)


def test_a_manager_of_ones_own_is_left_alone(server: ProviderServer, install: Install) -> None:
    for_ever = KeepsForEver()
    init = lambda cache, llm: cache.init(pre_embedding_func=get_prompt, data_manager=for_ever)  # noqa: E731
    model = server.model("ChatOpenAI")
    [old] = stored_by_stock(init, lambda: model.invoke(QUESTION))
    cache = install(init)
    assert text_of(model.invoke(QUESTION)) != old
    assert_quiet(cache)


def test_an_init_func_that_sets_nothing_up_is_named(server: ProviderServer, install: Install) -> None:
    cache = install(lambda cache: None)
    server.model("ChatOpenAI").invoke(QUESTION)
    assert "init_func did not call init() of the gptcache.Cache that it was given" in cache.ledger.last_error
    assert "init_func did not call init()" in gm.status().warnings
    # One call failed, in its lookup and in storing its answer: each place counts one.
    assert gm.status().warnings.startswith("1 error inside")
    assert gm.stats("total")["errors"].item() == 1
    assert ", 1 error" in f", {gm.status().run}"
    doctor = repr(gm.doctor())
    assert "errors in this run: 1, the last:" in doctor
    assert ".." not in doctor
    assert "answers in the gptcache of init_func <lambda>" in gm.status().store


# Taken over as the answers of a model that the user names


@pytest.mark.parametrize("name", ["ChatOpenAI", "ChatOllama", "OpenAI", "OllamaLLM"])
@pytest.mark.parametrize("way", [one_parameter, by_digest, vectors])
@pytest.mark.parametrize("external", [False, True], ids=["our store", "the same manager"])
def test_a_named_model_gets_its_answers_and_no_other_does(
    server: ProviderServer, install: Install, tmp_path: Path, name: str, way: Callable[[Path], InitFunc], external: bool
) -> None:
    model = server.model(name)
    old = stored_by_stock(way(tmp_path), lambda: model.invoke(QUESTION), lambda: model.invoke("another question"))
    cache = install(*([way(tmp_path)] if external else []))
    told = gm.load(init=way(tmp_path), model=server.model(name))

    served = external and (name, way) == ("ChatOpenAI", by_digest)  # without being taken over
    added = "0 answers of LangChain's GPTCache added, 2 kept as in the cache."
    assert told == (added if served else "2 answers of LangChain's GPTCache added.")
    assert len(gm.lookups()) == 0
    again = server.model(name)
    assert [text_of(again.invoke(QUESTION)), text_of(again.invoke("another question"))] == old
    assert server.calls == 2
    other = server.model(name, model="another-model")
    assert text_of(other.invoke(QUESTION)) not in old
    if name != "OllamaLLM":
        assert text_of(again.bind(stop=["."]).invoke(QUESTION)) not in old
    assert_quiet(cache)


def test_answers_that_the_model_has_are_kept_or_replaced(
    server: ProviderServer, install: Install, tmp_path: Path
) -> None:
    model = server.model("ChatOpenAI")
    init = one_parameter(tmp_path)
    [old] = stored_by_stock(init, lambda: model.invoke(QUESTION))
    install()
    new = text_of(model.invoke(QUESTION))
    assert gm.load(init=init, model=model) == "0 answers of LangChain's GPTCache added, 1 kept as in the cache."
    assert text_of(model.invoke(QUESTION)) == new
    assert gm.load(init=init, model=model, replace=True) == "1 answer of LangChain's GPTCache added or replaced."
    assert text_of(model.invoke(QUESTION)) == old


def test_an_answer_that_no_call_should_be_given_is_refused(
    server: ProviderServer, install: Install, tmp_path: Path
) -> None:
    from tests.support.models import weather

    model = server.model("ChatOpenAI")
    init = one_parameter(tmp_path)
    stored_by_stock(init, lambda: model.bind_tools([weather]).invoke("Use a tool."))
    stored_by_stock(init, lambda: model.invoke(QUESTION))
    server.finish_reason = "length"
    stored_by_stock(init, lambda: model.invoke("cut off"))
    server.finish_reason = None
    install()
    assert gm.load(init=init, model=model) == (
        "1 answer of LangChain's GPTCache added, 2 refused: unreadable, cut off or a call of tools."
    )


def test_a_store_that_fails_is_no_fault_of_the_answers(
    server: ProviderServer, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.1)
    model = server.model("ChatOpenAI")
    init = one_parameter(tmp_path)
    stored_by_stock(init, lambda: model.invoke(QUESTION))
    install(store=tmp_path / "store")
    gm.entries()
    with closing(sqlite3.connect(tmp_path / "store" / "cache.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(gm.GPTCacheMagicsError, match="is locked by another process"):
            gm.load(init=init, model=model)
        other.rollback()
    assert gm.load(init=init, model=model) == "1 answer of LangChain's GPTCache added."
    assert len(gm.entries()) == 1


def test_the_line_names_the_function_and_the_model(magic: Typist, server: ProviderServer, tmp_path: Path) -> None:
    model = server.model("ChatOpenAI")
    stored_by_stock(one_parameter(tmp_path), lambda: model.invoke(QUESTION))
    magic.ip.user_ns.update(set_up=one_parameter(tmp_path), llm=model, bound=model.bind(stop=["."]))
    magic.told("on")
    together = (
        "load: --init and --model go together, in place of FILE. Example: %gptcache load --init set_up --model llm"
    )
    assert magic.refused("load --init set_up") == together
    assert magic.refused("load --model llm") == together
    assert magic.refused("load lesson.jsonl --init set_up --model llm") == together
    assert "itself and not what bind() makes of it. Got a " in magic.refused("load --init set_up --model bound")
    assert "takes a function that sets up a gptcache.Cache" in magic.refused("load --init llm --model llm")
    assert magic.told("load --init set_up --model llm") == "1 answer of LangChain's GPTCache added."
    assert server.calls == 1
