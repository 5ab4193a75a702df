"""Follow notebook cells: attribute their lookups, apply ``%%gptcache``, show the badge.

A cell that begins with ``%%gptcache`` is not run by that magic. Its first line becomes a call that sets the scope of
the cell, so that errors keep their line numbers, and ``await`` and the last expression work as in any cell.

Each run of code has its own ``_Run``: a cell, a silent request, a cell that the code of another one runs. A context
variable says which run the code belongs to, and IPython's events say when a run ends. Runs within a run take its scope
and its place in the notebook.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from gptcache_magics.commands._cell import CELL_LINE, wants_help
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.lookup import placeholder_keys
from gptcache_magics.lookup.embedding_uses import embedded_totals
from gptcache_magics.notebook.badge import Remarks, show_badge
from gptcache_magics.notebook.refusals import Refusals
from gptcache_magics.settings import CELL, NOTEBOOK, Cell, Scope
from gptcache_magics.store.postgres.address import without_password
from gptcache_magics.tables.totals import cell_totals
from gptcache_magics.text.code_line import short_line

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult

    from gptcache_magics.lookup.ledger import Ledger

__all__ = ["Cells"]

CELL_MAGIC: Final = re.compile(r"%%gptcache(?![\w?])[ \t]*([^\n?]*)$")
RUNNER: Final = "run_ast_nodes"
"""IPython's function that runs the code of a cell."""
UNIQUE: Final = re.compile(r"(?:-jvsc)?-[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}(?=\.|$)")
"""The part of a session's name that nobody can read, as consoles of JupyterLab and notebooks of VS Code have it."""


@dataclass(slots=True, eq=False)
class _Run(Cell):
    """One run of code, from its first event to its last."""

    thread: int = field(default_factory=threading.get_ident)
    request: str = ""
    """Id of the front end's request that the run belongs to; empty outside of a kernel."""
    info: ExecutionInfo | None = None
    """IPython's words about the cell; None for a silent one, of which IPython says nothing."""
    ends_itself: bool = False
    """Whether the run is a call of the magic, and not a cell of IPython's."""
    began_before: bool = False
    """Whether the run loaded the extension, so that its first events went by."""
    began_with: tuple[Ledger | None, int, int] = None, 0, 0
    """The log of the cache that was on when the run began, and its number of lookups."""
    placed: list[str] = field(default_factory=list)
    """Environment variables that hold a placeholder until the run ends."""
    began: float = field(default_factory=time.monotonic)

    def within(self, outer: Cell) -> None:
        """Take the scope and the place of the run whose code runs this one."""
        self.outer, self.scope, self.asked = outer, outer.scope, outer.asked
        self.notebook, self.cell_id = outer.notebook, outer.cell_id
        self.execution_count, self.first_line = outer.execution_count, outer.first_line


class Cells:
    """The cells of one shell.

    Parameters
    ----------
    shell
        An ``InteractiveShell``.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._remarks = Remarks()
        self._refusals = Refusals(shell)
        self._runs: list[_Run] = []
        """The running cells, and the cells that they run, in the order of their beginnings."""
        self._events = {
            "pre_execute": self._begin,
            "pre_run_cell": self._attribute,
            "post_execute": self._end_silent,
            "post_run_cell": self._end,
        }

    def follow(self) -> None:
        """Follow the cells of the shell, from the one that is running."""
        NOTEBOOK.running = self._runs
        loading = _running_cell()
        if loading is not None:  # it began before its events could be followed
            run = self._begin()
            run.began_before = True
            if not loading.silent:  # as a script runs
                self._place(run, "%load_ext gptcache_magics", "")
        for event, follow in self._events.items():
            self._shell.events.register(event, follow)
        self._shell.input_transformers_cleanup.append(_cell_line)
        self._refusals.show()

    def leave(self) -> None:
        """Undo ``follow``."""
        self._refusals.leave()
        with suppress(ValueError):
            for event, follow in self._events.items():
                self._shell.events.unregister(event, follow)
            self._shell.input_transformers_cleanup.remove(_cell_line)
        for run in self._runs[:]:
            self._finish(run)

    @property
    def seen(self) -> bool:
        """Whether somebody sees the running cell: nbconvert and papermill send no cell id, and can answer no input."""
        cell_id = any(getattr(run.info, "cell_id", None) for run in self._runs)
        return cell_id or bool(self._parent("content").get("allow_stdin"))

    def begin_scope(self, scope: Scope) -> None:
        """Apply the scope of a ``%%gptcache`` line until its cell ends. In another scope, the strictest mode holds."""
        run = CELL.get()
        if not isinstance(run, _Run) or run not in self._runs:
            raise CommandError("%%gptcache is the first line of a cell. For a block: with gm.using(mode='refresh'):")
        self._apply(run, scope)

    def run(self, scope: Scope | None, cell: str) -> Any:
        """Run a cell that IPython handed to the magic: its body is another magic, or code called ``%%gptcache``."""
        run = self._begin()
        run.ends_itself = True
        try:
            if scope is not None:
                self._apply(run, scope)
            magic = re.match(r"\s*%%(\w+)[ \t]*(.*)\n?", cell)
            if magic is not None:
                return self._shell.run_cell_magic(magic.group(1), magic.group(2), cell[magic.end() :])
            return _value(self._shell, cell)
        finally:
            self._finish(run)

    def _apply(self, run: _Run, scope: Scope) -> None:
        run.scope = scope.within(run.scope) if run.scope is not None else scope
        if scope.samples is not None:
            run.asked = {}
        if run.scope.mode == "replay":
            run.placed += placeholder_keys.put(controller.source().store)

    def _begin(self) -> _Run:
        header, inside = self._parent("header"), CELL.get()
        run = _Run(request=header.get("msg_id", ""))
        if header.get("msg_type") == "execute_request":
            self._finish_lost(run, inside)
        # A thread of the user's own may run cells, too.
        outer = inside if inside in self._runs else self._latest(request=run.request)
        if outer is not None:
            run.within(outer)
        ledger = controller.cache.ledger if controller.cache is not None else None
        run.began_with = (ledger, ledger.noted, ledger.embeddings.noted) if ledger is not None else (None, 0, 0)
        self._runs.append(run)
        CELL.set(run)
        return run

    def _finish_lost(self, run: _Run, inside: Cell | None) -> None:
        """Finish the former cells of this thread whose end an interrupt has swallowed."""
        for each in self._runs[:]:
            if each.thread == run.thread and each.request != run.request and inside is None:
                self._finish(each)

    def _attribute(self, info: ExecutionInfo) -> None:
        """Attribute the lookups that follow to the running cell, if the notebook shows it as a cell."""
        run = CELL.get()
        if isinstance(run, _Run) and run in self._runs:
            run.info = info
            if info.store_history and run.outer is None:
                self._place(run, info.raw_cell or "", getattr(info, "cell_id", None) or "")

    def _place(self, run: _Run, raw_cell: str, cell_id: str) -> None:
        lines = [line.strip() for line in raw_cell.splitlines() if line.strip()]
        notebook = self._shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or ""
        run.notebook, run.cell_id = UNIQUE.sub("", os.path.basename(notebook)), cell_id
        # Not shell.execution_count: newer IPython has counted this cell by now, older has not.
        run.execution_count = self._shell.displayhook.prompt_count or None  # 0 in a script: it is not a cell
        run.first_line = short_line(without_password(lines[0])) if lines else ""

    def _end_silent(self) -> None:
        """End the run of a silent request, which has only this event. It is sent for blank cells without any other."""
        run, last = self._latest(), self._shell.last_execution_result
        if run is not None and run.info is None and not run.began_before and not _blank(last):
            self._finish(run)

    def _end(self, result: ExecutionResult | None) -> None:
        info = result.info if result is not None else None
        self._refusals.ended(result.error_in_exec if result is not None else None)
        run = next((each for each in self._runs if info is not None and each.info is info), None)
        if run is None and not _blank(result):
            # The cell that loaded the extension, or an interrupted one, whose result may have words of its own.
            run = self._latest()
        if run is None:
            return
        if info is not None and info.store_history and run.outer is None:
            self._show_badge(run)
        self._finish(run)

    def _latest(self, *, request: str | None = None) -> _Run | None:
        """Return the innermost run of a request, or of this thread as far as IPython ends it."""
        here = threading.get_ident()
        for run in reversed(self._runs):
            if run.request == request if request is not None else run.thread == here and not run.ends_itself:
                return run
        return None

    def _finish(self, run: _Run) -> None:
        if run in self._runs:
            self._runs.remove(run)
        if CELL.get() is run:
            CELL.set(run.outer if run.outer in self._runs else None)
        heir = next((each for each in self._runs if each.scope is not None and each.scope.mode == "replay"), None)
        if heir is not None:
            heir.placed += run.placed
        else:
            placeholder_keys.take_away(run.placed)

    def _show_badge(self, run: _Run) -> None:
        cache = controller.cache
        if cache is None:
            return
        ledger, (began_with, before, embedded) = cache.ledger, run.began_with
        before, embedded = (before, embedded) if ledger is began_with else (0, 0)
        requests = ledger.embeddings.of_cell(run.execution_count, ledger.embeddings.noted - embedded)
        if ledger.noted == before and not requests:
            return
        ledger.flush()
        if not cache.settings.config.badge or not (self.seen or getattr(self._shell, "kernel", None) is None):
            return
        recent = list(ledger.recent)
        noted = ledger.noted - before  # counted last: another cell may note a lookup meanwhile
        recent = recent[-noted:] if noted else []
        lookups = [each for each in recent if each.execution_count == run.execution_count]
        totals = cell_totals(lookups, ledger, time.monotonic() - run.began)
        of = f", the last {len(lookups):,} of {noted:,} lookups" if noted > len(recent) else ""
        totals = " · ".join(filter(None, (totals, embedded_totals(requests))))
        if totals:
            show_badge(" · ".join([f"gptcache{of}: {totals}", *self._remarks.about(lookups, cache)]))

    def _parent(self, part: str) -> dict[str, Any]:
        """Return a part of the front end's request; empty outside of a kernel."""
        kernel: Any = getattr(self._shell, "kernel", None)
        parent = kernel.get_parent() if hasattr(kernel, "get_parent") else None
        found = parent.get(part) if isinstance(parent, dict) else None
        return found if isinstance(found, dict) else {}


def _running_cell() -> ExecutionInfo | None:
    """Return the cell that called this code; None in a script, or while IPython starts."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != RUNNER:
        frame = frame.f_back
    return frame.f_locals["result"].info if frame is not None else None


def _value(shell: Any, cell: str) -> Any:
    """Run code in the notebook's variables and return the value of its last expression.

    ``run_cell`` would show an error, which its caller shows again when it is raised.
    """
    code = shell.transform_cell(cell)
    name = shell.compile.cache(code)
    tree = shell.transform_ast(shell.compile.ast_parse(code, filename=name))
    last = tree.body.pop().value if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = None
    for part in (tree, ast.Expression(last) if last is not None else None):
        if part is not None:
            mode = "exec" if part is tree else "eval"
            compiled = compile(part, name, mode, shell.compile.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            value = eval(compiled, shell.user_ns)
            value = shell.loop_runner(value) if compiled.co_flags & inspect.CO_COROUTINE else value
    return value


def _blank(result: ExecutionResult | None) -> bool:
    info = result.info if result is not None else None
    return info is not None and not (info.raw_cell or "").strip()


def _cell_line(lines: list[str]) -> list[str]:
    """Turn a first line ``%%gptcache …`` into a call that sets the scope of its cell."""
    first = CELL_MAGIC.match(lines[0]) if lines else None
    body = next((line for line in lines[1:] if line.strip()), "")
    if first is None or body.lstrip().startswith("%%"):
        return lines
    call = f"get_ipython().run_line_magic('gptcache', {CELL_LINE + first.group(1)!r})\n"
    return [call] if wants_help(first.group(1)) else [call, *lines[1:]]


_cell_line.has_side_effects = False  # type: ignore[attr-defined]  # IPython may ask whether a cell is complete
