"""A user's own ``init_func``: the drop-in promise to users of ``langchain_community.cache.GPTCache``."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gptcache import Cache
from gptcache.manager import CacheBase, VectorBase, get_data_manager, manager_factory
from gptcache.manager.data_manager import DataManager, SSDataManager
from gptcache.manager.scalar_data.base import Answer, CacheData
from gptcache.processor.pre import get_prompt
from gptcache.similarity_evaluation.distance import SearchDistanceEvaluation
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import HumanMessage
from langchain_core.outputs import Generation

import gptcache_magics as gm
from gptcache_magics.store.protocol import Period
from tests.support.models import text_of
from tests.support.processes import output_of
from tests.support.provider_server import Model, ProviderServer

InitFunc = Callable[..., None]
Install = Callable[..., gm.GPTCache]
DIMENSION = 16
QUESTION = "What is the capital of France?"


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """Install a cache with an ``init_func`` as LangChain's global cache."""
    caches = []

    def install(init_func: InitFunc | None, store: str = ":memory:") -> gm.GPTCache:
        cache = gm.GPTCache(init_func, store=store)
        caches.append(cache)
        set_llm_cache(cache)
        return cache

    yield install
    set_llm_cache(None)
    for cache in caches:
        cache.close()


def map_for(path: Path) -> InitFunc:
    """Return an ``init_func`` with one parameter, which sets up one map for every model."""

    def init(cache: Cache) -> None:
        cache.init(pre_embedding_func=get_prompt, data_manager=get_data_manager(data_path=str(path)))

    return init


def map_by_llm(folder: Path) -> InitFunc:
    """Return an ``init_func`` with two parameters, which sets up a map for each ``llm_string``."""

    def init(cache: Cache, llm: str) -> None:
        path = folder / f"map {abs(hash(llm))}.txt"
        cache.init(pre_embedding_func=get_prompt, data_manager=get_data_manager(data_path=str(path)))

    return init


def embed(text: str, **options: object) -> np.ndarray[Any, Any]:
    """Return a unit vector that differs for each text."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIMENSION).digest()
    vector = np.frombuffer(digest, "int8").astype("float32")
    return np.asarray(vector / np.linalg.norm(vector))


def embed_letters(text: str, **options: object) -> np.ndarray[Any, Any]:
    """Return a unit vector that is the same for the same letters in another order."""
    return embed("".join(sorted(text.lower())))


def vectors_in(folder: Path, managers: list[SSDataManager]) -> InitFunc:
    """Return an ``init_func`` with GPTCache's SQLite and faiss."""

    def init(cache: Cache) -> None:
        folder.mkdir(exist_ok=True)
        manager = get_data_manager(
            CacheBase("sqlite", sql_url=f"sqlite:///{folder / 'sqlite.db'}"),
            VectorBase("faiss", dimension=DIMENSION, index_path=str(folder / "faiss.index"), top_k=1),
        )
        managers.append(manager)
        cache.init(
            pre_embedding_func=get_prompt,
            embedding_func=embed,
            data_manager=manager,
            similarity_evaluation=SearchDistanceEvaluation(),
        )

    return init


class KeepsForEver(DataManager):  # type: ignore[misc]
    """A user's own data manager, which cannot delete."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, str]] = {}

    def save(self, question: str, answer: str, embedding_data: str, **options: object) -> None:
        self.kept[embedding_data] = (question, answer)

    def search(self, embedding_data: str, **options: object) -> list[tuple[str, str]]:
        return [self.kept[embedding_data]] if embedding_data in self.kept else []

    def get_scalar_data(self, found: tuple[str, str], **options: object) -> CacheData:
        return CacheData(question=found[0], answers=Answer(found[1]))

    def import_data(self, *data: object) -> None: ...

    def add_session(self, *data: object) -> None: ...

    def list_sessions(self, *data: object) -> list[str]:
        return []

    def delete_session(self, *data: object) -> None: ...

    def close(self) -> None: ...


def last_line_of(script: str, folder: Path) -> str:
    """Run a script in a folder, and return the last line that it printed."""
    return output_of(script, folder=folder, options=("-W", "ignore")).splitlines()[-1]


def assert_nothing_failed(cache: gm.GPTCache) -> None:
    """Check that no error was hidden from the calls."""
    assert cache.ledger.failures == 0, cache.ledger.last_error


# Promises of upstream


@pytest.mark.parametrize("parameters", [None, 1, 2])
def test_the_test_of_langchains_own_class_passes(install: Install, tmp_path: Path, parameters: int | None) -> None:
    init_func = {None: None, 1: map_for(tmp_path / "data_map.txt"), 2: map_by_llm(tmp_path)}[parameters]
    cache = install(init_func)
    llm = FakeListLLM(responses=["bought"])
    llm_string = str(sorted([*llm._identifying_params.items(), ("_type", llm._llm_type), ("stop", None)]))
    cache.update("foo", llm_string, [Generation(text="fizz")])
    llm.generate(["foo", "bar", "foo"])
    assert cache.lookup("foo", llm_string) == [Generation(text="fizz")]

    cache.clear()
    assert cache.lookup("foo", llm_string) is None
    assert cache.lookup("bar", llm_string) is None
    assert_nothing_failed(cache)


EXAMPLE = """
import gptcache
from gptcache.manager.factory import manager_factory
from gptcache.processor.pre import get_prompt
from langchain_core.globals import set_llm_cache
{one_line}

# Avoid multiple caches using the same file, causing different llm model caches to affect each other

def init_gptcache(cache_obj: gptcache.Cache, llm: str):
    cache_obj.init(
        pre_embedding_func=get_prompt,
        data_manager=manager_factory(
            manager="map",
            data_dir=f"map_cache_{{llm}}"
        ),
    )

set_llm_cache(GPTCache(init_gptcache))

from langchain_core.language_models import FakeListLLM

one, two = FakeListLLM(responses=["1", "2"]), FakeListLLM(responses=["3", "4"])
print(*(llm.invoke("question") for llm in (one, two, one, two)))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "one_line", ["from langchain_community.cache import GPTCache", "from gptcache_magics import GPTCache"]
)
def test_the_documented_example_runs_with_one_changed_line(tmp_path: Path, one_line: str) -> None:
    script = EXAMPLE.format(one_line=one_line)

    assert last_line_of(script, tmp_path) == "1 3 1 3"
    assert len(list(tmp_path.glob("map_cache_*/data_map.txt"))) == 2
    assert last_line_of(script, tmp_path) == "1 3 1 3"  # from the files of the first run


@pytest.mark.slow
@pytest.mark.parametrize(
    "imports",
    [
        "import langchain_community.cache as stock\nimport gptcache_magics as gm",
        "import gptcache_magics as gm\nimport langchain_community.cache as stock",
        "import gptcache_magics as gm\ngm.GPTCache\nimport langchain_community.cache as stock",
    ],
    ids=["stock first", "ours first", "ours used first"],
)
def test_it_is_an_instance_of_the_class_it_stands_in_for(tmp_path: Path, imports: str) -> None:
    script = f"""
{imports}
cache = gm.GPTCache(store=":memory:")
print(isinstance(cache, stock.GPTCache), issubclass(gm.GPTCache, stock.GPTCache), isinstance(cache, stock.SQLiteCache))
"""

    assert last_line_of(script, tmp_path) == "True True False"


@pytest.mark.parametrize("name", ["ChatOpenAI", "ChatOllama", "OpenAI", "OllamaLLM"])
def test_init_func_and_pre_embedding_func_are_given_what_stock_gives_them(
    server: ProviderServer, install: Install, name: str
) -> None:
    from langchain_community.cache import GPTCache

    def told_to(install_it: Callable[[InitFunc], object]) -> list[object]:
        def init(cache: Cache, llm: str) -> None:
            told.append(llm)
            cache.init(pre_embedding_func=pre_embedding, data_manager=KeepsForEver())

        def pre_embedding(data: dict[str, Any], **options: object) -> str:
            told.append((data["prompt"], sorted(options)))
            return str(data["prompt"])

        told: list[object] = []
        install_it(init)
        llm = server.model(name)
        llm.bind(stop=["."]).invoke([HumanMessage(QUESTION, name="Ada")] if "Chat" in name else QUESTION)
        return told

    stock = told_to(lambda init: set_llm_cache(GPTCache(init)))
    ours = told_to(install)
    assert len(stock) == 3
    assert ours == stock


# Answers that stock mixes up


@pytest.mark.parametrize("parameters", [1, 2])
@pytest.mark.parametrize("name", ["ChatOllama", "OllamaLLM"])
def test_two_models_with_one_llm_string_never_share_an_answer(
    server: ProviderServer, install: Install, tmp_path: Path, name: str, parameters: int
) -> None:
    cache = install(map_for(tmp_path / "map.txt") if parameters == 1 else map_by_llm(tmp_path))
    models = [
        server.model(name, model="llama3"),
        server.model(name, model="qwen3"),
        server.model(name, model="llama3", temperature=1.5),
    ]
    texts = [text_of(llm.invoke(QUESTION)) for llm in models * 2]

    assert [told[-2] for told in texts] == ["1", "2", "3"] * 2
    assert server.calls == 3
    assert_nothing_failed(cache)


def test_a_vector_found_for_another_model_is_never_an_answer(
    server: ProviderServer, install: Install, tmp_path: Path
) -> None:
    cache = install(vectors_in(tmp_path / "vectors", []))
    models = [server.model("ChatOllama", model=f"model-{n}") for n in range(4)]
    texts = [text_of(llm.invoke(QUESTION)) for llm in models * 2]

    assert [told.split()[0] for told in texts] == [f"model-{n}" for n in range(4)] * 2
    assert server.calls == 4
    assert_nothing_failed(cache)


# Keeping and clearing


@pytest.fixture(params=["map", "map by llm", "vectors", "no manager", "cannot delete"])
def init_func(request: pytest.FixtureRequest, tmp_path: Path) -> InitFunc:
    """Return each way to set up a gptcache."""
    for_ever = KeepsForEver()
    ways: dict[str, InitFunc] = {
        "map": map_for(tmp_path / "map.txt"),
        "map by llm": map_by_llm(tmp_path),
        "vectors": vectors_in(tmp_path / "vectors", []),
        "no manager": lambda cache: cache.init(pre_embedding_func=get_prompt),
        "cannot delete": lambda cache: cache.init(pre_embedding_func=get_prompt, data_manager=for_ever),
    }
    return ways[request.param]


@pytest.mark.parametrize("store", [":memory:", "folder"])
def test_answers_are_served_until_they_are_cleared(
    server: ProviderServer, install: Install, init_func: InitFunc, tmp_path: Path, store: str
) -> None:
    cache = install(init_func, store if store == ":memory:" else str(tmp_path / "store"))
    llm = server.model("ChatOpenAI")

    def ask() -> str:
        return str(llm.invoke(QUESTION).text)[-2]

    assert [ask(), ask(), ask()] == ["1", "1", "1"]
    cache.clear()
    assert [ask(), ask()] == ["2", "2"]
    cache.clear()
    cache.clear()
    assert ask() == "3"
    assert_nothing_failed(cache)


def test_several_generations_come_back(install: Install, init_func: InitFunc) -> None:
    cache = install(init_func)
    stored: list[Any] = [Generation(text="ü\0", generation_info={"a": [1.5, None]}), Generation(text="two")]
    cache.update("many", "model", stored)

    assert cache.lookup("many", "model") == stored
    assert_nothing_failed(cache)


def test_text_that_is_not_valid_unicode_comes_back(install: Install, tmp_path: Path) -> None:
    cache = install(map_for(tmp_path / "map.txt"))
    cache.update("half \ud83d", "model", [Generation(text="a pair \ud83d")])

    assert cache.lookup("half \ud83d", "model") == [Generation(text="a pair \ud83d")]
    assert_nothing_failed(cache)


def test_clear_empties_sqlite_and_faiss(server: ProviderServer, install: Install, tmp_path: Path) -> None:
    managers: list[SSDataManager] = []
    cache = install(vectors_in(tmp_path / "vectors", managers))
    llm = server.model("ChatOpenAI")
    for question in "abc":
        llm.invoke(question)
    assert (managers[0].s.count(is_all=True), managers[0].v.count()) == (3, 3)

    assert cache.empty() == ""
    llm.invoke("a")
    assert (managers[-1].s.count(is_all=True), managers[-1].v.count()) == (1, 1)
    assert server.calls == 4
    assert_nothing_failed(cache)


def test_clear_empties_a_map_and_its_file(server: ProviderServer, install: Install, tmp_path: Path) -> None:
    cache = install(map_for(tmp_path / "map.txt"))
    answer = text_of(server.model("ChatOpenAI").invoke(QUESTION))
    cache.clear()

    assert get_data_manager(data_path=str(tmp_path / "map.txt")).data == {}
    assert answer.encode() not in (tmp_path / "map.txt").read_bytes()


def test_clear_says_which_managers_cannot_delete(install: Install) -> None:
    cache = install(lambda cache, llm: cache.init(pre_embedding_func=get_prompt, data_manager=KeepsForEver()))
    for llm_string in ("one", "two"):
        cache.update("prompt", llm_string, [Generation(text="answer")])

    assert "2 gptcache managers cannot delete" in cache.empty()
    assert cache.lookup("prompt", "one") is None


def test_four_threads_on_sqlite_and_faiss_raise_nothing(
    server: ProviderServer, install: Install, tmp_path: Path
) -> None:
    cache = install(vectors_in(tmp_path / "vectors", []))
    llm = server.model("ChatOpenAI")

    def ask(thread: int) -> list[str]:
        return [str(llm.invoke(f"question {'x' * n}").text) for n in range(5)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(4)))

    assert [told.split(" (")[0] for told in answers[0]] == [
        f"gpt-4o-mini answers 'question {'x' * n}'" for n in range(5)
    ]
    assert answers == answers[:1] * 4
    assert server.calls == 5
    assert_nothing_failed(cache)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["cache.close()", "pass", "del cache; set_llm_cache(None)"])
def test_answers_in_a_map_survive_the_end_of_the_kernel(tmp_path: Path, end: str) -> None:
    script = f"""
import gptcache_magics as gm
from gptcache.manager import get_data_manager
from gptcache.processor.pre import get_prompt
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListLLM
import sys

def init(cache, llm):
    cache.init(pre_embedding_func=get_prompt, data_manager=get_data_manager(data_path=f"map {{len(llm)}}.txt"))

cache = gm.GPTCache(init)
set_llm_cache(cache)
llm = FakeListLLM(responses=["1", "2", "3"])
print(*(llm.invoke(question) for question in ("a", "b", "a")), cache.ledger.failures)
{end}
"""
    assert [last_line_of(script, tmp_path), last_line_of(script, tmp_path)] == ["1 2 1 0"] * 2


# Faults of the user's own


def test_an_init_func_that_fails_is_counted_and_the_call_goes_through(server: ProviderServer, install: Install) -> None:
    def init(cache: Cache, llm: str) -> None:
        manager_factory("map", data_dir=f"/nowhere/{llm}")

    cache = install(init)
    llm = server.model("ChatOpenAI")

    assert [text_of(llm.invoke(QUESTION))[-2] for _ in range(2)] == ["1", "2"]
    assert cache.ledger.failures == 2  # one for each call, whose lookup and update both fail
    assert "while storing an answer" in cache.ledger.last_error
    assert [lookup.outcome for lookup in cache.ledger.recent] == ["error"] * 2


@pytest.mark.parametrize("method", ["save", "search", "get_scalar_data"])
def test_a_manager_that_fails_is_counted_and_the_call_goes_through(
    server: ProviderServer, install: Install, method: str
) -> None:
    class Broken(KeepsForEver):
        broken = True

    def fails(self: Broken, *arguments: object, **options: object) -> object:
        if self.broken:
            raise ValueError("out of order")
        return getattr(super(Broken, self), method)(*arguments, **options)

    setattr(Broken, method, fails)
    manager = Broken()
    cache = install(lambda cache: cache.init(pre_embedding_func=get_prompt, data_manager=manager))
    llm = server.model("ChatOpenAI")
    for _ in range(2):
        assert "answers" in text_of(llm.invoke(QUESTION))
    assert cache.ledger.failures
    assert "out of order" in cache.ledger.last_error

    manager.broken = False
    calls = server.calls
    bought = text_of(llm.invoke(QUESTION))
    assert text_of(llm.invoke(QUESTION)) == bought
    assert server.calls <= calls + 1


def test_an_init_func_that_forgets_to_init_is_counted(server: ProviderServer, install: Install) -> None:
    cache = install(lambda cache: None)

    assert "answers" in text_of(server.model("ChatOpenAI").invoke(QUESTION))
    assert cache.ledger.failures


# The user's own functions


def test_the_text_to_store_and_the_text_to_embed_may_differ(
    server: ProviderServer, install: Install, tmp_path: Path
) -> None:
    embedded = []

    def pre_embedding(data: dict[str, Any], **options: object) -> tuple[str, str]:
        return str(data["prompt"]), "the same for all"

    def embed_and_note(said: str, **options: object) -> np.ndarray[Any, Any]:
        embedded.append(said)
        return embed(said)

    def init(cache: Cache) -> None:
        vectors_in(tmp_path / "vectors", [])(cache)
        cache.pre_embedding_func, cache.embedding_func = pre_embedding, embed_and_note

    cache = install(init)
    llm = server.model("ChatOpenAI")

    assert text_of(llm.invoke("one question")) == text_of(llm.invoke("another one"))
    assert set(embedded) == {"the same for all"}
    assert server.calls == 1
    assert_nothing_failed(cache)


def test_a_similar_question_hits_if_the_evaluation_of_the_user_accepts_it(
    server: ProviderServer, install: Install, tmp_path: Path
) -> None:
    questions: list[tuple[str, str]] = []

    class Evaluation(SearchDistanceEvaluation):  # type: ignore[misc]
        def evaluation(self, asked: dict[str, Any], stored: dict[str, Any], **options: object) -> float:
            questions.append((asked["question"], str(getattr(stored["question"], "content", stored["question"]))))
            return float(super().evaluation(asked, stored, **options))

    def init(cache: Cache) -> None:
        vectors_in(tmp_path / "vectors", [])(cache)
        cache.embedding_func, cache.similarity_evaluation = embed_letters, Evaluation()

    cache = install(init)
    llm = server.model("OllamaLLM")

    assert llm.invoke("tac a si sihT") == llm.invoke("This is a cat")
    assert questions == [("This is a cat", "tac a si sihT")]
    assert server.calls == 1
    assert_nothing_failed(cache)


def test_a_cache_enable_func_that_says_no_is_obeyed(server: ProviderServer, install: Install) -> None:
    manager = KeepsForEver()
    install(
        lambda cache: cache.init(
            cache_enable_func=lambda *a, **k: False, pre_embedding_func=get_prompt, data_manager=manager
        )
    )
    llm = server.model("ChatOpenAI")

    assert [text_of(llm.invoke(QUESTION))[-2] for _ in range(2)] == ["1", "2"]
    assert manager.kept == {}


def test_streams_go_past_a_cache_of_the_users_own_as_they_do_with_stock(
    server: ProviderServer, install: Install, tmp_path: Path
) -> None:
    cache = install(map_for(tmp_path / "map.txt"))
    llm: Model = server.model("ChatOpenAI")
    llm.invoke(QUESTION)

    assert "(call 2)" in "".join(piece.text for piece in llm.stream(QUESTION))
    assert_nothing_failed(cache)


def test_lookups_are_recorded_though_answers_are_kept_elsewhere(
    server: ProviderServer, install: Install, tmp_path: Path
) -> None:
    cache = install(map_for(tmp_path / "map.txt"), str(tmp_path / "store"))
    llm = server.model("ChatOpenAI")
    for _ in range(3):
        llm.invoke(QUESTION)
    cache.ledger.flush()

    found = cache.store.lookups(Period())
    assert [each.outcome for each in found] == ["hit", "hit", "miss"]
    assert {each.question for each in found} == {QUESTION}
    assert len({(each.output_tokens, each.seconds) for each in found}) == 1  # saved is what was paid
    assert cache.store.count() == (0, 0)
