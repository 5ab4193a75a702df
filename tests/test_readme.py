"""Type what the README tells a user to type."""

import atexit
import itertools
import re
import shutil
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
from IPython.core.interactiveshell import InteractiveShell
from langchain_core.globals import get_llm_cache, set_llm_cache

import gptcache_magics as gm
from tests.support.shell import ask

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PUBLISHED = (
    "https://raw.githubusercontent.com/gptcache-magics/gptcache-magics/main/",
    "https://github.com/gptcache-magics/gptcache-magics/blob/main/",
)
BADGE = "https://img.shields.io/badge/"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BLOCKS = re.findall(r"^```\w*\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_every_magic_line_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shell = InteractiveShell()
    for file in ("lesson.ipynb", "lesson.jsonl"):
        shutil.copy(ROOT / "notebooks" / file, tmp_path)
    blocks = [
        [line for line in block.splitlines() if line.startswith(("%gptcache", "%%gptcache", "%load", "df = %"))]
        for block in BLOCKS
    ]
    assert blocks[1] == ["%load_ext gptcache_magics", "%gptcache on"]

    try:
        for line in blocks[1]:
            shell.run_cell(line, store_history=True).raise_error()
        ask("a question")
        for line in itertools.chain(*blocks[2:]):
            if line.startswith("%gptcache on "):  # in another kernel
                shell.run_cell("%gptcache off").raise_error()
            shell.run_cell(line, store_history=True).raise_error()
    finally:
        shell.run_line_magic("unload_ext", "gptcache_magics")
        atexit.unregister(shell.atexit_operations)


def test_every_python_block_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)

    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
        cache = get_llm_cache()
        assert isinstance(cache, gm.GPTCache) == ("set_llm_cache" in block)
        set_llm_cache(None)
        if isinstance(cache, gm.GPTCache):
            cache.close()


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    assert set(re.findall(r"make ([a-z-]+)", README)) <= targets


def test_every_picture_and_link_leads_somewhere_also_on_pypi() -> None:
    targets = [target for target in re.findall(r"]\(([^)]+)\)", README) if not target.startswith(BADGE)]

    for target in [*targets, PROJECT["urls"]["Changelog"], PROJECT["urls"]["Documentation"]]:
        place = next(each for each in PUBLISHED if target.startswith(each))
        assert (ROOT / target.removeprefix(place)).is_file(), target


def test_the_badges_are_true() -> None:
    badges = [unquote(each) for each in re.findall(rf"{BADGE}([^)]+)-blue", README)]
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))

    assert badges == [f"python-{' | '.join(versions)}", f"licence-{PROJECT['license']}"]
