"""The filters of the panel: by tag and by outcome, the menu with the values that occur, and filters from the start."""

import re

import pytest

import gptcache_magics as gm
from gptcache_magics import widgets
from gptcache_magics.errors import CommandError
from gptcache_magics.settings import Config
from gptcache_magics.widgets.view import CHOSEN, View
from tests.support.waiting import wait_until
from tests.support.widget_state import state_of
from tests.widgets.test_panel import ask, cell, figures_of, open_tab, panel, rows_of, source

__all__ = ["panel", "source"]


def menu_of(panel):
    """Open the menu and return the texts of each list."""
    panel._filters._handle_custom_msg({"open": True}, [])
    return {each["name"]: each["texts"] for each in panel._filters._unsaved["menu"]}


def test_an_outcome_filters_figures_and_tabs(panel):
    panel.narrow("outcome", "hit")
    assert rows_of(open_tab(panel, "Lookups")) == ["3"]
    wait_until(lambda: "1 of 1 lookup" in figures_of(panel))
    assert rows_of(open_tab(panel, "Entries")) == list(gm.entries(grep="first").index)
    assert "1 hit" in open_tab(panel, "Charts").drawing.value
    models = open_tab(panel, "Models")
    wait_until(lambda: models.table["lookups"].tolist() == [1])
    panel.narrow("outcome", "error")
    wait_until(lambda: "no lookups" in figures_of(panel))
    assert [chip["label"] for chip in panel._filters.chips] == ["Remove filter outcome error"]


def test_a_tag_filters_entries_and_the_lookups_they_answered(panel):
    gm.tag("lesson-1", gm.entries(grep="first").index[0])
    panel.narrow("tag", "lesson-1")
    assert rows_of(open_tab(panel, "Lookups")) == ["3", "1"]
    wait_until(lambda: "1 of 2 lookups" in figures_of(panel))
    assert len(rows_of(open_tab(panel, "Entries"))) == 1
    assert "1 hit, 1 miss" in open_tab(panel, "Charts").drawing.value
    panel.narrow("tag", "no-such-tag")
    wait_until(lambda: "no lookups" in figures_of(panel))


def test_the_menu_has_the_values_that_occur_and_sets_a_filter(panel):
    with cell(12, "ask('a secret of the cell')"):
        ask("third", name="large-model")
    gm.tag("lesson-1", gm.entries(grep="third").index[0])
    assert menu_of(panel) == {
        "model": ["plain-model", "large-model"],
        "tag": ["lesson-1"],
        "cell": ["[12] ask('a secret of the cell')"],
        "outcome": ["hit", "miss"],
        "face": ["langchain"],
        "cause": ["first time"],
    }
    assert tuple(menu_of(panel)) == CHOSEN
    panel._filters._handle_custom_msg({"choose": "cell", "text": "[12] ask('a secret of the cell')"}, [])
    assert panel._view.cell == 12
    panel._filters._handle_custom_msg({"choose": "cell", "text": ""}, [])
    assert panel._view.cell is None
    assert "secret" not in state_of(panel)


def test_the_menu_hides_the_code_of_cells_with_the_prompts(panel):
    with cell(12, "ask('a secret of the cell')"):
        ask("third")
    panel._settings.config = Config(redact=True)
    assert menu_of(panel)["cell"] == ["[12]"]


def test_a_panel_begins_with_the_filters_that_it_is_given(source):
    panel = widgets.Panel(source, "Lookups", view=View("all", outcome="miss"))
    assert panel._tabs[1].table["outcome"].tolist() == ["miss", "miss"]
    assert "0 of 2 lookups" in figures_of(panel)
    assert panel._since.value == "all"
    assert [chip["text"] for chip in panel._filters.chips] == ["All", "miss"]


def test_the_command_opens_the_panel_with_what_selects_entries(source):
    ask("third", name="large-model")
    id = gm.entries(grep="first").index[0]
    gm.tag("lesson-1", id)
    panel = gm.panel(tag="lesson-1", model="plain", grep="FIRST|answer", in_="question", older=None)
    assert [(chip["kind"], chip["text"]) for chip in panel._filters.chips] == [
        ("model", "plain-model"),
        ("tag", "lesson-1"),
        ("condition", "grep FIRST|answer, in question"),
    ]
    assert rows_of(panel._tabs[panel._tab.selected_index]) == [id]
    panel.narrow("tag", None)
    wait_until(lambda: rows_of(open_tab(panel, "Entries")) == [id])
    assert len(rows_of(open_tab(panel, "Lookups"))) == 3, "lookups have no such condition"
    panel.narrow("condition", None)
    wait_until(lambda: len(rows_of(open_tab(panel, "Entries"))) == 2)


def test_an_age_and_a_pin_open_the_entries_and_an_empty_table_says_why(source):
    panel = gm.panel(unused="90d", pinned=True)
    assert panel._tab.selected_index == 2
    assert "No entries with condition unused 90d, pinned." in open_tab(panel, "Entries").grid.page["note"]
    assert gm.panel("Models", pinned=True)._tab.selected_index == 0
    assert gm.panel(model="plain-model")._tab.selected_index == 0


def test_the_static_form_follows_what_selects_entries(source):
    html = gm.panel(static=True, grep="second")._repr_html_()
    assert "second" in html.partition("Entries</caption>")[2]
    assert "first" not in html.partition("Entries</caption>")[2]


def test_the_command_refuses_what_no_panel_shows(source):
    ask("third", name="plain-model-2")
    for options, told in (
        ({"model": "plain-*"}, "Filter by one of them"),
        ({"model": "none"}, "No model 'none'"),
        ({"tag": "none"}, "No entry has the tag"),
        ({"cell": 12}, "No cell of this run"),
        ({"grep": "("}, "--grep takes a regular expression"),
        ({"older": "soon"}, "--older takes a time"),
    ):
        with pytest.raises(CommandError, match=re.escape(told)):
            gm.panel(**options)
