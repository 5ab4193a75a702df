"""From one thing in the panel to the next: an entry and its lookups, a miss and the entry that it nearly was."""

import re

import pytest

import gptcache_magics as gm
from gptcache_magics.controller import controller
from gptcache_magics.settings import Config
from gptcache_magics.store.protocol import Selection
from gptcache_magics.widgets.panel import open_panels
from tests.support.shell import ask as ask_numbered
from tests.support.waiting import wait_until
from tests.widgets.test_panel import ask, cell, figures_of, look_at, open_tab, rows_of


@pytest.fixture
def source(on):
    """Return the source of the cache that is on; two misses and a hit were looked up."""
    for question in ("first", "second", "first"):
        ask(question)
    yield controller.source()
    for each in list(open_panels):
        each.close()


@pytest.fixture
def panel(source):
    return gm.panel()


def key_of(store, question):
    """Return the key of the entry of a question."""
    return next(row.key[:16] for row in store.entries(Selection()) if row.question == question)


def test_the_panel_is_filtered_by_an_entry(panel, source):
    panel.narrow("entry", key := key_of(source.store, "first"))
    look_at(panel)
    wait_until(lambda: "1 of 2 lookups" in figures_of(panel))
    assert [(chip["kind"], chip["text"]) for chip in panel._filters.chips] == [("entry", key[:8])]
    assert rows_of(open_tab(panel, "Lookups")) == ["3", "1"]
    assert rows_of(open_tab(panel, "Entries")) == [key[:8]]
    panel._filters._handle_custom_msg({"remove": "entry"}, [])
    wait_until(lambda: "1 of 3 lookups" in figures_of(panel))


def links_of(html, to):
    """Return the keys to which the buttons of HTML lead."""
    return re.findall(rf'data-to="{to}" data-key="(\w+)"', html)


def follow(panel, to, key):
    """Press a button that leads on."""
    links = next(each for each in panel.children if type(each).__name__ == "Links")
    links._handle_custom_msg({"to": to, "key": key}, [])


def test_a_miss_leads_to_the_entry_that_it_nearly_was(panel, source):
    ask("Summarise the 2023 report in three sentences.")
    ask("Summarise the 2024 report in three sentences.")
    lookups = open_tab(panel, "Lookups")
    wait_until(lambda: len(rows_of(lookups)) == 5)
    lookups.grid.select([5])
    html = lookups.detail.value
    assert re.findall(r"<p.*?>(?:<.*?>)*(.*?)<", html)[0] == "Other words: 2023 → 2024"
    assert html.index("Other words: 2023") < html.index(">2023</del>") < html.index("Closest: ")
    key = key_of(source.store, "Summarise the 2023 report in three sentences.")
    assert links_of(html, "entry")[0].startswith(key)
    follow(panel, "entry", key)
    entries = panel._tabs[2]
    wait_until(lambda: entries.opened and entries.detail.key == key[:8])
    assert panel._tab.selected_index == 2
    assert entries.grid.selection == [key[:8]]
    assert entries.grid._unsaved["reveal"] == {"number": 1, "at": rows_of(entries).index(key[:8])}
    entries.grid.selection = []
    assert "reveal" not in entries.grid._unsaved


def test_an_entry_that_the_filters_leave_out_is_shown_while_it_is_selected(panel, source):
    ask("third", name="other-model")
    key = key_of(source.store, "third")
    panel.narrow("model", "plain-model")
    entries = open_tab(panel, "Entries")
    wait_until(lambda: len(rows_of(entries)) == 2)
    entries.grid.order = {**entries.grid.order, "query": "second"}
    entries.grid.selection = rows_of(entries)[:1]
    follow(panel, "entry", key)
    wait_until(lambda: entries.grid.selection == [key[:8]])
    assert len(rows_of(entries)) == 3
    ask("fourth")
    wait_until(lambda: len(rows_of(entries)) == 4)
    entries.grid.selection = []
    ask("fifth")
    wait_until(lambda: key[:8] not in rows_of(entries))
    assert len(rows_of(entries)) == 4


@pytest.mark.parametrize("moment", ["figures", "rows"])
@pytest.mark.parametrize("to", ["entry", "lookups"])
def test_a_link_that_is_pressed_while_the_panel_paints_is_followed(panel, source, to, moment):
    ask("third", name="other-model")
    key = key_of(source.store, "second")
    tab = open_tab(panel, "Entries" if to == "entry" else "Lookups")
    tab.grid.selection = rows_of(tab)[-1:]
    painted, name = (panel._figures, "value") if moment == "figures" else (tab.grid, "selection")

    def press(_):
        painted.unobserve(press, name)
        follow(panel, to, key)

    painted.observe(press, name)
    panel.narrow("model", "other-model")  # the painting changes the figures, and drops the selected row
    wait_until(lambda: tab.grid.selection == [key[:8] if to == "entry" else "2"])
    if to == "entry":
        assert not tab.actions.failed


def test_an_entry_that_is_gone_is_said(panel, source):
    key = key_of(source.store, "first")
    gm.remove(key[:8])
    look_at(panel)
    follow(panel, "entry", key)
    entries = panel._tabs[2]
    wait_until(lambda: entries.opened and entries.actions.failed)
    assert entries.actions.said == "This entry is not stored any more."


def test_an_entry_leads_to_its_lookups_of_all_times_and_they_lead_back(panel, source):
    with cell(12):
        ask("first")
    key = key_of(source.store, "first")
    entries = open_tab(panel, "Entries")
    wait_until(lambda: len(rows_of(entries)) == 2)
    entries.grid.select([key[:8]])
    assert "3 times in analysis.ipynb" in entries.detail.facts
    assert 'data-cell="12" data-notebook="analysis.ipynb" data-line="answer_all()"' in entries.detail.facts
    assert links_of(entries.detail.ways, "lookups") == [key]
    panel.narrow("model", "plain-model")
    gm.stats(reset=True)
    follow(panel, "lookups", key)
    lookups = panel._tabs[1]
    wait_until(lambda: lookups.opened and lookups.grid.selection == ["4"])
    assert rows_of(lookups) == ["4", "3", "1"]
    assert [(chip["kind"], chip["text"]) for chip in panel._filters.chips] == [("time", "All"), ("entry", key[:8])]
    wait_until(lambda: links_of(lookups.detail.value, "entry") == [key])


def test_redaction_leaves_out_words_and_lines_and_copies_nothing(panel, source):
    with cell(12, 'ask("Summarise the 2024 report in three sentences.")'):
        ask("Summarise the 2023 report in three sentences.")
        ask("Summarise the 2024 report in three sentences.")
    panel._settings.config = Config(redact=True)
    lookups, entries = open_tab(panel, "Lookups"), panel._tabs[2]
    wait_until(lambda: len(rows_of(lookups)) == 5)
    lookups.grid.select([5])
    assert "Other words" in lookups.detail.value
    assert 'data-cell="12"' in lookups.detail.value
    assert links_of(lookups.detail.value, "entry")
    assert "2024 report" not in lookups.detail.value
    follow(panel, "entry", links_of(lookups.detail.value, "entry")[0])
    wait_until(lambda: entries.opened and entries.detail.key)
    assert "report" not in str(entries.detail._unsaved)
    sent = []
    entries.detail.send = lambda content, buffers=None: sent.append(content)
    entries.detail._asked(None, {"want": "answer", "key": entries.detail.key, "view": "v"}, None)
    assert sent == []


def test_the_whole_text_is_copied_without_keys(panel, source):
    ask("q " + "long " * 30_000, "the key is sk-proj-" + "a1b2" * 12)
    entries = open_tab(panel, "Entries")
    wait_until(lambda: len(rows_of(entries)) == 3)
    entries.grid.select([key_of(source.store, "q " + "long " * 30_000)[:8]])
    sent = []
    entries.detail.send = lambda content, buffers=None: sent.append(content["text"])
    for part in ("question", "answer"):
        entries.detail._asked(None, {"want": part, "key": entries.detail.key, "view": "v"}, None)
    assert len(sent[0]) == 150_002
    assert sent[1].startswith("the key is ")
    assert "a1b2" not in sent[1]


def test_two_selected_entries_stand_side_by_side_until_the_selection_changes(panel, source):
    entries = open_tab(panel, "Entries")
    wait_until(lambda: len(rows_of(entries)) == 2)
    entries.grid.selection = [key_of(source.store, each)[:8] for each in ("first", "second")]
    entries.actions._handle_custom_msg({"action": "compare", "ids": entries.grid.selection}, [])
    assert ">first</del><ins" in entries.beside.value
    assert "The answers are the same." in entries.beside.value
    keys = links_of(entries.beside.value, "entry")
    assert [key[:8] for key in keys] == entries.grid.selection
    ask("third")
    wait_until(lambda: len(rows_of(entries)) == 3)
    assert entries.beside.value
    follow(panel, "entry", keys[0])
    wait_until(lambda: entries.detail.key == keys[0][:8])
    assert entries.beside.value == ""


def test_an_entry_is_compared_with_its_history_and_with_other_models(panel, source):
    ask_numbered("sky?", "small")
    ask_numbered("sky?", "other-model")
    with gm.using(mode="refresh"):
        ask_numbered("sky?", "small")
    entries = open_tab(panel, "Entries")
    wait_until(lambda: len(rows_of(entries)) == 4)
    other, key = (row.key for row in source.store.entries(Selection()) if row.question == "sky?")
    if gm.entries(model="small").index[0] != key[:8]:
        other, key = key, other
    entries.grid.select([key[:8]])
    ways = re.findall(r'data-to="compare" data-key="([^"]+)">([^<]+)<', entries.detail.ways)
    assert ways == [
        (key[:16], "Compare with the answer before"),
        (f"{key[:16]} {other[:16]}", "Compare with other-model"),
    ]
    follow(panel, "compare", ways[0][0])
    assert "This answer and the one before" in entries.beside.value
    assert "</del><ins" in entries.beside.value
    assert entries.detail.key == ""
    follow(panel, "compare", ways[1][0])
    assert links_of(entries.beside.value, "entry")[1] == other[:16]
    gm.remove(other[:8])
    follow(panel, "compare", ways[1][0])
    assert entries.actions.said == "One of these answers is not stored any more."


def test_redaction_hides_both_answers_and_their_words(panel, source):
    panel._settings.config = Config(redact=True)
    ask("third", "a secret answer")
    entries = open_tab(panel, "Entries")
    wait_until(lambda: len(rows_of(entries)) == 3)
    entries.grid.selection = rows_of(entries)[:1]
    entries.compare(key_of(source.store, "first"), key_of(source.store, "third"))
    assert "••• 15 characters" in entries.beside.value
    assert "The questions differ." in entries.beside.value
    for text in ("secret", "an answer", "third", "<ins"):
        assert text not in entries.beside.value
    entries.grid.select([])
    assert entries.beside.value == ""


def test_two_selected_models_are_compared_over_the_questions_of_both(panel, source):
    for model, questions in (("small", ("sky?", "sea?", "alone?")), ("large", ("sky?", "sea?"))):
        for question in questions:
            ask_numbered(question, model)
    models = open_tab(panel, "Models")
    wait_until(lambda: len(rows_of(models)) == 3)
    models.grid.selection = ["small"]
    assert models.compare.layout.display == "none"
    assert panel._view.model == "small"
    models.grid.selection = ["small", "large"]
    assert panel._view.model is None
    assert models.grid.selection == ["small", "large"]
    assert sorted(models.compare.description.removeprefix("Compare ").split(" with ")) == ["large", "small"]
    models.compare.click()
    assert "2 questions that both models were asked" in models.two.totals.value
    assert "0 answers are the same, 2 differ." in models.two.totals.value
    assert sorted(row[1] for span in models.two.grid.page["spans"] for row in span["rows"]) == ["sea?", "sky?"]
    models.two.grid.selection = [models.two.grid.page["spans"][0]["rows"][0][0]]
    assert "Two answers side by side" in models.two.beside.value
    assert "data-focus" not in models.two.beside.value
    panel._settings.config = Config(redact=True)
    panel.repaint()
    assert models.two.beside.value == ""
    assert models.two.layout.display == "none"
    models.compare.click()
    assert "sky?" not in str(models.two.grid.page)
    assert "••• 4 characters" in str(models.two.grid.page)
    models.grid.selection = []
    assert models.two.grid.page["total"] == 0
    models.grid.selection = ["plain-model", "small"]
    models.compare.click()
    assert "No question in common" in models.two.totals.value


def test_a_model_whose_name_is_no_plain_text_is_compared(panel, source):
    for model in ("<b>" * 40, "small"):
        ask_numbered("sky?", model)
    models = open_tab(panel, "Models")
    wait_until(lambda: len(rows_of(models)) == 3)
    models.grid.select(["<b>" * 40, "small"])
    models.compare.click()
    assert "1 question that both models were asked" in models.two.totals.value
    assert "<b><b>" not in models.two.totals.value
