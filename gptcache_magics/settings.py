"""The settings of a cache: its options, what holds in the whole notebook, and what the running cell and block ask for.

A cell and a block are context variables, so they follow the code through ``batch``, ``asyncio`` and executors. Cells
that run side by side do not see each other, and a task keeps the cell that started it.
A context variable does not reach a thread that the user starts; its lookups are "unattributed", not attributed to a
wrong cell. While cells run, the scope of their ``%%gptcache`` lines holds in such threads, too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Final, Literal, NamedTuple, TypeVar, get_args

from gptcache_magics.errors import CommandError
from gptcache_magics.store.records import Lookup
from gptcache_magics.text.choices import nearest
from gptcache_magics.text.web_address import is_web_address

__all__ = [
    *("BLOCK", "BUNDLE", "CELL", "DEFAULT_STORE", "IGNORE", "MODES", "NOTEBOOK", "NOTED", "THRESHOLD"),
    *("Block", "Cell", "Config", "Delay", "Mode", "Notebook", "Only", "Options", "Price", "Scope", "Settings"),
    *("names_bundle", "prices_of", "rules_of", "strictest"),
]

T = TypeVar("T")
Mode = Literal["auto", "replay", "refresh", "readonly", "bypass"]
Only = Literal["langchain", "none"]
"""The face whose calls alone use the cache; ``none`` for all of them."""
Delay = Literal["recorded", "none"]
"""How long a hit takes: as long as the recorded answer took, or no longer than the lookup."""
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
DEFAULT_STORE: Final = ".gptcache"
BUNDLE: Final = ".jsonl"
"""Ending of the files that are replayed."""
THRESHOLD: Final = 0.93
"""The cosine at which MiniLM with guards serves few wrong answers: ``benchmarks/semantic.py``."""
IGNORE: Final = ("id", "date", "time", "address", "order")
"""The rules that say what of a prompt may differ (:mod:`gptcache_magics.identity.volatile`)."""
_SUCH_AS: Final = ", such as {'my-model': (0.5, 1.5)}: US dollars for a million tokens of input and output."
_STRICTNESS: Final[tuple[Mode, ...]] = ("auto", "refresh", "readonly", "bypass", "replay")


def strictest(*modes: Mode) -> Mode:
    """Return the strictest mode: ``auto``, ``refresh``, ``readonly``, ``bypass``, ``replay`` from lax to strict."""
    return max(modes, key=_STRICTNESS.index)


def names_bundle(place: object) -> bool:
    """Return whether a place is a bundle, which is replayed: a file of that ending, or an address of the web."""
    return str(place).endswith(BUNDLE) or is_web_address(str(place))


def rules_of(given: str | Iterable[str]) -> tuple[str, ...]:
    """Return the rules of ``--ignore`` that are given by name, in a text with commas between.

    Raises
    ------
    CommandError
        If a rule does not exist, or ``none`` is given with others.
    """
    several = isinstance(given, Iterable) and not isinstance(given, str | bytes)
    names = [each.strip() if isinstance(each, str) else each for each in (given if several else str(given).split(","))]
    for name in names:
        if name not in (*IGNORE, "none", ""):
            known = f"{', '.join(IGNORE[:-1])} and {IGNORE[-1]}"
            raise CommandError(
                f"--ignore takes {known}, with commas, or none. Got {name!r}.{nearest(str(name), IGNORE)}"
            )
    rules = tuple(rule for rule in IGNORE if rule in names)
    if rules and "none" in names:
        raise CommandError(f"--ignore takes rules or none. Got none and {', '.join(rules)}.")
    return rules


class Price(NamedTuple):
    """What a model costs, in US dollars for a million tokens of each kind."""

    input: float
    output: float
    cache_read: float
    cache_write: float


def prices_of(given: object) -> tuple[tuple[str, Price], ...]:
    """Return prices by the names of models, exact names before globs.

    Parameters
    ----------
    given
        For each name or glob the prices of input and output, as a pair or as a dict that may have ``cache_read`` and
        ``cache_write``, too: without them, such tokens cost what other input costs.

    Raises
    ------
    CommandError
        If it is anything else.
    """
    if not isinstance(given, Mapping):
        raise CommandError(f"prices takes a dict of models{_SUCH_AS} Got {repr(given)[:40]}.")
    prices = [(_name(name), _price(name, price)) for name, price in given.items()]
    return tuple(sorted(prices, key=lambda each: any(sign in each[0] for sign in "*?[")))


def _name(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise CommandError(f"prices names models, or globs such as 'my-*'{_SUCH_AS} Got {repr(name)[:40]}.")
    return name


def _price(name: object, given: Any) -> Price:
    """Return the price that was given for a model."""
    if isinstance(given, Mapping):
        unknown = [str(each) for each in given if each not in Price._fields]
        if unknown:
            hint = nearest(unknown[0], Price._fields)
            raise CommandError(f"prices of {name}: no '{unknown[0]}'.{hint} They are {', '.join(Price._fields)}.")
        given = {each: given[each] for each in Price._fields if each in given}
    elif isinstance(given, tuple | list) and len(given) == 2:
        given = dict(zip(Price._fields, given, strict=False))
    if not isinstance(given, dict) or not {"input", "output"} <= {*given}:
        raise CommandError(f"prices of {name} need input and output{_SUCH_AS} Got {repr(given)[:40]}.")
    for kind, dollars in given.items():
        if not isinstance(dollars, Real) or isinstance(dollars, bool) or not 0 <= float(dollars) < math.inf:
            raise CommandError(
                f"prices of {name}: {kind} is US dollars for a million tokens, 0 or more. Got {repr(dollars)[:40]}."
            )
    plain = float(given["input"])
    return Price(plain, *(float(given.get(kind, plain)) for kind in Price._fields[1:]))


@dataclass(frozen=True, slots=True)
class Scope:
    """Mode, tag and samples that the kernel, a cell or a block asks for."""

    mode: Mode = "auto"
    tag: str = ""
    """Words between single spaces, put on every entry that is stored or hit."""
    samples: int | None = None
    """How many identical calls in one run of a cell get a different answer each; None inherits the outer scope."""

    @property
    def several(self) -> bool:
        """Whether identical calls get different answers."""
        return self.samples is not None and self.samples > 1

    def within(self, outer: Scope) -> Scope:
        """Return both scopes combined: the strictest mode, both tags, the inner number of samples."""
        tag = " ".join(dict.fromkeys(f"{outer.tag} {self.tag}".split()))
        return Scope(strictest(outer.mode, self.mode), tag, self.samples or outer.samples)


@dataclass(slots=True, eq=False)
class Cell:
    """One run of a notebook cell, to which lookups are attributed, or of a cell within, which has its own scope."""

    notebook: str = ""
    cell_id: str = ""
    execution_count: int | None = None
    first_line: str = ""
    scope: Scope | None = None
    """The scope that the cell asked for with ``%%gptcache``, within the scope of the outer cell."""
    asked: dict[str, Iterator[int]] = field(default_factory=dict)
    """Counts each call, by key, since the samples of the scope began."""
    outer: Cell | None = None
    """The cell whose code runs this one."""


@dataclass(frozen=True, slots=True)
class Block:
    """The scope of a block of code. It ends with its cell: an interrupt may keep the block from being left."""

    scope: Scope
    cell: Cell | None
    """The cell that entered the block, if a cell did."""

    def holds(self, running: Cell | None) -> bool:
        """Return whether the block is that of the running cell, or of a cell that runs it."""
        while running is not None and running is not self.cell:
            running = running.outer
        return running is self.cell


@dataclass(frozen=True, slots=True)
class Options:
    """Options that ``on``, ``mode`` and ``tune`` set, until ``off``. They are replaced whole."""

    kernel: Scope = Scope()
    """The scope of the whole kernel."""
    threshold: float = THRESHOLD
    """The smallest cosine at which two questions count as the same, while matching by meaning is on."""
    any_temperature: bool = False
    """Whether matching by meaning may answer a call with a temperature above 0."""
    template: str = ""
    """The text with gaps that most prompts are made of, for matching by meaning; empty if the user gave none."""
    shadow: bool = False
    """Whether matches by meaning are noted and not served."""
    ttl: float | None = None
    """Seconds after which an answer stored from now on expires."""
    max_size: int | None = None
    """Bytes that the answers may take."""
    mark_hits: bool | None = None
    """Whether hits are marked; None leaves it to ``%config``."""
    ignore: tuple[str, ...] | None = None
    """The rules that say what of a prompt does not count; None leaves it to ``%config``."""
    typed: tuple[tuple[str, str], ...] = ()
    """The options that hold, by name, in the words in which they were given."""
    keep_cut_off: bool | None = None
    """Whether incomplete answers are stored and served; None leaves it to the configuration."""
    only: str | None = None
    """The face whose calls use the cache, ``langchain``; None for every face that ``%config`` lets use it."""
    embeddings: bool = False
    """Whether embeddings are stored and served, text by text."""
    delay: bool = False
    """Whether a hit takes as long as the recorded answer took."""


def _option(default: T, help: str) -> T:
    """Declare an option of ``%config`` with its default and the sentence that explains it."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, slots=True)
class Config:
    """Options of ``%config GPTCacheMagics``, which outlive ``off``. They are replaced whole."""

    store: str = _option("", f"Where `on` keeps the answers; empty: $GPTCACHE_MAGICS_STORE, or {DEFAULT_STORE}.")
    badge: bool = _option(True, "Whether a line under each cell says what it saved.")
    stream: bool = _option(True, "Whether stream and astream use the cache.")
    single_flight: bool = _option(True, "Whether identical calls at the same time share one model call.")
    team_single_flight: bool = _option(
        False, "Whether identical calls of a team's kernels at the same time share one model call: they wait for it."
    )
    mark_hits: bool = _option(True, 'Whether a hit says so in response_metadata["gptcache"].')
    keep_lookups: int = _option(100_000, "How many of the newest lookups are kept.")
    redact: bool = _option(False, "Whether the panel hides prompts and answers.")
    keep_cut_off: bool = _option(
        False, "Whether answers that are cut off, withheld or empty are stored and served, marked."
    )
    count_bookkeeping: bool = _option(False, "Whether user, metadata, service_tier and the like make another call.")
    sdks: bool = _option(True, "Whether calls of openai, anthropic, google-genai and other SDKs use the cache.")
    user_agents: str = _option(
        "", "Further programs whose model calls use the cache, by their User-Agent, with commas."
    )
    ignore: str = _option("", f"What of a prompt may differ, with commas: {', '.join(IGNORE)}.")
    prices: tuple[tuple[str, Price], ...] = _option(
        (),
        "Prices of models, for those that the list lacks or in place of it, by name or glob: US dollars for a million "
        "tokens of input and output, as in {'my-model': (0.5, 1.5)}, or a dict of input, output, cache_read and "
        "cache_write.",
    )


@dataclass(slots=True)
class Notebook:
    """What holds for every cache of this process."""

    config: Config = Config()
    running: Sequence[Cell] = ()
    """The cells that run now, and the cells that they run."""


NOTEBOOK: Final = Notebook()


class Settings:
    """The settings of one cache. A cache, its ledger and its search share one object and see each change.

    Parameters
    ----------
    config
        Takes the place of the notebook's ``%config``.
    """

    __slots__ = ("_config", "asked", "options")

    def __init__(self, options: Options = Options(), config: Config | None = None) -> None:
        self.options = options
        self._config = config
        self.asked: dict[str, Iterator[int]] = {}
        """As ``Cell.asked``, for lookups without a cell: they count as one run."""

    @property
    def config(self) -> Config:
        """The options of ``%config``."""
        return self._config or NOTEBOOK.config

    @config.setter
    def config(self, config: Config) -> None:
        self._config = config

    @property
    def marks_hits(self) -> bool:
        """Whether hits are marked."""
        return self.config.mark_hits if self.options.mark_hits is None else self.options.mark_hits

    @property
    def ignored(self) -> tuple[str, ...]:
        """The rules that say what of a prompt does not count."""
        if self.options.ignore is not None:
            return self.options.ignore
        return rules_of(self.config.ignore) if self.config.ignore else ()

    @property
    def sdks(self) -> bool:
        """Whether the calls of SDKs use the cache."""
        return self.config.sdks and self.options.only is None

    @property
    def user_agents(self) -> tuple[str, ...]:
        """The programs whose model calls use the cache, beside the known libraries."""
        named = self.config.user_agents
        return tuple(each.strip().lower() for each in named.split(",") if each.strip()) if named else ()

    @property
    def running(self) -> Sequence[Cell]:
        """The cells that run now, and the cells that they run."""
        return NOTEBOOK.running

    @property
    def keeps_incomplete(self) -> bool:
        """Whether answers that are cut off, withheld or empty are stored and served."""
        asked = self.options.keep_cut_off
        return self.config.keep_cut_off if asked is None else asked

    @property
    def cell(self) -> Scope | None:
        """The scope of the cell that runs here, if it asked for one; in a thread of the user's own, of all cells."""
        cells = self._cells()
        if len(cells) == 1:
            return cells[0].scope
        modes = [each.scope.mode for each in cells if each.scope is not None]
        return Scope(strictest(*modes)) if modes else None

    def _cells(self) -> Sequence[Cell]:
        """Return the cell that runs here; in a thread of the user's own, every cell that may have started it."""
        cell = CELL.get()
        if cell is not None:
            return (cell,)
        running = [*self.running]
        return [each for each in running if all(inner.outer is not each for inner in running)]

    def now(self) -> Scope:
        """Return the scope of a lookup that is made here and now."""
        block, running, kernel = BLOCK.get(), CELL.get(), self.options.kernel
        cell = running.scope if running is not None else self.cell if NOTEBOOK.running else None
        if block is None and cell is None:
            return kernel
        scope = cell.within(kernel) if cell is not None else kernel
        return block.scope.within(scope) if block is not None and block.holds(running) else scope

    def sample(self, key: str, samples: int) -> int:
        """Return which of ``samples`` answers the next identical call gets: each run of a cell begins with 0."""
        cells = self._cells()
        asked = cells[0].asked if len(cells) == 1 else self.asked
        return next(asked.setdefault(key, itertools.count())) % samples


NOTED: ContextVar[list[Lookup] | None] = ContextVar("gptcache_magics_noted", default=None)
"""The lookups of the code that runs, as they are noted; None unless somebody wants them."""
BLOCK: ContextVar[Block | None] = ContextVar("gptcache_magics_block", default=None)
CELL: ContextVar[Cell | None] = ContextVar("gptcache_magics_cell", default=None)
