"""IPython's side: ``%gptcache``, its completion, its options under ``%config``, and what happens around a cell.

A thin face: it parses a line, calls the command's function and shows what comes back.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import Bool, Int, TraitError, Unicode
from traitlets.config import Config as IPythonConfig

from gptcache_magics import commands, widgets
from gptcache_magics.commands._cell import cell_scope
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError, GPTCacheMagicsError
from gptcache_magics.lookup import placeholder_keys as placeholders
from gptcache_magics.notebook import badge as showing
from gptcache_magics.notebook.completion import completions
from gptcache_magics.settings import CELL, DEFAULT_STORE, Cell, Config
from gptcache_magics.tables.totals import cell_totals

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

__all__ = ["GPTCacheMagics", "load", "unload"]

FIRST_LINE_CHARACTERS: Final = 60
CONFIG: Final = [each.name for each in fields(Config)]
"""The traits that are not about the magics themselves."""
CELL_LINE: Final = "%%"
"""How a line of ``%gptcache`` begins that a cell's first line was turned into."""
CELL_MAGIC: Final = re.compile(r"%%gptcache(?![\w?])[ \t]*([^\n?]*)$")


@magics_class
class GPTCacheMagics(Magics):
    """``%gptcache``; its traits are the options of ``%config GPTCacheMagics``."""

    store = Unicode(DEFAULT_STORE, help="Where `on` keeps the answers when no place is named.").tag(config=True)
    badge = Bool(True, help="A line under each cell that asked the cache.").tag(config=True)
    stream = Bool(True, help="Whether stream and astream use the cache.").tag(config=True)
    single_flight = Bool(True, help="Whether identical calls at the same time share one model call.").tag(config=True)
    mark_hits = Bool(True, help='Whether a hit says so in response_metadata["gptcache"].').tag(config=True)
    keep_lookups = Int(100_000, min=1, help="How many of the newest lookups are kept.").tag(config=True)
    redact = Bool(False, help="Whether the panel hides prompts and answers.").tag(config=True)

    def __init__(self, shell: Any = None, **kwargs: Any) -> None:
        super().__init__(shell=shell, **kwargs)
        self._shell = shell
        self.observe(self._configure, CONFIG)
        self._configure()
        self._first_lookup = 0
        self._remarks = showing.Remarks()
        self._running: list[ExecutionInfo] = []
        """The cell that runs, and what it runs as cells."""
        self._scoped: ExecutionInfo | None = None
        """The cell that set what holds for it."""
        self._cell: Cell | None = None
        """What lookups are attributed to. A cell with ``await`` ends in another context, which has no ``CELL``."""
        self._placed: list[str] = []

    @no_var_expand
    @line_cell_magic
    def gptcache(self, line: str, cell: str | None = None) -> Any:
        """Cache LangChain's model calls and see what it saves.

        %gptcache on                 cache every model call of this kernel
        %gptcache stats              hit rate, money and time, model by model
        %gptcache panel              the same, live
        %gptcache off                LangChain exactly as it was
        %gptcache help               all commands; %gptcache help stats: one of them

        %%gptcache refresh           as first line of a cell: ask the model anew in this cell
        %%gptcache --tag draft       tag what this cell stores or hits
        %%gptcache --samples 8       eight answers to identical calls
        """
        try:
            if cell is not None:
                return self._run_within(line, cell)
            if line.startswith(CELL_LINE):
                self._begin_scope(line.removeprefix(CELL_LINE))
                return None
            result = self._run(line)
        except GPTCacheMagicsError as error:
            # A UsageError and no subclass of it: IPython shows exactly that one without a traceback.
            raise UsageError(str(error)) from error
        if not isinstance(result, str):
            return result
        print(result)  # noqa: T201
        if line.split()[:1] == ["on"]:
            self._show_progress()
        return None

    def _show_progress(self) -> None:
        """Show how far earlier entries are searchable, where there is someone to see it and something to do."""
        similar = controller.cache.similar if controller.cache is not None else None
        seen = any(getattr(each, "cell_id", None) for each in self._running)
        if similar is not None and similar.backfill.pending and seen:
            showing.show_progress(similar.backfill)

    def _run(self, line: str) -> Any:
        name, *rest = commands.words(line) or ["status"]
        name = "help" if name in ("--help", "-h") else name
        if name not in commands.COMMANDS:
            raise CommandError(commands.unknown(name))
        if "--help" in rest or "-h" in rest:
            return commands.function("help")(name)
        parser = commands.parser(name)
        several, arguments = parser.parse(rest)
        return commands.function(name)(*several, **parser.with_variables(arguments, self._shell.user_ns))

    def _begin_scope(self, line: str) -> None:
        """Let what a ``%%gptcache`` line asks for hold until its cell ends; within one that runs, the strictest."""
        outer, scope = controller.settings.cell, cell_scope(line)
        controller.settings.cell = scope.within(outer) if outer is not None else scope
        if outer is None:
            self._scoped = self._running[-1] if self._running else None
        if controller.settings.cell.mode == "replay":
            self._placed += placeholders.put(controller.source().store)

    def _end_scope(self) -> None:
        controller.settings.cell = self._scoped = None
        placeholders.take_away(self._placed)
        self._placed = []

    def _run_within(self, line: str, cell: str) -> Any:
        """Run a cell whose next line is a magic of its own, or one that was called from code."""
        outer = controller.settings.cell
        self._begin_scope(line)
        try:
            return self._run_body(cell)
        finally:
            if outer is not None:  # else the cell ends with this, and all that holds for it
                controller.settings.cell = outer

    def _run_body(self, cell: str) -> Any:
        magic = re.match(r"\s*%%(\w+)[ \t]*(.*)\n?", cell)
        if magic is not None:
            return self._shell.run_cell_magic(magic.group(1), magic.group(2), cell[magic.end() :])
        result = self._shell.run_cell(cell)
        result.raise_error()
        return result.result

    def _configure(self, change: object = None) -> None:
        controller.settings.config = Config(**{name: getattr(self, name) for name in CONFIG})
        widgets.repaint()

    # Around a cell

    def before_cell(self, info: ExecutionInfo) -> None:
        """Note which cell runs, so that its lookups can be attributed to it."""
        self._running = [info] if info.store_history else [*self._running, info]
        if info.store_history:
            if controller.settings.cell is not None:  # a cell that ended without saying so
                self._end_scope()
            self.note_cell(info.raw_cell or "", getattr(info, "cell_id", None) or "")

    def note_cell(self, raw_cell: str, cell_id: str) -> None:
        """Attribute what follows to the cell that runs now."""
        lines = [line.strip() for line in raw_cell.splitlines() if line.strip()]
        notebook = self._shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or ""
        first_line = lines[0][:FIRST_LINE_CHARACTERS] if lines else ""
        # Not shell.execution_count: newer IPython has counted this cell by now, older has not.
        count = self._shell.displayhook.prompt_count
        self._cell = Cell(os.path.basename(notebook), cell_id, count, first_line)
        CELL.set(self._cell)
        self._first_lookup = controller.cache.ledger.noted if controller.cache is not None else 0

    def after_cell(self, result: ExecutionResult) -> None:
        """Write the cell's lookups and show its badge."""
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
        if self.badge and interactive:  # nbconvert and papermill send no cell id
            lookups = [each for each in list(cache.ledger.recent) if each.execution_count == cell.execution_count]
            totals = cell_totals(lookups, cache.ledger)
            noted = cache.ledger.noted - self._first_lookup
            of = f", the last {len(lookups):,} of {noted:,} lookups" if noted > len(cache.ledger.recent) else ""
            if totals:
                showing.show_badge(" · ".join([f"gptcache{of}: {totals}", *self._remarks.about(lookups, cache)]))


def cell_line(lines: list[str]) -> list[str]:
    """Turn ``%%gptcache …`` into a call that sets what holds for its cell, and leave the rest as it is.

    The cell then runs as any other: its errors have their line numbers, ``await`` and the last expression work.
    """
    first = CELL_MAGIC.match(lines[0]) if lines else None
    body = next((line for line in lines[1:] if line.strip()), "")
    if first is None or body.lstrip().startswith("%%"):
        return lines
    return [f"get_ipython().run_line_magic('gptcache', {CELL_LINE + first.group(1)!r})\n", *lines[1:]]


cell_line.has_side_effects = False  # type: ignore[attr-defined]  # IPython may ask whether a cell is complete


def load(shell: InteractiveShell) -> None:
    """Register the magic, its completion and its cell events; once, however often it is called."""
    if _loaded(shell) is not None:
        return
    _drop_bad_values(shell)
    magics = GPTCacheMagics(shell)
    shell.register_magics(magics)
    magics.note_cell("%load_ext gptcache_magics", "")  # this cell began before the events were there
    shell.events.register("pre_run_cell", magics.before_cell)
    shell.events.register("post_run_cell", magics.after_cell)
    shell.input_transformers_cleanup.append(cell_line)
    matchers = getattr(shell.Completer, "custom_matchers", None)
    matcher = _matcher()
    if matchers is not None and matcher is not None:
        matchers.append(matcher)


def unload(shell: InteractiveShell) -> None:
    """Take everything away that ``load`` brought, and turn the cache off."""
    magics = _loaded(shell)
    if magics is None:
        return
    if controller.cache is not None:
        print(controller.off())  # noqa: T201
    with suppress(ValueError):
        shell.events.unregister("pre_run_cell", magics.before_cell)
        shell.events.unregister("post_run_cell", magics.after_cell)
        shell.input_transformers_cleanup.remove(cell_line)
    CELL.set(None)
    matchers = getattr(shell.Completer, "custom_matchers", [])
    matchers[:] = [each for each in matchers if getattr(each, "__module__", "") != __name__]
    shell.configurables.remove(magics)  # type: ignore[arg-type]  # IPython declares a list of shells
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("gptcache", None)
    shell.magics_manager.registry.pop(GPTCacheMagics.__name__, None)


def _loaded(shell: InteractiveShell) -> GPTCacheMagics | None:
    found = shell.magics_manager.registry.get(GPTCacheMagics.__name__)
    return found if isinstance(found, GPTCacheMagics) else None


def _drop_bad_values(shell: InteractiveShell) -> None:
    """A value that a trait refuses must not keep the extension from loading."""
    section = shell.config.get(GPTCacheMagics.__name__, {})
    for name, value in list(section.items()):
        try:
            GPTCacheMagics(config=IPythonConfig({GPTCacheMagics.__name__: {name: value}}))
        except TraitError as error:
            del section[name]
            print(f"GPTCacheMagics.{name} is ignored: {error}")  # noqa: T201


def _matcher() -> Any:
    """A completer for ``%gptcache`` lines; None on an IPython that is too old for one."""
    try:
        from IPython.core.completer import SimpleCompletion, context_matcher
    except ImportError:
        return None

    @context_matcher()  # type: ignore[untyped-decorator]
    def gptcache_matcher(context: Any) -> dict[str, Any]:
        line = re.split(r"=\s*%", context.line_with_cursor[: context.cursor_position])[-1]
        words = line.lstrip(" %").split(" ")
        if words[0] != "gptcache" or len(words) < 2 or "%gptcache" not in context.full_text:
            return {"completions": []}
        found = completions(words[1:])
        return {
            "completions": [SimpleCompletion(each, type="magic") for each in found],
            "matched_fragment": words[-1],
            "suppress": True,
            "ordered": True,
        }

    gptcache_matcher.__module__ = __name__
    return gptcache_matcher
