"""From one thing in the panel to the next: an entry and its lookups, a miss and the entry that it nearly was."""

import pytest

import gptcache_magics as gm
from gptcache_magics.controller import controller
from gptcache_magics.store.protocol import Selection
from gptcache_magics.widgets.panel import open_panels
from tests.support.waiting import wait_until
from tests.widgets.test_panel import ask, figures_of, look_at, open_tab, rows_of


@pytest.fixture
def source(on):
    """Return the source of the cache that is on; two misses and a hit were looked up."""
    for question in ("first", "second", "first"):
        ask(question)
    yield controller.source()
    for each in list(open_panels):
        each.close()


@pytest.fixture
def panel(source):
    return gm.panel()


def key_of(store, question):
    """Return the whole key of the entry of a question."""
    return next(row.key for row in store.entries(Selection()) if row.question == question)


def test_the_panel_is_filtered_by_an_entry(panel, source):
    panel.narrow("entry", key := key_of(source.store, "first"))
    look_at(panel)
    wait_until(lambda: "1 of 2 lookups" in figures_of(panel))
    assert [(chip["kind"], chip["text"]) for chip in panel._filters.chips] == [("entry", key[:8])]
    assert rows_of(open_tab(panel, "Lookups")) == ["3", "1"]
    assert rows_of(open_tab(panel, "Entries")) == [key[:8]]
    panel._filters._handle_custom_msg({"remove": "entry"}, [])
    wait_until(lambda: "1 of 3 lookups" in figures_of(panel))
