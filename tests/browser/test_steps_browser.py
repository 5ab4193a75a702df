"""From one thing to the next in JupyterLab: a miss, the entry that it nearly was, its lookups, the cell that asked."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.support.panel_page import ROWS

pytestmark = pytest.mark.browser

SETUP = """\
%load_ext gptcache_magics
%gptcache on :memory:
%config GPTCacheMagics.badge = False
import os
os.environ["OPENAI_API_KEY"] = "none"
from langchain_openai import ChatOpenAI
llm = ChatOpenAI(model="gpt-4o-mini", base_url="URL/v1", temperature=0.2)
warm = ChatOpenAI(model="gpt-4o-mini", base_url="URL/v1", temperature=0.7)
large = ChatOpenAI(model="gpt-4o", base_url="URL/v1", temperature=0.2)
report = "Summarise the {} report of the lighthouse keepers in three sentences, for a reader in a hurry."
for number in range(40):
    llm.invoke(f"question {number}")"""
CELLS = [
    SETUP,
    "llm.invoke(report.format(2023)); large.invoke(report.format(2023));",
    "llm.invoke(report.format(2024));",
    "for _ in range(3):\n    warm.invoke(report.format(2024))",
    "%gptcache panel --tab Lookups",
]
ACTIVE = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
SELECTED = ".gptcache-grid:visible tbody tr[aria-selected=true]"


@pytest.fixture(scope="module")
def notebook(open_notebook, provider_server):
    """Return a notebook whose questions differ in a word, in the temperature and in the model."""
    provider_server.reset()
    notebook = open_notebook([cell.replace("URL", provider_server.url) for cell in CELLS])
    for index in range(len(CELLS)):
        notebook.run(index)
    notebook.page.locator(ROWS).first.wait_for()
    notebook.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    return notebook


def test_each_next_question_is_one_press_of_a_key_away(notebook):
    page = notebook.page
    page.locator(ROWS, has_text="another parameter").first.click()
    page.locator(".gptcache-headline", has_text="Another temperature: 0.2 → 0.7").wait_for()
    press(page, re.compile("^[0-9a-f]{8}$"), first=True)
    entry = page.locator(".gptcache-entry", has_text="T 0.2")
    entry.wait_for()
    page.wait_for_function("() => document.activeElement.closest('tr[aria-selected=true]')")
    assert page.locator(SELECTED, has_text="2024").is_visible()
    press(page, "Its lookup")
    page.locator(".gptcache-filters button[data-name=entry]", has_text="entry").wait_for()
    page.locator(".gptcache-grid-count:visible", has_text=re.compile("^1 row$")).wait_for()
    page.wait_for_function("() => document.activeElement.closest('tr[aria-selected=true]')")
    press(page, "[3]")
    page.wait_for_function(f"() => ({ACTIVE})() === 2")
    assert page.evaluate("() => document.activeElement.matches('.jp-Cell.jp-mod-active')")


def test_a_cell_is_found_after_it_ran_again_and_one_that_is_gone_is_said(notebook):
    page = notebook.page
    notebook.run(2)
    page.locator(".gptcache-filters button[data-name=entry]").first.click()
    page.locator(ROWS, has_text="other words").first.click()
    press(page, "[1]")
    page.wait_for_function(f"() => ({ACTIVE})() === 0")
    page.locator(ROWS, has_text="follows").last.click()
    press(page, "[3]")  # its number is another one now
    page.wait_for_function(f"() => ({ACTIVE})() === 2")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:delete-cell')")
    press(page, "[3]")
    page.get_by_text("This cell is not on the page").wait_for()


def press(page, name, *, first=False):
    """Press a button of the panel with the keyboard."""
    found = page.locator(".gptcache-panel").get_by_role("button", name=name, exact=True)
    (found.first if first else found).focus()
    page.keyboard.press("Enter")


def test_two_answers_stand_side_by_side_at_every_width_and_in_both_themes(notebook, pictures):
    page = notebook.page
    page.get_by_role("tab", name="Entries", exact=True).click()
    page.locator(ROWS, has_text="2024 report").first.click()
    page.locator(ROWS, has_text="2023 report").first.click(modifiers=["Control"])
    press(page, "Compare")
    beside = page.get_by_role("region", name="Two answers side by side")
    beside.wait_for()
    page.wait_for_function("() => document.activeElement.matches('.gptcache-beside')")
    panel = page.locator(".gptcache-panel")
    for theme in ("Light", "Dark"):
        notebook.theme(f"JupyterLab {theme}")
        for width in (1280, 800, 480):
            page.set_viewport_size({"width": width, "height": 1400})
            assert beside.evaluate("(element) => element.scrollWidth <= element.clientWidth + 1")
            panel.screenshot(path=pictures / f"beside-{theme.lower()}-{width}.png")
    sections = beside.locator("section")
    assert sections.nth(1).bounding_box()["y"] > sections.nth(0).bounding_box()["y"]  # one below the other
    page.set_viewport_size({"width": 1280, "height": 1000})
    press(page, re.compile("^[0-9a-f]{8}$"), first=True)
    page.locator(".gptcache-entry").wait_for()
    beside.wait_for(state="detached")
    for name, text in (("Copy question", "Summarise the 2024"), ("Copy answer", "answers 'Summarise the 2024")):
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        press(page, name)
        page.get_by_text("Copied").wait_for()
        page.wait_for_function(f"() => navigator.clipboard.readText().then((text) => text.includes({text!r}))")
    for theme in ("Dark", "Light"):
        notebook.theme(f"JupyterLab {theme}")
        for width in (800, 480):
            page.set_viewport_size({"width": width, "height": 1600})
            panel.screenshot(path=pictures / f"entry-ways-{theme.lower()}-{width}.png")
    page.get_by_role("tab", name="Lookups", exact=True).click()
    page.locator(ROWS, has_text="other words").first.click()
    page.locator(".gptcache-headline").wait_for()
    panel.screenshot(path=pictures / "miss-light-480.png")
    page.set_viewport_size({"width": 1280, "height": 1400})
    panel.screenshot(path=pictures / "miss-light-1280.png")


def test_two_models_are_compared_with_the_keyboard(notebook, pictures):
    page = notebook.page
    page.get_by_role("tab", name="Models", exact=True).click()
    page.locator(ROWS, has_text="gpt-4o-mini").focus()
    page.keyboard.press("Enter")
    page.locator(".gptcache-chips button[data-name=model]").wait_for()
    page.keyboard.press("Home")
    for _ in range(2):  # the other model, wherever it stands
        if not page.evaluate("() => document.activeElement.closest('tr').matches('[aria-selected=true]')"):
            page.keyboard.press("Space")
            break
        page.keyboard.press("ArrowDown")
    press(page, re.compile("^Compare gpt-4o"))
    totals = page.get_by_role("region", name="1 question that both models were asked")
    totals.wait_for()
    page.get_by_role("grid", name="Questions that both models were asked").locator("tbody tr[data-key]").focus()
    page.keyboard.press("Enter")
    page.get_by_role("region", name="Two answers side by side").wait_for()
    found = Axe().run(page, context=".gptcache-panel").response["violations"]
    assert not [each["id"] for each in found if each["impact"] in ("serious", "critical")]
    panel = page.locator(".gptcache-panel")
    for theme in ("Light", "Dark"):
        notebook.theme(f"JupyterLab {theme}")
        for width in (1280, 800, 480):
            page.set_viewport_size({"width": width, "height": 1500})
            page.wait_for_timeout(300)
            panel.screenshot(path=pictures / f"models-{theme.lower()}-{width}.png")
