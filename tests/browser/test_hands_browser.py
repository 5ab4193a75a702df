"""What hands do with the tables in JupyterLab: read a text that is cut, copy, widen, export."""

import pytest

from tests.support.panel_page import ROWS, open_tab, show_panel

pytestmark = pytest.mark.browser

SETUP = """\
%load_ext gptcache_magics
%gptcache on :memory:
%config GPTCacheMagics.badge = False
from langchain_core.language_models import FakeListChatModel
class Named(FakeListChatModel):
    model: str
beginning = "Classify the sentiment of this review as positive or negative, in one word, and say why you think so:"
for number in range(6):
    Named(responses=["positive"], model="acme/small-model").invoke(f"{beginning} review {number}")"""
CELLS = [SETUP, "%gptcache panel --tab Entries"]
WHOLE = ".gptcache-grid-whole:popover-open"


@pytest.fixture(scope="module")
def notebook(open_notebook):
    return show_panel(open_notebook(CELLS))


@pytest.fixture
def page(notebook):
    return notebook.page


def heading(page, name):
    return page.locator(".gptcache-grid:visible th", has_text=name)


def test_rows_of_one_template_show_what_differs_and_a_path_its_end(page):
    row = page.locator(ROWS).first
    assert "Classify … " in row.inner_text()
    assert "review 5" in row.inner_text()
    assert "small-model" in row.inner_text()
    assert "acme/" not in row.inner_text()


def test_a_cut_text_is_whole_under_the_mouse_and_under_the_focus(page):
    row = page.locator(ROWS).first
    row.locator("td", has_text="review 5").hover()
    page.locator(WHOLE, has_text="in one word, and say why you think so: review 5").wait_for()
    page.locator(".gptcache-figures").hover()
    page.locator(WHOLE).wait_for(state="detached")
    row.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
        if page.evaluate("() => document.activeElement.textContent") == "small-model":
            break
    page.locator(WHOLE, has_text="acme/small-model").wait_for()
    page.keyboard.press("Escape")
    page.locator(WHOLE).wait_for(state="detached")
    page.keyboard.press("ArrowDown")
    page.locator(WHOLE, has_text="small-model").wait_for()


def test_a_cell_is_copied_whole(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(ROWS).nth(1).locator("td", has_text="review 4").click()
    page.keyboard.press("Control+c")
    page.locator(".gptcache-grid-told:visible", has_text="Copied: Question").wait_for()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied.startswith("Classify the sentiment")
    assert copied.endswith("review 4")


def test_a_column_is_widened_with_mouse_and_keys_and_fits_on_a_double_click(page):
    answer = heading(page, "Answer")
    before = answer.bounding_box()["width"]
    handle = answer.locator(".gptcache-grid-handle")
    box = handle.bounding_box()
    page.mouse.move(box["x"] + 3, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + 83, box["y"] + 8, steps=4)
    page.mouse.up()
    assert answer.bounding_box()["width"] == pytest.approx(before + 80, abs=4)
    assert "↓" not in answer.inner_text(), "dragging does not sort"
    answer.focus()
    for _ in range(3):
        page.keyboard.press("Alt+ArrowLeft")
    assert answer.bounding_box()["width"] == pytest.approx(before + 32, abs=4)
    handle.dblclick()
    assert answer.bounding_box()["width"] < before + 32


def test_the_rows_that_are_shown_are_written_beside_the_notebook(page, jupyter):
    page.get_by_placeholder("Search").locator("visible=true").fill("review 3")
    page.locator(".gptcache-grid-count:visible", has_text="1 of 6 rows").wait_for()
    page.locator(".gptcache-grid-export summary:visible").click()
    page.get_by_role("button", name="CSV").locator("visible=true").click()
    page.locator(".gptcache-grid-told:visible", has_text="1 row in gptcache-entries-").wait_for()
    (written,) = jupyter.folder.glob("gptcache-entries-*.csv")
    assert "review 3" in written.read_text("utf-8")
    assert "review 4" not in written.read_text("utf-8")
    page.get_by_placeholder("Search").locator("visible=true").fill("")
    open_tab(page, "Lookups")
