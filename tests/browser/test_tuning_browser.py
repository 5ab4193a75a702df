"""The Tuning tab in JupyterLab: compare two answers, call one wrong with only the keyboard; and in the Lookups tab."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.support.panel_page import button, open_tab, search, show_panel, wait_for_words

pytestmark = pytest.mark.browser

SETUP = """\
%load_ext gptcache_magics
%gptcache on :memory:
%config GPTCacheMagics.badge = False
import time
from hashlib import blake2b
from langchain_core.outputs import Generation
from gptcache_magics import generations
from gptcache_magics.controller import controller
from gptcache_magics.store.protocol import Configuration, Entry, Lookup, Near, Usage
from gptcache_magics.store.reasons import Kind, Objection, ObjectionKind, Reason
cache, of = controller.cache, Configuration("67" * 16, "openai", "gpt-4o-mini", "gpt-4o-mini · T 0", 0.0, "{}")
key = lambda text: blake2b(text.encode(), digest_size=16).hexdigest()
def answer(question):
    said = generations.encode([Generation(text=f"When it was asked {question!r}, the model said this. " * 5)])
    cache.store.put(Entry(key(question), of.key, question, question, said, time.time(), 1.5), of)
def near(number, stored, asked, cosine, objection=None, right=None):
    found = Near(key(stored), cosine, "minilm/384", objection)
    answer(stored)
    kept = {"key": key(stored), "asked": key(asked), "match": "semantic", "outcome": "hit"}
    if objection:
        answer(asked)
        kept = {"key": key(asked), "outcome": "miss", "reason": Reason(Kind.SIMILAR)}
    lookup = Lookup(time.time() - number, cache.ledger.run, number_in_run=100 + number, question=asked, near=found,
                    configuration=of.key, lookup_seconds=0.012, seconds=1.5, usage=Usage(40, 900), **kept)
    cache.store.record([lookup], [of], 100_000)
    if right is not None:
        cache.store.put_label(key(asked), found, right)
TOPICS = ["sourdough bread", "a paper plane", "green tea", "a bicycle wheel", "an email filter", "a pivot table"]
for number in range(120):
    topic, cosine = TOPICS[number % 6], 0.74 + (number * 37 % 103) / 410
    right = None if number % 2 else cosine + (number * 53 % 17 - 8) / 100 > 0.867
    near(number, f"How do I make {topic}, in {number + 2} steps?", f"How can I make {topic}, in {number + 2} steps?",
         cosine, None if cosine >= 0.93 else Objection(ObjectionKind.BELOW, "0.93"), right)
near(121, "Summarise the 2023 report in three sentences.", "Summarise the 2024 report in three sentences.", 0.97,
     Objection(ObjectionKind.GUARD, "2023 / 2024", "number"))
near(122, "Which river flows through Vienna?", "What river flows through Vienna?", 0.931)"""
PANEL = "%gptcache panel --tab Tuning"
SEARCHABLE = """\
from langchain_core.embeddings import Embeddings
class Slow(Embeddings):
    def embed_documents(self, texts):
        time.sleep(0.3)
        return [[float(len(text)), 1.0] for text in texts]
    def embed_query(self, text): ...
slow = Slow()
%gptcache on --match semantic --embedder slow"""
ROWS = ".gptcache-grid:visible tbody tr[data-key]"
VIENNA = ("Which river flows through Vienna?", "What river flows through Vienna?")
REPORTS = [f"Summarise the {year} report in three sentences." for year in (2023, 2024)]
FOCUSED = "() => document.activeElement.textContent"
HOLDS = """(code) => {
  const { kernel } = window.jupyterapp.shell.currentWidget.context.sessionContext.session;
  const done = kernel.requestExecute({ code: `assert ${code}`, store_history: false }).done;
  return done.then(({ content }) => content.status);
}"""
FITS = """() => [".gptcache-panel", ".gptcache-panel [role=tablist]", ".gptcache-detail"].every((part) =>
  [...document.querySelectorAll(part)].every((element) => element.scrollWidth <= element.clientWidth + 1))"""
COLOURS_FADED_IN = "() => Promise.allSettled(document.getAnimations().map((each) => each.finished)).then(() => null)"


@pytest.fixture(scope="module")
def notebook(open_notebook):
    return show_panel(open_notebook([SETUP, PANEL, SEARCHABLE]))


@pytest.fixture
def page(notebook):
    return notebook.page


def row(page, question):
    search(page, question)
    page.locator(".gptcache-grid-count:visible", has_text="1 of ").wait_for()
    return page.locator(ROWS)  # their words stand apart where the questions differ


def test_a_pair_is_called_wrong_with_the_keyboard_only(page):
    stored, asked = VIENNA
    assert page.locator(".gptcache-panel svg").count() == 2
    row(page, asked).focus()
    page.keyboard.press("Enter")
    detail = page.locator(".gptcache-detail:visible")
    detail.locator("pre", has_text=f"When it was asked '{stored}'").wait_for()
    assert detail.locator("del").all_inner_texts() == ["Which"]
    assert detail.locator("ins").all_inner_texts() == ["What"]
    for name in ("Right", "Wrong"):
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED) == name
    page.keyboard.press("Enter")
    wait_for_words(page, "wrong. Nothing is served by meaning for this question any more")
    page.locator(f"{ROWS} td", has_text="wrong").wait_for()
    detail.locator("h4", has_text="wrong").wait_for()
    assert page.evaluate(FOCUSED) == "Wrong"
    assert page.evaluate(HOLDS, f"cache.store.judged_wrong(key({asked!r})) == {{key({stored!r})[:16]}}") == "ok"


def test_a_near_miss_is_called_right_in_the_lookups_tab(page):
    open_tab(page, "Lookups")
    assert page.locator(".gptcache-actions:visible").count() == 0
    row(page, REPORTS[1]).click()
    detail = page.locator(".gptcache-detail:visible")
    for question in REPORTS:
        detail.locator("pre", has_text=f"When it was asked '{question}'").wait_for()
    assert re.search("blocked by .*number.*2023 / 2024", detail.inner_text())
    button(page, "Right").click()
    wait_for_words(page, ": right.")
    detail.locator("dd", has_text="right").wait_for()
    assert page.evaluate(HOLDS, "cache.store.labels()[0].right == 1") == "ok"


def test_shortcut_keys_on_the_buttons_do_not_reach_the_cells(notebook, page):
    cells = notebook.cells()
    for title in ("Lookups", "Tuning"):  # in both a row is selected
        open_tab(page, title)
        for name in ("Right", "Wrong"):
            button(page, name).focus()
            for key in "ddxab":
                page.keyboard.press(key)
            assert page.evaluate(FOCUSED) == name
            assert notebook.cells() == cells


def test_the_tab_looks_right_at_every_width_and_in_both_themes(notebook, page, pictures):
    open_tab(page, "Tuning")
    page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    page.locator(".gptcache-grid:visible input[type=search]").fill("")
    page.locator(".gptcache-grid-count:visible", has_text=re.compile(r"^\d+ rows")).wait_for()
    page.evaluate("() => document.activeElement.blur()")
    for theme in ("Light", "Dark"):
        notebook.theme(f"JupyterLab {theme}")
        for width in (1280, 800, 480):
            page.set_viewport_size({"width": width, "height": 1900})
            page.mouse.move(0, 0)
            assert page.evaluate(FITS), "something is wider than the panel"
            page.locator(".gptcache-panel").screenshot(path=pictures / f"panel-tuning-{theme.lower()}-{width}.png")
        page.evaluate(COLOURS_FADED_IN)
        found = Axe().run(page, context=".gptcache-panel").response["violations"]
        assert [each["help"] for each in found if each["impact"] in ("serious", "critical")] == []


def test_the_bar_follows_what_becomes_searchable_and_can_be_stopped(notebook, page):
    page.set_viewport_size({"width": 1280, "height": 1900})
    notebook.run(2)
    cell = notebook.cell(2)
    words = cell.get_by_text(re.compile(r"^[1-9]\d* of \d+ earlier entries are searchable$"))
    words.wait_for()
    cell.get_by_role("button", name="Stop").click()
    cell.get_by_role("button", name="Stop").wait_for(state="hidden")
    done, total = map(int, re.findall(r"\d+", words.inner_text()))
    assert 0 < done < total
    left = "cache.store.count_unembedded('Slow/2', replace_others=False)"
    assert page.evaluate(HOLDS, f"{left} == {total - done}") == "ok"
