"""The Entries tab in JupyterLab: read a conversation, copy it as code, mark entries, remove them, undo."""

import re

import pytest

from tests.support.panel_page import ROWS, button, search, wait_for_words

pytestmark = pytest.mark.browser

SETUP = """\
%load_ext gptcache_magics
%gptcache on :memory:
%config GPTCacheMagics.badge = False
import os
os.environ["OPENAI_API_KEY"] = "none"
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
@tool
def weather(city: str) -> str:
    "The weather in a city."
    return "Sun"
llm = ChatOpenAI(model="gpt-4o-mini", base_url="URL/v1", temperature=0.2)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
def talk(question):
    said = [SystemMessage("You are a guide. Answer in one sentence, and ask a tool about the weather."),
            HumanMessage([{"type": "text", "text": question},
                          {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}])]
    said.append(llm.bind_tools([weather]).invoke(said))
    said.append(ToolMessage("Sun, 24 degrees, a light wind from the south", tool_call_id=said[-1].tool_calls[0]["id"]))
    return llm.invoke([*said, HumanMessage("So what should I wear this afternoon?")])
for number in range(30):
    llm.invoke(f"question {number}")"""
TALK = """\
talk("Is it a good day for a walk in this park?")
talk("Is it a good day for a walk in this park?")
%gptcache refresh
llm.invoke("Name three uses of a cache, in one sentence.")
llm.invoke("Name three uses of a cache, in one sentence.")
%gptcache auto
llm.invoke("Name three uses of a cache, in one sentence.");"""
CELLS = [
    SETUP,
    TALK.replace("%gptcache refresh", "%gptcache mode refresh").replace("%gptcache auto", "%gptcache mode auto"),
]
PANEL = "%gptcache panel --tab Entries"
FOCUSED = "() => (document.activeElement.textContent || document.activeElement.placeholder || '').trim()"
FOCUSABLE = """[...document.querySelectorAll(".gptcache-actions *, .gptcache-entry *")].filter((element) => {
  if (!element.checkVisibility()) return false;
  element.focus();
  return document.activeElement === element;
})"""


@pytest.fixture(scope="module")
def notebook(open_notebook, provider_server):
    """Return a notebook that shows the entries of two conversations and thirty questions."""
    provider_server.reset()
    notebook = open_notebook([*(cell.replace("URL", provider_server.url) for cell in CELLS), PANEL])
    for index in range(3):
        notebook.run(index)
    notebook.page.locator(ROWS).first.wait_for()
    notebook.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    return notebook


@pytest.fixture
def page(notebook):
    """Return the page with nothing searched for and nothing selected."""
    page = notebook.page
    search(page, "")
    page.locator(".gptcache-grid-count:visible", has_text=re.compile(r"^\d+ rows")).wait_for()
    page.locator(ROWS).first.click()
    page.locator(".gptcache-entry").wait_for()  # before the wait for its end
    page.keyboard.press("Escape")
    page.locator(".gptcache-entry").wait_for(state="hidden")
    return page


def row(page, text):
    return page.locator(ROWS, has_text=text).first


def read(page, text):
    row(page, text).click()
    page.locator(".gptcache-entry", has_text=text).wait_for()
    return page.locator(".gptcache-entry")


def tab_to(page, name, *, back=False):
    """Press Tab until what has the focus is called so."""
    for _ in range(20):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.evaluate(FOCUSED) == name:
            return
    pytest.fail(f"Tab does not reach {name}")


def test_a_conversation_is_read_as_a_chat(page):
    entry = read(page, "So what should I wear")
    page.locator(".gptcache-said.is-answer", has_text="gpt-4o-mini answers").wait_for()
    heads = entry.locator(".gptcache-said h5").all_inner_texts()
    assert heads == ["System", "Human", "AI", "Tool weather", "Human", "Answer"]
    assert "weather(city=" in entry.locator("pre").inner_text()
    facts = entry.locator("dl").inner_text()
    for text in ("gpt-4o-mini", "T 0.2", "stop", "[2]", "Hits"):
        assert text in facts


def test_an_image_comes_when_it_is_asked_for(page):
    entry = read(page, "So what should I wear")
    assert entry.locator("img").count() == 0
    button(page, "Show").click()
    entry.locator("img").wait_for()
    assert entry.locator("img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 1
    assert entry.locator("img").get_attribute("src").startswith("blob:")
    button(page, "Hide").click()
    entry.locator("img").wait_for(state="detached")


def test_earlier_answers_unfold(page):
    entry = read(page, "Name three uses")
    assert entry.locator("details").count() == 1
    entry.locator("summary").focus()
    page.keyboard.press("Enter")
    assert entry.locator("details .gptcache-text").is_visible()


def test_the_copied_code_is_a_hit(notebook, page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    entry = read(page, "So what should I wear")
    button(page, "Copy as Python").click()
    entry.get_by_text("Copied").wait_for()
    code = page.evaluate("() => navigator.clipboard.readText()")
    area = entry.locator("textarea")
    assert area.input_value() == code
    assert area.evaluate("(area) => area.selectionEnd - area.selectionStart") == len(code)
    notebook.execute(
        f"exec({code!r})\nfound = %gptcache lookups -n 1\nassert list(found.outcome) == ['hit']\ncopied = True"
    )
    notebook.execute("assert copied\nllm.invoke('after the copied code')")
    row(page, "after the copied code").wait_for()
    read(page, "Name three uses")
    assert not area.is_visible()


def test_the_code_is_shown_and_selected_where_the_clipboard_is_closed(page):
    page.evaluate("() => Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })")
    entry = read(page, "Name three uses")
    button(page, "Copy as Python").click()
    entry.get_by_text("press Ctrl+C").wait_for()
    area = entry.locator("textarea")
    assert area.evaluate("(area) => document.activeElement === area && area.readOnly")
    assert "llm.invoke(messages)" in area.evaluate("(area) => area.value.slice(area.selectionStart, area.selectionEnd)")
    page.evaluate("() => delete navigator.clipboard")


def test_entries_are_pinned_and_tagged(page):
    names = ("Pin", "Unpin", "Tag", "Remove")
    assert all(button(page, name).is_disabled() for name in names)
    row(page, "question 11").click()
    row(page, "question 14").click(modifiers=["Control"])
    wait_for_words(page, "2 entries selected")
    button(page, "Pin").click()
    wait_for_words(page, "2 entries pinned.")
    page.get_by_placeholder("tag").fill("lesson-1")
    page.keyboard.press("Enter")
    wait_for_words(page, "2 entries tagged lesson-1.")
    search(page, "pinned")
    page.locator(".gptcache-grid-count:visible", has_text="2 of").wait_for()
    page.locator(ROWS).locator("td", has_text="pinned #lesson-1").nth(1).wait_for()
    read(page, "question 11")
    assert page.locator(".gptcache-entry .gptcache-mark").all_inner_texts() == ["pinned", "#lesson-1"]
    page.get_by_placeholder("tag").fill("two words")
    button(page, "Tag").click()
    wait_for_words(page, "A tag is one word")
    button(page, "Unpin").click()
    wait_for_words(page, "1 entry unpinned.")


def test_many_are_removed_and_brought_back_with_the_keyboard_only(page):
    search(page, "/^question/")
    page.locator(".gptcache-grid-count:visible", has_text="30 of").wait_for()
    page.locator(ROWS).first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+End")
    wait_for_words(page, "30 entries selected")
    tab_to(page, "Remove")
    page.keyboard.press("Enter")
    wait_for_words(page, "more than 20 at once")
    page.wait_for_function(f"() => ({FOCUSED})() === 'Keep them'")
    page.keyboard.press("Enter")
    wait_for_words(page, "Nothing was removed.")
    tab_to(page, "Remove", back=True)
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => ({FOCUSED})() === 'Keep them'")
    tab_to(page, "Remove 30 entries", back=True)
    page.keyboard.press("Enter")
    wait_for_words(page, "30 entries removed")
    page.locator(".gptcache-grid-note:visible", has_text="No row").wait_for()
    page.wait_for_function(f"() => ({FOCUSED})() === 'Undo'")
    page.keyboard.press("Enter")
    wait_for_words(page, "30 entries came back.")
    page.locator(".gptcache-grid-count:visible", has_text="30 of").wait_for()
    assert page.locator(".gptcache-entries", has_text="entries").is_visible()


def test_a_button_pressed_at_once_acts_on_the_rows_just_selected(page):
    row(page, "question 20").click()
    row(page, "question 21").click(modifiers=["Control"])
    button(page, "Pin").evaluate("(pin) => pin.click()")
    wait_for_words(page, "2 entries pinned.")
    button(page, "Unpin").click()
    wait_for_words(page, "2 entries unpinned.")


def test_shortcut_keys_in_the_entry_do_not_reach_the_cells(notebook, page):
    cells = notebook.cells()
    read(page, "So what should I wear")
    button(page, "Copy as Python").click()
    page.locator(".gptcache-entry textarea").wait_for()
    count = page.evaluate(f"() => {{ window.focusable = {FOCUSABLE}; return window.focusable.length; }}")
    assert count >= 9
    for index in range(count):
        page.evaluate("(index) => window.focusable[index].focus()", index)
        for key in "ddxab":
            page.keyboard.press(key)
        assert notebook.cells() == cells


def test_buttons_work_while_a_cell_runs(notebook, page):
    read(page, "question 3")
    page.evaluate(
        """() => {
          const { kernel } = window.jupyterapp.shell.currentWidget.context.sessionContext.session;
          window.slept = kernel.requestExecute({ code: "import time; time.sleep(120)", store_history: false }).done;
          window.awake = false;
          window.slept.then(() => (window.awake = true));
        }"""
    )
    button(page, "Pin").click()
    wait_for_words(page, "pinned")
    button(page, "Copy as Python").click()
    page.locator(".gptcache-entry textarea").wait_for()
    assert not page.evaluate("() => window.awake"), "the cell ended before the panel answered"
    notebook.interrupt()
    page.evaluate("() => window.slept.then(() => null)")


def test_the_tab_looks_right_at_every_width_and_in_both_themes(notebook, page, pictures):
    panel = page.locator(".gptcache-panel")
    read(page, "So what should I wear")
    button(page, "Pin").click()
    page.get_by_placeholder("tag").fill("lesson-1")
    page.keyboard.press("Enter")
    wait_for_words(page, "tagged")
    page.locator(ROWS).nth(5).click()
    for theme in ("Light", "Dark"):
        notebook.theme(f"JupyterLab {theme}")
        for width in (1280, 800, 480):
            page.set_viewport_size({"width": width, "height": 1900})
            read(page, "So what should I wear")
            page.mouse.move(0, 0)
            assert page.evaluate(
                "() => [...document.querySelectorAll('.gptcache-panel, .gptcache-actions, .gptcache-entry')]"
                ".every((element) => element.scrollWidth <= element.clientWidth + 1)"
            ), "something is wider than the panel"
            panel.screenshot(path=pictures / f"entry-{theme.lower()}-{width}.png")
        page.set_viewport_size({"width": 800, "height": 1900})
        read(page, "Name three uses")
        page.locator(".gptcache-entry summary").click()
        button(page, "Copy as Python").click()
        page.locator(".gptcache-entry textarea").wait_for()
        panel.screenshot(path=pictures / f"entry-code-{theme.lower()}-800.png")
        page.locator(ROWS).first.click()
        page.keyboard.press("Shift+End")
        wait_for_words(page, "entries selected")
        button(page, "Remove").click()
        wait_for_words(page, "more than 20 at once")
        panel.screenshot(path=pictures / f"entry-remove-{theme.lower()}-800.png")
        button(page, "Keep them").click()
