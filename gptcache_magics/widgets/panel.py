"""The live panel: what the cache does, while it does it.

A lookup must not wait for a widget. So a lookup only raises a flag; one thread for each panel sees it, reads the tables
again and sends what changed, at most four times a second and for a small share of the time. It paints the tab that is
open, and nothing while no browser shows the panel.
"""

from __future__ import annotations

import contextvars
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anywidget
import ipywidgets

from gptcache_magics.widgets.entries_tab import EntriesTab
from gptcache_magics.widgets.figures import Figure, figures, periods
from gptcache_magics.widgets.formats import one_line
from gptcache_magics.widgets.lookups_tab import LookupsTab
from gptcache_magics.widgets.models_tab import ModelsTab
from gptcache_magics.widgets.static import Snapshot
from gptcache_magics.widgets.table_tab import TableTab

if TYPE_CHECKING:
    from gptcache_magics.stores.base import Period, Store

TABS: tuple[type[TableTab], ...] = (ModelsTab, LookupsTab, EntriesTab)

SHORTEST_PAUSE = 0.25
# A pause is so many times as long as the painting before it took: while cells compute, and while they wait.
PAUSE_WHEN_BUSY, PAUSE_WHEN_QUIET = 20, 2
QUIET = 0.25  # the share of a processor that cells may use and still count as waiting
PAUSE_AFTER_ERROR = 2.0
LONGEST_PAINTING = 10.0

open_panels: weakref.WeakSet[Panel] = weakref.WeakSet()


class PanelSource(Protocol):
    """Where a panel reads: a store, and what is known about the cache that fills it."""

    @property
    def store(self) -> Store:
        """The store to read."""

    @property
    def where(self) -> str:
        """The place, as a person would type it."""

    @property
    def mode(self) -> str:
        """What the cache may do, or ``off``."""

    @property
    def since(self) -> str:
        """What tables are about at first: ``run``, or ``all``."""

    def flush(self) -> None:
        """Write pending lookups to the store."""

    def period(self, since: str) -> Period:
        """Return the period called ``run``, ``today``, ``7d`` or ``all``."""

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` after lookups, from any thread, and return what ends that."""


class _Guard(anywidget.AnyWidget):
    """Not seen: carries the panel's style, and keeps the notebook's shortcuts away from its buttons and tabs."""

    _esm = Path(__file__).with_name("guard.js")
    _css = Path(__file__).with_name("panel.css")


class Panel(ipywidgets.VBox):
    """Show figures and tables of a cache, kept up to date while cells run. A new panel closes the one before it.

    Parameters
    ----------
    source
        Where to read.
    tab
        Title of the tab that is open at first.
    """

    def __init__(self, source: PanelSource, tab: str = "Models") -> None:
        for panel in list(open_panels):
            panel.close()
        self._source = source
        self._closed = False
        self._behind = False  # whether something changed while nobody looked
        self._snapshot: Snapshot | None = None
        self._context = contextvars.copy_context()
        self._changed, self._now = threading.Event(), threading.Event()
        self._head, self._figures, self._error = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self._since = ipywidgets.ToggleButtons(options=[(label, since) for since, label in periods(source).items()])
        self._tabs = tuple(tab() for tab in TABS)
        titles = tuple(tab.title for tab in TABS)
        self._tab = ipywidgets.Tab(self._tabs, selected_index=titles.index(tab))
        for position, title in enumerate(titles):
            self._tab.set_title(position, title)
        top = ipywidgets.HBox([self._head, self._since])
        for widget, name in ((self, "panel"), (top, "top"), (self._head, "head"), (self._since, "since")):
            widget.add_class(f"gptcache-{name}")
        super().__init__([top, self._figures, self._error, self._tab, _Guard()])
        self._paint()
        self._view_count = 0  # not None: the browser counts the views from now on
        self.observe(self._shown, "_view_count")
        self._since.observe(self._wake, "value")
        self._tab.observe(self._wake, "selected_index")
        self._unsubscribe = source.subscribe(self._changed.set)
        open_panels.add(self)
        weakref.finalize(self, self._changed.set)  # a panel that is gone wakes its thread, which then ends
        self._thread = threading.Thread(
            target=_keep_painting,
            args=(weakref.ref(self), self._changed, self._now),
            name="gptcache-panel",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """End the thread and take the panel and everything in it from the page."""
        if self._closed:
            return
        self._closed = True
        open_panels.discard(self)
        self._unsubscribe()
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join(LONGEST_PAINTING)  # who closes a panel may close its store next
        for child in self.children:
            _close(child)
        super().close()

    def _wake(self, _: object = None) -> None:
        """Paint as soon as possible: somebody is waiting."""
        self._changed.set()
        self._now.set()

    def _shown(self, _: object = None) -> None:
        """Paint for a view that has come, and stay within reach while a cell runs.

        A kernel with subshells hears the browser on the loop from which a widget spoke last, at first the one that runs
        cells. This message of the browser came with the other loop's name: what is said in its context moves there.
        """
        context = contextvars.copy_context()
        grids = (tab.grid for tab in self._tabs if tab.opened)
        for widget in (self._tab, self._since, *grids):
            context.run(widget.send_state, "_dom_classes")
        self._context = context
        if self._behind:
            self._wake()

    def _paint(self) -> bool:
        """Read and show everything in sight; keep the last tables and say so if that fails."""
        try:
            source, since = self._source, self._since.value
            source.flush()
            shown_figures, tab = figures(source, since), self._tabs[self._tab.selected_index or 0]
            self._head.value = _head_html(source)
            self._figures.value = _figures_html(shown_figures)
            frame = tab.paint(source, source.period(since))
            saved = isinstance(tab, ModelsTab) and self._since.index == 0
            self._snapshot = Snapshot.of(source, shown_figures, {ModelsTab: frame}) if saved else None
        except Exception as error:  # whatever it is, the panel stays and the cell that runs goes on
            self._error.value = f'<div class="gptcache-error" role="alert">{escape(_failed(error))}</div>'
            return False
        self._error.value = ""
        return True

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Return the widget, and for where widgets do not run the figures and models, without prompts or answers."""
        widget: Any = getattr(super(), "_repr_mimebundle_", dict)  # ipywidgets 7 displays itself in another way
        bundle = widget(**kwargs) or {}
        data = dict(bundle[0] if isinstance(bundle, tuple) else bundle)
        try:
            current = not (self._behind or self._changed.is_set())
            snapshot = (self._snapshot if current else None) or Snapshot.take(self._source)
        except Exception as error:  # the panel says so itself
            return data | {"text/plain": _failed(error)}
        return data | {"text/html": snapshot.html(), "text/plain": snapshot.text()}

    def __repr__(self) -> str:
        return f"<panel of {self._source.where}>"


def _keep_painting(panel_ref: weakref.ref[Panel], changed: threading.Event, now: threading.Event) -> None:
    """Paint the panel when something changed, until it is closed or gone. Holds no panel while it waits."""
    while True:
        changed.wait()
        panel = panel_ref()
        if panel is not None:
            panel._behind = not panel._view_count
        changed.clear()
        now.clear()
        if panel is None or panel._closed:  # asked last, so that a panel closed meanwhile is not waited for
            return
        started = time.monotonic()  # waiting for the interpreter counts: the thread that runs cells waited as well
        well = panel._behind or panel._context.run(panel._paint)
        took = time.monotonic() - started
        del panel
        if well:
            _rest(took, now)
        else:
            changed.set()
            now.wait(PAUSE_AFTER_ERROR)


def _rest(took: float, now: threading.Event) -> None:
    """Wait before painting again: shortly if that takes nothing from a running cell, else for a small share of it."""
    if now.wait(max(SHORTEST_PAUSE, PAUSE_WHEN_QUIET * took)):
        return
    end = time.monotonic() + (PAUSE_WHEN_BUSY - PAUSE_WHEN_QUIET) * took
    while time.monotonic() < end:
        used = time.process_time()
        if now.wait(SHORTEST_PAUSE) or time.process_time() - used < QUIET * SHORTEST_PAUSE:
            return


def _failed(error: Exception) -> str:
    reason = one_line(f"{type(error).__name__}: {error}", 300)
    return f"Not up to date: reading failed at {datetime.now():%H:%M:%S}. {reason}"


def _close(widget: ipywidgets.Widget) -> None:
    for child in getattr(widget, "children", ()):
        _close(child)
    widget.close()


def _head_html(source: PanelSource) -> str:
    entries, _ = source.store.count()
    where, mode = escape(one_line(source.where, 300)), escape(one_line(source.mode, 40))
    return (
        f'<div class="gptcache-title">GPTCache</div><div class="gptcache-mode" data-mode="{mode}">{mode}</div>'
        f'<div class="gptcache-where" title="{where}">{where}</div>'
        f'<div class="gptcache-entries">{entries:,} {"entry" if entries == 1 else "entries"}</div>'
    )


def _figures_html(shown_figures: Sequence[Figure]) -> str:
    tiles = "".join(
        f"<div><span>{figure.label}</span><b>{escape(figure.value)}</b><span>{figure.remark}</span></div>"
        for figure in shown_figures
    )
    return f'<div class="gptcache-figures" role="group" aria-label="Figures">{tiles}</div>'
