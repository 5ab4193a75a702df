"""The contracts of the panel and its tabs: the filters, the source they read, and the methods of a tab."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from gptcache_magics.explain.tips import Running
    from gptcache_magics.store.protocol import Period, Selection, Store

__all__ = ["ALL", "CHOSEN", "NAMES", "Condition", "Filter", "PanelSource", "Tab", "View"]

Filter = Literal["model", "since", "tag", "cell", "outcome", "face", "cause", "entry", "condition"]
"""The fields of a view that a person can set and take away."""
NAMES: Final[Mapping[Filter, str]] = {
    **{"model": "model", "since": "time", "tag": "tag", "cell": "cell"},
    **{"outcome": "outcome", "face": "library", "cause": "cause", "entry": "entry", "condition": "condition"},
}
"""The names of the filters as a person reads them, in the order of their chips."""
CHOSEN: Final[tuple[Filter, ...]] = ("model", "tag", "cell", "outcome", "face", "cause")
"""The filters in the order of the menu, which has no times."""
ALL: Final[tuple[Filter, ...]] = (*CHOSEN, "entry")
"""Every filter of lookups but the time."""


@dataclass(frozen=True)
class Condition:
    """Conditions that only entries have, such as their age."""

    words: str
    """The conditions as they are typed: ``unused 90d, pinned``."""
    entries: Selection


@dataclass(frozen=True)
class View:
    """The filters that a person chose; the tiles and every tab follow them."""

    since: str
    """``run``, ``today``, ``7d`` or ``all``; ``source.period(view.since)`` is the period."""
    model: str | None = None
    """Name of a row of the models table."""
    cell: int | None = None
    """The number in brackets beside a cell."""
    outcome: str | None = None
    """``hit``, ``miss``, ``bypass`` or ``error``."""
    cause: str | None = None
    """A word of ``stats --by cause``."""
    face: str | None = None
    """The library that asked."""
    tag: str | None = None
    """A tag of entries: a lookup has the tags of its entry, while that is stored."""
    entry: str | None = None
    """Key of an entry."""
    condition: Condition | None = None
    """What the command asked of entries."""
    redact: bool = False
    """Whether prompts and answers are hidden: :mod:`gptcache_magics.widgets.redaction` has the signs for them."""
    wanted: str = ""
    """Key of a row that the open tab selects and scrolls to; empty for none."""

    @property
    def of_lookups(self) -> dict[str, Any]:
        """The filters of the lookups of a model, as the tables of ``frames`` take them."""
        return {
            **{"execution_count": self.cell, "outcome": self.outcome, "cause": self.cause},
            **{"face": self.face, "tag": self.tag, "entry": self.entry},
        }


class PanelSource(Protocol):
    """The source of a panel: a store, with the state of the cache that fills it."""

    @property
    def store(self) -> Store:
        """The store to read."""

    @property
    def ledger(self) -> Running | None:
        """The log of the cache that is on; another place has none."""

    @property
    def where(self) -> str:
        """The place, as a person would type it."""

    @property
    def state(self) -> str:
        """``on``, ``off``, or ``replaced`` by another cache."""

    @property
    def mode(self) -> str:
        """The mode of the cache, or ``off``."""

    @property
    def threshold(self) -> float:
        """The least cosine at which a question counts as the same."""

    @property
    def since(self) -> str:
        """The period of the tables at first: ``run`` or ``all``."""

    @property
    def failures(self) -> int:
        """Number of errors inside the cache."""

    def flush(self) -> str:
        """Write pending lookups to the store, and return the error, empty if there was none."""

    def period(self, since: str) -> Period:
        """Return the period called ``run``, ``today``, ``7d`` or ``all``."""

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` after lookups, from any thread, and return a function that ends that."""


class Tab(Protocol):
    """A tab of the panel: an ipywidgets box that paints itself. It is made without arguments."""

    title: str
    """The title on the tab."""
    opened: bool
    """Whether the tab was painted before: until then it is empty and sends nothing."""

    def paint(self, source: PanelSource, view: View) -> object:
        """Read again and show what changed. The panel's thread calls this for the visible tab only."""
