"""Follow notebook cells: attribute their lookups, apply ``%%gptcache``, show the badge.

A cell that begins with ``%%gptcache`` is not run by that magic. Its first line becomes a call that sets the scope of
the cell, so that errors keep their line numbers, and ``await`` and the last expression work as in any cell.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from gptcache_magics.commands._cell import cell_scope
from gptcache_magics.controller import controller
from gptcache_magics.lookup import placeholder_keys
from gptcache_magics.notebook.badge import Remarks, show_badge
from gptcache_magics.settings import CELL, Cell
from gptcache_magics.tables.totals import cell_totals

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult

__all__ = ["CELL_LINE", "Cells"]

FIRST_LINE_CHARACTERS: Final = 60
CELL_LINE: Final = "%%"
"""The beginning of a line of ``%gptcache`` that was the first line of a cell."""
CELL_MAGIC: Final = re.compile(r"%%gptcache(?![\w?])[ \t]*([^\n?]*)$")


class Cells:
    """The cells of one shell.

    Parameters
    ----------
    shell
        An ``InteractiveShell``.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._first_lookup = 0
        self._remarks = Remarks()
        self._running: list[ExecutionInfo] = []
        """The running cell, and the cells that it runs."""
        self._scoped: ExecutionInfo | None = None
        """The cell whose ``%%gptcache`` line is in effect."""
        self._cell: Cell | None = None
        """The cell of new lookups. A cell with ``await`` ends in another context, which has no ``CELL``."""
        self._placed: list[str] = []

    def follow(self) -> None:
        """Follow the cells of the shell, from the one that is running."""
        self._attribute("%load_ext gptcache_magics", "")  # this cell began before its event could be followed
        self._shell.events.register("pre_run_cell", self._begin)
        self._shell.events.register("post_run_cell", self._end)
        self._shell.input_transformers_cleanup.append(_cell_line)

    def leave(self) -> None:
        """Undo ``follow``."""
        with suppress(ValueError):
            self._shell.events.unregister("pre_run_cell", self._begin)
            self._shell.events.unregister("post_run_cell", self._end)
            self._shell.input_transformers_cleanup.remove(_cell_line)
        CELL.set(None)

    @property
    def seen(self) -> bool:
        """Whether a notebook shows the running cell: nbconvert and papermill send no cell id."""
        return any(getattr(each, "cell_id", None) for each in self._running)

    def begin_scope(self, line: str) -> None:
        """Apply a ``%%gptcache`` line until its cell ends. Within another scope, the strictest mode holds."""
        outer, scope = controller.settings.cell, cell_scope(line)
        controller.settings.cell = scope.within(outer) if outer is not None else scope
        if outer is None:
            self._scoped = self._running[-1] if self._running else None
        if controller.settings.cell.mode == "replay":
            self._placed += placeholder_keys.put(controller.source().store)

    def run(self, line: str, cell: str) -> Any:
        """Run a cell that IPython handed to the magic: its body is another magic, or code called ``%%gptcache``."""
        outer = controller.settings.cell
        self.begin_scope(line)
        try:
            magic = re.match(r"\s*%%(\w+)[ \t]*(.*)\n?", cell)
            if magic is not None:
                return self._shell.run_cell_magic(magic.group(1), magic.group(2), cell[magic.end() :])
            result = self._shell.run_cell(cell)
            result.raise_error()
            return result.result
        finally:
            if outer is not None:  # without an outer one the scope ends with the cell
                controller.settings.cell = outer

    def _begin(self, info: ExecutionInfo) -> None:
        self._running = [info] if info.store_history else [*self._running, info]
        if info.store_history:
            if controller.settings.cell is not None:  # a cell whose end was not announced
                self._end_scope()
            self._attribute(info.raw_cell or "", getattr(info, "cell_id", None) or "")

    def _attribute(self, raw_cell: str, cell_id: str) -> None:
        """Attribute the lookups that follow to the running cell."""
        lines = [line.strip() for line in raw_cell.splitlines() if line.strip()]
        notebook = self._shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or ""
        first_line = lines[0][:FIRST_LINE_CHARACTERS] if lines else ""
        # Not shell.execution_count: newer IPython has counted this cell by now, older has not.
        count = self._shell.displayhook.prompt_count
        self._cell = Cell(os.path.basename(notebook), cell_id, count, first_line)
        CELL.set(self._cell)
        self._first_lookup = controller.cache.ledger.noted if controller.cache is not None else 0

    def _end(self, result: ExecutionResult) -> None:
        if controller.settings.cell is not None and result.info is self._scoped:
            self._end_scope()
        self._running = self._running[:-1]
        if result.info is None or not result.info.store_history:
            return
        cell, self._cell = self._cell, None
        CELL.set(None)
        cache = controller.cache
        if cache is None or cell is None or cache.ledger.noted == self._first_lookup:
            return
        cache.ledger.flush()
        interactive = result.info.cell_id or getattr(self._shell, "kernel", None) is None
        if interactive and controller.settings.config.badge:
            self._show_badge(cell)

    def _end_scope(self) -> None:
        controller.settings.cell = self._scoped = None
        placeholder_keys.take_away(self._placed)
        self._placed = []

    def _show_badge(self, cell: Cell) -> None:
        cache = controller.cache
        assert cache is not None
        recent = list(cache.ledger.recent)
        lookups = [each for each in recent if each.execution_count == cell.execution_count]
        totals = cell_totals(lookups, cache.ledger)
        noted = cache.ledger.noted - self._first_lookup
        of = f", the last {len(lookups):,} of {noted:,} lookups" if noted > len(recent) else ""
        if totals:
            show_badge(" · ".join([f"gptcache{of}: {totals}", *self._remarks.about(lookups, cache)]))


def _cell_line(lines: list[str]) -> list[str]:
    """Turn a first line ``%%gptcache …`` into a call that sets the scope of its cell."""
    first = CELL_MAGIC.match(lines[0]) if lines else None
    body = next((line for line in lines[1:] if line.strip()), "")
    if first is None or body.lstrip().startswith("%%"):
        return lines
    return [f"get_ipython().run_line_magic('gptcache', {CELL_LINE + first.group(1)!r})\n", *lines[1:]]


_cell_line.has_side_effects = False  # type: ignore[attr-defined]  # IPython may ask whether a cell is complete
