"""The documentation says everything, and its code runs as it stands there."""

import gc
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from langchain_core.globals import set_llm_cache

import gptcache_magics as gm
from gptcache_magics import errors
from gptcache_magics.commands import COMMANDS, parser
from gptcache_magics.langchain import hooks
from gptcache_magics.settings import Config
from gptcache_magics.tables import columns
from gptcache_magics.tables.batch import ANSWERED
from gptcache_magics.tables.comparison import COMPARED
from tests.support.shell import ask, fresh_shell
from tests.support.site import Site

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
PROGRAM = "python -m gptcache_magics "
TABLES = {
    "stats": {**columns.STATS, **columns.WIDE},
    "models": columns.MODELS,
    "entries": columns.ENTRIES,
    "lookups": columns.LOOKUPS,
    "missed": columns.MISSED,
    "compare": COMPARED,
    "map": {"answer", *(f"answer_{name}" for name in ANSWERED)},
}
TESTED_ELSEWHERE = {
    "how-to/team.md": "tests/team types it to a PostgreSQL",
    "how-to/testing.md": "tests/testing runs such tests",
}
LESSON = "https://example.org/lesson.jsonl"
"""The address of a lesson in the pages; the tests have one on this machine."""
ELSEWHERE_ON = re.compile(r"%gptcache on (?!-)|from langchain_core.caches import InMemoryCache")
"""Finds cells of another kernel: they turn the cache on at another place, or begin with another cache."""
ASKED = {"how-to/compare.md": ("large-model",)}
"""Further models that are asked before the code of a page runs."""
OF_NO_PAGE = re.compile(r"%pip|make |git |pytest |python -m (build|twine)")
"""Finds lines that a test cannot type: they install, upload, or run the tests."""


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^```([^\n]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """Return a shell in a folder with a lesson and a script, where the cache is on and knows an answer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for file in ("lesson.ipynb", "lesson.jsonl"):
        shutil.copy(ROOT / "notebooks" / file, tmp_path)
    shutil.copy(ROOT / "notebooks" / "lesson.ipynb", tmp_path / "notebook.ipynb")
    shutil.copy(ROOT / "notebooks" / "lesson.jsonl", tmp_path / "anna.jsonl")
    Path("script.py").write_text("print('nothing asked')\n")
    with fresh_shell(tmp_path / ".ipython") as shell:
        shell.run_line_magic("load_ext", "gptcache_magics")
        shell.run_line_magic("gptcache", "on")
        ask("Why is the sky blue?")
        ask("Why is the sky blue?")
        shell.user_ns["ask"] = ask
        yield shell
        shell.reset()  # a cache that a page has made ends with its last name
    set_llm_cache(None)
    gc.collect()
    assert hooks.installed() == [], "the code of the page leaves nothing on"


@pytest.fixture
def lesson() -> Iterator[str]:
    """Return the address of the lesson."""
    site = Site()
    yield site.gives("/lesson.jsonl", (ROOT / "notebooks" / "lesson.jsonl").read_bytes())
    site.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", [each for each in PAGES if each not in TESTED_ELSEWHERE])
def test_the_code_of_a_page_runs_from_top_to_bottom(name: str, shell: InteractiveShell, lesson: str) -> None:
    for model in ASKED.get(name, ()):
        ask("Why is the sky blue?", model)
    for language, block in blocks(page(name)):
        match language:
            case "" | "python":
                for cell in cells(block):
                    if ELSEWHERE_ON.match(cell):
                        gm.off()
                    newest = next(iter(gm.lookups(limit=1).index), 0) if "128" in cell else 0
                    cell = cell.replace("128", str(newest)).replace(LESSON, lesson)
                    shell.run_cell(cell, store_history=True).raise_error()
            case "sh":
                for line in block.splitlines():
                    if not OF_NO_PAGE.match(line):
                        assert line.startswith(PROGRAM), line
                        typed(line.removeprefix(PROGRAM))
            case _:
                assert language in ("py", "json"), language  # what is part of a file


def cells(block: str) -> list[str]:
    """Return the cells of a block; a line for a cell is given one."""
    lines = [line for line in block.splitlines() if not OF_NO_PAGE.match(line)]
    if lines and lines[0].startswith("%%"):
        return [f"{lines[0]}\nask('Which colour has the sea?')"]
    return ["\n".join(lines)]


def typed(line: str) -> None:
    """Type a line to a shell."""
    words = [sys.executable, "-m", "gptcache_magics", *shlex.split(line, comments=True)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_of_a_command_says_what_it_does(name: str) -> None:
    assert all(each.declaration.help for each in parser(name).declared)


@pytest.mark.parametrize("table", TABLES)
def test_each_column_of_a_table_is_explained_and_no_other(table: str) -> None:
    text = page("reference/columns.md").partition(f"## {table}\n")[2].partition("\n## ")[0]
    explained = [
        name for cell in re.findall(r"^\| (`[^|]+`) \|", text, re.MULTILINE) for name in re.findall(r"\w+", cell)
    ]

    assert sorted(explained) == sorted(TABLES[table])


def test_each_public_name_is_a_command_or_has_a_docstring() -> None:
    for name in gm.__all__:
        assert (getattr(gm, name).__doc__ or "").strip(), name
    for name in errors.__all__:
        assert (getattr(errors, name).__doc__ or "").strip(), name
    assert all(each.metadata["help"] for each in fields(Config))
