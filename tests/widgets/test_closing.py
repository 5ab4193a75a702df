"""A closed panel leaves nothing: no comm, no thread, no open file, no table, no object of its own."""

import gc
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pandas as pd
from ipywidgets.widgets import widget

from gptcache_magics import widgets
from gptcache_magics.widgets.panel import Panel
from gptcache_magics.widgets.tabs.base import TableTab
from tests.widgets.test_panel import ask, look_at, source

__all__ = ["source"]


def held(folder):
    """Return how many things of each kind that a panel makes are held, with a comm or without.

    Files are those of a folder alone: threads of other tests open and close some of their own meanwhile.
    """
    gc.collect()
    live = widget._instances if hasattr(widget, "_instances") else widget.Widget.widgets  # ipywidgets 7
    found = Counter(f"comm of {type(each).__name__}" for each in live.values())
    found += Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, pd.DataFrame | widget.Widget))
    found["thread"] = threading.active_count()
    found["file"] = sum(path.is_relative_to(folder) for path in opened_files())
    return found


def opened_files():
    for descriptor in Path("/proc/self/fd").glob("*"):
        with suppress(FileNotFoundError):  # closed meanwhile
            yield descriptor.readlink()


def used_panel(source):
    """Return a panel of which every tab was looked at, and in each table a row."""
    panel = Panel(source)
    look_at(panel)
    for position, tab in enumerate(panel._tabs):
        panel._tab.selected_index = position
        panel._paint(tab)
        if isinstance(tab, TableTab) and len(tab.grid._keys):
            tab.grid.select([tab.grid._keys.iloc[0]])
    return panel


def test_a_closed_panel_leaves_nothing(source, tmp_path):
    ask("another question")
    used_panel(source).close()
    before = held(tmp_path)
    for _ in range(3):
        used_panel(source).close()

    assert not held(tmp_path) - before  # a thread that writes may have ended


def test_a_cell_that_is_run_again_leaves_one_panel(source, tmp_path):
    history = [used_panel(source)]  # as IPython's Out keeps them
    before = held(tmp_path)
    history += [used_panel(source) for _ in range(3)]
    after = held(tmp_path)
    for _ in range(20):  # the thread of the open panel may be reading
        if after["DataFrame"] <= before["DataFrame"]:
            break
        time.sleep(0.2)
        after = held(tmp_path)

    assert {name: number for name, number in after.items() if name.startswith("comm of ")} == {
        name: number for name, number in before.items() if name.startswith("comm of ")
    }
    assert after["DataFrame"] <= before["DataFrame"], "each table is megabytes after thousands of lookups"
    assert after["thread"] <= before["thread"]  # one that writes may have ended
    assert after["file"] <= before["file"]
    widgets.close_live()
    history.clear()
    assert held(tmp_path)["Panel"] == 0
