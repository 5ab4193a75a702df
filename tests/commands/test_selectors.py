"""The options that select entries are the same for every command about entries."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from langchain_core.globals import set_llm_cache

import gptcache_magics as gm
from gptcache_magics import commands
from gptcache_magics.commands._selectors import Selectors
from gptcache_magics.errors import CommandError
from gptcache_magics.notebook.completion import completions
from tests.support.shell import ask, fresh_shell

COMMANDS = ("entries", "show", "pin", "unpin", "tag", "edit", "remove", "save", "panel")
OPTIONS = [f"--{name.strip('_')}" for name in Selectors.__annotations__]

Run = Callable[[str], Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Return a function that types a line where the cache knows three answers of two models."""
    monkeypatch.chdir(tmp_path)
    gm.on()
    for question, model in (("The capital of Peru?", "small-model"), ("Why is the sky blue?", "large-model")):
        ask(question, model)
    ask("The capital of Chile?")

    def run(line: str) -> Any:
        name, *rest = commands.words(line)
        parser = commands.parser(name)
        return parser.call(*parser.parse(rest))

    yield run
    gm.off()
    set_llm_cache(None)


def questions(df: pd.DataFrame) -> list[str]:
    return [each.split()[-1] for each in df["question"]]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_takes_shows_and_completes_every_option(name: str) -> None:
    shown = repr(gm.help(name))
    assert [each for each in OPTIONS if each not in shown] == []
    assert [each for each in OPTIONS if each not in completions([name, "--"])] == []
    assert [*Selectors.__annotations__] == [
        each for each in inspect.signature(getattr(gm, name)).parameters if each in Selectors.__annotations__
    ]
    assert completions([name, "--in", ""]) == ["question", "answer"]


@pytest.mark.parametrize("name", COMMANDS)
def test_python_refuses_a_name_that_is_no_option(name: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name}\(\) .*'greb'"):
        getattr(gm, name)("lesson", greb="x")


def test_a_tag_is_a_text(run: Run) -> None:
    assert questions(run("entries --grep sky")) == ["blue?"]
    with pytest.raises(CommandError, match=r"A tag is a text of one word, such as 'lesson-1'\. Got \['draft'\]"):
        gm.entries(tag=["draft"])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_value_is_explained_by_each_command(run: Run, name: str) -> None:
    words = {"tag": "draft", "edit": "Lima.", "save": "lesson.jsonl"}.get(name, "")
    for options, told in (
        ("--grep (", "--grep takes a regular expression"),
        ("--grep x --in prompt", "--in takes question, answer. Got 'prompt'"),
        ("--in answer", "--in says where --grep looks"),
        ("--tag nothing", "No entry has the tag 'nothing'"),
        ("--model none", "No model 'none' in this store"),
        ("--cell 12", "No cell of this run asked the cache yet"),
        ("--cell twelve", "--cell takes the number beside a cell"),
        ("--older soon", "--older takes a time such as 30d. Got 'soon'"),
        ("--unused soon", "--unused takes a time such as 90d. Got 'soon'"),
        ("--pinned --pinned", "--pinned is given 2 times"),
    ):
        if name == "remove" and "--tag" in options:
            assert run(f"{name} {options}") == "Nothing to remove."  # what is gone already is no error
            continue
        with pytest.raises(CommandError) as caught:
            run(f"{name} {words} {options}")
        assert told in str(caught.value)


def test_a_command_that_changes_needs_a_selection(run: Run) -> None:
    for line in ("show", "pin", "unpin", "tag --clear", "tag draft", "edit", "remove", "edit Lima."):
        for nothing in ("", "--grep ''"):
            with pytest.raises(CommandError, match="Example: %gptcache"):
                run(f"{line} {nothing}")


def test_entries_are_selected_by_words_of_question_and_answer(run: Run) -> None:
    for options, expected in (
        ("--grep capital", ["Chile?", "Peru?"]),
        ("--grep CAPITAL --in question", ["Chile?", "Peru?"]),
        ("--grep capital --in answer", []),
        ("--grep 'answer [0-9]+' --in answer -m large", ["blue?"]),
        ("--grep 'answer [0-9]+' --in question", []),
        ("--grep 'blue|answer' --unused 1h", []),
        ("-m small --grep answer", ["Chile?", "Peru?"]),
        ("--older 1d", []),
        ("--expired", []),
        ("--pinned", []),
    ):
        assert questions(run(f"entries {options}")) == expected
        assert questions(run(f"pin --dry-run {options}")) == expected
        assert questions(run(f"remove --dry-run {options}")) == expected


def test_entries_are_marked_edited_saved_and_removed_by_what_they_say(run: Run) -> None:
    assert run("tag lesson --grep capital") == "2 entries tagged lesson."
    assert run("pin --grep Peru") == "1 entry pinned."
    assert run("pin --tag lesson --grep sky") == "Nothing to pin: no entry fits."
    assert questions(run("entries --pinned")) == ["Peru?"]
    assert "edited" in run("edit --grep Chile 'Santiago de Chile'")
    assert questions(run("entries --grep santiago")) == ["Chile?"]
    assert run("save lesson.jsonl --grep santiago --in answer").startswith("Saved 1 entry")
    assert run("save lesson.jsonl --pinned").startswith("Saved 1 entry")
    assert run("remove --tag lesson").endswith("%gptcache undo. 1 pinned entry stays; --pinned removes it.")
    assert run("remove --tag lesson") == "Nothing to remove. 1 pinned entry stays; --pinned removes it."
    assert questions(run("entries")) == ["blue?", "Peru?"]
    assert run("remove --pinned").startswith("1 entry removed")
    assert run("unpin --pinned") == "Nothing to unpin: no entry fits."


def test_an_id_may_stand_before_and_after_options(run: Run) -> None:
    peru, chile = (gm.entries(grep=each).index[0] for each in ("Peru", "Chile"))

    assert run(f"pin {peru} --grep capital {chile}") == "2 entries pinned."
    assert run(f"unpin {peru} {chile} --grep Peru") == "1 entry unpinned."
    assert questions(run(f"entries {peru} --grep Chile")) == []
    assert run(f"save lesson.jsonl {peru}").startswith("Saved 1 entry")
    assert run(f"edit {peru} --in question --grep Peru Lima.").startswith(f"{peru} edited")


def test_show_shows_several_and_says_how_many_more(run: Run) -> None:
    assert "Chile" in repr(run("show --grep capital"))
    for number in range(5):
        ask(f"The capital of {number}?")
    shown = repr(run("show --grep capital"))
    assert shown.count("human:") == 5
    assert "2 more entries fit." in shown
    assert shown.index("of 4?") < shown.index("of 3?")
    with pytest.raises(CommandError, match="no entry fits"):
        run("show --grep volcano")


def test_edit_needs_exactly_one_entry_and_an_answer(run: Run) -> None:
    (id,) = gm.entries(grep="Peru").index

    for line, told in (
        ("edit --grep capital Lima.", "several entries fit"),
        ("edit --grep volcano Lima.", "no entry fits"),
        (f"edit {id}", "give the new answer"),
        (f"edit --grep Peru {id[:4]}", "is the id of an entry. The new answer comes after it"),
    ):
        with pytest.raises(CommandError, match=told):
            run(line)
    assert gm.edit(text="Lima.", grep="Peru").startswith(f"{id} edited")
    assert gm.entries(id)["answer"].item() == "Lima."


@pytest.mark.parametrize("line", ["pin", "unpin", "tag draft", "tag --clear"])
def test_many_entries_are_changed_only_when_that_is_confirmed(run: Run, line: str) -> None:
    for number in range(19):
        ask(f"Question {number}")
    ids = [*gm.entries(model="small-model").index]

    with pytest.raises(CommandError, match=r"21 entries\. Add --yes, or --dry-run to list them\."):
        run(f"{line} -m small-model")
    assert not gm.entries(pinned=True).size
    assert len(run(f"{line} -m small-model --dry-run")) == 21
    assert run(f"{line} {' '.join(ids)}").startswith("21 entries ")
    assert run(f"{line} -m small-model --yes").startswith("21 entries ")


def test_a_cell_selects_what_it_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with fresh_shell(tmp_path / ".ipython") as shell:
        shell.user_ns["ask"] = ask
        for cell in ("%load_ext gptcache_magics", "%gptcache on", "ask('one')", "ask('two')", "ask('two')"):
            shell.run_cell(cell, store_history=True).raise_error()
        id = gm.entries(grep="one").index[0]

        assert gm.pin(cell=3) == "1 entry pinned."
        assert gm.tag("draft", id, cell="last") == "Nothing to tag: no entry fits."
        assert gm.tag("draft", cell="last") == "1 entry tagged draft."
        assert gm.entries(tag="draft")["question"].tolist() == ["two"]
        assert gm.remove(cell="last").startswith("1 entry removed")
        assert gm.entries()["question"].tolist() == ["one"]
