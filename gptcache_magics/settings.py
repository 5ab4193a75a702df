"""What holds at this moment: the cell that is running, the model that is asking, and what was configured.

A cell and a call are context variables, so they follow the code through ``batch``, ``asyncio`` and executors. They do
not reach a thread that the user starts; a lookup from there says "unattributed" rather than name a wrong cell.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gptcache_magics.identity import Identity
    from gptcache_magics.stores.base import Configuration, Lookup

__all__ = ["CALL", "CELL", "Call", "Cell", "Settings"]


@dataclass(frozen=True, slots=True)
class Cell:
    """The notebook cell whose code is running: what a lookup is attributed to."""

    notebook: str
    cell_id: str
    execution_count: int
    first_line: str


@dataclass(slots=True, eq=False)
class Call:
    """One call of ``generate``, ``agenerate``, ``stream`` or ``astream`` of a model: which model asks, and with what.

    What makes the call the same as another (its configuration and the identity of each prompt) is taken once, at the
    lookup, and reused by the update: a model may change its own fields while it answers.
    """

    model: Any
    kwargs: dict[str, Any]
    chat: bool
    who: object
    """The asyncio task or the thread that called."""
    streams: bool = False
    configuration: Configuration | None = None
    identities: dict[tuple[str, str], Identity] = field(default_factory=dict)
    misses: dict[bytes, Lookup] = field(default_factory=dict)


@dataclass(slots=True)
class Settings:
    """What is set once, not typed with each command (``%config GPTCacheMagics``)."""

    mark_hits: bool = False
    """Whether a hit's message says so in ``response_metadata["gptcache"]``."""
    single_flight: bool = True
    """Whether identical calls at the same time share one model call."""
    stream: bool = True
    """Whether ``stream`` and ``astream`` use the cache."""
    keep_lookups: int = 100_000
    """How many of the newest lookups are kept in the store."""


CELL: ContextVar[Cell | None] = ContextVar("gptcache_magics_cell", default=None)
CALL: ContextVar[Call | None] = ContextVar("gptcache_magics_call", default=None)
