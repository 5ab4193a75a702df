"""Models that are files on this machine: known by name and content, wherever they lie."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

import gptcache_magics as gm
from gptcache_magics.identity import local_file as files
from gptcache_magics.identity.key import Identity
from gptcache_magics.identity.local_file import local_file
from gptcache_magics.identity.unreadable import Unreadable
from tests.support.calls import Chat, identity


class Local(FakeListChatModel):
    """A class that reads its model from a file, and says so."""

    model_path: Any = ""
    responses: list[str] = ["Yes."]  # noqa: RUF012  (pydantic copies it)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_path": self.model_path}


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes a model's file and returns its path."""

    def write(folder: str, name: str = "tiny.gguf", content: bytes = b"weights") -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_bytes(content)
        return str(tmp_path / folder / name)

    return write


def local(path: Any) -> Identity:
    return identity(Local(model_path=path), "Hi")


def test_a_file_is_known_by_name_and_content(put: Callable[..., str]) -> None:
    here = local(put("a"))

    assert here.key == local(put("b")).key == local(Path(put("c"))).key
    assert here.key != local(put("d", content=b"other weights")).key
    assert here.key != local(put("e", name="small.gguf")).key


@pytest.mark.parametrize("name", ["model", "model_name", "model_path"])
def test_each_name_of_a_model_may_be_a_file(put: Callable[..., str], name: str) -> None:
    class Named(FakeListChatModel):
        model: str = "one"
        model_name: str = "two"
        model_path: str = "three"

    keys = {identity(Named(responses=["a"], **{name: put(folder)}), "Hi").key for folder in "ab"}
    assert len(keys) == 1


def test_a_file_given_to_a_call_is_known_by_its_content(put: Callable[..., str]) -> None:
    one, two = (identity(Chat(), "Hi", model=put(folder)) for folder in "ab")

    assert one.key == two.key
    assert one.configuration.model == "tiny.gguf"


def test_what_is_shown_holds_the_name_and_not_the_path(put: Callable[..., str], tmp_path: Path) -> None:
    found = local(put("a")).configuration

    assert found.model == "tiny.gguf"
    assert found.label == "tiny.gguf"
    assert str(tmp_path) not in f"{found}"
    assert found.portable == local(put("b")).configuration.portable


def test_a_file_that_changes_in_place_is_another_model(put: Callable[..., str]) -> None:
    before = local(put("a")).key

    assert local(put("a", content=b"heavier")).key != before
    assert local(put("a")).key == before


def test_the_earlier_key_counts_the_path(put: Callable[..., str]) -> None:
    one, two = local(put("a")).earlier, local(put("b")).earlier

    assert one is not None
    assert two is not None
    assert one.key != two.key
    assert one.configuration.portable != two.configuration.portable


def test_a_path_that_is_no_file_here_counts(tmp_path: Path) -> None:
    one, two = (local(f"/models/{folder}/tiny.gguf") for folder in "ab")

    assert one.key != two.key
    assert one.earlier is None
    assert one.configuration.model == "tiny.gguf"
    for folder in "ab":
        (tmp_path / folder).mkdir()
    assert local(str(tmp_path / "a")).key != local(str(tmp_path / "b")).key


class Mine(ChatOpenAI):
    """A class of the user's that asks a server."""


@pytest.mark.parametrize("kind", [ChatOpenAI, Mine])
def test_a_path_that_is_sent_to_a_server_counts(put: Callable[..., str], kind: type[ChatOpenAI]) -> None:
    one, two = (identity(kind(model=put(folder), api_key="a"), "Hi") for folder in "ab")

    assert one.key != two.key
    assert one.configuration.model == "tiny.gguf"


@pytest.mark.parametrize("name", ["gpt-4o", "meta-llama/Llama-3-8b", "projects/a/models/b", "models/gemini", "a:b"])
def test_the_name_of_a_model_is_shown_as_it_is(name: str) -> None:
    assert identity(ChatOpenAI(model=name, api_key="a"), "Hi").configuration.model == name


@pytest.mark.parametrize(
    "path", ["/models/a.gguf", "./a.gguf", "~/m/a.gguf", "../a.gguf", r"C:\models\a.gguf", "C:/a.gguf"]
)
def test_a_path_is_shown_by_its_last_part(path: str) -> None:
    assert identity(ChatOpenAI(model=path, api_key="a"), "Hi").configuration.model == "a.gguf"


def test_a_name_without_a_folder_or_an_ending_is_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "llama3").write_bytes(b"weights")
    (tmp_path / "llama3.gguf").write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)

    assert local_file("llama3") is None
    assert local_file("llama3.gguf") is not None
    assert local_file(3) is None
    assert local_file(b"llama3.gguf") is None


def test_a_large_file_is_read_in_blocks(put: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "WHOLE", 1000)
    monkeypatch.setattr(files, "BLOCK", 10)
    monkeypatch.setattr(files, "EVERY", 100)
    content = bytes(5000)

    def of(place: int | None) -> str:
        changed = content if place is None else content[:place] + b"x" + content[place + 1 :]
        found = local_file(put(f"at {place}", content=changed))
        assert found is not None
        return found.digest

    assert len({of(place) for place in (None, 0, 105, 2509, 4999)}) == 5
    assert len({of(None), of(50)}) == 1
    assert of(None) != getattr(local_file(put("longer", content=bytes(5001))), "digest", "")


def test_all_parts_of_a_model_count(put: Callable[..., str]) -> None:
    def of(folder: str, second: bytes) -> str:
        put(folder, "m-00002-of-00002.gguf", second)
        found = local_file(put(folder, "m-00001-of-00002.gguf"))
        assert found is not None
        return found.digest

    assert of("a", b"one") == of("b", b"one") != of("c", b"two")


def test_an_answer_is_served_after_the_file_was_moved(put: Callable[..., str]) -> None:
    gm.on(":memory:")
    try:
        path = put("a")
        Local(model_path=path).invoke([HumanMessage("Hi")])
        os.rename(path, moved := put("b"))
        Local(model_path=moved).invoke([HumanMessage("Hi")])
        assert gm.stats().loc["tiny.gguf", "hits"] == 1
    finally:
        gm.off()


@pytest.mark.parametrize(
    "made", [lambda path: ChatOpenAI(model=path, api_key="a"), lambda path: ChatOllama(model=path)]
)
def test_a_file_that_a_server_of_this_machine_may_read_counts(
    put: Callable[..., str], made: Callable[..., Any]
) -> None:
    path = put("a")
    model = made(path)
    before = identity(model, "Hi").key
    assert identity(made(path), "Hi").key == before

    put("a", content=b"lighter")
    after = {identity(model, "Hi").key, identity(made(path), "Hi").key}
    assert len(after) == 1
    assert before not in after
    assert identity(model, "Hi").earlier is None


def test_a_file_that_a_call_names_for_a_server_counts(put: Callable[..., str]) -> None:
    model, path = ChatOpenAI(model="small", api_key="a"), put("a")
    before = identity(model, "Hi", model=path).key

    put("a", content=b"lighter")
    assert identity(model, "Hi", model=path).key != before


@pytest.mark.parametrize("kind", [ChatOpenAI, Mine])
def test_the_name_of_a_model_is_no_file_whatever_lies_here(
    kind: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ("gpt-4o", "gpt-4.1", "meta/llama-3.gguf")
    before = [identity(kind(model=each, api_key="a"), "Hi").key for each in names]
    (tmp_path / "meta").mkdir()
    for each in names:
        (tmp_path / each).write_bytes(b"weights")

    assert [identity(kind(model=each, api_key="a"), "Hi").key for each in names] == before


def test_a_content_of_the_same_size_and_time_is_another(put: Callable[..., str]) -> None:
    def digest(content: bytes) -> str:
        path = put("a", content=content)
        os.utime(path, (1e9, 1e9))
        found = local_file(path)
        assert found is not None
        return found.digest

    assert len({digest(b"%04d" % number) for number in range(50)}) == 50


def test_a_file_that_replaces_another_is_read(put: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "RECENT", 0)
    path, other = put("a", content=b"one"), put("b", content=b"two")
    for each in (path, other):
        os.utime(each, (1e9, 1e9))
    before = local(path).key
    os.replace(other, path)

    assert local(path).key != before


class Adapted(FakeListChatModel):
    """A class of the user's with fields of every form for what it reads."""

    lora_path: str | None = None
    weights: Path | None = None
    adapters: list[Any] = []  # noqa: RUF012  (pydantic copies it)
    folder: str = ""
    responses: list[str] = ["Yes."]  # noqa: RUF012
    _private: Any = None


FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "a text": lambda path: {"lora_path": path},
    "a path": lambda path: {"weights": Path(path)},
    "in a list": lambda path: {"adapters": [{"path": path, "scale": 0.5}]},
    "a path in a list": lambda path: {"adapters": [Path(path)]},
    "a folder": lambda path: {"folder": os.path.dirname(path)},
    "a folder that is a path": lambda path: {"weights": Path(path).parent},
}


@pytest.mark.parametrize("field", FIELDS)
def test_what_a_class_of_the_users_may_read_counts(put: Callable[..., str], field: str) -> None:
    path = put("a")
    model = Adapted(**FIELDS[field](path))
    before = identity(model, "Hi").key
    assert identity(Adapted(**FIELDS[field](path)), "Hi").key == before

    put("a", content=b"lighter")
    assert identity(model, "Hi").key != before
    put("a")
    assert identity(model, "Hi").key == before


def test_a_private_attribute_and_an_argument_that_are_files_count(put: Callable[..., str]) -> None:
    model, path = Adapted(), put("a")
    model._private = path
    before = identity(model, "Hi").key, identity(Adapted(), "Hi", lora=path).key

    put("a", content=b"lighter")
    assert identity(model, "Hi").key != before[0]
    assert identity(Adapted(), "Hi", lora=path).key != before[1]


def test_a_large_file_of_a_folder_is_known_by_its_times(
    put: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGE", 4)
    path = put("a")
    model = Adapted(folder=os.path.dirname(path))
    before = identity(model, "Hi").key

    os.utime(path, (1e9, 1e9))
    assert identity(model, "Hi").key != before


def test_a_new_file_and_a_new_folder_of_a_folder_count(put: Callable[..., str], tmp_path: Path) -> None:
    put("a")
    model = Adapted(folder=str(tmp_path / "a"))
    keys = {identity(model, "Hi").key}
    put("a", "more.json")
    keys.add(identity(model, "Hi").key)
    put("a/below")

    assert identity(model, "Hi").key not in keys
    assert len(keys) == 2


def test_a_folder_that_is_too_large_goes_past_the_cache(
    put: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_FILES", 1)
    model = Adapted(folder=os.path.dirname(put("a")))
    identity(model, "Hi")
    put("a", "more.gguf")

    with pytest.raises(Unreadable, match="the folder a holds more than 1 files and folders"):
        identity(model, "Hi")


@pytest.mark.parametrize("text", ["/", ".", "..", "./", "e.g. this", "a/b", "x" * 5000 + ".a", "\0.a", "https://a.b/c"])
def test_a_text_that_is_no_path_is_as_it_was(text: str) -> None:
    assert files.with_contents([text, {"a": text}]) == [text, {"a": text}]
