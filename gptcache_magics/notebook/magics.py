"""``%gptcache`` and its options under ``%config``: parse a line, call the command's function, show what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand
from traitlets import Any as AnyTrait
from traitlets import Bool, Int, TraitError, TraitType, Unicode, validate
from traitlets.config import Config as IPythonConfig

from gptcache_magics import clock, commands, widgets
from gptcache_magics.commands._cell import CELL_LINE, IDLE, cell_scope, wants_help
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError, GPTCacheMagicsError
from gptcache_magics.notebook.badge import show_progress
from gptcache_magics.notebook.cells import Cells
from gptcache_magics.notebook.completion import complete, stop_completing
from gptcache_magics.notebook.frame_display import show_frames, stop_showing_frames
from gptcache_magics.settings import NOTEBOOK, Config, prices_of, rules_of
from gptcache_magics.store.postgres.address import without_password
from gptcache_magics.unprintable import printable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["GPTCacheMagics", "load", "unload"]

Trait = TypeVar("Trait", bound="TraitType[Any, Any]")  # a text: older traitlets have no subscript
CONFIG: Final = {each.name: each for each in fields(Config)}


def _trait(kind: Callable[..., Trait], name: str, **limits: int) -> Trait:
    """Return the trait of an option of ``Config``, with its default and help."""
    trait = kind(CONFIG[name].default, help=CONFIG[name].metadata["help"], **limits)
    trait.tag(config=True)
    return trait


@magics_class
class GPTCacheMagics(Magics):
    """``%gptcache``; its traits are the options of ``%config GPTCacheMagics``."""

    store = _trait(Unicode, "store")
    badge = _trait(Bool, "badge")
    stream = _trait(Bool, "stream")
    single_flight = _trait(Bool, "single_flight")
    team_single_flight = _trait(Bool, "team_single_flight")
    mark_hits = _trait(Bool, "mark_hits")
    keep_lookups = _trait(Int, "keep_lookups", min=1)
    keep_cut_off = _trait(Bool, "keep_cut_off")
    redact = _trait(Bool, "redact")
    count_bookkeeping = _trait(Bool, "count_bookkeeping")
    ignore = _trait(Unicode, "ignore")
    sdks = _trait(Bool, "sdks")
    user_agents = _trait(Unicode, "user_agents")
    prices = AnyTrait({}, help=CONFIG["prices"].metadata["help"]).tag(config=True)

    def __init__(self, shell: Any = None, **kwargs: Any) -> None:
        super().__init__(shell=shell, **kwargs)
        self._shell = shell
        self.observe(self._configure, list(CONFIG))
        self._configure()
        self.cells = Cells(shell)

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def gptcache(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Any:
        """Cache LangChain's model calls and see what it saves.

        %gptcache on                 cache every model call of this kernel
        %gptcache stats              hit rate, money and time, model by model
        %gptcache panel              the same, live
        %gptcache off                LangChain exactly as it was
        %gptcache help               all commands; %gptcache help stats: one of them

        %%gptcache refresh           as first line of a cell: ask the model again in this cell
        %%gptcache --tag draft       tag what this cell stores or hits
        %%gptcache --samples 8       eight answers to identical calls
        """
        variables = {**self._shell.user_ns, **(local_ns or {})}
        asked = line if cell is not None else line.removeprefix(CELL_LINE) if line.startswith(CELL_LINE) else None
        try:
            if asked is None:
                result = self._run(line, variables)
            elif wants_help(asked):
                return commands.function("help")(CELL_LINE)
            else:
                scope = cell_scope(asked, variables)
                if scope is None:
                    print(IDLE)  # noqa: T201
                elif cell is None:
                    self.cells.begin_scope(scope)
        except GPTCacheMagicsError as error:
            # Not a subclass of UsageError: IPython shows only UsageError itself without a traceback.
            raise UsageError(without_password(str(error))) from error
        if asked is not None:  # outside of the above: the errors of the cell are its own
            return self.cells.run(scope, cell) if cell is not None else None
        text = isinstance(result, str)
        if text:
            print(printable(result))  # noqa: T201
        for notice in controller.news():
            if notice not in str(result if text else ""):
                print(printable(notice))  # noqa: T201
        if line.split()[:1] == ["on"]:
            self._show_progress()
        return None if text else result

    def _show_progress(self) -> None:
        """Show the progress of embedding earlier entries, if a notebook can show it and entries are left."""
        similar = controller.cache.similar if controller.cache is not None else None
        if similar is not None and similar.backfill.pending and self.cells.seen:
            show_progress(similar.backfill)

    def _run(self, line: str, variables: Mapping[str, Any]) -> Any:
        name, *rest = commands.words(line) or ["status"]
        name = "help" if name in ("--help", "-h") else name
        if name == commands.VERSION and not rest:
            return commands.versions()
        if name not in commands.COMMANDS:
            raise CommandError(commands.unknown(name))
        if "--help" in rest or "-h" in rest:
            return commands.function("help")(name)
        parser = commands.parser(name)
        return parser.call(*parser.parse(rest, variables))

    @validate("ignore")
    def _valid_rules(self, proposal: Any) -> str:
        try:
            return ",".join(rules_of(proposal["value"]))
        except CommandError as error:
            raise TraitError(str(error)) from error

    @validate("prices")
    def _valid_prices(self, proposal: Any) -> Any:
        try:
            prices_of(proposal["value"])
        except CommandError as error:
            raise TraitError(str(error)) from error
        return proposal["value"]

    def _configure(self, change: object = None) -> None:
        values = {name: getattr(self, name) for name in CONFIG}
        NOTEBOOK.config = Config(**{**values, "prices": prices_of(self.prices)})
        widgets.repaint()


def load(shell: InteractiveShell) -> None:
    """Register the magic, its completion and its cell events, unless they are registered."""
    if _loaded(shell) is not None:
        return
    _drop_bad_values(shell)
    magics = GPTCacheMagics(shell)
    shell.register_magics(magics)
    magics.cells.follow()
    complete(shell)
    show_frames(shell)


def unload(shell: InteractiveShell) -> None:
    """Turn the cache off and undo ``load``."""
    magics = _loaded(shell)
    if magics is None:
        return
    if controller.turned_on is not None:
        print(controller.off())  # noqa: T201
    clock.unfreeze()
    magics.cells.leave()
    NOTEBOOK.config = Config()
    stop_completing(shell)
    stop_showing_frames(shell)
    shell.configurables.remove(magics)  # type: ignore[arg-type]  # IPython declares a list of shells
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("gptcache", None)
    shell.magics_manager.registry.pop(GPTCacheMagics.__name__, None)


def _loaded(shell: InteractiveShell) -> GPTCacheMagics | None:
    found = shell.magics_manager.registry.get(GPTCacheMagics.__name__)
    return found if isinstance(found, GPTCacheMagics) else None


def _drop_bad_values(shell: InteractiveShell) -> None:
    """Drop configured values that a trait refuses, so that the extension loads without them."""
    section = shell.config.get(GPTCacheMagics.__name__, {})
    for name, value in list(section.items()):
        try:
            GPTCacheMagics(config=IPythonConfig({GPTCacheMagics.__name__: {name: value}}))
        except TraitError as error:
            del section[name]
            print(f"GPTCacheMagics.{name} is ignored: {error}")  # noqa: T201
