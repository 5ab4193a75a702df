"""``python -m gptcache_magics``: a store read from a shell; ``tests/replay/test_verify.py`` verifies notebooks."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from langchain_core.globals import set_llm_cache

import gptcache_magics as gm
from gptcache_magics import __main__ as shell
from gptcache_magics import commands
from tests.support.shell import NumberedModel

Shell = Callable[..., tuple[int, str, str]]
LINES = "Write two lines:\nof \x1b[31mred\x1b[0m text."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store: two misses and a hit of one model, a miss of another."""
    folder = tmp_path_factory.mktemp("shell")
    gm.on(folder / ".gptcache")
    small, large = NumberedModel(), NumberedModel(model="large-model")
    for llm, question in ((small, LINES), (small, "How tall is Etna?"), (small, "How tall is Etna?"), (large, "Peru")):
        llm.invoke(question)
    gm.save(folder / "lesson.jsonl")
    gm.off()
    set_llm_cache(None)
    return folder


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return a function that runs words in the folder, and returns the exit code and what each stream got."""
    monkeypatch.chdir(folder)

    def run(line: str, *more: str) -> tuple[int, str, str]:
        code = shell.main([*line.split(), *more])
        return code, *capsys.readouterr()

    return run


def files(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.rglob("*") if each.is_file() and "-" not in each.name}


@pytest.mark.parametrize("place", ["", " --at .gptcache", " --at lesson.jsonl"])
@pytest.mark.parametrize(
    "name", ["stats", "models", "entries", "lookups", "doctor", "show", "save copy.jsonl --model large"]
)
def test_each_command_reads_a_store_or_a_bundle_and_leaves_it_as_it_is(
    run: Shell, folder: Path, name: str, place: str
) -> None:
    before = files(folder / ".gptcache")
    line = f"show {gm.entries(at='.gptcache').index[0]}" if name == "show" else name
    code, out, err = run(line + place)

    assert (code, err) == (0, "")
    assert out.strip()
    assert files(folder / ".gptcache") == before


def test_a_table_is_shown_as_columns_with_each_row_on_one_line(run: Shell) -> None:
    _, out, _ = run("entries --at .gptcache")

    assert len(out.splitlines()) == 2 + 3
    assert r"Write two lines: of \x1b[31mred\x1b[0m text." in out


def test_csv_and_json_hold_the_table_that_python_gets(run: Shell) -> None:
    df = gm.lookups(at=".gptcache")
    read = pd.read_csv(io.StringIO(run("lookups --csv")[1]), index_col="number")
    rows = json.loads(run("lookups --json")[1])

    assert read.index.tolist() == [row["number"] for row in rows] == df.index.tolist() == [4, 3, 2, 1]
    assert read["question"].tolist() == [row["question"] for row in rows] == df["question"].tolist()
    assert [row["saved_usd"] for row in rows] == [None] * 4
    assert pd.to_datetime(pd.Series([row["at"] for row in rows])).tolist() == df["at"].tolist()
    assert list(rows[0]) == ["number", *df.columns]
    assert json.loads(run("stats --json -m small")[1])[0]["hits"] == 1
    assert json.loads(run("doctor --json")[1])[0]["check"] == "versions"
    assert run("doctor --csv")[1].startswith("check,ok,finding,hint\nversions,True,")


def test_a_file_is_answered_with_its_folder(run: Shell, folder: Path) -> None:
    file = folder / "lower" / ".gptcache" / "cache.db"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    assert "Name its folder: lower/.gptcache\n" in run("stats --at lower/.gptcache/cache.db")[2]


def test_a_bundle_says_that_it_holds_no_lookups(run: Shell) -> None:
    for name in ("stats", "lookups"):
        assert run(f"{name} --at lesson.jsonl")[1] == (
            "lesson.jsonl is a bundle: it holds answers, and no lookups. "
            "Answers: python -m gptcache_magics entries --at lesson.jsonl\n"
        )
        assert run(f"{name} --at lesson.jsonl --json")[1] == "[]\n"


@pytest.mark.parametrize("name", ["stats", "entries", "lookups", "models", "why 1", "show 0123", "doctor"])
def test_reading_leaves_a_file_that_is_no_store_as_it_is(run: Shell, tmp_path: Path, name: str) -> None:
    (tmp_path / "cache.db").write_bytes(b"no database at all, but long enough to look like one" * 100)
    code, out, err = run(f"{name} --at", str(tmp_path))
    assert code == (1 if name == "doctor" else 2)
    assert "It is left as it is." in out + err
    assert [each.name for each in tmp_path.iterdir()] == ["cache.db"]


def test_lines_of_the_user_stay_as_they_are(run: Shell, folder: Path) -> None:
    gm.on(folder / "quotes")
    NumberedModel().invoke("Type %gptcache stats now")
    id = gm.entries().index[0]
    gm.off()
    for line in (f"show {id} --at quotes", "why 1 --at quotes"):
        assert "Type %gptcache stats now" in run(line)[1]


def test_a_save_of_nothing_fails(run: Shell, folder: Path) -> None:
    gm.on(folder / "nothing")
    gm.off()
    code, out, err = run("save none.jsonl --at nothing")
    assert (code, out) == (2, "")
    assert err == ("Nothing to save: no entry fits. What is there: python -m gptcache_magics entries --at nothing\n")
    assert not (folder / "none.jsonl").exists()
    assert run("stats --since x")[2].endswith("Example: python -m gptcache_magics stats --since 1h\n")


def test_a_table_without_rows_says_so(run: Shell) -> None:
    every = "All entries: python -m gptcache_magics entries --at .gptcache"
    assert run("entries --grep nosuch") == (0, f"No entries with --grep nosuch. {every}\n", "")
    assert run("entries --grep nosuch --json") == (0, "[]\n", "")
    assert run("entries --grep nosuch --csv")[1].startswith("id,model,")


def test_a_long_table_is_cut_and_says_so(run: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "ROWS", 2)
    _, out, _ = run("lookups")

    assert len(out.splitlines()) == 2 + 2 + 1
    assert "2 more rows. All: --csv." in out
    assert len(run("lookups --csv")[1].splitlines()) > 4


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("stat", "No command 'stat'. Did you mean 'stats'? python -m gptcache_magics --help"),
        ("on", "on is for notebooks: %load_ext gptcache_magics. In a shell: stats, models, "),
        ("stats --at nowhere", "There is no store in nowhere. A store is a folder with a cache.db, such as .gptcache"),
        ("stats --at none.jsonl", "There is no file"),
        ("stats -m model", "'model' fits large-model and small-model. Type more, or a glob: -m '*model*'"),
        ("stats --helo", "stats: no option '--helo'. Example: python -m gptcache_magics stats --by cell"),
        ("stats --reset", "--reset starts a new run of the cache that is on"),
        ("stats --since run", "--since run is about the cache that is on"),
        ("stats --csv --json", "stats: --csv or --json. Give one of them, once."),
        ("stats --plot --csv", "--csv is for tables, and this is not one."),
        ("save x.jsonl --json", "save: --json is for tables: stats, models, entries, lookups, missed, doctor, verify."),
        ("show 0123", "No entry has the id '0123'. All ids: python -m gptcache_magics entries"),
        (
            "show 0123 --at .gptcache",
            "No entry has the id '0123'. All ids: python -m gptcache_magics entries --at",
        ),
        (
            "why 1 --at lesson.jsonl",
            "lesson.jsonl is a bundle: it holds answers, and no lookups to explain. Answers:",
        ),
        ("--versoin", "No command '--versoin'. Did you mean '--version'? python -m gptcache_magics --help"),
        ("--version now", "No command '--version'."),
    ],
)
def test_wrong_words_get_one_sentence_and_the_code_two(run: Shell, line: str, told: str) -> None:
    code, out, err = run(line)

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(told)


def test_without_a_store_here_the_sentence_names_the_option(
    run: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in ("stats", "entries", "doctor", "save x.jsonl"):
        assert run(line) == (
            2,
            "",
            "There is no store in .gptcache here. Name one: --at FOLDER, or --at lesson.jsonl\n",
        )
    assert list(tmp_path.iterdir()) == []


def test_the_default_store_may_be_named_by_the_environment(
    run: Shell, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", str(folder / ".gptcache"))

    assert json.loads(run("stats --by total --json")[1])[0]["lookups"] == 4


def test_a_damaged_store_makes_doctor_exit_with_one(run: Shell, tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"no database at all, but long enough to look like one" * 100)
    code, out, _ = run("doctor --at", str(tmp_path))

    assert code == 1
    assert "! the file: " in out


def test_help_names_each_command_with_its_options(run: Shell) -> None:
    assert all(name in run("--help")[1] for name in shell.COMMANDS)
    for name in shell.COMMANDS:
        code, out, _ = run(f"{name} --help")
        assert code == 0
        assert f"python -m gptcache_magics {name}" in out
        assert ("--csv or --json" in out) == (name in shell.TABLES)
        assert ("--at" in out) == (name != "verify")
    assert {*shell.COMMANDS} <= {*commands.COMMANDS}


@pytest.mark.slow
def test_a_pipe_that_closes_early_is_not_an_error(folder: Path) -> None:
    command = f"'{sys.executable}' -m gptcache_magics lookups --csv | head -n 1; exit ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=120)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("number,at,")


def test_a_bundle_is_loaded_into_a_store_that_is_made_for_it(run: Shell, tmp_path: Path) -> None:
    place = str(tmp_path / "made")

    assert run("load lesson.jsonl --at", place) == (0, "lesson.jsonl: 3 entries added.\n", "")
    assert run("load lesson.jsonl --keep --at", place)[:2] == (
        0,
        "lesson.jsonl: 0 entries added, 3 kept as in the store.\n",
    )
    assert len(pd.read_json(io.StringIO(run("entries --json --at", place)[1]))) == 3
    assert gm.current() is None


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("load", "load: missing: FILE"),
        ("load nothing.jsonl", "nothing.jsonl"),
        ("load lesson.jsonl --keep --replace", "load: --keep or --replace"),
        ("load lesson.jsonl --init set_up", "load: no option '--init'"),
        ("load lesson.jsonl --csv", "load: --csv is for tables"),
        ("load lesson.jsonl --at lesson.jsonl", "lesson.jsonl"),
    ],
)
def test_a_wrong_load_is_explained_and_leaves_the_cache_off(run: Shell, line: str, told: str) -> None:
    code, shown, said = run(line)

    assert (code, shown) == (2, "")
    assert told in said
    assert gm.current() is None


def test_the_options_that_select_entries_hold_in_a_shell(run: Shell, tmp_path: Path) -> None:
    shown = run("entries --grep etna --in question --json")[1]
    assert [each["question"] for each in json.loads(shown)] == ["How tall is Etna?"]
    code, shown, _ = run("entries --grep answer --in question")
    assert (code, shown.partition(".")[0]) == (0, "No entries with --grep answer and --in question")
    assert run("show --grep Etna")[1].count("human:") == 1
    assert run("save --grep Etna", str(tmp_path / "etna.jsonl"))[1].startswith("Saved 1 entry")
    code, shown, said = run("entries --in answer")
    assert (code, shown) == (2, "")
    assert "--in says where --grep looks" in said
