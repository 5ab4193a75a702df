"""Figures and lookups by the library that asked: of all time, after the lookups are gone, and in the panel."""

from collections.abc import Iterator
from typing import Any

import pytest

from gptcache_magics.store.protocol import Configuration, Period, Usage
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.tables import frames
from gptcache_magics.tables.source import Source
from gptcache_magics.testing.samples import lookup
from gptcache_magics.widgets.figures import figures
from gptcache_magics.widgets.static import _table_html, _table_text
from gptcache_magics.widgets.tabs.lookups import LookupsTab
from gptcache_magics.widgets.tabs.models import ModelsTab
from gptcache_magics.widgets.view import View
from tests.support.filled_store import MINI

KEPT = 50
ASKED = {"langchain": 300, "openai": 150, "anthropic": 50}
"""Lookups of each library in a store that keeps ``KEPT``."""


def record(store: SQLiteStore, run: str = "run") -> None:
    faces = [face for face, number in ASKED.items() for _ in range(number)]
    for first in range(0, len(faces), 50):
        asked: dict[str, Any] = {"run": run, "seconds": 1.0, "usage": Usage(100, 10)}
        these = [
            lookup(n, "miss" if n % 5 else "hit", face=faces[n], execution_count=n % 3 + 1, **asked)
            for n in range(first, first + 50)
        ]
        for each in these:
            each.configuration = MINI.key
        store.record(these, [MINI], KEPT)


@pytest.fixture
def store() -> Iterator[SQLiteStore]:
    """Return a store in which three libraries asked one model, and few of the lookups are kept."""
    store = SQLiteStore(":memory:")
    record(store)
    yield store
    store.close()


def counts(store: SQLiteStore, **chosen: object) -> dict[str, int]:
    table = frames.stats(store, "face", **chosen)  # type: ignore[arg-type]
    return {str(face): int(number) for face, number in table["lookups"].items()}


def test_figures_by_face_are_right_after_the_lookups_are_gone(store: SQLiteStore) -> None:
    assert len(frames.lookups(store)) < 120
    assert counts(store) == ASKED
    assert counts(store, execution_count=1) == {"langchain": 100, "openai": 50, "anthropic": 17}
    assert counts(store, face="openai") == {"openai": 150}
    assert counts(store, period=Period(run="run")) == ASKED
    assert counts(store, period=Period(run="another")) == {}
    by_model = frames.stats(store, "model", face="anthropic")
    assert by_model["hits"].tolist() == [10]
    total = frames.stats(store, "total")
    assert frames.stats(store, "face")["paid_usd"].sum() == pytest.approx(total["paid_usd"].sum())


def test_figures_by_face_of_one_run_are_those_of_that_run(store: SQLiteStore) -> None:
    record(store, "later")
    assert counts(store) == {face: 2 * number for face, number in ASKED.items()}
    assert counts(store, period=Period(run="later")) == ASKED


def test_lookups_say_who_asked(store: SQLiteStore) -> None:
    store.record([lookup(1_000, run="new")], [MINI], KEPT)

    assert frames.lookups(store)["face"].iloc[:2].tolist() == ["langchain", "anthropic"]
    assert {*frames.lookups(store, face="anthropic")["face"]} == {"anthropic"}
    assert frames.lookups(store, face="anthropic", limit=3).index.tolist() == [500, 499, 498]
    assert frames.faces(store, by="model").to_dict() == {
        MINI.model: "langchain, openai, anthropic",
        "unknown": "langchain",
    }


def shown(store: SQLiteStore, view: View = View("all")) -> list[bool]:
    """Return whether the tables of the panel say who asked."""
    source = Source(store)
    tables = {tab: tab.read(source, view) for tab in (ModelsTab, LookupsTab)}
    told = [bool(table["face"].notna().any()) for table in tables.values()]
    for (tab, table), says in zip(tables.items(), told, strict=True):
        assert ("Asked by" in _table_html(tab, table)) is says
        assert any("Asked by" in line for line in _table_text(tab, table)) is says
    return told


def test_the_panel_says_who_asked_where_more_than_one_did(store: SQLiteStore) -> None:
    assert shown(SQLiteStore(":memory:")) == [False, False]
    one = SQLiteStore(":memory:")
    one.record([lookup(1), lookup(2)], [MINI], KEPT)
    assert shown(one) == [False, False]
    one.record([lookup(3, face="openai")], [MINI], KEPT)
    assert shown(one) == [True, True]
    other = Configuration("77" * 16, "openai", "other", "other", None, "{}")
    store.record([lookup(1, run="other", face="litellm")], [other], KEPT)
    assert shown(store, View("all", face="anthropic")) == [True, True]


def test_the_panel_is_filtered_by_who_asked(store: SQLiteStore) -> None:
    view = View("all", face="openai")

    assert "30 of 150 lookups" in [each.remark for each in figures(Source(store), view)]
    assert len(LookupsTab.read(Source(store), view)) == 0  # none of them is kept
    assert {*LookupsTab.read(Source(store), View("all", face="anthropic"))["face"]} == {"anthropic"}
