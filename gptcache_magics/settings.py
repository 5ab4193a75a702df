"""What holds at this moment: the mode, the cell that is running, and what was configured.

A cell and a block are context variables, so they follow the code through ``batch``, ``asyncio`` and executors.
They do not reach a thread that the user starts; a lookup from there says "unattributed" rather than name a wrong cell.
What a cell asks for with ``%%gptcache`` holds for the whole kernel while the cell runs, so that such a thread cannot
slip past it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = [
    *("BLOCK", "CELL", "DEFAULT_STORE", "MODES", "THRESHOLD", "Cell", "Config", "Mode", "Options", "Scope", "Settings"),
    "strictest",
]

Mode = Literal["auto", "replay", "refresh", "readonly", "bypass"]
MODES: Final[tuple[Mode, ...]] = ("auto", "replay", "refresh", "readonly", "bypass")
DEFAULT_STORE: Final = ".gptcache"
THRESHOLD: Final = 0.93
"""The cosine of MiniLM at which, with guards, few wrong answers are served: ``benchmarks/semantic.py``."""
_STRICTNESS: Final[tuple[Mode, ...]] = ("auto", "refresh", "readonly", "bypass", "replay")


def strictest(*modes: Mode) -> Mode:
    """The mode that allows least: ``auto``, ``refresh``, ``readonly``, ``bypass``, ``replay``, from lax to strict."""
    return max(modes, key=_STRICTNESS.index)


@dataclass(frozen=True, slots=True)
class Scope:
    """What the kernel, a cell or a block asks for."""

    mode: Mode = "auto"
    tag: str = ""
    """Words between single spaces, put on every entry that is stored or hit."""
    samples: int | None = None
    """How many identical calls in one run of a cell get an answer of their own each; None is as outside."""

    @property
    def several(self) -> bool:
        """Whether identical calls get different answers."""
        return self.samples is not None and self.samples > 1

    def within(self, outer: Scope) -> Scope:
        """Both at once: the strictest mode, both tags, the inner number of samples."""
        tag = " ".join(dict.fromkeys(f"{outer.tag} {self.tag}".split()))
        return Scope(strictest(outer.mode, self.mode), tag, self.samples or outer.samples)


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a notebook cell: what a lookup is attributed to."""

    notebook: str
    cell_id: str
    execution_count: int
    first_line: str
    asked: dict[str, Iterator[int]] = field(default_factory=dict, compare=False)
    """How often each call was made in this run of the cell, by key."""


@dataclass(frozen=True, slots=True)
class Options:
    """What ``on``, ``mode`` and ``tune`` set, until ``off``. Replaced whole."""

    kernel: Scope = Scope()
    """What the whole kernel asks for."""
    threshold: float = THRESHOLD
    """The smallest cosine at which two questions count as the same, while matching by meaning is on."""
    any_temperature: bool = False
    """Whether matching by meaning may answer a call with a temperature above 0."""
    shadow: bool = False
    """Whether matches by meaning are noted and not served."""
    ttl: float | None = None
    """Seconds after which an answer stored from now on expires."""
    max_size: int | None = None
    """Bytes that the answers may take."""


@dataclass(frozen=True, slots=True)
class Config:
    """What ``%config GPTCacheMagics`` sets once; it outlives ``off``. Replaced whole."""

    store: str = DEFAULT_STORE
    """Where ``on`` keeps the answers when it is given no place."""
    mark_hits: bool = False
    """Whether a hit's message says so in ``response_metadata["gptcache"]``."""
    single_flight: bool = True
    """Whether identical calls at the same time share one model call."""
    stream: bool = True
    """Whether ``stream`` and ``astream`` use the cache."""
    keep_lookups: int = 100_000
    """How many of the newest lookups are kept in the store."""
    redact: bool = False
    """Whether the panel hides prompts and answers."""
    badge: bool = True
    """Whether a line under each cell that asked the cache says what it saved."""


@dataclass(slots=True)
class Settings:
    """What holds for one cache now. A cache, its ledger and its search share one object and see each change."""

    options: Options = Options()
    config: Config = Config()
    cell: Scope | None = None
    """What the running cell asked for with ``%%gptcache``."""
    asked: dict[str, Iterator[int]] = field(default_factory=dict)
    """As ``Cell.asked``, for lookups of no cell: they count as one run."""

    def now(self) -> Scope:
        """What holds for a lookup that is made here and now."""
        block, cell, kernel = BLOCK.get(), self.cell, self.options.kernel
        if block is None and cell is None:
            return kernel
        scope = cell.within(kernel) if cell is not None else kernel
        return block.within(scope) if block is not None else scope

    def sample(self, key: str, samples: int) -> int:
        """Which of ``samples`` answers the next identical call gets: in turn, from the first in each run of a cell."""
        cell = CELL.get()
        asked = cell.asked if cell is not None else self.asked
        return next(asked.setdefault(key, itertools.count())) % samples


BLOCK: ContextVar[Scope | None] = ContextVar("gptcache_magics_block", default=None)
CELL: ContextVar[Cell | None] = ContextVar("gptcache_magics_cell", default=None)
