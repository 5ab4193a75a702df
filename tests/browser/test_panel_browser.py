"""The panel in JupyterLab and Notebook 7, over a store that real lookups filled."""

import json
import re

import pytest

pytestmark = pytest.mark.browser

SETUP = """\
%load_ext gptcache_magics
%gptcache on :memory:
%config GPTCacheMagics.badge = False
import time
from langchain_core.language_models import FakeListChatModel
def ask(question, answer="forty-two"):
    return FakeListChatModel(responses=[answer]).invoke(question).content
for question in ["first", "second", "first", "first"]:
    ask(question)"""
PANEL = "%gptcache panel"
LOOP = """\
for number in range(30):
    ask(f"question {number} of the loop")
    time.sleep(0.1)"""
HOSTILE_QUESTION = "<img src=x onerror='window.broken = 1'><b>bold</b> \\u202ereversed \\x1b[31mred"
HOSTILE_ANSWER = "<script>window.broken = 1</script>" + "one line " * 12_000
HOSTILE = f'ask("{HOSTILE_QUESTION}", "{HOSTILE_ANSWER}")'
CLOSE = "%gptcache off"
CELLS = [SETUP, PANEL, LOOP, HOSTILE, CLOSE]

FOCUSABLE = """[...document.querySelectorAll(".gptcache-panel *")].filter((element) => {
  if (!element.checkVisibility()) return false;
  element.focus();
  return document.activeElement === element;
})"""
ROWS = ".gptcache-grid:visible tbody tr[data-key]"


@pytest.fixture(scope="module", params=["lab", "notebook"])
def notebook(request, open_notebook):
    """Return a notebook that shows a panel, in one front end after the other."""
    notebook = open_notebook(CELLS, request.param)
    notebook.run(0)
    notebook.run(1)
    notebook.page.locator(ROWS).first.wait_for()
    return notebook


@pytest.fixture
def page(notebook):
    return notebook.page


def open_tab(page, title):
    page.get_by_role("tab", name=title, exact=True).click()
    page.get_by_role("grid", name=title).wait_for()


def search(page, query):
    page.locator(".gptcache-grid:visible input").fill(query)


def wait_for_count(page, text):
    page.locator(".gptcache-grid-count:visible", has_text=text).wait_for(timeout=10_000)


def lookups(page):
    """Return how many lookups the figures count."""
    return int(re.search(r"of ([\d,]+) lookups", page.locator(".gptcache-figures").inner_text())[1].replace(",", ""))


def wait_for_lookups(page, count):
    page.locator(".gptcache-figures", has_text=f"of {count} lookups").wait_for(timeout=20_000)


def texts(page, column):
    """Return the texts of a column of the table in sight."""
    return page.locator(f"{ROWS} td:nth-child({column})").all_inner_texts()


def test_the_panel_shows_what_the_lookups_did(page):
    figures = page.locator(".gptcache-figures").inner_text()
    assert "50%" in figures
    assert "2 of 4 lookups" in figures
    assert "FakeListChatModel" in page.locator(ROWS).inner_text()
    open_tab(page, "Lookups")
    wait_for_count(page, "4 rows")
    assert texts(page, 3) == ["hit", "hit", "miss", "miss"]
    open_tab(page, "Entries")
    page.locator(ROWS, has_text="second").click()
    page.locator(".gptcache-detail:visible", has_text="forty-two").wait_for()


def test_columns_sort_and_the_search_finds(page):
    open_tab(page, "Entries")
    search(page, "/^(FIRST|second)$/")
    wait_for_count(page, "2 of")
    for order in (["first", "second"], ["second", "first"]):
        page.get_by_role("columnheader", name="Question").click()
        page.locator(f"{ROWS}:nth-child(2)", has_text=order[0]).wait_for()
        assert texts(page, 3) == order
    search(page, "/(/")
    page.locator(".gptcache-grid-note:visible", has_text="regular expression").wait_for()
    assert len(texts(page, 3)) == 2
    search(page, "no such words")
    page.locator(".gptcache-grid-note:visible", has_text="No row").wait_for()
    search(page, "")
    page.locator(ROWS).first.wait_for()


def test_the_panel_moves_and_answers_while_a_cell_runs(notebook, page):
    open_tab(page, "Lookups")
    before = lookups(page)
    notebook.run(2, wait=False)
    page.locator(".gptcache-figures", has_not_text=f"of {before} lookups").wait_for()
    search(page, "of the loop")
    wait_for_count(page, "of")
    assert page.locator(".jp-InputPrompt", has_text="[*]").count() == 1, "the cell ended before the panel answered"
    search(page, "")
    wait_for_lookups(page, before + 30)


def test_an_update_keeps_the_rows_in_place_and_the_focus(notebook, page):
    open_tab(page, "Lookups")
    before = lookups(page)
    notebook.execute("for n in range(12): ask('first')")
    wait_for_count(page, f"{before + 12} rows")
    page.locator(ROWS).nth(8).click()
    seen = page.evaluate(
        """() => {
          const row = document.activeElement;
          const scroller = row.closest(".gptcache-grid-scroller");
          scroller.scrollTop = 100;
          const rows = [...scroller.querySelectorAll("tr[data-key]")].slice(0, 20);
          window.kept = { row, rows, top: () => row.offsetTop - scroller.scrollTop };
          return window.kept.top();
        }"""
    )
    notebook.execute("for n in range(4): ask('first')")
    wait_for_count(page, f"{before + 16} rows")
    assert page.evaluate("() => window.kept.rows.every((row) => row.isConnected)")
    assert page.evaluate("() => document.activeElement === window.kept.row")
    assert page.evaluate("() => window.kept.row.getAttribute('aria-selected')") == "true"
    assert page.evaluate("() => window.kept.top()") == seen


def test_prompts_and_answers_are_shown_as_text(notebook, page):
    notebook.run(3)
    open_tab(page, "Entries")
    page.locator(ROWS, has_text="<img src=x").click()
    detail = page.locator(".gptcache-detail:visible")
    detail.get_by_text("more characters").wait_for()
    for text in ("<img src=x", "<b>bold</b>", "␛[31mred", "<script>window.broken = 1</script>"):
        assert text in detail.inner_text()
    assert page.locator(".gptcache-panel :is(img, script, pre b)").count() == 0
    assert page.evaluate("() => window.broken") is None


def test_shortcut_keys_in_the_panel_leave_the_cells_alone(notebook, page):
    cells = notebook.cells()
    for title in ("Models", "Lookups", "Entries"):
        open_tab(page, title)
        count = page.evaluate(f"() => {{ window.focusable = {FOCUSABLE}; return window.focusable.length; }}")
        assert count > 10
        for index in range(count):
            page.evaluate("(index) => window.focusable[index].focus()", index)
            for key in "ddxab":
                page.keyboard.press(key)
            described = page.evaluate("(index) => window.focusable[index].outerHTML.slice(0, 200)", index)
            assert notebook.cells() == cells, f"a shortcut reached the notebook from {described}"
        search(page, "")


def test_the_saved_output_has_no_prompts(notebook):
    data = notebook.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets[1].model.outputs.get(0).toJSON().data"
    )
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "FakeListChatModel" in data["text/html"]
    saved = json.dumps(data)
    assert "second" not in saved
    assert "forty-two" not in saved


@pytest.mark.parametrize("notebook", ["lab"], indirect=True)  # Notebook 7 has no second view
def test_a_second_view_of_the_panel_lives_too(notebook, page):
    before = lookups(page)
    page.evaluate(
        """() => {
          const app = window.jupyterapp;
          app.shell.currentWidget.content.activeCellIndex = 1;
          return app.commands.execute("notebook:create-output-view").then(() => null);
        }"""
    )
    page.wait_for_function("() => document.querySelectorAll('.gptcache-panel').length === 2")
    page.evaluate("() => window.jupyterapp.shell.activateById(document.querySelector('.jp-NotebookPanel').id)")
    notebook.execute("ask('first')")
    page.wait_for_function(
        """(text) => {
          const texts = [...document.querySelectorAll(".gptcache-figures")].map((element) => element.textContent);
          return texts.length === 2 && texts.every((each) => each.includes(text));
        }""",
        arg=f"of {before + 1} lookups",
    )


def test_off_takes_the_panel_away(notebook, page):
    notebook.run(4)
    page.locator(".gptcache-panel").first.wait_for(state="detached")


PICTURE_CELLS = [
    """\
%load_ext gptcache_magics
%gptcache on :memory:
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
mini = ChatOpenAI(model="gpt-4o-mini", api_key="none", base_url="URL/v1")
claude = ChatAnthropic(model="claude-haiku-4-5", api_key="none", base_url="URL", temperature=0)
questions = ["What is a cosine similarity, in one sentence?", "Name three uses of a cache.",
             "Who should label the pairs, and when?", "Summarise this review in ten words: the phone is fast.",
             "Is this review positive: the battery lasts two days?", "Translate to French: good morning"]
for model in (mini, claude, mini, mini, claude):
    for question in questions:
        model.invoke(question)
claude.invoke(questions[0], temperature=0.7);""",
    PANEL,
]


def test_the_panel_looks_right_at_every_width_and_in_both_themes(open_notebook, provider_server, pictures):
    provider_server.reset()
    provider_server.delay = 0.05
    notebook = open_notebook([cell.replace("URL", provider_server.url) for cell in PICTURE_CELLS])
    page = notebook.page
    notebook.run(0)
    notebook.run(1)
    provider_server.reset()
    page.locator(ROWS).first.wait_for()
    page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    for theme in ("Light", "Dark"):
        notebook.theme(f"JupyterLab {theme}")
        for width in (1280, 800, 480):
            page.set_viewport_size({"width": width, "height": 1400})
            for title in ("Models", "Lookups", "Entries"):
                open_tab(page, title)
                page.locator(ROWS).nth(1).click()
                page.locator(".gptcache-detail:visible").wait_for()
                page.mouse.move(0, 0)
                box = page.locator(".gptcache-panel").bounding_box()
                assert page.evaluate(
                    "() => [...document.querySelectorAll('.gptcache-panel, .gptcache-grid-scroller')]"
                    ".every((element) => element.scrollWidth <= element.clientWidth + 1)"
                ), f"something is wider than the panel ({box['width']} px)"
                page.locator(".gptcache-panel").screenshot(
                    path=pictures / f"panel-{title.lower()}-{theme.lower()}-{width}.png"
                )
