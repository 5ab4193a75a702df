"""The panel without a browser: what its static forms show, when it reads, and that it ends."""

import gc
import itertools
import sqlite3
import threading
import time
import weakref
from contextlib import contextmanager

import pytest
from IPython.display import display
from IPython.utils.capture import capture_output
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel

import gptcache_magics as gm
from gptcache_magics import widgets
from gptcache_magics.controller import controller
from gptcache_magics.settings import CELL, Cell, Config, Settings
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sqlite import connections
from gptcache_magics.widgets.panel import open_panels
from gptcache_magics.widgets.static import Snapshot
from tests.support.processes import TAG_ALL, output_of
from tests.support.shell import fresh_shell
from tests.support.waiting import wait_until
from tests.support.widget_state import state_of, unsaved_of

HOSTILE_QUESTION = "<script>alert(1)</script> \x1b[31mred \u202etxet"
HOSTILE_ANSWER = "<img src=x onerror=alert(2)> $a$ " + "word " * 20_000


class NamedModel(FakeListChatModel):
    """A fake model that says its name, as those of providers do."""

    model: str


def ask(question, answer="an answer", name="plain-model"):
    return NamedModel(responses=[answer], model=name).invoke(question).content


@pytest.fixture
def source(on):
    """Return the source of the cache that is on; two misses and a hit were looked up."""
    for question in ("first", "second", "first"):
        ask(question)
    yield controller.source()
    for panel in list(open_panels):
        panel.close()


@pytest.fixture
def panel(source):
    return gm.panel()


def look_at(panel):
    """Make the panel believe that a browser shows it."""
    panel._view_count = 1


def figures_of(panel):
    return panel._figures.value


def test_a_new_panel_shows_the_figures_at_once(panel):
    assert "1 of 3 lookups" in figures_of(panel)
    assert "2 entries" in panel._head.value
    assert panel._tabs[0].grid.page["total"] == 1
    assert panel._line.value == ""


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


@pytest.mark.slow
def test_a_panel_that_nobody_sees_reads_nothing_until_it_is_seen(panel):
    before = figures_of(panel)
    ask("third")
    time.sleep(0.6)
    assert figures_of(panel) == before
    look_at(panel)
    wait_until(lambda: "1 of 4 lookups" in figures_of(panel))


@pytest.mark.slow
def test_a_busy_cache_is_painted_at_most_four_times_a_second(panel):
    look_at(panel)
    painted = []
    panel._figures.observe(lambda _: painted.append(time.monotonic()), "value")
    while len(painted) < 3:
        ask(f"question {time.monotonic()}")
    pauses = [after - before for before, after in itertools.pairwise(painted)]
    assert min(pauses) > 0.24
    wait_until(lambda: f"1 of {len(gm.lookups()):,} lookups" in figures_of(panel))


@pytest.mark.slow
def test_an_error_while_reading_is_said_and_the_last_tables_stay(panel, source, monkeypatch):
    look_at(panel)
    before = figures_of(panel)

    def fail(*args, **kwargs):
        raise OSError("disk <unplugged>")

    with monkeypatch.context() as broken:
        broken.setattr(type(source.store), "sums", fail)
        ask("third")
        wait_until(lambda: "disk &lt;unplugged&gt;" in panel._line.value)
        assert figures_of(panel) == before
        assert panel._tabs[0].grid.page["total"] == 1
    wait_until(lambda: panel._line.value == "" and "1 of 4 lookups" in figures_of(panel))


def test_closing_ends_the_thread_and_is_harmless_twice(panel):
    thread = panel._painter.thread
    panel.close()
    thread.join(5)
    assert not thread.is_alive()
    panel.close()
    ask("after the panel was closed")


def test_a_new_panel_closes_the_one_before_it(panel, source):
    newer = widgets.Panel(source, tab="Entries")
    assert list(open_panels) == [newer]
    panel._painter.thread.join(5)
    assert [thread.name for thread in threading.enumerate()].count("gptcache-panel") == 1


def test_off_closes_the_panel(panel):
    gm.off()
    panel._painter.thread.join(5)
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
    assert r"&lt;script&gt;alert(1)&lt;/script&gt; \x1b[31mred" in entries.detail.value
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
    assert "Run a cell" in Snapshot.take(controller.source()).text()


def test_an_empty_table_names_the_filter_and_the_next_step(panel, source):
    gm.stats(reset=True)
    lookups = open_tab(panel, "Lookups")
    wait_until(lambda: "No lookups in this run. The store has 2 entries: run a cell" in lookups.grid.page["note"])
    panel.narrow("tag", "lesson-1")
    panel.narrow("outcome", "bypass")
    panel._paint()
    said = "with tag lesson-1 and outcome bypassed{}. To remove a filter, press its chip above."
    assert lookups.grid.page["note"] == f"No lookups {said.format(' in this run')}"
    assert "no lookups with these filters" in figures_of(panel)
    for title, note in {"Models": f"No models {said}", "Entries": f"No entries {said}"}.items():
        tab = open_tab(panel, title)
        panel._paint()
        assert tab.grid.page["note"] == note.format(" in this run" if title == "Models" else "")
    tuning = open_tab(panel, "Tuning")
    panel._paint()
    assert "Not filtered by tag and outcome." in tuning.drawing.value
    assert "%gptcache on --match semantic" in tuning.grid.page["note"]


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
    classes = {f' class="{panel._mark}"', ' class="tex2jax_ignore'}
    assert data["text/html"].count(" class=") == sum(map(data["text/html"].count, classes))


def test_the_saved_form_follows_the_filters_that_were_typed_and_names_them(panel, source):
    ask("third", name="small-model")
    gm.tag("draft", grep="third")
    for shown in (gm.panel(tag="draft"), gm.panel(static=True, tag="draft")):
        text = shown._repr_mimebundle_()["text/plain"] if hasattr(shown, "_repr_mimebundle_") else repr(shown)
        html = shown._repr_mimebundle_()["text/html"] if hasattr(shown, "_repr_mimebundle_") else shown._repr_html_()
        assert "this run, tag draft" in text
        assert "this run, tag draft, as of" in html
        assert "0 of 1 lookup" in text
        assert "0 of 1 lookup" in html


def test_the_full_static_form_has_everything_escaped(source):
    ask(HOSTILE_QUESTION, HOSTILE_ANSWER)
    html = gm.panel(static=True)._repr_html_()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; \\x1b[31mred \\u202etxet" in html
    assert "&lt;img src=x onerror=alert(2)&gt;" in html
    assert "<script" not in html
    assert "<img" not in html
    shown = gm.panel(static=True)
    assert "alert(1)" in shown._repr_html_()
    assert "1 of 4 lookups" in repr(shown)


def test_the_text_for_a_terminal_has_no_escapes(source):
    ask("question", name="\x1b]0;title\x07 name")
    assert r"\x1b]0;title\x07 name" in Snapshot.take(source).text()
    assert "\x1b" not in Snapshot.take(source).text()


def open_tab(panel, title):
    """Open a tab and return it, painted."""
    look_at(panel)
    titles = [tab.title for tab in panel._tabs]
    panel._tab.selected_index = titles.index(title)
    tab = panel._tabs[titles.index(title)]
    wait_until(lambda: tab.opened)
    return tab


def rows_of(tab):
    """Return the keys of the rows of a tab, without headings."""
    return [row[0] for span in tab.grid.page["spans"] for row in span["rows"] if not row[0].startswith("\n")]


def headings_of(tab):
    """Return name and figures of each heading of a tab."""
    return [row[1:] for span in tab.grid.page["spans"] for row in span["rows"] if row[0].startswith("\n")]


@contextmanager
def cell(number, first_line="answer_all()"):
    """Attribute lookups to a cell."""
    token = CELL.set(Cell("analysis.ipynb", f"id-{number}", number, first_line))
    yield
    CELL.reset(token)


def test_a_selected_model_filters_figures_and_tabs(panel):
    ask("third", name="large-model")
    models = open_tab(panel, "Models")
    wait_until(lambda: len(rows_of(models)) == 2)
    models.grid.selection = ["large-model"]
    wait_until(lambda: "0 of 1 lookup" in figures_of(panel))
    assert len(rows_of(models)) == 2
    assert [chip["label"] for chip in panel._filters.chips] == ["Remove filter model large-model"]
    assert rows_of(open_tab(panel, "Lookups")) == ["4"]
    assert len(rows_of(open_tab(panel, "Entries"))) == 1
    panel._filters._handle_custom_msg({"remove": "model"}, [])
    assert models.grid.selection == []
    assert panel._filters.chips == []
    wait_until(lambda: "1 of 4 lookups" in figures_of(panel))


def test_a_selected_model_stays_in_the_table_whatever_the_time(tmp_path, source):
    gm.off()
    gm.on(tmp_path / "other")
    panel = widgets.Panel(controller.source())
    panel.narrow("model", "plain-model")
    models = open_tab(panel, "Models")
    wait_until(lambda: models.grid.page["total"] == 1)
    panel.narrow("model", None)
    wait_until(lambda: models.grid.page["total"] == 0)


def test_lookups_of_an_unknown_model_can_be_looked_at(panel, source):
    source.ledger.note("error", Reason(Kind.ERROR, "no model"), 0.001)
    models = open_tab(panel, "Models")
    wait_until(lambda: "unknown" in rows_of(models))
    models.grid.selection = ["unknown"]
    wait_until(lambda: ">1 error<" in figures_of(panel))


def test_the_time_and_the_cell_are_chips_too(panel):
    with cell(12):
        ask("third")
    panel._since.value = "all"
    panel.narrow("cell", 12)
    assert [(chip["kind"], chip["text"]) for chip in panel._filters.chips] == [("time", "All"), ("cell", "[12]")]
    look_at(panel)
    wait_until(lambda: "0 of 1 lookup" in figures_of(panel))
    panel._filters._handle_custom_msg({"remove": "since"}, [])
    assert panel._since.value == "run"
    assert len(rows_of(open_tab(panel, "Entries"))) == 1


def test_a_miss_says_why_and_narrows_the_panel_to_its_cell(panel):
    with cell(12):
        ask("Summarise the 2023 report in three sentences.")
        ask("Summarise the 2024 report in three sentences.")
    lookups = open_tab(panel, "Lookups")
    wait_until(lambda: len(rows_of(lookups)) == 5)
    lookups.grid.selection = ["5"]
    assert "Asked in other words" in lookups.detail.value
    assert ">2023</del>" in lookups.detail.value
    assert ">2024</ins>" in lookups.detail.value
    assert lookups.only_cell.layout.display == ""
    lookups.only_cell.click()
    wait_until(lambda: rows_of(lookups) == ["5", "4"])
    assert lookups.only_cell.layout.display == "none"
    assert lookups.grid.selection == ["5"]


def test_a_cause_narrows_the_panel_in_the_words_of_the_tables(panel):
    ask("first", name="other-model")
    gm.mode("bypass")
    ask("first")
    lookups = open_tab(panel, "Lookups")
    wait_until(lambda: len(rows_of(lookups)) == 5)
    by_cause = gm.stats("cause")["lookups"].to_dict()
    assert by_cause == {"first time": 2, "hit": 1, "another model": 1, "mode": 1}
    lookups.grid.order = {**lookups.grid.order, "grouped": "cause"}
    wait_until(lambda: len(headings_of(lookups)) == 4)
    assert headings_of(lookups) == [
        ["first time", "2 misses"],
        ["mode", "1 bypassed"],
        ["another model", "1 miss"],
        ["hit", "1 hit"],
    ]
    lookups.grid.selection = ["4"]
    lookups.only_cause.click()
    wait_until(lambda: rows_of(lookups) == ["4"])
    assert [chip["label"] for chip in panel._filters.chips] == ["Remove filter cause another model"]
    assert lookups.only_cause.layout.display == "none"
    wait_until(lambda: "0 of 1 lookup" in figures_of(panel))
    assert rows_of(open_tab(panel, "Entries")) == [gm.entries(model="other-model").index[0]]
    panel.narrow("cause", "mode")
    wait_until(lambda: ">1 bypassed<" in figures_of(panel))


def test_hits_misses_and_bypassed_calls_of_a_cell_are_in_sight(panel):
    with cell(12):
        ask("third")
        gm.mode("bypass")
        ask("third")
        gm.mode("auto")
    lookups = open_tab(panel, "Lookups")
    lookups.grid.order = {**lookups.grid.order, "grouped": "cell"}
    wait_until(lambda: len(headings_of(lookups)) == 2)
    assert headings_of(lookups)[0] == ["analysis.ipynb [12] answer_all()", "1 miss, 1 bypassed"]
    models = open_tab(panel, "Models")
    counts = ["lookups", "hits", "misses", "bypassed"]
    assert set(counts) <= {column.name for column in models.columns}
    wait_until(lambda: models.table.loc["plain-model", counts].tolist() == [5, 1, 3, 1])


def test_a_lookup_of_no_cell_offers_none(panel):
    lookups = open_tab(panel, "Lookups")
    lookups.grid.selection = ["1"]
    assert "Asked for the first time" in lookups.detail.value
    assert lookups.only_cell.layout.display == "none"


@pytest.mark.slow
def test_an_explanation_that_fails_is_said_and_tried_again(panel, source, monkeypatch):
    lookups = open_tab(panel, "Lookups")

    def fail(*args, **kwargs):
        raise OSError("disk <unplugged>")

    with monkeypatch.context() as broken:
        broken.setattr(type(source.store), "configurations", fail)
        lookups.grid.selection = ["1"]
        assert "disk &lt;unplugged&gt;" in lookups.detail.value
    ask("third")
    wait_until(lambda: "Asked for the first time" in lookups.detail.value)


@pytest.mark.slow
def test_lookups_stand_under_their_cells_and_misses_come_first(panel):
    for number in (11, 12):
        with cell(number):
            for question in (f"new in {number}", "first", f"newer in {number}"):
                ask(question)
    lookups = open_tab(panel, "Lookups")
    lookups.grid.order = {**lookups.grid.order, "grouped": "cell"}
    wait_until(lambda: len(headings_of(lookups)) == 3)
    assert headings_of(lookups) == [
        ["analysis.ipynb [12] answer_all()", "1 hit, 2 misses"],
        ["analysis.ipynb [11] answer_all()", "1 hit, 2 misses"],
        ["Not from a cell", "1 hit, 2 misses"],
    ]
    assert rows_of(lookups) == ["9", "7", "8", "6", "4", "5", "2", "1", "3"]
    lookups.grid.order = {**lookups.grid.order, "sort": "number", "ascending": True}
    assert rows_of(lookups)[:3] == ["7", "8", "9"]
    lookups.grid.order = {**lookups.grid.order, "query": "newer"}
    assert rows_of(lookups) == ["9", "6"]
    assert len(headings_of(lookups)) == 2
    assert lookups.grid.page["count"] == "2 of 9 rows"
    with cell(13):
        ask("newer still")
    wait_until(lambda: rows_of(lookups) == ["10", "9", "6"])


@pytest.mark.slow
def test_the_head_says_the_mode_only_when_it_is_not_auto(panel):
    assert 'data-state="on">on<' in panel._head.value
    assert "gptcache-mode" not in panel._head.value
    look_at(panel)
    gm.mode("readonly")
    wait_until(lambda: '<div class="gptcache-mode">readonly</div>' in panel._head.value)
    gm.mode("auto")
    wait_until(lambda: "gptcache-mode" not in panel._head.value)


@pytest.mark.slow
def test_the_head_says_that_another_cache_took_the_place(panel):
    look_at(panel)
    set_llm_cache(InMemoryCache())
    wait_until(lambda: 'data-state="replaced">replaced<' in panel._head.value)
    wait_until(lambda: "Take it back: %gptcache on" in panel._line.value)
    assert "GPTCache, replaced" in panel._repr_mimebundle_()["text/html"]
    gm.on()
    wait_until(lambda: 'data-state="on">on<' in panel._head.value and panel._line.value == "")


def test_the_hit_rate_and_the_numbers_beside_it_are_about_the_same_lookups(panel):
    gm.mode("bypass")
    ask("first")
    ask("fourth")
    look_at(panel)
    wait_until(lambda: "1 of 3, 2 bypassed" in figures_of(panel))
    assert "<b>33%</b>" in figures_of(panel)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["folder", ":memory:"])
def test_changes_of_the_store_are_seen_without_a_lookup(tmp_path, source, where):
    gm.off()
    gm.on(where if where == ":memory:" else tmp_path / where)
    for question in ("first", "second"):
        ask(question)
    panel = gm.panel()
    entries = open_tab(panel, "Entries")

    def seen(count, text=""):
        wait_until(lambda: entries.grid.page["total"] == count and text in str(entries.grid.page))

    seen(2)
    gm.pin(gm.entries().index[0])
    seen(2, "pinned")
    gm.clear(yes=True)
    seen(0)
    gm.undo()
    seen(2, "pinned")
    if where == "folder":
        output_of(TAG_ALL, where, folder=tmp_path)
        seen(2, "#elsewhere")


@pytest.mark.slow
def test_a_panel_looks_only_while_it_is_seen_and_paints_only_what_changed(panel, source, monkeypatch):
    looks, paints = threading.Semaphore(0), []
    version, paint = type(source.store).version, type(panel)._paint

    def counted(store):
        looks.release()
        return version(store)

    monkeypatch.setattr(type(source.store), "version", counted)
    monkeypatch.setattr(type(panel), "_paint", lambda self, tab=None: [paints.append(tab), paint(self, tab)][1])
    assert not looks.acquire(timeout=0.6)
    look_at(panel)
    wait_until(lambda: len(paints) == 1)  # no browser showed the panel before
    for _ in range(5):
        looks.acquire()
    assert len(paints) == 1
    panel._view_count = 0
    panel._painter.hurry()  # comes after the last look
    wait_until(lambda: not panel._painter.behind)
    while looks.acquire(blocking=False):
        pass
    assert not looks.acquire(timeout=0.6)


def test_the_panel_and_what_is_saved_of_it_are_two_outputs(tmp_path):
    with fresh_shell(tmp_path / ".ipython"):
        gm.on(tmp_path)
        ask("first")
        panel = gm.panel()
        with capture_output() as shown:
            display(panel)
        model_id, mark = panel.model_id, panel.children[-1].saved
        gm.off()
    saved, live = (output.data for output in shown.outputs)
    assert "text/plain" not in live, "a terminal would print it"
    assert live["text/html"] == ""
    assert live["application/vnd.jupyter.widget-view+json"]["model_id"] == model_id
    assert "plain-model" in saved["text/html"]
    assert f'class="{mark}"' in saved["text/html"]


def test_the_browser_is_told_no_prompts_but_those_in_sight_and_none_is_saved(panel):
    for number in range(150):
        ask(f"question {number} of many", "forty-two")
    lookups = open_tab(panel, "Lookups")
    wait_until(lambda: lookups.grid.page["total"] == 153)
    open_tab(panel, "Models")
    told = unsaved_of(panel)
    assert "question 149 of many" in told
    assert "question 80 of many" not in told
    assert "forty-two" not in told
    assert "of many" not in state_of(panel)


def test_a_redacted_panel_holds_no_prompt_and_no_answer(source):
    panel = widgets.Panel(source, settings=Settings(config=Config(redact=True)))
    with cell(12, "ask('a secret question')"):
        ask("a secret question", "a secret answer")
        ask("another secret question", "a secret answer")
    for title, key in (("Lookups", "5"), ("Entries", gm.entries().index[0]), ("Charts", None), ("Models", None)):
        tab = open_tab(panel, title)
        if key:
            wait_until(lambda tab=tab, key=key: key in rows_of(tab))
            tab.grid.selection = [key]
        if title == "Lookups":
            tab.grid.order = {**tab.grid.order, "grouped": "cell"}
            wait_until(lambda tab=tab: "analysis.ipynb [12]" in str(tab.grid.page))
            assert "Asked in other words" in tab.detail.value
    assert "••• 17 characters" in unsaved_of(panel)
    for form in (
        state_of(panel),
        unsaved_of(panel),
        widgets.Static(source, Settings(config=Config(redact=True)))._repr_html_(),
        str(panel._repr_mimebundle_()),
    ):
        assert "secret" not in form


@pytest.mark.parametrize("title", ["Models", "Lookups", "Entries", "Charts", "Tuning"])
def test_what_a_front_end_saves_holds_no_prompt_and_no_answer_whichever_tab_is_open(panel, title):
    with cell(12, "ask('a private question')"):
        ask("a private question", "a private answer")
        ask("a private question")
    tab = open_tab(panel, title)
    if title in ("Lookups", "Entries"):
        wait_until(lambda: "a private question" in str(tab.grid.page))
        tab.grid.selection = rows_of(tab)[:1]
        assert "a private question" in unsaved_of(panel)
    assert "private" not in state_of(panel)


def test_a_view_that_comes_later_is_told_everything(panel):
    ask("a private question")
    tab = open_tab(panel, "Lookups")
    wait_until(lambda: "a private question" in str(tab.grid.page))
    sent = []
    tab.grid.send = sent.append
    tab.grid._handle_custom_msg({"want": "unsaved"}, [])
    assert "a private question" in str(sent)


def test_panels_that_are_made_again_and_again_are_let_go_of(source):
    for number in range(50):
        ask(f"question {number}")
    history = [widgets.Panel(source, "Lookups") for _ in range(3)]  # as IPython's Out keeps them
    gc.collect()
    before = len(gc.get_objects())
    history += [widgets.Panel(source, "Lookups") for _ in range(10)]
    gc.collect()
    grown = (len(gc.get_objects()) - before) / 10
    one = weakref.ref(history[0])
    history.clear()
    widgets.Panel(source).close()
    gc.collect()
    assert one() is None
    assert grown < 3_000, "objects that each closed panel keeps"


def test_redaction_reaches_an_open_panel_at_once(panel, source):
    ask("a secret question")
    for title in ("Lookups", "Entries"):
        tab = open_tab(panel, title)
        wait_until(lambda tab=tab: "a secret question" in str(tab.grid.page))
        tab.grid.selection = rows_of(tab)[:1]
    panel._settings.config = Config(redact=True)
    widgets.repaint()
    assert "secret" not in unsaved_of(panel)


def test_the_saved_form_has_the_charts(panel):
    html = panel._repr_mimebundle_()["text/html"]
    assert "<svg" in html
    assert "Hit rate" in html


@pytest.mark.slow
def test_a_locked_store_is_said_and_heals_by_itself(panel, source, on, monkeypatch):
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.2)
    source.store.close()  # opens again, with that patience
    look_at(panel)
    other = sqlite3.connect(on / "cache.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    ask("third")
    wait_until(lambda: "is locked by another process" in panel._line.value)
    assert "1 of 3 lookups" in figures_of(panel)
    assert panel._tabs[0].grid.page["total"] == 1
    other.execute("ROLLBACK")
    other.close()
    wait_until(lambda: panel._line.value == "" and "1 of 4 lookups" in figures_of(panel))


def test_a_store_that_vanished_is_said_and_the_last_tables_stay_until_there_are_others(on, source):
    gm.off()
    panel = gm.panel(at=on)
    models = open_tab(panel, "Models")
    away = on.with_name("away")
    with panel._painting:  # between two readings
        on.rename(away)
    panel._painter.hurry()
    wait_until(lambda: "was removed or replaced" in panel._line.value)
    assert "1 of 3 lookups" in figures_of(panel)
    assert models.grid.page["total"] == 1
    gm.on(on)
    ask("fourth")
    gm.current().ledger.flush()
    panel._painter.hurry()
    wait_until(lambda: "0 of 1 lookup" in figures_of(panel))


def test_config_redacts_what_an_open_panel_shows(tmp_path):
    with fresh_shell(tmp_path / ".ipython") as shell:
        shell.run_line_magic("load_ext", "gptcache_magics")
        shell.run_line_magic("gptcache", f"on {tmp_path}")
        ask("a secret question")
        panel = shell.run_line_magic("gptcache", "panel --tab Lookups")
        assert "a secret question" in unsaved_of(panel)
        shell.run_line_magic("config", "GPTCacheMagics.redact = True")
        assert "secret" not in unsaved_of(panel)
        shell.run_line_magic("config", "GPTCacheMagics.redact = False")
        assert "a secret question" in unsaved_of(panel)
