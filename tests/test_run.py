"""``python -m gptcache_magics run``: a script as Python runs it, with the cache on around it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import gptcache_magics as gm
from tests.support.provider_server import KEY, ProviderServer

SCRIPT = """
import sys
from openai import OpenAI

def ask(question):
    messages = [{"role": "user", "content": question}]
    return OpenAI(max_retries=0).chat.completions.create(model="gpt-4o-mini", messages=messages)

if __name__ == "__main__":
    print(__file__, sys.argv, sys.path[0], sep="|")
    ask("one")
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: ProviderServer) -> Run:
    """Return a function that runs a script with more lines in an empty folder, in a process of its own."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def run(more: str, *words: str, script: str = SCRIPT, name: str = "job.py") -> subprocess.CompletedProcess[str]:
        (tmp_path / "job.py").write_text(script + more)
        words = words or (name,)
        line = [sys.executable, "-m", "gptcache_magics", "run", *words]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    return run


def test_a_script_runs_as_python_runs_it_and_the_second_time_is_free(
    run: Run, tmp_path: Path, server: ProviderServer
) -> None:
    first = run("", "job.py", "--own", "word")
    second = run("", "job.py", "--own", "word")

    assert first.stdout == f"{tmp_path / 'job.py'}|['job.py', '--own', 'word']|{tmp_path}\n"
    assert first.stderr.startswith("gptcache: 1 miss · paid")
    assert second.stderr.startswith("gptcache: 1 hit · saved")
    assert (first.returncode, second.returncode, server.calls) == (0, 0, 1)
    log = gm.lookups(at=tmp_path / ".gptcache")
    assert log[["notebook", "execution_count"]].drop_duplicates().to_numpy().tolist() == [["job.py", 7]]
    assert "job.py [7] return OpenAI(" in gm.stats("cell", at=tmp_path / ".gptcache").index[0]


def test_options_stand_on_either_side_of_the_script_and_two_dashes_end_them(run: Run) -> None:
    before = run("", "--store", ":memory:", "job.py", "--mode", "fast")
    behind = run("", "job.py", "a", "--store", ":memory:", "--own=1", "--quiet", "--", "--mode", "fast")

    assert "['job.py', '--mode', 'fast']" in before.stdout
    assert "['job.py', 'a', '--own=1', '--mode', 'fast']" in behind.stdout
    assert behind.stderr == ""


@pytest.mark.parametrize(
    ("ending", "code", "told"),
    [
        ("sys.exit(7)", 7, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit('sorry')", 1, "sorry\n"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("import nothing_at_all", 1, "ModuleNotFoundError: No module named 'nothing_at_all'\n"),
        ("a b", 1, "SyntaxError: invalid syntax\n"),
    ],
)
def test_the_end_of_a_script_is_its_own(run: Run, ending: str, code: int, told: str) -> None:
    done = run(ending, "--store", ":memory:", "job.py")

    *shown, badge = done.stderr.splitlines(keepends=True)
    assert done.returncode == code
    assert "".join(shown).endswith(told)
    assert badge.startswith("gptcache: ")
    assert "gptcache_magics" not in "".join(shown)


def test_a_bundle_is_replayed_and_nothing_is_written_or_asked(
    run: Run, tmp_path: Path, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("")
    gm.save(tmp_path / "lesson.jsonl", at=tmp_path / ".gptcache")
    monkeypatch.delenv("OPENAI_API_KEY")
    before = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}

    done = run("", "job.py", "--bundle", "lesson.jsonl")
    missed = run(
        "\nimport gptcache_magics as gm; gm.on(mode='auto'); gm.off(); ask('two')", "--bundle", "lesson.jsonl", "job.py"
    )

    assert (done.returncode, done.stderr.split(" · ")[0]) == (0, "gptcache: 1 hit")
    assert missed.returncode == 1
    assert "nothing is recorded for “two”" in missed.stderr
    assert server.calls == 1
    assert {each for each in tmp_path.rglob("*") if each.is_file()} == {*before}


@pytest.mark.parametrize(("line", "folder"), [("gm.on()", ".gptcache"), ("gm.on('own', mode='auto')", "own")])
def test_a_script_that_turns_the_cache_on_itself_works_too(run: Run, tmp_path: Path, line: str, folder: str) -> None:
    own = f"import gptcache_magics as gm\n{line}\n{SCRIPT}"

    done = [run("", script=own), run("", script=own)]

    assert [each.returncode for each in done] == [0, 0]
    assert done[1].stderr.startswith("gptcache: 1 hit")
    assert len(gm.entries(at=tmp_path / folder)) == 1


def test_processes_that_a_script_spawns_find_its_functions(run: Run) -> None:
    more = """
    import multiprocessing
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(len(pool.map(ask, ["two"])))
"""
    done = run(more)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1"), done.stderr


def test_a_module_runs_as_with_python_m(run: Run, tmp_path: Path) -> None:
    done = run("", "-m", "job", "word")
    assert done.stdout == f"{tmp_path / 'job.py'}|['{tmp_path / 'job.py'}', 'word']|{tmp_path}\n", done.stderr


def test_threads_and_exit_functions_of_a_script_still_have_the_cache(run: Run, server: ProviderServer) -> None:
    more = """
    import atexit, threading, time
    atexit.register(ask, "one")
    threading.Thread(target=lambda: (time.sleep(0.2), ask("one"))).start()
"""
    assert run(more).stderr.startswith("gptcache: 2 hits, 1 miss")
    assert server.calls == 1


def test_a_budget_ends_the_spending(run: Run, server: ProviderServer) -> None:
    done = run("    ask('two')", "--budget", "0.000001usd", "job.py")
    assert (done.returncode, server.calls) == (1, 1)
    assert "the call was not sent" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--store", "a"], "run: name a script. Example: "),
        (["nothing.py"], "There is no script nothing.py. Example: "),
        (["a.ipynb"], "a.ipynb is a notebook. "),
        (["."], ". is a folder without a __main__.py. "),
        (["--bundel", "a.jsonl", "job.py"], "run: no option '--bundel'. Did you mean '--bundle'"),
        (["--store", "a", "--bundle", "b.jsonl", "job.py"], "run: --store or --bundle. "),
        (["--store", "a", "--store", "b", "job.py"], "run: --store is given twice. "),
        (["--store"], "run: --store needs a value. "),
        (["--mode", "replya", "job.py"], "run: --mode takes auto, replay"),
        (["--bundle", "b.txt", "job.py"], "run: --bundle names a file that ends with .jsonl. Got 'b.txt'."),
        (["--bundle", "b.jsonl", "job.py"], "There is no file "),
        (["--bundle", "b.jsonl", "--mode", "auto", "job.py"], "run: --bundle replays, so --mode auto does not fit. "),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_two(run: Run, tmp_path: Path, words: list[str], told: str) -> None:
    (tmp_path / "a.ipynb").write_text("{}")
    done = run("", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith(told)
