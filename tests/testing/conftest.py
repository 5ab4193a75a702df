"""Runs of pytest in processes of their own, with the plugin as an installed package gives it."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.provider_server import KEY, ProviderServer

ROOT = Path(__file__).parents[2]
APP = """
import openai
from langchain_openai import ChatOpenAI

client = openai.OpenAI(max_retries=0)

def sdk(question):
    messages = [{"role": "user", "content": question}]
    return client.chat.completions.create(model="gpt-4o-mini", messages=messages).choices[0].message.content

def chain(question):
    return ChatOpenAI(model="gpt-4o-mini", max_retries=0).invoke(question).text
"""
TEST = """
from app import chain, sdk

def test_sdk():
    assert "one" in sdk("one")

def test_chain():
    assert "two" in chain("two")
"""


class Pytest:
    """A project with tests, and pytest over it."""

    def __init__(self, folder: Path, server: ProviderServer) -> None:
        self.folder, self.server = folder, server
        entry = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
        installed = folder / "installed" / "plugin-1.dist-info"
        installed.mkdir(parents=True)
        (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1\n")
        names = "".join(f"{name} = {place}\n" for name, place in entry.items())
        (installed / "entry_points.txt").write_text(f"[pytest11]\n{names}")
        self.write("app.py", APP)
        self.write("pytest.ini", "[pytest]\npythonpath = .\naddopts = -p no:cacheprovider\n")

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def bundle(self, name: str = "tests/recordings/test_app.jsonl") -> Path:
        return self.folder / name

    def questions(self, name: str = "tests/recordings/test_app.jsonl") -> list[str]:
        """Return the questions of a bundle, in order of the alphabet."""
        text = self.bundle(name).read_text() if self.bundle(name).exists() else ""
        return sorted(re.findall(r'"messages":\[\{"content":"([^"]*)"', text))

    def __call__(self, *words: str, key: bool = True, url: str = "") -> tuple[dict[str, int], str]:
        """Run pytest. Returns the number of tests by their outcome, and what was printed."""
        variables = {**os.environ, "OPENAI_BASE_URL": url or self.server.openai_url}
        variables["PYTHONPATH"] = os.pathsep.join([str(self.folder / "installed"), str(ROOT)])
        variables |= {"OPENAI_API_KEY": KEY} if key else {}
        # The plugins of this environment take seconds to load; the entry point of ours is loaded by its name.
        variables |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
        ours = [] if "no:gptcache" in words else ["-p", "gptcache"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *ours, "-p", "xdist.plugin", "-p", "pytest_asyncio.plugin", *words],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        self.code = done.returncode
        last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
        counts = {name.rstrip("s"): int(n) for n, name in re.findall(r"(\d+) (passed|failed|errors?|skipped)", last)}
        return counts, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path, server: ProviderServer) -> Pytest:
    """Return a project with two tests that ask a model."""
    project = Pytest(tmp_path, server)
    project.write("tests/test_app.py", TEST)
    return project
