"""``%autoreload`` reaches the wrapped methods of a user's class, and classes that are made again are let go of."""

import gc
import importlib
import os
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from gptcache_magics.langchain import hooks

NAME = "module_of_the_user"
BASE = """
from langchain_core.language_models import SimpleChatModel
from langchain_core.messages import AIMessageChunk
class My(SimpleChatModel):
    @property
    def _llm_type(self): return "my"
"""
STREAM = """
    def stream(self, *args, **kwargs):
        yield AIMessageChunk(content="{}")
"""
SUPER = """
    def stream(self, *args, **kwargs):
        {}
        for chunk in super().stream(*args, **kwargs):
            yield AIMessageChunk(content=chunk.text + "{}")
"""
ASTREAM = """
    async def astream(self, *args, **kwargs):
        yield AIMessageChunk(content="{}")
"""
GENERATE = """
    def generate(self, *args, **kwargs):
        result = super().generate(*args, **kwargs)
        result.generations[0][0].message.content = "{}"
        return result
    async def agenerate(self, *args, **kwargs):
        return self.generate(*args, **kwargs)
    def invoke(self, *args, suffix="{}", **kwargs):
        return AIMessageChunk(content=super().invoke(*args, **kwargs).text + suffix)
"""
CALL = """
    def _call(self, *args, **kwargs):
        return "{}"
"""
Reload = Callable[[str], None]


@pytest.fixture
def reload(ip: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reload]:
    """Return a function that writes the module again and lets ``%autoreload`` see it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file, times = tmp_path / f"{NAME}.py", iter(range(1, 100))

    def write(text: str) -> None:
        file.write_text(BASE + text)
        later = time.time() + next(times) * 10
        os.utime(file, (later, later))
        importlib.invalidate_caches()
        ip.run_cell("pass").raise_error()

    ip.run_line_magic("load_ext", "autoreload")
    ip.run_line_magic("autoreload", "2")
    yield write
    sys.modules.pop(NAME, None)


def said(ip: InteractiveShell, how: str) -> str:
    result = ip.run_cell(f"''.join(c.text for c in {how})" if "stream" in how else f"({how}).text")
    result.raise_error()
    return str(result.result)


@pytest.mark.parametrize("made_before", [False, True], ids=["made while on", "made before on"])
def test_autoreload_reaches_methods_while_they_are_wrapped(
    ip: InteractiveShell, reload: Reload, made_before: bool, capsys: pytest.CaptureFixture
) -> None:
    lines = [f"from {NAME} import My; my = My()", "%gptcache on :memory:"]
    reload(STREAM.format("one") + CALL.format("a"))
    for line in reversed(lines) if not made_before else lines:
        ip.run_cell(line).raise_error()
    assert said(ip, "my.stream('q')") == "one"

    reload(STREAM.format("two, longer") + ASTREAM.format("added") + CALL.format("b"))
    assert said(ip, "my.stream('q')") == said(ip, "My().stream('q')") == "two, longer"
    assert said(ip, "[chunk async for chunk in My().astream('q')]") == "added"
    assert said(ip, "My().invoke('new')") == "b"
    reload(SUPER.format("", "!") + GENERATE.format("generated", "?") + CALL.format("c"))
    assert said(ip, "My().stream('q2')") == "generated?!"  # LangChain invokes what does not stream
    assert said(ip, "My().invoke('q3')") == "generated?"
    reload(SUPER.format("pass", "!!") + GENERATE.format("again", "??") + CALL.format("d"))
    assert said(ip, "my.stream('q4')") == "again??!!"  # a name that was imported once stays behind, with or without us
    assert said(ip, "my.invoke('q5')") == "again??"
    reload(CALL.format("e"))
    assert said(ip, "my.stream('q6')") == said(ip, "my.invoke('q6')") == "e"
    assert "autoreload of" not in capsys.readouterr().err + capsys.readouterr().out


PARSER = """
from langchain_core.output_parsers import BaseOutputParser, StrOutputParser
class Parser(BaseOutputParser):
    def parse(self, text): return "{}"
class Under(StrOutputParser):
    def parse(self, text):
        {}
        return super().parse(text) + "{}"
"""


def test_autoreload_reaches_parsers(ip: InteractiveShell, reload: Reload) -> None:
    def read(made: str) -> str:
        return str(ip.run_cell(f"{made}.parse('x')").result)

    lines = f"%gptcache on :memory:\nfrom {NAME} import Parser, Under; parser, under = Parser(), Under()"
    reload(PARSER.format("one", "", "1"))
    ip.run_cell(lines).raise_error()
    assert [read(made) for made in ("parser", "Parser()", "under", "Under()")] == ["one", "one", "x1", "x1"]

    reload(PARSER.format("two", "", "2"))
    assert [read(made) for made in ("parser", "Parser()", "under", "Under()")] == ["two", "two", "x2", "x2"]
    reload(PARSER.format("three", "pass", "3"))
    ip.run_line_magic("gptcache", "off")
    assert [read(made) for made in ("parser", "Parser()", "under", "Under()")] == ["three", "three", "x3", "x3"]
    for name in ("Parser", "Under"):
        assert not hasattr(vars(ip.user_ns[name])["parse"], "__wrapped__")


def test_off_leaves_the_newest_code(ip: InteractiveShell, reload: Reload) -> None:
    reload(SUPER.format("", "1") + CALL.format("a"))
    ip.run_cell(f"%gptcache on :memory:\nfrom {NAME} import My; my = My()").raise_error()
    before: Any = vars(ip.user_ns["My"])["stream"]
    reload(SUPER.format("pass", "2") + CALL.format("b"))
    ip.run_line_magic("gptcache", "off")

    My: Any = ip.user_ns["My"]
    assert not hooks.installed()
    for kind in (My, sys.modules[NAME].My):
        for name in ("stream", "_call"):
            assert not hasattr(vars(kind)[name], "__wrapped__")
            assert vars(kind)[name].__module__ == NAME
    assert vars(My)["stream"] is not before
    assert said(ip, "My().stream('q')") == said(ip, "my.stream('q')") == "b2"
    reload(SUPER.format("pass", "3") + CALL.format("c"))
    assert said(ip, "my.stream('q')") == "c3"
    ip.run_line_magic("gptcache", "on :memory:")
    assert said(ip, "my.stream('q')") == "c3"
    reload(SUPER.format("pass", "4") + CALL.format("d"))
    assert said(ip, "my.stream('q2')") == "d4"


def test_classes_that_a_cell_makes_again_are_let_go_of(ip: InteractiveShell) -> None:
    ip.run_cell("%gptcache on :memory:\nfrom langchain_core.language_models import FakeListChatModel").raise_error()
    cell = (
        "class Mine(FakeListChatModel):\n"
        "    def stream(self, *args, **kwargs):\n"
        "        yield from super().stream(*args, **kwargs)\n"
        "    def _call(self, *args, **kwargs): return 'answer'\n"
        "_ = Mine(responses=['a'])\n"
        "made.append(weakref.ref(Mine))"
    )
    ip.run_cell("import weakref; made = []")
    for _ in range(40):
        ip.run_cell(cell).raise_error()
    made: list[weakref.ref[type]] = ip.user_ns["made"]
    gc.collect()
    assert len(made) == 40
    assert sum(each() is not None for each in made) <= 2
