"""IPython's side: ``%gptcache``, its completion, its options under ``%config``, and what happens around a cell.

A thin face: it parses a line, calls the command's function and shows what comes back.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from traitlets import Bool, Int, TraitError, Unicode
from traitlets.config import Config

from gptcache_magics import commands
from gptcache_magics.completing import completions
from gptcache_magics.controller import cell_totals, controller
from gptcache_magics.errors import CommandError, GPTCacheMagicsError
from gptcache_magics.settings import CELL, Cell

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

__all__ = ["GPTCacheMagics", "load", "unload"]

FIRST_LINE_CHARACTERS: Final = 60


@magics_class
class GPTCacheMagics(Magics):
    """``%gptcache``; its traits are the options of ``%config GPTCacheMagics``."""

    store = Unicode(".gptcache", help="Where `on` keeps the answers when no place is named.").tag(config=True)
    badge = Bool(True, help="A line under each cell that asked the cache.").tag(config=True)
    stream = Bool(True, help="Whether stream and astream use the cache.").tag(config=True)
    single_flight = Bool(True, help="Whether identical calls at the same time share one model call.").tag(config=True)
    mark_hits = Bool(True, help='Whether a hit says so in response_metadata["gptcache"].').tag(config=True)
    keep_lookups = Int(100_000, min=1, help="How many of the newest lookups are kept.").tag(config=True)

    def __init__(self, shell: Any = None, **kwargs: Any) -> None:
        super().__init__(shell=shell, **kwargs)
        self._shell = shell
        self.observe(self._configure, ["stream", "single_flight", "mark_hits", "keep_lookups", "store"])
        self._configure()
        self._first_lookup = 0

    @no_var_expand
    @line_magic
    def gptcache(self, line: str) -> Any:
        """Cache LangChain's model calls and see what it saves.

        %gptcache on                 cache every model call of this kernel
        %gptcache stats              hit rate, money and time, model by model
        %gptcache panel              the same, live
        %gptcache off                LangChain exactly as it was
        %gptcache help               all commands; %gptcache help stats: one of them
        """
        try:
            result = self._run(line)
        except GPTCacheMagicsError as error:
            # A UsageError and no subclass of it: IPython shows exactly that one without a traceback.
            raise UsageError(str(error)) from error
        if isinstance(result, str):
            print(result)  # noqa: T201
            return None
        return result

    def _run(self, line: str) -> Any:
        name, *rest = commands.words(line) or ["status"]
        name = "help" if name in ("--help", "-h") else name
        if name not in commands.COMMANDS:
            raise CommandError(commands.unknown(name))
        if "--help" in rest or "-h" in rest:
            return commands.function("help")(name)
        arguments = commands.parser(name).parse(rest)
        if arguments.get("init") is not None:
            arguments["init"] = self._variable(arguments["init"])
        positional = arguments.pop("ids", None) or arguments.pop("words", None) or ()
        return commands.function(name)(*positional, **arguments)

    def _variable(self, name: str) -> Any:
        if name not in self._shell.user_ns:
            raise CommandError(f"--init names a function of this notebook. There is no '{name}'.")
        return self._shell.user_ns[name]

    def _configure(self, change: object = None) -> None:
        controller.default_store = str(self.store)
        for name in ("stream", "single_flight", "mark_hits", "keep_lookups"):
            setattr(controller.settings, name, getattr(self, name))

    # Around a cell

    def before_cell(self, info: ExecutionInfo) -> None:
        """Note which cell runs, so that its lookups can be attributed to it."""
        if info.store_history:
            self.note_cell(info.raw_cell or "", getattr(info, "cell_id", None) or "")

    def note_cell(self, raw_cell: str, cell_id: str) -> None:
        """Attribute what follows to the cell that runs now."""
        lines = [line.strip() for line in raw_cell.splitlines() if line.strip()]
        notebook = self._shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or ""
        first_line = lines[0][:FIRST_LINE_CHARACTERS] if lines else ""
        # Not shell.execution_count: newer IPython has counted this cell by now, older has not.
        count = self._shell.displayhook.prompt_count
        CELL.set(Cell(os.path.basename(notebook), cell_id, count, first_line))
        self._first_lookup = controller.cache.ledger.noted if controller.cache is not None else 0

    def after_cell(self, result: ExecutionResult) -> None:
        """Write the cell's lookups and show its badge."""
        if result.info is None or not result.info.store_history:
            return
        cell = CELL.get()
        CELL.set(None)
        cache = controller.cache
        if cache is None or cell is None or cache.ledger.noted == self._first_lookup:
            return
        cache.ledger.flush()
        interactive = result.info.cell_id or getattr(self._shell, "kernel", None) is None
        if self.badge and interactive:  # nbconvert and papermill send no cell id
            lookups = [each for each in list(cache.ledger.recent) if each.execution_count == cell.execution_count]
            told = cell_totals(lookups, cache.ledger)
            if told:
                _show_badge(f"gptcache: {told}")


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
        controller.off()
    with suppress(ValueError):
        shell.events.unregister("pre_run_cell", magics.before_cell)
        shell.events.unregister("post_run_cell", magics.after_cell)
    CELL.set(None)
    matchers = getattr(shell.Completer, "custom_matchers", [])
    matchers[:] = [each for each in matchers if getattr(each, "__module__", "") != __name__]
    shell.configurables.remove(magics)  # type: ignore[arg-type]  # IPython declares a list of shells
    shell.magics_manager.magics["line"].pop("gptcache", None)
    shell.magics_manager.registry.pop(GPTCacheMagics.__name__, None)


def _loaded(shell: InteractiveShell) -> GPTCacheMagics | None:
    found = shell.magics_manager.registry.get(GPTCacheMagics.__name__)
    return found if isinstance(found, GPTCacheMagics) else None


def _drop_bad_values(shell: InteractiveShell) -> None:
    """A value that a trait refuses must not keep the extension from loading."""
    section = shell.config.get(GPTCacheMagics.__name__, {})
    for name, value in list(section.items()):
        try:
            GPTCacheMagics(config=Config({GPTCacheMagics.__name__: {name: value}}))
        except TraitError as error:
            del section[name]
            print(f"GPTCacheMagics.{name} is ignored: {error}")  # noqa: T201


def _show_badge(text: str) -> None:
    from html import escape

    from IPython.display import display

    style = "font-size:0.85em;color:var(--jp-content-font-color2,gray);padding:2px 0"
    display({"text/html": f'<div style="{style}">{escape(text)}</div>', "text/plain": text}, raw=True)  # type: ignore[no-untyped-call]


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
