"""The recipes for developers, typed into a copy of the package as they stand there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gptcache_magics as gm

ROOT = Path(__file__).parents[2]
RECIPES = (ROOT / "docs" / "development" / "recipes.md").read_text(encoding="utf-8")
STORES = (ROOT / "docs" / "reference" / "stores.md").read_text(encoding="utf-8")
LINES = {  # where a recipe says in words what to add: the line that it goes before
    "semantic/embedders/__init__.py": (
        "from gptcache_magics.semantic.embedders.base",
        "from gptcache_magics.semantic.embedders.letters import Letters\n",
    ),
    "commands/__init__.py": ('    *("map"', '    "oldest",\n'),
    "__init__.py": ('    "off",\n', '    "oldest",\n'),
    "widgets/panel.py": (
        "from gptcache_magics.widgets.tabs.lookups",
        "from gptcache_magics.widgets.tabs.faces import FacesTab\n",
    ),
}
USED = """
import sys
from gptcache_magics import semantic
from gptcache_magics.semantic.guards.rules import GUARDS
from gptcache_magics.semantic.guards.text import Text
import gptcache_magics as gm
from tests.support.shell import NumberedModel, fresh_shell

assert gm.__file__.startswith(sys.argv[1]), gm.__file__
assert GUARDS["currency"](Text("in euros?"), Text("in dollars?")) == "euros / dollars"
assert GUARDS["currency"](Text("in euros?"), Text("how many euros?")) == ""
with fresh_shell(sys.argv[1] + "/.ipython") as shell:
    shell.run_line_magic("load_ext", "gptcache_magics")
    shell.run_line_magic("gptcache", "on :memory: --match semantic --embedder letters --wait")
    for question in ("Why is it blue?", "Is it why blue?", "Name a mountain of Nepal."):
        NumberedModel().invoke(question)
    assert list(gm.lookups()["match"].dropna()) == [], "the words are in another order"
    assert gm.lookups()["similarity"].max() > 0.9
    assert list(shell.run_line_magic("gptcache", "oldest -n 1")["question"]) == ["Why is it blue?"]
    assert list(gm.oldest()["question"])[-1] == "Name a mountain of Nepal."
    panel = gm.panel(tab="Faces")
    assert "langchain" in str(panel._tabs[[tab.title for tab in panel._tabs].index("Faces")].table)
print("all recipes work")
"""


def block(heading: str, place: int = 0) -> str:
    """Return a block of a recipe."""
    recipe = RECIPES.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```\w+\n(.*?)^```", recipe, re.MULTILINE | re.DOTALL)[place]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the package with all recipes in it."""
    package = tmp_path / "gptcache_magics"
    shutil.copytree(Path(gm.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "support", tmp_path / "tests" / "support")
    for heading, file in (
        ("An embedder", "semantic/embedders/letters.py"),
        ("A command", "commands/oldest.py"),
        ("A tab", "widgets/tabs/faces.py"),
    ):
        (package / file).write_text(block(heading), encoding="utf-8")
    for file, (before, line) in LINES.items():
        written = (package / file).read_text(encoding="utf-8")
        assert written.count(before) == 1, file
        (package / file).write_text(written.replace(before, line + before), encoding="utf-8")
    replace(package / "semantic/embedders/__init__.py", r"^EMBEDDERS: .*\n", block("An embedder", 1))
    replace(package / "commands/panel.py", r"^(Tab = .*)]\n", r'\1, "Faces"]\n')
    replace(package / "widgets/panel.py", r"^(TABS: .*)\)\n", r"\1, FacesTab)\n")
    replace(
        package / "semantic/guards/rules.py",
        r"^(GUARDS: .*\n)",
        block("A guard") + '\n\n\\1    "currency": currency,\n',
    )
    store = STORES.partition("```python\n")[2].partition("\n\ncache = ")[0]
    contract = block("A store").replace('SQLiteStore(":memory:")', "DictStore()")
    (tmp_path / "test_my_store.py").write_text(f"{store}\n\n\n{contract}", encoding="utf-8")
    return tmp_path


def replace(path: Path, pattern: str, by: str) -> None:
    text, number = re.subn(pattern, by, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert number == 1, path
    path.write_text(text, encoding="utf-8")


@pytest.mark.slow
def test_the_recipes_work_as_they_are_written(copy: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    for command in (["-c", USED, str(copy)], ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_store.py"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=copy, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
