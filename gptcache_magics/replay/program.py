"""Run a script as ``python script.py`` does, with its lookups attributed to its lines.

A script has no cells. Each line that calls a model, directly or through functions elsewhere, stands for one: the tables
name the script, the number of the line and its code.
"""

from __future__ import annotations

import builtins
import linecache
import os
import runpy
import sys
from dataclasses import dataclass
from io import open_code
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Final

from gptcache_magics.errors import CommandError
from gptcache_magics.settings import CELL, Cell
from gptcache_magics.text.code_line import short_line

__all__ = ["Program", "ScriptCell", "line_of", "within"]

_RUNPY: Final = ("<frozen runpy>", runpy.__file__)


@dataclass(frozen=True, slots=True)
class Program:
    """A script, or a module as in ``python -m``, with its arguments."""

    name: str
    arguments: tuple[str, ...] = ()
    module: bool = False

    @property
    def file(self) -> str:
        """The path of the script, as its code knows it; empty for a module."""
        return "" if self.module else os.path.abspath(self.name)

    def check(self) -> None:
        """Raise ``CommandError`` if there is no such script."""
        if self.module:
            return
        if os.path.isdir(self.name) and not os.path.isfile(os.path.join(self.name, "__main__.py")):
            raise CommandError(
                f"{self.name} is a folder without a __main__.py. Name a script: python -m gptcache_magics run script.py"
            )
        if not os.path.exists(self.name):
            raise CommandError(f"There is no script {self.name}. Example: python -m gptcache_magics run script.py")
        if self.name.endswith(".ipynb"):
            raise CommandError(f"{self.name} is a notebook. Check that it replays: %gptcache verify {self.name}")

    def execute(self) -> None:
        """Run it as the main module. Raises what it raises."""
        cell = ScriptCell(self)
        CELL.set(cell)
        sys.argv[:] = [self.name, *self.arguments]
        if self.module:
            _set_path(os.getcwd())
            runpy.run_module(self.name, run_name="__main__", alter_sys=True)
        elif os.path.isdir(self.name) or self.name.endswith((".zip", ".pyz")):
            if not sys.flags.safe_path:
                del sys.path[0]
            runpy.run_path(self.file, run_name="__main__")
        else:
            _set_path(os.path.dirname(os.path.realpath(self.name)))
            main = ModuleType("__main__")
            vars(main).update(__file__=self.file, __builtins__=builtins, __cached__=None)
            sys.modules["__main__"] = main  # where pickle and multiprocessing look for it
            with open_code(self.file) as file:
                source = file.read()
            exec(compile(source, self.file, "exec", dont_inherit=True), vars(main))


def _set_path(folder: str) -> None:
    """Put a folder first on the path, in place of that of this package's command."""
    if not sys.flags.safe_path:
        sys.path[:1] = [folder]


class ScriptCell(Cell):
    """The line of a script that runs, in place of a cell."""

    def __init__(self, program: Program) -> None:
        super().__init__(notebook=os.path.basename(program.name))
        self._file = program.file

    @property
    def execution_count(self) -> int | None:
        """The number of the line."""
        frame = self._frame()
        return frame.f_lineno if frame is not None else None

    @execution_count.setter
    def execution_count(self, value: int | None) -> None:
        pass

    @property
    def first_line(self) -> str:
        """The code of the line."""
        frame = self._frame()
        return "" if frame is None else short_line(linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip())

    @first_line.setter
    def first_line(self, value: str) -> None:
        pass

    def _frame(self) -> FrameType | None:
        """Return the innermost frame of the script itself."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and not self._is_script(frame):
            frame = frame.f_back
        return frame

    def _is_script(self, frame: FrameType) -> bool:
        return frame.f_code.co_filename == self._file if self._file else frame.f_globals.get("__name__") == "__main__"


def within(traceback: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that a script would show without this package around it."""
    ours = str(Path(__file__).parent.parent)
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if not file.startswith(ours) and file not in _RUNPY:
            return traceback
        traceback = traceback.tb_next
    return None


def line_of(error: BaseException, file: str) -> int | None:
    """Return the number of the last line of a script in an error's traceback."""
    number, traceback = None, error.__traceback__
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == file:
            number = traceback.tb_lineno
        traceback = traceback.tb_next
    return number
