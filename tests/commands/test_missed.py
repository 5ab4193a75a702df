"""``%gptcache missed``: who asked what in vain, and what is recorded nearest to it."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

import gptcache_magics as gm
from gptcache_magics import __main__ as command_line
from gptcache_magics import bundle
from gptcache_magics.errors import CommandError
from gptcache_magics.notebook.frame_display import is_marked
from gptcache_magics.tables.columns import MISSED
from gptcache_magics.tables.mark import nothing_in
from tests.support.postgres import Database
from tests.support.shell import Typist, ask
from tests.support.team import all_is_sent

KEY = "sk-proj-0123456789abcdef"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a folder with a lesson of two answers."""
    monkeypatch.chdir(tmp_path)
    gm.on("teacher")
    ask("How tall is Etna?")
    ask("What is the capital of France?")
    gm.save("lesson.jsonl")
    gm.off()
    yield tmp_path
    gm.off()


def replayed(*questions: str, model: str = "small-model") -> None:
    for question in questions:
        with suppress(gm.CacheMiss):
            ask(question, model)


def rows(df: pd.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    return [*df[[*columns]].itertuples(index=False, name=None)]


def test_what_was_asked_in_vain_is_listed_with_its_nearest_question() -> None:
    gm.on("lesson.jsonl")
    replayed("How tall is K2?", "How tall is Etna?", "How tall is K2?", "Ωμέγα")
    df = gm.missed()
    assert {name: str(dtype) for name, dtype in df.dtypes.items()} == {name: str(each) for name, each in MISSED.items()}
    assert is_marked(df)
    assert rows(df, "question", "times", "cause", "differs") == [
        ("Ωμέγα", 1, "first time", "First time"),
        ("How tall is K2?", 2, "other words", "Other words: Etna → K2"),
    ]
    assert df["nearest"].fillna("").tolist() == ["", "How tall is Etna?"]
    assert df["nearest_entry"].iloc[1] in gm.entries().index
    assert len(gm.missed(limit=1)) == 1
    assert gm.missed(since="1h")["times"].sum() == 3


def test_a_question_is_listed_until_it_is_answered() -> None:
    gm.on("answers", mode="auto")
    ask("Is it new?")
    assert gm.missed()["question"].tolist() == ["Is it new?"]
    ask("Is it new?")
    df = gm.missed()
    assert (len(df), [*df.columns]) == (0, [*MISSED])
    assert nothing_in(df) == "Nothing was asked in vain in this run. Earlier: %gptcache missed --since all"
    gm.stats(reset=True)
    assert gm.missed(since="all").empty


def test_a_table_of_another_model_names_the_model_that_differs() -> None:
    gm.on("lesson.jsonl")
    replayed("How tall is Etna?", model="large-model")
    replayed("How tall is K2?")
    assert gm.missed(model="large")["differs"].tolist() == ["Another model: small-model → large-model"]
    assert gm.missed(model="small")["question"].tolist() == ["How tall is K2?"]


def test_bundles_of_students_tell_what_the_lesson_lacks(magic: Typist) -> None:
    for who, question in {"anna": "How tall is K2?", "ben": f"Is {KEY} my key?"}.items():
        gm.on("lesson.jsonl")
        replayed("How tall is Etna?", question, question)
        assert " and 1 question without an answer" in gm.save(f"{who}.jsonl", missed=True)
        gm.off()
    gm.on("carl")
    for question in ("How tall is Etna?", "Who was Carl?", "Who was Carl?"):
        ask(question)
    gm.save("carl.jsonl")
    gm.off()

    df = magic("missed anna.jsonl ben.jsonl carl.jsonl --at lesson.jsonl")
    assert rows(df, "who", "times", "cause") == [
        ("anna", 2, "other words"),
        ("ben", 2, "first time"),
        ("carl", 1, "first time"),
    ]
    assert df["question"].tolist()[::2] == ["How tall is K2?", "Who was Carl?"]
    assert KEY not in Path("ben.jsonl").read_text("utf-8") + df.to_csv()
    gm.on("lesson.jsonl")
    assert gm.missed("anna.jsonl", model="small").equals(df.iloc[:1])
    assert gm.missed("anna.jsonl", since="1h", limit=5).equals(df.iloc[:1])
    gm.off()
    gm.on("carl")
    replayed("How tall is K2?")  # the teacher records it
    assert nothing_in(gm.missed("anna.jsonl")) == "carl answers all that was asked."


def test_a_shell_shows_it_as_a_table_or_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    gm.on("carl")
    ask("Who was Carl?")
    gm.save("carl.jsonl")
    gm.off()
    assert command_line.main(["missed", "carl.jsonl", "--at", "lesson.jsonl", "--csv"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head == ",".join(MISSED)
    assert row.startswith("carl,small-model,Who was Carl?,1,")
    assert command_line.main(["missed", "--at", "carl"]) == 0
    assert "Who was Carl?" in capsys.readouterr().out


def test_a_miss_and_its_own_entry_are_counted_once() -> None:
    gm.on("anna", mode="auto")
    ask("Is it new?")
    gm.save("anna.jsonl", missed=True)
    assert gm.missed("anna.jsonl", at="lesson.jsonl")["times"].tolist() == [1]


def test_files_of_one_name_are_told_apart(folder: Path) -> None:
    gm.on("carl")
    ask("Is it new?")
    for name in ("a", "b"):
        (folder / name).mkdir()
        gm.save(f"{name}/work.jsonl")
    who = gm.missed("a/work.jsonl", "b/work.jsonl", at="lesson.jsonl")["who"]
    assert who.tolist() == ["a/work", "b/work"]


def test_a_bundle_has_no_lookups_to_read() -> None:
    with pytest.raises(CommandError, match=r"missed: lesson\.jsonl is a bundle, which holds answers and no lookups"):
        gm.missed(at="lesson.jsonl")


def test_a_bundle_with_misses_is_read_like_any_other(magic: Typist) -> None:
    gm.on("lesson.jsonl")
    replayed("How tall is K2?")
    gm.save("anna.jsonl", missed=True)
    gm.off()
    assert [each.question for each in bundle.read("anna.jsonl").misses] == ["How tall is K2?"]
    gm.on("store")
    assert gm.load("anna.jsonl") == "anna.jsonl: 0 entries added."
    lines = [json.loads(line) for line in Path("anna.jsonl").read_text("utf-8").splitlines()]
    for name, value in {"at": None, "times": -1, "miss": 7, "configuration": "x"}.items():
        wrong = [line | {name: value} if "miss" in line else line for line in lines]
        Path("wrong.jsonl").write_text("".join(json.dumps(line) + "\n" for line in wrong), "utf-8")
        assert [number for number, _ in bundle.read("wrong.jsonl").refused] == [len(lines)]


def test_a_reset_says_that_nothing_was_deleted(magic: Typist) -> None:
    gm.on("store")
    ask("Is it new?")
    told = magic.told("stats --reset")
    assert told == "Figures reset: a new run begins now. Nothing was deleted: %gptcache stats --since all"
    assert gm.stats("total")["lookups"].sum() == 0
    assert gm.stats("total", since="all")["lookups"].sum() == 1


def test_a_team_is_named_by_its_roles(magic: Typist, team_database: Database) -> None:
    magic.told(f"on {team_database.url} --space class")
    for question in ("Capital of France?", "Capital of Spain?", "Capital of France?"):
        ask(question)
    all_is_sent()
    df = magic("missed")
    assert rows(df, "who", "question", "differs") == [("postgres", "Capital of Spain?", "Other words: France → Spain")]
    magic.told("off")
    assert magic(f"missed --at {team_database.url} --space class").equals(df)
