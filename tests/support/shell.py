"""A shell in this process, as a terminal has one, and a model to ask in it."""

import atexit
import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import SimpleChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from traitlets.config import Config

import gptcache_magics as gm

__all__ = ["NumberedModel", "Typist", "ask", "fresh_shell"]

_numbers = itertools.count(1)


class NumberedModel(SimpleChatModel):
    """A fake model that says its name, as models of providers do. Each of its answers is different."""

    model: str = "small-model"
    seconds: float = 0.0
    """Seconds that an answer takes."""

    @property
    def _llm_type(self) -> str:
        return "numbered"

    def _call(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> str:
        time.sleep(self.seconds)
        return f"answer {next(_numbers)}"

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for piece in ("answer ", str(next(_numbers))):
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))


def ask(question: str, model: str = "small-model") -> str:
    """Ask a model, and return the text that it or the cache answers."""
    return str(NumberedModel(model=model).invoke(question).content)


@contextmanager
def fresh_shell(folder: Path, **options: dict[str, object]) -> Iterator[InteractiveShell]:
    """Make a shell that keeps its files in ``folder``, and unload the extension at the end."""
    InteractiveShell.clear_instance()
    config = Config({"HistoryManager": {"enabled": False, "hist_file": ":memory:"}, **options})
    shell = InteractiveShell.instance(config=config, ipython_dir=str(folder))
    try:
        yield shell
    finally:
        gm.unload_ipython_extension(shell)
        atexit.unregister(shell.atexit_operations)  # or each shell collects garbage after the tests
        InteractiveShell.clear_instance()
        if gm.current() is not None:
            gm.off()
        set_llm_cache(None)


class Typist:
    """A person who types ``%gptcache`` lines."""

    def __init__(self, ip: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
        self.ip = ip
        self._capsys = capsys

    def __call__(self, line: str = "") -> Any:
        """Return what the line returns, and check that it prints nothing."""
        value, printed = self._type(line)
        assert printed == ""
        return value

    def told(self, line: str) -> str:
        """Return the one line that the line prints, and check that it returns nothing."""
        value, printed = self._type(line)
        assert value is None
        assert printed.count("\n") == 1
        return printed.rstrip("\n")

    def refused(self, line: str) -> str:
        """Return the one sentence about a line that is refused."""
        with pytest.raises(UsageError) as caught:
            self._type(line)
        assert type(caught.value) is UsageError  # of a subclass IPython shows a traceback
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def cell(self, text: str) -> str:
        """Run a cell, and return what it prints and shows."""
        self._capsys.readouterr()
        self.ip.run_cell(text, store_history=True).raise_error()
        return self._capsys.readouterr().out

    def _type(self, line: str) -> tuple[Any, str]:
        self._capsys.readouterr()
        value = self.ip.run_line_magic("gptcache", line)
        return value, self._capsys.readouterr().out
