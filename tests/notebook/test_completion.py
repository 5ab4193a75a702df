"""Completion of what the notebook's own folders and entries hold; ``test_magics`` completes commands and options."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

import gptcache_magics as gm
from gptcache_magics.notebook.completion import completions
from tests.support.shell import Typist, ask

FILES = ("lesson.jsonl", "lesson 2.jsonl", "lesson.ipynb", "notes.txt", ".hidden.jsonl")


@pytest.fixture
def folder(magic: Typist, tmp_path: Path) -> Path:
    """Return the working directory, which holds files, folders and a store."""
    for name in FILES:
        (tmp_path / name).touch()
    for name in ("class/week", ".gptcache", ".git"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / ".gptcache" / "cache.db").touch()
    (tmp_path / "class" / "quiz.jsonl").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("on ", [":memory:", "https://", "postgresql://", ".gptcache/", "class/", "'lesson 2.jsonl'", "lesson.jsonl"]),
        ("on :m", [":memory:"]),
        ("on class/", ["class/quiz.jsonl", "class/week/"]),
        ("save le", ["'lesson 2.jsonl'", "lesson.jsonl"]),
        ("save 'le", ["'lesson 2.jsonl'"]),
        ("load no", ["notes.txt"]),
        ("load .h", [".hidden.jsonl"]),
        ("stats --at .g", [".git/", ".gptcache/"]),
        ("entries -n 5 --at c", ["class/"]),
        ("verify l", ["lesson.ipynb"]),
        ("verify lesson.ipynb --bundle class/q", ["class/quiz.jsonl"]),
        ("tune --labels class/", ["class/quiz.jsonl", "class/week/"]),
        ("load nowhere/", []),
        ("load ./notes", ["./notes.txt"]),
    ],
)
def test_files_and_folders_are_completed(folder: Path, line: str, expected: list[str]) -> None:
    command, _, word = line.rpartition(" ")
    found = completions([*command.split(" "), word])

    assert [each for each in found if not each.startswith("--")] == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("id,", ["id,date", "id,time", "id,address", "id,order"]),
        ("id,date,a", ["id,date,address"]),
        ("d", ["date"]),
        ("other,", ["other,id", "other,date", "other,time", "other,address", "other,order"]),
    ],
)
def test_values_after_a_comma_are_completed(magic: Typist, word: str, expected: list[str]) -> None:
    assert completions(["on", "--ignore", word]) == expected


def test_files_of_the_home_folder_and_of_full_paths_are_completed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))

    assert completions(["load", "~/cl"]) == ["~/class/"]
    assert completions(["load", f"{folder}/class/q"]) == [f"{folder}/class/quiz.jsonl"]


def test_a_folder_of_many_files_is_completed_in_part(folder: Path) -> None:
    for number in range(300):
        (folder / "class" / f"many-{number:03}.jsonl").touch()

    assert len(completions(["load", "class/many"])) == 200
    assert completions(["load", "class/many-299"]) == ["class/many-299.jsonl"]


def test_a_completed_file_is_read_as_it_is(folder: Path, magic: Typist) -> None:
    magic.told("on")
    ask("q")
    magic.told("save 'my lesson.jsonl'")
    (name,) = completions(["load", "my"])

    assert "1 kept as in the store" in magic.told(f"load {name}")


@pytest.mark.parametrize(
    "line", ["entries --tag ", "save --tag ", "remove --tag ", "tag ", "%% --tag ", "%% refresh --tag "]
)
def test_tags_are_completed(magic: Typist, line: str) -> None:
    magic.told("on")
    with gm.using(tag="draft"):
        ask("first")
    ask("second")
    magic.told(f"tag lesson-1 {gm.entries().index[0]}")

    assert set(completions(line.split(" "))) >= {"draft", "lesson-1"}
    assert completions([*line.split(" ")[:-1], "le"]) == ["lesson-1"]


def test_tags_are_not_known_while_the_cache_is_off(magic: Typist) -> None:
    assert completions(["entries", "--tag", ""]) == completions(["%%", "--tag", ""]) == []


def test_the_version_names_what_the_cache_stands_on(magic: Typist) -> None:
    expected = (
        f"gptcache-magics {gm.__version__}, gptcache {version('gptcache')}, langchain-core {version('langchain-core')}"
    )

    assert magic.told("--version") == expected
    assert re.search(r"%gptcache --version", repr(magic("help")))
    assert magic.refused("--version now").startswith("No sub-command '--version'.")
