"""A store of 100,000 entries, each written by ``update``: the panel sends little, and every entry is in reach."""

import json

import pytest
from langchain_core.outputs import Generation

import gptcache_magics as gm

pytestmark = pytest.mark.browser

ENTRIES = 100_000
ROWS = ".gptcache-grid:visible tbody tr[data-key]"
SIZE = """
import ipywidgets, json
def bytes_of(widget):
    state = len(json.dumps(widget.get_state(), default=str))
    return state + sum(bytes_of(child) for child in getattr(widget, "children", ()))
print("bytes", bytes_of(panel))"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large") / "store"
    cache = gm.GPTCache(store=str(folder))
    answer = [Generation(text="An answer of some words. " * 8)]
    for number in range(ENTRIES):
        cache.update(f"question {number:,} of many", "[('_type', 'large'), ('model', 'large-model')]", answer)
    cache.close()
    return folder


def test_a_large_store_sends_little_and_every_row_is_in_reach(open_notebook, store):
    on = f"import gptcache_magics as gm\nprint(gm.on({json.dumps(str(store))}))"
    notebook = open_notebook([on, "panel = gm.panel('Entries')\npanel", SIZE])
    assert "100,000 entries" in notebook.run(0)
    notebook.run(1)
    page = notebook.page

    page.locator(ROWS).first.wait_for()
    assert page.locator(ROWS).count() < 200
    (size,) = [int(word) for word in notebook.run(2).split() if word.isdigit()]
    assert size <= 100_000
    page.locator(".gptcache-grid-count:visible", has_text="newest 5,000 rows").wait_for()
    page.locator(".gptcache-grid:visible input[type=search]").fill("question 17 of many")
    page.locator(ROWS, has_text="question 17 of many").wait_for(timeout=20_000)
    page.get_by_role("tab", name="Models").click()
    page.locator(ROWS, has_text="100,000").wait_for()
