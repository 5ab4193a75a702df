"""SECURITY.md claims only what a test holds."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_test_that_security_md_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text("utf-8")))
    trees = [ast.parse(path.read_text("utf-8")) for path in (ROOT / "tests").rglob("test_*.py")]
    there = {each.name for tree in trees for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
    assert len(named) > 20
    assert named - there == set()
