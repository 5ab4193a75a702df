"""The panel without a browser: what its static forms show, when it reads, and that it ends."""

import threading
import time

import pytest
from langchain_core.language_models import FakeListChatModel

import gptcache_magics as gm
from gptcache_magics import widgets
from gptcache_magics.controller import controller
from gptcache_magics.widgets.panel import open_panels
from gptcache_magics.widgets.static import static_html, static_text

HOSTILE_QUESTION = "<script>alert(1)</script> \x1b[31mred \u202etxet"
HOSTILE_ANSWER = "<img src=x onerror=alert(2)> $a$ " + "word " * 20_000


class NamedModel(FakeListChatModel):
    """A fake model that says its name, as those of providers do."""

    model: str


def ask(question, answer="an answer", name="plain-model"):
    return NamedModel(responses=[answer], model=name).invoke(question).content


@pytest.fixture
def source(tmp_path):
    """Return the source of the cache that is on; two misses and a hit were looked up."""
    gm.on(tmp_path)
    for question in ("first", "second", "first"):
        ask(question)
    yield controller.source()
    for panel in list(open_panels):
        panel.close()
    if controller.cache is not None:
        gm.off()


@pytest.fixture
def panel(source):
    return gm.panel()


def look_at(panel):
    """Make the panel believe that a browser shows it."""
    panel._view_count = 1


def wait_until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "waited for 5 seconds in vain"
        time.sleep(0.01)


def figures_of(panel):
    return panel._figures.value


def test_a_new_panel_shows_the_figures_at_once(panel):
    assert "1 of 3 lookups" in figures_of(panel)
    assert "2 entries" in panel._head.value
    assert panel._tabs[0].grid.page["total"] == 1
    assert panel._error.value == ""


def test_lookups_reach_a_panel_that_is_shown(panel):
    look_at(panel)
    ask("third")
    wait_until(lambda: "1 of 4 lookups" in figures_of(panel))


def test_only_the_tab_that_is_open_is_read(panel):
    look_at(panel)
    lookups, entries = panel._tabs[1].grid, panel._tabs[2].grid
    panel._tab.selected_index = 1
    wait_until(lambda: lookups.page["total"] == 3)
    assert entries.page["total"] == 0


def test_a_panel_that_nobody_sees_reads_nothing_until_it_is_seen(panel):
    before = figures_of(panel)
    ask("third")
    time.sleep(0.6)
    assert figures_of(panel) == before
    look_at(panel)
    wait_until(lambda: "1 of 4 lookups" in figures_of(panel))


def test_a_busy_cache_is_painted_at_most_four_times_a_second(panel):
    look_at(panel)
    painted = []
    panel._figures.observe(painted.append, "value")
    started = time.monotonic()
    while time.monotonic() - started < 1.5:
        ask(f"question {time.monotonic()}")
    assert len(painted) <= 7
    wait_until(lambda: f"1 of {len(gm.lookups()):,} lookups" in figures_of(panel))


def test_an_error_while_reading_is_said_and_the_last_tables_stay(panel, source, monkeypatch):
    look_at(panel)
    before = figures_of(panel)

    def fail(*args, **kwargs):
        raise OSError("disk <unplugged>")

    with monkeypatch.context() as broken:
        broken.setattr(type(source.store), "lookups", fail)
        ask("third")
        wait_until(lambda: "disk &lt;unplugged&gt;" in panel._error.value)
        assert figures_of(panel) == before
        assert panel._tabs[0].grid.page["total"] == 1
    wait_until(lambda: panel._error.value == "" and "1 of 4 lookups" in figures_of(panel))


def test_closing_ends_the_thread_and_is_harmless_twice(panel):
    thread = panel._thread
    panel.close()
    thread.join(5)
    assert not thread.is_alive()
    panel.close()
    ask("after the panel was closed")


def test_a_new_panel_closes_the_one_before_it(panel, source):
    newer = widgets.Panel(source, tab="Entries")
    assert list(open_panels) == [newer]
    panel._thread.join(5)
    assert [thread.name for thread in threading.enumerate()].count("gptcache-panel") == 1


def test_off_closes_the_panel(panel):
    gm.off()
    panel._thread.join(5)
    assert not open_panels


def test_a_store_that_is_off_can_be_looked_at(source):
    where = source.where
    gm.off()
    panel = gm.panel(at=where)
    assert "1 of 3 lookups" in figures_of(panel)
    assert "off" in panel._head.value
    assert [value for _, value in panel._since.options] == ["all", "today", "7d"]


def test_the_selected_entry_is_shown_in_full_and_escaped(panel, source):
    look_at(panel)
    ask(HOSTILE_QUESTION, HOSTILE_ANSWER)
    panel._tab.selected_index = 2
    entries = panel._tabs[2]
    wait_until(lambda: entries.grid.page["total"] == 3)
    key = next(row[0] for row in entries.grid.page["spans"][0]["rows"] if "alert(1)" in str(row))
    entries.grid.selection = [key]
    assert "&lt;script&gt;alert(1)&lt;/script&gt; ␛[31mred" in entries.detail.value
    assert "<img" not in entries.detail.value
    assert "more characters" in entries.detail.value


def test_the_selected_lookup_shows_the_answer_that_was_served(panel):
    look_at(panel)
    panel._tab.selected_index = 1
    lookups = panel._tabs[1]
    wait_until(lambda: lookups.grid.page["total"] == 3)
    lookups.grid.selection = ["3"]
    assert "Lookup 3: hit" in lookups.detail.value
    assert "an answer" in lookups.detail.value


def test_an_empty_cache_says_what_to_do(tmp_path, source):
    gm.off()
    gm.on(tmp_path / "empty")
    panel = widgets.Panel(controller.source(), tab="Lookups")
    assert "no lookups yet" in figures_of(panel)
    assert "Run a cell" in panel._tabs[1].grid.page["note"]
    assert "Run a cell" in static_text(controller.source())


def test_the_saved_form_has_models_and_figures_but_no_prompts(panel, source):
    ask(HOSTILE_QUESTION, HOSTILE_ANSWER, name="<b>bold</b>")
    data = panel._repr_mimebundle_()
    assert "&lt;b&gt;bold&lt;/b&gt;" in data["text/html"]
    assert "<b>bold</b>" in data["text/plain"]
    for form in (data["text/html"], data["text/plain"]):
        assert "1 of 4 lookups" in form
        assert "first" not in form
        assert "alert" not in form
    assert "<script" not in data["text/html"]
    assert " class=" not in data["text/html"].replace(' class="tex2jax_ignore', "")


def test_the_full_static_form_has_everything_escaped(source):
    ask(HOSTILE_QUESTION, HOSTILE_ANSWER)
    html = static_html(source, everything=True)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; ␛[31mred \ufffdtxet" in html
    assert "&lt;img src=x onerror=alert(2)&gt;" in html
    assert "<script" not in html
    assert "<img" not in html
    shown = gm.panel(static=True)
    assert "alert(1)" in shown._repr_html_()
    assert "1 of 4 lookups" in repr(shown)


def test_the_text_for_a_terminal_has_no_escapes(source):
    ask("question", name="\x1b]0;title\x07 name")
    assert "␛]0;title␇ name" in static_text(source)
    assert "\x1b" not in static_text(source)
