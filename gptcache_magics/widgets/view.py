"""What the panel and its tabs agree upon: what they are about, where they read, and what a tab can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from gptcache_magics.store.protocol import Period, Store

__all__ = ["Filter", "PanelSource", "Tab", "View"]

Filter = Literal["model", "since", "cell"]
"""The fields of a view that a person can set and take away, in the order of their chips."""


@dataclass(frozen=True)
class View:
    """What the panel is about, as the person chose it: its tiles and every tab follow."""

    since: str
    """``run``, ``today``, ``7d`` or ``all``; ``source.period(view.since)`` is the period."""
    model: str | None = None
    """As a row of the models table is named."""
    cell: int | None = None
    """The number in brackets beside a cell."""
    redact: bool = False
    """Whether prompts and answers are hidden: :mod:`gptcache_magics.widgets.redaction` has the signs for them."""


class PanelSource(Protocol):
    """Where a panel reads: a store, and what is known about the cache that fills it."""

    @property
    def store(self) -> Store:
        """The store to read."""

    @property
    def where(self) -> str:
        """The place, as a person would type it."""

    @property
    def state(self) -> str:
        """``on``, ``off``, or ``replaced`` by another cache."""

    @property
    def mode(self) -> str:
        """What the cache may do, or ``off``."""

    @property
    def threshold(self) -> float:
        """The cosine from which on a question counts as the same."""

    @property
    def since(self) -> str:
        """What tables are about at first: ``run``, or ``all``."""

    @property
    def failures(self) -> int:
        """How many errors inside the cache there were."""

    def flush(self) -> str:
        """Write pending lookups to the store, and return what went wrong, empty if nothing did."""

    def period(self, since: str) -> Period:
        """Return the period called ``run``, ``today``, ``7d`` or ``all``."""

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` after lookups, from any thread, and return what ends that."""


class Tab(Protocol):
    """A tab of the panel: an ipywidgets box that paints itself. It is made without arguments."""

    title: str
    """On the tab."""
    opened: bool
    """Whether it was painted before: until then it is empty and sends nothing."""

    def paint(self, source: PanelSource, view: View) -> object:
        """Read again and show what changed. Called from the panel's thread, for the tab in sight only."""
