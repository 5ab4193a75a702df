"""The panel in JupyterLab and Notebook 7, over a store that real lookups filled."""

import json
import re

import pytest

from tests.support.panel_page import ROWS, open_tab, search, show_panel
from tests.support.processes import TAG_ALL, output_of

pytestmark = pytest.mark.browser

SETUP = """\
%load_ext gptcache_magics
%gptcache on :memory:
%config GPTCacheMagics.badge = False
import time
from langchain_core.language_models import FakeListChatModel
class Named(FakeListChatModel):
    model: str
def ask(question, answer="forty-two", model="small-model"):
    return Named(responses=[answer], model=model).invoke(question).content
for question in ["first", "sequel", "first", "first"]:
    ask(question)"""
PANEL = "%gptcache panel"
LOOP = """\
for number in range(30):
    ask(f"question {number} of the loop")
    time.sleep(0.1)
time.sleep(120)"""
HOSTILE_QUESTION = "<img src=x onerror='window.broken = 1'><b>bold</b> \\u202ereversed \\x1b[31mred"
HOSTILE_ANSWER = "<script>window.broken = 1</script>" + "one line " * 12_000
HOSTILE = f'ask("{HOSTILE_QUESTION}", "{HOSTILE_ANSWER}")'
CLOSE = "%gptcache off"
REPORTS = """\
for year in (2023, 2024, 2024):
    ask(f"Summarise the {year} report in three sentences.")"""
# Holds the interpreter for some seconds, so that no message of the browser is heard. The last output may be sent
# only after that; what is printed before it has been sent.
BUSY = """\
print("It begins.", flush=True)
print("It holds the interpreter.", flush=True)
(3 ** 12_000_000).bit_length()"""
CELLS = [SETUP, PANEL, LOOP, REPORTS, HOSTILE, BUSY, CLOSE]

FOCUSABLE = """[...document.querySelectorAll(".gptcache-panel *")].filter((element) => {
  if (!element.checkVisibility()) return false;
  element.focus();
  return document.activeElement === element;
})"""
HEADINGS = ".gptcache-grid:visible .gptcache-grid-heading"
ALL_ROWS = re.compile(r"^[\d,]+ rows?$")  # what the count says when nothing is searched for or selected


@pytest.fixture(scope="module", params=["lab", "notebook"])
def notebook(request, open_notebook):
    """Return a notebook that shows a panel, in one front end after the other."""
    return show_panel(open_notebook(CELLS, request.param))


@pytest.fixture
def page(notebook):
    return notebook.page


def choose_row(page, text):
    """Select a row, unless it is selected."""
    row = page.locator(ROWS, has_text=text).first
    if row.get_attribute("aria-selected") != "true":
        row.click()
    page.locator(f"{ROWS}[aria-selected=true]").wait_for()


def wait_for_count(page, text):
    page.locator(".gptcache-grid-count:visible", has_text=text).wait_for()


def lookups(page):
    """Return how many lookups the figures count."""
    return int(re.search(r"of ([\d,]+) lookups?", page.locator(".gptcache-figures").inner_text())[1].replace(",", ""))


def wait_for_lookups(page, count):
    page.locator(".gptcache-figures", has_text=f"of {count} lookup").wait_for()


def texts(page, column):
    """Return the texts of a column of the table in sight."""
    return page.locator(f"{ROWS} td:nth-child({column})").all_inner_texts()


def test_the_panel_shows_what_the_lookups_did(page):
    figures = page.locator(".gptcache-figures").inner_text()
    assert "50%" in figures
    assert "2 of 4 lookups" in figures
    assert "small-model" in page.locator(ROWS).inner_text()
    open_tab(page, "Lookups")
    wait_for_count(page, "4 rows")
    assert texts(page, 3) == ["hit", "hit", "miss", "miss"]
    open_tab(page, "Entries")
    page.locator(ROWS, has_text="sequel").click()
    page.locator(".gptcache-chat:visible", has_text="forty-two").wait_for()


def test_selecting_a_model_filters_every_tab_until_it_is_let_go(notebook, page):
    notebook.execute("ask('third', model='large-model')")
    wait_for_lookups(page, before := 5)
    open_tab(page, "Models")
    page.locator(ROWS, has_text="large-model").click()
    chip = page.get_by_role("button", name="Remove filter model large-model")
    chip.wait_for()
    wait_for_lookups(page, 1)
    assert len(texts(page, 1)) == 2, "the table of models shows all of them"
    for title in ("Lookups", "Entries"):
        open_tab(page, title)
        wait_for_count(page, "1 row")
    chip.focus()
    page.keyboard.press("Enter")
    chip.wait_for(state="detached")
    assert page.evaluate("() => document.activeElement.closest('.gptcache-since') !== null")
    wait_for_count(page, f"{before - 2} rows")
    open_tab(page, "Models")
    assert page.locator(f"{ROWS}[aria-selected=true]").count() == 0
    page.locator(ROWS, has_text="large-model").focus()
    for state in ("attached", "detached"):
        page.keyboard.press("Enter")
        chip.wait_for(state=state)
    wait_for_lookups(page, before)


def test_a_time_that_was_chosen_is_a_chip(page):
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_role("button", name="Remove filter time All").click()
    page.locator(".gptcache-since .mod-active", has_text="This run").wait_for()
    page.locator(".gptcache-chips button").first.wait_for(state="detached")


def test_a_filter_is_chosen_from_a_menu_by_the_keyboard(page):
    button = page.get_by_role("button", name="Filter", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    outcomes = page.get_by_role("combobox", name="Outcome", exact=True)
    outcomes.locator("option", has_text="hit").wait_for(state="attached")
    outcomes.select_option("hit")
    chip = page.get_by_role("button", name="Remove filter outcome hit")
    chip.wait_for()
    open_tab(page, "Lookups")
    page.locator(ROWS, has_text="miss").first.wait_for(state="detached")
    assert set(texts(page, 3)) == {"hit"}
    outcomes.focus()
    page.keyboard.press("Escape")
    outcomes.wait_for(state="hidden")
    assert page.evaluate("() => document.activeElement.textContent") == "Filter"
    page.keyboard.press("Enter")
    outcomes.wait_for()
    page.keyboard.press("Escape")  # with the focus still on the button that opened it
    outcomes.wait_for(state="hidden")
    chip.click()
    chip.wait_for(state="detached")
    page.locator(ROWS, has_text="miss").first.wait_for()


def test_a_miss_shows_its_reason_and_the_words_that_differ(notebook, page):
    notebook.run(3)
    open_tab(page, "Lookups")
    page.locator(ROWS, has_text=re.compile("miss.*the 2024 report")).click()
    detail = page.locator(".gptcache-detail:visible")
    detail.locator("del", has_text="2023").wait_for()
    assert detail.locator("ins").inner_text() == "2024"
    assert "in other words" in detail.inner_text()
    page.get_by_role("button", name="Only this cell").click()
    chip = page.get_by_role("button", name="Remove filter cell")
    chip.wait_for()
    wait_for_count(page, "3 rows")
    wait_for_lookups(page, 3)
    page.get_by_role("button", name="Only this cell").wait_for(state="hidden")
    open_tab(page, "Entries")
    wait_for_count(page, "2 rows")
    chip.click()
    chip.wait_for(state="detached")


def test_lookups_stand_under_the_cells_that_made_them(page):
    open_tab(page, "Lookups")
    page.get_by_label("Group by").select_option("cell")
    heading = page.locator(HEADINGS, has_text="for year in")
    heading.wait_for()
    assert "1 hit, 2 misses" in heading.inner_text()
    assert texts(page, 3)[:3] == ["miss", "miss", "hit"]
    heading.click()
    page.keyboard.press("Escape")  # lets go the row that the test before has selected
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(f"{ROWS}[aria-selected=true]", has_text="2023").wait_for()
    assert page.locator(f"{HEADINGS}[aria-selected]").count() == 0
    page.keyboard.press("Escape")
    page.get_by_label("Group by").select_option("")
    heading.wait_for(state="detached")


def test_columns_sort_and_the_search_finds(page):
    open_tab(page, "Entries")
    search(page, "/^(FIRST|sequel)$/")
    wait_for_count(page, "2 of")
    for order in (["first", "sequel"], ["sequel", "first"]):
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
    wait_for_count(page, ALL_ROWS)
    notebook.interrupt()
    notebook.wait_for_run(2)


def test_a_click_is_meant_for_the_row_that_was_there_when_the_button_went_down(notebook, page):
    open_tab(page, "Lookups")
    before = lookups(page)
    row = page.locator(ROWS).first
    key = row.get_attribute("data-key")
    row.hover()
    page.mouse.down()
    notebook.execute("ask('first')")
    wait_for_count(page, f"{before + 1} rows")
    page.mouse.up()
    page.locator(f"{ROWS}[data-key='{key}'][aria-selected=true]").wait_for()
    page.keyboard.press("Escape")


def test_an_update_keeps_the_rows_in_place_and_the_focus(notebook, page):
    open_tab(page, "Lookups")
    before = lookups(page)
    notebook.execute("for n in range(12): ask('first')")
    wait_for_count(page, f"{before + 12} rows")
    page.locator(ROWS).nth(8).click()
    seen = page.evaluate(
        """() => {
          const row = document.activeElement.closest("tr");
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
    assert page.evaluate("() => document.activeElement.closest('tr') === window.kept.row")
    assert page.evaluate("() => window.kept.row.getAttribute('aria-selected')") == "true"
    assert page.evaluate("() => window.kept.top()") == seen


def test_several_rows_are_selected_with_mouse_and_keys(page):
    open_tab(page, "Entries")
    entries = re.match(r"[\d,]+", page.locator(".gptcache-entries").inner_text())[0]
    wait_for_count(page, re.compile(f"^{entries} rows$"))  # those of the loop come above the ones that were there
    chosen = page.locator(f"{ROWS}[aria-selected=true]")
    rows = page.locator(ROWS)
    rows.nth(1).click()
    rows.nth(4).click(modifiers=["Shift"])
    wait_for_count(page, "4 selected")
    rows.nth(6).click(modifiers=["ControlOrMeta"])
    wait_for_count(page, "5 selected")
    page.keyboard.press("Shift+ArrowDown")
    wait_for_count(page, "2 selected")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    wait_for_count(page, "3 selected")
    page.keyboard.press("Shift+End")
    total = int(re.search(r"(\d+) rows", page.locator(".gptcache-grid-count:visible").inner_text())[1])
    wait_for_count(page, f"{total - 8} selected")
    page.keyboard.press("Escape")
    chosen.first.wait_for(state="detached")


def test_a_busy_kernel_is_said_where_rows_are_missing(notebook, page):
    open_tab(page, "Lookups")
    before = lookups(page)
    notebook.execute("for n in range(300): ask('first')")
    wait_for_count(page, f"{before + 300} rows")
    notebook.run(5, wait=False)
    notebook.cell(5).locator(".jp-OutputArea-output", has_text="It begins.").wait_for()
    scroller = page.locator(".gptcache-grid-scroller:visible")
    scroller.evaluate("(element) => { element.scrollTop = element.scrollHeight; }")
    page.locator(".gptcache-grid-busy:visible", has_text="kernel is busy").wait_for()
    assert page.get_by_role("button", name="Today").is_enabled()
    page.locator(ROWS, has_text="sequel").wait_for(timeout=60_000)
    page.locator(".gptcache-grid-busy:visible").wait_for(state="hidden")


def test_prompts_and_answers_are_shown_as_text(notebook, page):
    notebook.run(4)
    open_tab(page, "Entries")
    page.locator(ROWS, has_text="<img src=x").click()
    detail = page.locator(".gptcache-chat:visible")
    detail.get_by_text("more characters").wait_for()
    for text in ("<img src=x", "<b>bold</b>", "\\x1b[31mred", "<script>window.broken = 1</script>"):
        assert text in detail.inner_text()
    assert page.locator(".gptcache-panel :is(img, script, pre b)").count() == 0
    assert page.evaluate("() => window.broken") is None


def test_shortcut_keys_in_the_panel_do_not_reach_the_cells(notebook, page):
    cells, before = notebook.cells(), lookups(page)
    open_tab(page, "Models")
    choose_row(page, "small-model")
    page.get_by_role("button", name="Remove filter model").wait_for()
    for title, least in {"Models": 15, "Lookups": 20, "Entries": 20, "Charts": 4}.items():
        open_tab(page, title)
        if title in ("Lookups", "Entries"):
            search(page, "2024 report")
            wait_for_count(page, "of")
            choose_row(page, "2024 report")
        if title == "Lookups":
            page.get_by_role("button", name="Only this cell").wait_for()
        count = page.evaluate(f"() => {{ window.focusable = {FOCUSABLE}; return window.focusable.length; }}")
        assert count > least
        for index in range(count):
            page.evaluate("(index) => window.focusable[index].focus()", index)
            for key in "ddxab":
                page.keyboard.press(key)
            described = page.evaluate("(index) => window.focusable[index].outerHTML.slice(0, 200)", index)
            assert notebook.cells() == cells, f"a shortcut reached the notebook from {described}"
        if title != "Charts":
            search(page, "")
    page.get_by_role("button", name="Remove filter model").click()
    wait_for_lookups(page, before)


def test_the_saved_output_has_no_prompts(notebook):
    data, live = notebook.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets[1].model.outputs.toJSON().map((each) => each.data)"
    )
    assert "application/vnd.jupyter.widget-view+json" in live
    assert "small-model" in data["text/html"]
    saved = json.dumps(data)
    assert "sequel" not in saved
    assert "forty-two" not in saved


@pytest.mark.parametrize("notebook", ["lab"], indirect=True)  # Notebook 7 has no second view
def test_a_second_view_of_the_panel_lives_too(notebook, page):
    before = lookups(page)
    page.get_by_role("button", name="Beside").click()
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
    beside = page.locator(".jp-LinkedOutputView .gptcache-panel")
    assert beside.bounding_box()["x"] > page.locator(".jp-NotebookPanel").bounding_box()["width"]
    assert page.evaluate("() => document.querySelector('.jp-LinkedOutputView .gptcache-top').offsetTop") == 0
    page.locator(".lm-TabBar-tab", has_text="Output View").locator(".lm-TabBar-tabCloseIcon").click()
    beside.wait_for(state="detached")
    notebook.execute("ask('first')")
    wait_for_lookups(page, before + 2)
    page.evaluate("() => { [window.kept, window.jupyterapp] = [window.jupyterapp, undefined]; }")  # as elsewhere
    page.get_by_role("button", name="Beside").click()
    page.locator(".gptcache-hint", has_text="Create New View for Cell Output").wait_for()
    page.locator(".lm-Menu-item", has_text="Create New View for Cell Output").wait_for()
    page.keyboard.press("Escape")
    page.evaluate("() => { window.jupyterapp = window.kept; }")


def test_the_saved_form_is_out_of_sight_while_the_panel_lives(notebook, page):
    saved = notebook.cell(1).locator("[class^=gptcache-saved]")
    assert saved.count() == 1
    assert not saved.is_visible()
    assert notebook.cell(1).locator(".jp-OutputArea-child:visible").count() == 1


def test_off_leaves_what_is_saved_of_the_panel(notebook, page):
    notebook.run(6)
    page.locator(".gptcache-panel").first.wait_for(state="detached")
    assert "small-model" in notebook.cell(1).locator("[class^=gptcache-saved]").inner_text()


def test_a_panel_says_that_its_kernel_is_gone_until_its_cell_is_run_again(notebook, page):
    state, gone = page.locator(".gptcache-state:visible"), page.locator(".gptcache-gone:visible")
    kernel = "window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel"
    for end in ("restart", "shutdown"):
        notebook.run(0)
        notebook.run(1)
        page.locator(ROWS).first.wait_for()
        assert state.all_inner_texts() == ["on"]
        assert gone.count() == 0
        page.evaluate(f"() => {kernel}.{end}().then(() => null)")
        gone.wait_for()
        assert gone.all_inner_texts() == ["kernel gone: run the cell again"]
        assert state.count() == 0
        if end == "restart":
            page.wait_for_function(f"() => {kernel}.status === 'idle'")


def test_commands_and_other_kernels_reach_an_open_panel(open_notebook, jupyter):
    notebook = open_notebook([SETUP.replace(":memory:", ".gptcache-live"), PANEL])
    page = notebook.page
    notebook.run(0)
    notebook.run(1)
    page.locator(ROWS).first.wait_for()
    undo = page.get_by_role("button", name="Undo")
    open_tab(page, "Entries")
    wait_for_count(page, "2 rows")
    assert undo.get_attribute("aria-disabled") == "true"
    notebook.execute("import gptcache_magics as gm; gm.pin(gm.entries().index[0])")
    page.locator(ROWS, has_text="pinned").wait_for()
    page.get_by_role("columnheader", name="Marks").wait_for()
    notebook.execute("gm.clear(yes=True)")
    wait_for_count(page, "0 rows")
    page.locator(f"{ROWS} >> nth=0").wait_for(state="detached")
    notebook.execute("gm.undo()")
    wait_for_count(page, "2 rows")
    notebook.execute("gm.mode('refresh')")
    page.locator(".gptcache-mode", has_text="refresh").wait_for()
    notebook.execute("gm.mode('auto')")
    page.locator(".gptcache-mode").wait_for(state="detached")
    output_of(TAG_ALL, ".gptcache-live", folder=jupyter.folder)
    page.locator(ROWS, has_text="#elsewhere").nth(1).wait_for()
    notebook.execute("from langchain_core.globals import set_llm_cache; set_llm_cache(None)")
    page.locator(".gptcache-state", has_text="replaced").wait_for()
    page.locator(".gptcache-notice", has_text="Take it back: %gptcache on").wait_for()
    notebook.execute("gm.off()")


PICTURE_CELLS = [
    """\
%load_ext gptcache_magics
%gptcache on .gptcache-pictures
%config GPTCacheMagics.badge = False
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
mini = ChatOpenAI(model="gpt-4o-mini", api_key="none", base_url="URL/v1")
claude = ChatAnthropic(model="claude-haiku-4-5", api_key="none", base_url="URL", temperature=0)
questions = ["What is a cosine similarity, in one sentence?", "Name three uses of a cache.",
             "Who should label the pairs, and when?", "Summarise this review in ten words: the phone is fast.",
             "Is this review positive: the battery lasts two days?", "Translate to French: good morning"]""",
    """\
answers = [model.invoke(question) for model in (mini, claude, mini, mini, claude) for question in questions]""",
    """\
claude.invoke(questions[0], temperature=0.7)
mini.invoke("Who should label the pairs, and how many?")
answers = [mini.invoke(question) for question in questions[:3]]""",
    PANEL,
]


def test_the_panel_looks_right_at_every_width_and_in_both_themes(open_notebook, provider_server, pictures):
    provider_server.reset()
    provider_server.delay = 0.05
    notebook = open_notebook([cell.replace("URL", provider_server.url) for cell in PICTURE_CELLS])
    page = notebook.page
    for index in range(len(PICTURE_CELLS)):
        notebook.run(index)
    provider_server.reset()
    page.locator(ROWS).first.wait_for()
    page.evaluate("() => window.jupyterapp.shell.collapseLeft()")

    def seen(*names):
        """Check that each of these columns has room for its heading, and that the arrow of the sort is in sight."""
        heads = page.locator(".gptcache-grid:visible th:visible")
        for name in names:
            head = heads.get_by_text(name, exact=True)
            assert head.evaluate("(th) => th.scrollWidth <= th.clientWidth"), f"{name} is cut at {width} px"
        assert page.locator(".gptcache-grid:visible th[aria-sort$=scending]").is_visible()

    def picture(name):
        page.mouse.move(0, 0)
        page.evaluate("() => document.activeElement.blur()")
        box = page.locator(".gptcache-panel").bounding_box()
        assert page.evaluate(
            "() => [...document.querySelectorAll('.gptcache-panel, .gptcache-grid-scroller')]"
            ".every((element) => element.scrollWidth <= element.clientWidth + 1)"
        ), f"something is wider than the panel ({box['width']} px)"
        page.locator(".gptcache-panel").screenshot(path=pictures / f"panel-{name}-{theme.lower()}-{width}.png")

    for theme in ("Light", "Dark"):
        notebook.theme(f"JupyterLab {theme}")
        for width in (1280, 800, 480):
            page.set_viewport_size({"width": width, "height": 1400})
            open_tab(page, "Models")
            seen("Model", "Hit rate", "Saved", "Paid")
            picture("models")
            open_tab(page, "Lookups")
            choose_row(page, "and how many?")
            page.locator(".gptcache-detail:visible del").wait_for()
            seen("#", "Outcome", "Question", *(["At", "Reason"] if width > 480 else []))
            picture("lookups")
            page.get_by_label("Group by").select_option("cell")
            page.locator(HEADINGS).first.wait_for()
            page.get_by_role("button", name="Only this cell").click()
            wait_for_lookups(page, 5)
            wait_for_count(page, "5 rows")
            picture("cells")
            page.get_by_role("button", name="Remove filter cell").click()
            page.get_by_label("Group by").select_option("")
            open_tab(page, "Entries")
            choose_row(page, "Name three uses")
            seen("Question", "Stored", *(["Id", "Answer"] if width > 480 else []))
            picture("entries")
            open_tab(page, "Models")
            choose_row(page, "gpt-4o-mini")
            wait_for_lookups(page, 22)
            picture("filtered")
            open_tab(page, "Charts")
            page.wait_for_function(  # as wide as there is room, and its letters as large as elsewhere
                """() => {
                  const chart = document.querySelector(".gptcache-panel svg:not(.gptcache-grid-spark)");
                  return Math.abs(chart.clientWidth / chart.viewBox.baseVal.width - 1) < 0.2;
                }"""
            )
            picture("charts")
            page.get_by_role("button", name="Remove filter model").click()
            page.get_by_role("button", name="Remove filter model").wait_for(state="detached")
