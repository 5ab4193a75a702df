"""The tiles of the panel: money with its tokens, tokens where no price is known, and all time beside this run."""

from html import escape

import pytest

import gptcache_magics as gm
from gptcache_magics import widgets
from gptcache_magics.controller import controller
from gptcache_magics.store.protocol import Usage
from gptcache_magics.tables.source import Source
from gptcache_magics.widgets.figures import figures
from gptcache_magics.widgets.static import Snapshot
from gptcache_magics.widgets.view import View
from tests.support.filled_store import LLAMA, MINI, FilledStore
from tests.widgets.test_panel import ask, figures_of, source

__all__ = ["source"]

HOW = "unknown price: %config GPTCacheMagics.prices"


@pytest.fixture
def store():
    store = FilledStore()
    yield store
    store.close()


def shown(store, **filters):
    return {each.label: each for each in figures(Source(store), View("all", **filters))}


def test_money_stands_with_its_tokens_and_with_the_cost_without_the_cache(store):
    store.look("miss", usage=Usage(10_000, 2_340), seconds=2.0)
    for _ in range(3):
        store.look("hit", usage=Usage(10_000, 2_340), seconds=2.0)
    tiles = shown(store)
    assert (tiles["Saved"].value, tiles["Saved"].remark) == ("$0.0087", "37k tokens")
    assert (tiles["Paid"].value, tiles["Paid"].remark) == ("$0.0029", "12.3k tokens, without the cache $0.0116")
    assert tiles["Paid"].detail == "10,000 tokens in, 2,340 out"


def test_without_a_price_tokens_and_time_lead_and_the_remark_says_how_to_make_it_known(store):
    store.look("miss", LLAMA, usage=Usage(900, 100), seconds=1.5)
    tiles = shown(store)
    assert (tiles["Paid"].value, tiles["Paid"].remark) == ("1k tokens", f"1.5 s, {HOW}")
    store.look("hit", LLAMA, usage=Usage(900, 100), seconds=1.5)
    tiles = shown(store)
    assert (tiles["Saved"].value, tiles["Saved"].remark) == ("1k tokens", f"1.5 s, {HOW}")
    assert tiles["Paid"].remark == "1.5 s, unknown price", "said once"
    store.look("hit", MINI, usage=Usage(10_000, 2_340), seconds=2.0)
    assert shown(store)["Saved"].remark == f"13.3k tokens, 1 of {HOW}"


def test_without_tokens_the_time_leads(store):
    store.look("miss", LLAMA, seconds=1.5)
    assert (shown(store)["Paid"].value, shown(store)["Paid"].remark) == ("1.5 s", HOW)


def test_a_store_with_earlier_lookups_shows_all_time_beside_this_run(source):
    assert "all time" not in figures_of(gm.panel()), "this run has everything"
    gm.stats(reset=True)
    panel = widgets.Panel(controller.source())
    assert "<b>–</b><span>no lookups yet</span><span>all time 33%</span>" in figures_of(panel)
    assert ">all time 33%<" in Snapshot.take(controller.source()).html(), "the saved form shows the same"
    assert "no lookups yet, all time 33%" in Snapshot.take(controller.source()).text()
    ask("first")
    panel.narrow("cell", 12)
    panel._paint()
    assert "all time" not in figures_of(panel), "cells have their numbers in one run only"


def test_a_remark_is_escaped(source):
    assert escape(HOW) in figures_of(gm.panel())
