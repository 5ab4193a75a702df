"""The live panel: what the cache does, while it does it.

It paints the tab that is open, and nothing while no browser shows the panel. One `View` holds the filters, and every
tab follows it.
"""

from __future__ import annotations

import contextvars
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import ipywidgets
import traitlets

from gptcache_magics.settings import Settings
from gptcache_magics.store.protocol import Period
from gptcache_magics.tables import frames
from gptcache_magics.text.masking import scrubbed
from gptcache_magics.widgets.choices import choices
from gptcache_magics.widgets.figures import figures, periods
from gptcache_magics.widgets.filters import Filters
from gptcache_magics.widgets.header import LACKING_HTML, figures_html, head_html, notice_html, notices_of
from gptcache_magics.widgets.links import Links
from gptcache_magics.widgets.painter import Painter
from gptcache_magics.widgets.saved import saved_html, view_of
from gptcache_magics.widgets.scripts import one_module, one_style
from gptcache_magics.widgets.static import Snapshot
from gptcache_magics.widgets.tabs.base import TableTab, error_html
from gptcache_magics.widgets.tabs.charts import ChartsTab
from gptcache_magics.widgets.tabs.entries import EntriesTab
from gptcache_magics.widgets.tabs.lookups import LookupsTab
from gptcache_magics.widgets.tabs.models import ModelsTab
from gptcache_magics.widgets.tabs.tuning import TuningTab
from gptcache_magics.widgets.view import Filter, PanelSource, Tab, View

TABS: tuple[type[Tab], ...] = (ModelsTab, LookupsTab, EntriesTab, ChartsTab, TuningTab)

open_panels: weakref.WeakSet[Panel] = weakref.WeakSet()


class _Guard(anywidget.AnyWidget):
    """An invisible widget with the panel's style; it keeps shortcuts away and hides the saved form."""

    _esm = one_module(Path(__file__).parent, "guard")
    _css = one_style(Path(__file__).parent, "panel", "head")

    saved = traitlets.Unicode().tag(sync=True)
    room = traitlets.Int(0).tag(sync=True)
    """Width of the panel in pixels; 0 until the browser says it."""


class _Beside(anywidget.AnyWidget):
    """A button that shows the panel beside the notebook, where a front end can."""

    _esm = one_module(Path(__file__).parent, "beside")


class Panel(ipywidgets.VBox):
    """Show figures and tables of a cache, kept up to date while cells run. A new panel closes the one before it.

    Parameters
    ----------
    source
        The source to read.
    tab
        Title of the tab that is open at first.
    settings
        Their ``redact`` hides prompts and answers.
    view
        The filters at first; None for the period of the source without any other.
    """

    def __init__(
        self, source: PanelSource, tab: str = "Models", settings: Settings | None = None, view: View | None = None
    ) -> None:
        for panel in list(open_panels):
            panel.close()
        self._source, self._settings = source, settings or Settings()
        self._closed = False
        self._behind = False  # whether something changed while the panel was hidden
        self._seen: object = None  # state of the store and its cache at the last reading
        self._snapshot: Snapshot | None = None
        self._just_read: frames.Read | None = None
        self._context = contextvars.copy_context()
        self._painting = threading.Lock()
        self._noticed = len(source.store.notices)  # earlier notices of the store are not this panel's
        self._periods = periods(source)
        self._view = self._asked = view or View(next(iter(self._periods)))
        self._head, self._figures, self._line = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self._since = ipywidgets.ToggleButtons(
            options=[(label, since) for since, label in self._periods.items()], value=self._view.since
        )
        narrow = _weakly(self.narrow)
        self._filters = Filters(narrow, _weakly(self._choices))
        self._filters.show(self._view, self._periods)
        self._tabs = tuple(tab() for tab in TABS)
        titles = tuple(tab.title for tab in TABS)
        self._tab = ipywidgets.Tab(self._tabs, selected_index=titles.index(tab))
        for position, title in enumerate(titles):
            self._tab.set_title(position, title)
        top = ipywidgets.HBox([self._head, self._since, _Beside(), self._filters])
        lacking = ipywidgets.HTML(LACKING_HTML)
        named = {"panel": self, "lacking": lacking, "top": top, "head": self._head, "since": self._since}
        for name, widget in named.items():
            widget.add_class(f"gptcache-{name}")
        self._mark = f"gptcache-saved-{uuid4().hex[:12]}"
        guard = _Guard(saved=self._mark)
        guard.observe(_weakly(self._resized), "room")
        links = Links(_weakly(self.follow))
        super().__init__([lacking, top, self._figures, self._line, self._tab, links, guard])
        self._behind = not self._paint()
        self._view_count = 0  # not None: the browser counts the views from now on
        self._painter = Painter(self._paint_in_sight, self._outdated)
        for each in self._tabs:
            if isinstance(each, TableTab):
                each.narrow, each.repaint = narrow, self._painter.hurry
        self.observe(self._shown, "_view_count")
        self._since.observe(lambda change: self.narrow("since", change["new"]), "value")
        self._tab.observe(lambda _: self._painter.hurry(), "selected_index")
        self._unsubscribe = source.subscribe(self._painter.note)
        open_panels.add(self)

    def close(self) -> None:
        """End the thread and take the panel and everything in it from the page."""
        if self._closed:
            return
        self._closed = True
        open_panels.discard(self)
        self._unsubscribe()
        self._painter.close()
        # Each widget has a layout and perhaps a style: models of their own, which ipywidgets does not close.
        inside = [*_within(self)]
        parts = [each for widget in (*inside, self) for each in _parts(widget)]
        for widget in inside:
            widget.close()
        super().close()
        for part in parts:
            part.close()
        # IPython's Out keeps each panel: the rest must not stay with it.
        self.unobserve_all()
        self._tab.children = self.children = ()
        self._tabs = ()
        self._snapshot = self._just_read = None

    @property
    def live(self) -> bool:
        """Whether the panel shows the cache that is on."""
        return self._source.state != "off"

    def narrow(self, name: Filter, value: Any) -> None:
        """Filter the figures and every tab by one value of a filter; ``None`` takes that filter away."""
        if name == "since" and value is None:
            value = next(iter(self._periods))
        self._filter(replace(self._view, **{name: value}))

    def follow(self, to: str, key: str) -> None:
        """Open an entry, the lookups of an entry, or two answers side by side.

        Parameters
        ----------
        to
            ``entry``, ``lookups`` or ``compare``.
        key
            Key of the entry; to compare, two keys, or one for an entry and the answer that it had before.
        """
        if to == "lookups":
            store, since = self._source.store, self._view.since
            of_entry = store.lookups(Period(key=key))
            in_period = store.lookups(replace(self._source.period(since), key=key))
            self._filter(View(since if len(in_period) == len(of_entry) else "all", entry=key))
            self._open(LookupsTab, str(of_entry[0].number) if of_entry else "")
        elif to == "entry":
            self._open(EntriesTab, key)
        elif to == "compare":
            next(each for each in self._tabs if isinstance(each, EntriesTab)).compare(*key.split())

    def _open(self, kind: type[TableTab], row: str) -> None:
        position, tab = next((at, each) for at, each in enumerate(self._tabs) if isinstance(each, kind))
        tab.wanted = row
        self._tab.selected_index = position
        self._painter.hurry()

    def _filter(self, view: View) -> None:
        if view == self._view:
            return
        self._view = view
        self._since.value = view.since
        self._filters.show(view, self._periods)
        for tab in self._tabs:
            if isinstance(tab, TableTab):
                tab.narrowed(view)
        self._painter.hurry()

    def _resized(self, change: Any) -> None:
        """Draw the charts as wide as the panel."""
        for tab in self._tabs:
            if isinstance(tab, ChartsTab | TuningTab):
                tab.room = change["new"]
        if isinstance(self._tabs[self._tab.selected_index or 0], ChartsTab | TuningTab):
            self._painter.hurry()

    def _choices(self) -> dict[Filter, dict[str, Any]]:
        """Return the values of the menu of filters; none if the store fails, which the panel says by itself."""
        view = replace(self._view, redact=self._settings.config.redact)
        try:
            self._source.flush()
            return choices(self._source, view)
        except Exception:
            return {}

    def repaint(self) -> None:
        """Show everything again, hidden tabs too, after a change of what may be shown."""
        for tab in self._tabs:
            if tab.opened:
                self._paint(tab)

    def _shown(self, _: object = None) -> None:
        """Paint for a view that has come, and stay within reach while a cell runs.

        A kernel with subshells hears the browser on the loop from which a widget sent last, at first the loop that
        runs cells. This message came with the name of the other loop: sending in its context moves the widget there.
        """
        context = contextvars.copy_context()
        for widget in _within(self):
            context.run(widget.send_state, "_dom_classes")
        self._context = context
        self._painter.watch(bool(self._view_count))
        if self._behind:
            self._painter.hurry()

    def _paint_in_sight(self) -> bool:
        """Paint if a browser shows the panel; else remember that it is out of date."""
        self._behind = True
        if not self._view_count:
            return True
        self._behind = False
        return self._context.run(self._paint)

    def _outdated(self) -> bool:
        """Return whether a command, a function or another kernel changed what is shown; only lookups raise a flag."""
        try:
            return self._state() != self._seen
        except Exception:
            return True  # the painting will say what is wrong

    def _state(self) -> tuple[str, str, object]:
        """Return the cache's state, its mode, and a value that differs whenever anything else is new to show.

        It costs microseconds. Each thread has its own versions of the store.
        """
        source = self._source
        return (
            source.state,
            source.mode,
            (threading.get_ident(), source.store.version(), source.threshold, source.failures),
        )

    def _paint(self, tab: Tab | None = None) -> bool:
        """Read and show everything in sight; keep the last tables and say so if that fails."""
        with self._painting:
            try:
                trouble = self._source.flush()
                state, mode, _ = self._seen = self._state()
                if not self._lost():
                    self._read(tab or self._tabs[self._tab.selected_index or 0], state, mode)
            except Exception as error:  # of any kind: the panel stays and the running cell goes on
                trouble = _named(error)
            notices = [*self._source.store.notices[self._noticed :], *notices_of(self._source)]
            self._line.value = error_html(_not_up_to_date(trouble)) if trouble else notice_html(notices)
            return not trouble

    def _read(self, tab: Tab, state: str, mode: str) -> None:
        # A person may press a link meanwhile, which sets the filters first: so the wish is read first.
        wanted = tab.wanted if isinstance(tab, TableTab) else ""
        source, view = self._source, replace(self._view, redact=self._settings.config.redact, wanted=wanted)
        with frames.read_once() as self._just_read:
            shown_figures = figures(source, view)
            self._head.value = head_html(source, state, mode)
            self._figures.value = figures_html(shown_figures)
            tab.paint(source, view)
        self._snapshot = None
        if isinstance(tab, ModelsTab) and view == replace(self._asked, redact=view.redact):
            self._snapshot = Snapshot.of(source, view, shown_figures, {ModelsTab: tab.table})

    def _lost(self) -> bool:
        """Return whether the store is gone without a successor: then the last tables stay."""
        store = self._source.store
        empty = not store.count()[0] and not store.lookups(Period(), 1)
        return empty and len(store.notices) > self._noticed

    def _ipython_display_(self) -> None:
        """Display what a saved notebook keeps, and below it the panel."""
        from IPython.display import display

        display(self._saved(), raw=True)  # type: ignore[no-untyped-call]
        display(view_of(self.model_id), raw=True)  # type: ignore[no-untyped-call]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Return the widget and its saved form, for front ends that do not let it display itself."""
        return view_of(self.model_id) | self._saved()

    def _saved(self) -> dict[str, Any]:
        """Return the figures and models without prompts and answers, for places where widgets do not run."""
        try:
            current = not (self._behind or self._painter.behind)
            just_read, self._just_read = self._just_read, None  # for once: it is large
            with frames.read_once(just_read if current else None):
                snapshot = (self._snapshot if current else None) or Snapshot.take(self._source, view=self._asked)
                html = snapshot.html(ChartsTab.html(self._source, snapshot.view))
                text = snapshot.text()
        except Exception as error:  # the panel shows the error itself
            text = _not_up_to_date(_named(error))
            html = error_html(text)
        return {"text/html": saved_html(html, self._mark), "text/plain": text}

    def __repr__(self) -> str:
        return f"<panel of {self._source.where}>"


def _within(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """Yield every widget inside one, the inner ones first."""
    for child in getattr(widget, "children", ()):
        yield from _within(child)
        yield child


def _parts(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """Yield the models of a widget's appearance."""
    for name in ("layout", "style"):
        part = getattr(widget, name, None)
        if isinstance(part, ipywidgets.Widget):
            yield part


def _weakly(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls a method while its object exists: what is inside a panel does not keep it."""
    found = weakref.WeakMethod(method)

    def call(*args: Any) -> Any:
        bound = found()
        return None if bound is None else bound(*args)

    return call


def _named(error: Exception) -> str:
    return scrubbed(f"{type(error).__name__}: {error}")


def _not_up_to_date(trouble: str) -> str:
    return f"Not up to date since {datetime.now():%H:%M:%S}. {trouble}"
