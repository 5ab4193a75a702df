"""The Tuning tab and the verdicts in the Lookups tab without a browser: what they show, and what a button labels."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any, get_args
from xml.etree import ElementTree

import pandas as pd
import pytest
from langchain_core.outputs import Generation

import gptcache_magics as gm
from gptcache_magics import generations
from gptcache_magics.commands.panel import Tab
from gptcache_magics.controller import controller
from gptcache_magics.semantic import tuning
from gptcache_magics.settings import Config, Options, Settings
from gptcache_magics.store.protocol import Configuration, Lookup, Near
from gptcache_magics.store.reasons import Kind, Objection, ObjectionKind, Reason
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.tables.source import Source
from gptcache_magics.testing.samples import CLAUDE, GPT, NOON, key, make_entry
from gptcache_magics.widgets import Panel, Static, panel
from gptcache_magics.widgets.charts import tuning_html
from gptcache_magics.widgets.tabs.lookups import LookupsTab
from gptcache_magics.widgets.tabs.tuning import TuningTab
from gptcache_magics.widgets.view import View
from tests.support.widget_state import state_of, unsaved_of

EMBEDDER = "minilm/384"
REPORTS = ("Summarise the 2023 report.", "Summarise the 2024 report.")
HOSTILE = "<img src=x onerror=alert(1)> \x1b[31mred"
SVG = "{http://www.w3.org/2000/svg}"


class Asked:
    """A store, and lookups by meaning that fill it."""

    def __init__(self) -> None:
        self.store, self.lookups = SQLiteStore(":memory:"), 0

    def answer(self, question: str, answer: str, configuration: Configuration = GPT) -> None:
        encoded = generations.encode([Generation(text=answer)])
        self.store.put(make_entry(question, encoded, configuration, question=question), configuration)

    def near(
        self,
        stored: str,
        asked: str,
        similarity: float,
        objection: Objection | None = None,
        *,
        of: Configuration = GPT,
        **fields: Any,
    ) -> None:
        """Record a lookup that found a stored question: a hit, or with an objection a miss that the model answered."""
        self.answer(stored, f"answer to {stored}", of)
        found = Near(key(stored), similarity, EMBEDDER, objection)
        given: dict[str, Any] = {"key": key(asked), "match": None, "outcome": "miss"}
        if objection is not None:
            self.answer(asked, f"own answer to {asked}", of)
            given["reason"] = Reason(Kind.SIMILAR)
        else:
            given = {"key": key(stored), "asked": key(asked), "match": "semantic", "outcome": "hit"}
        self.lookups += 1
        given |= {"question": asked, "configuration": of.key, "near": found, **fields}
        lookup = Lookup(at=NOON + self.lookups, run="run", number_in_run=self.lookups, **given)
        self.store.record([lookup], [of], 1_000)

    def labels(self) -> dict[str, bool]:
        """Return the verdicts, by the question asked."""
        return {row.asked_question or "": bool(row.right) for row in self.store.labels()}


@pytest.fixture
def asked() -> Iterator[Asked]:
    """Return a store with a hit, a near miss below the threshold, and a pair that a guard blocks."""
    asked = Asked()
    asked.near("How do I bake bread?", "How can I bake bread?", 0.97)
    asked.near("How do I bake a cake?", "How do I bake my cake?", 0.915, Objection(ObjectionKind.BELOW, "0.93"))
    asked.near(*REPORTS, 0.96, Objection(ObjectionKind.GUARD, "2023 / 2024", "number"))
    yield asked
    for each in list(panel.open_panels):
        each.close()
    asked.store.close()


def painted(asked: Asked, tab: Any, view: View = View("all")) -> Any:
    """Return a tab that is painted at once when it asks to be; a panel does so soon."""
    source = Source(asked.store)
    tab.repaint = lambda: tab.paint(source, view)
    tab.repaint()
    return tab


@pytest.fixture
def tab(asked: Asked) -> Any:
    return painted(asked, TuningTab())


def rows(tab: Any) -> list[list[str]]:
    """Return the cells of each row, with signs around the words that differ."""
    shown = [row[1:] for span in tab.grid.page["spans"] for row in span["rows"]]
    return [[each["text"] if isinstance(each, dict) else each for each in row] for row in shown]


def key_of(tab: Any, question: str) -> str:
    return str(tab.table.set_index("asked")["pair"][question])


def press(tab: Any, right: bool, *questions: str) -> None:
    """Select the pairs of these questions, and press a button."""
    tab.grid.selection = [key_of(tab, question) for question in questions]
    tab.verdicts.do(ids=tab.grid.selection, right=right)


def text(html: str) -> str:
    return unescape("".join(ElementTree.fromstring(f"<div>{html}</div>".replace("&nbsp;", " ")).itertext()))


def test_pairs_come_with_those_nearest_to_the_threshold_first(tab: Any) -> None:
    assert rows(tab) == [
        ["How do I bake [-a-]{+my+} cake?", "0.915", "0.015", "", "unlabelled", "no"],
        ["Summarise the [-2023-]{+2024+} report.", "0.960", "0.030", "number: 2023 / 2024", "unlabelled", "no"],
        ["How [-do-]{+can+} I bake bread?", "0.970", "0.040", "", "unlabelled", "yes"],
    ]


def test_a_pair_shows_both_questions_and_both_answers(tab: Any) -> None:
    tab.grid.selection = [key_of(tab, REPORTS[1])]
    html = tab.detail.value
    assert ">2023</del>" in html
    assert ">2024</ins>" in html
    for words in (f"answer to {REPORTS[0]}", f"own answer to {REPORTS[1]}", "number: 2023 / 2024", "unlabelled"):
        assert words in text(html)
    tab.grid.selection = [key_of(tab, "How can I bake bread?")]
    assert "The model was not asked." in tab.detail.value
    tab.grid.selection = [*tab.grid.selection, key_of(tab, REPORTS[1])]
    assert tab.detail.value == ""


def test_a_button_labels_the_selected_pair_and_shows_it(asked: Asked, tab: Any) -> None:
    press(tab, False, "How can I bake bread?")
    assert asked.labels() == {"How can I bake bread?": False}
    assert tab.verdicts.said.startswith("Lookup 1: wrong. Nothing is served by meaning for this question any more")
    assert not tab.verdicts.failed
    assert rows(tab)[2][4] == "wrong"
    assert "Cosine 0.97, wrong" in tab.detail.value
    assert asked.store.judged_wrong(key("How can I bake bread?")) == {key("How do I bake bread?")[:16]}
    press(tab, True, "How can I bake bread?")
    assert asked.labels() == {"How can I bake bread?": True}
    assert tab.verdicts.said == "Lookup 1: right."


def test_a_button_labels_many_pairs_at_once(asked: Asked, tab: Any) -> None:
    press(tab, False, REPORTS[1], "How do I bake my cake?")
    assert asked.labels() == {REPORTS[1]: False, "How do I bake my cake?": False}
    assert tab.verdicts.said.startswith("2 pairs labelled wrong.")
    assert [row[4] for row in rows(tab)] == ["wrong", "wrong", "unlabelled"]


def test_a_label_outlives_its_lookup_and_can_be_changed(asked: Asked, tab: Any) -> None:
    press(tab, True, "How can I bake bread?")
    asked.store.forget_lookups()
    tab.repaint()
    assert len(rows(tab)) == 1
    press(tab, False, "How can I bake bread?")
    assert asked.labels() == {"How can I bake bread?": False}
    assert tab.verdicts.said.startswith("1 pair labelled wrong.")


def test_nothing_selected_and_a_store_that_fails_are_said(asked: Asked, tab: Any, monkeypatch: Any) -> None:
    tab.verdicts.do(ids=[], right=True)
    assert (tab.verdicts.said, tab.verdicts.failed) == ("No pair is selected.", True)

    def fail(*args: object) -> None:
        raise OSError("disk unplugged")

    monkeypatch.setattr(SQLiteStore, "put_label", fail)
    press(tab, True, REPORTS[1])
    assert (tab.verdicts.said, tab.verdicts.failed) == ("disk unplugged", True)


def test_the_sentences_and_charts_are_those_of_the_figures(asked: Asked, tab: Any) -> None:
    for number in range(60):
        asked.near(f"stored {number}", f"asked {number} of it", 0.94)
        asked.store.put_label(key(f"asked {number} of it"), Near(key(f"stored {number}"), 0.94, EMBEDDER), number > 2)
    tab.repaint()
    pairs = tuning.pairs(asked.store)
    told = text(tab.drawing.value)
    assert tuning.expected(tuning.thresholds(pairs), 0.93) in told
    assert tuning.suggestion(pairs, 0.93).sentence in told
    assert "63 pairs by minilm/384: 57 right, 3 wrong, 3 unlabelled" in told
    assert tuning_html(tuning.thresholds(pairs), 0.93) in tab.drawing.value


def test_without_pairs_it_says_what_to_type(asked: Asked) -> None:
    empty = Asked()
    tab = painted(empty, TuningTab())
    assert "%gptcache on --match semantic" in tab.grid.page["note"]
    assert "--shadow on" in tab.grid.page["note"]
    assert tab.drawing.value == ""
    assert not tab.verdicts.shown
    assert TuningTab.charts(Source(empty.store), View("all")) == ""
    empty.store.close()


def test_it_follows_the_model_the_time_and_the_cell(asked: Asked) -> None:
    asked.near("What is Python?", "What's Python?", 0.95, of=CLAUDE, execution_count=7)
    source = Source(asked.store)
    assert len(TuningTab.read(source, View("all"))) == 4
    for view in (View("all", model="claude-haiku-4-5"), View("all", cell=7)):
        assert TuningTab.read(source, view)["asked"].tolist() == ["What's Python?"]
    assert len(TuningTab.read(source, View("today"))) == 0


def test_labels_outside_the_view_are_counted_and_not_shown(asked: Asked) -> None:
    asked.store.put_label(key("How can I bake bread?"), Near(key("How do I bake bread?"), 0.97, EMBEDDER), True)
    tab = painted(asked, TuningTab(), View("all", cell=7))
    assert rows(tab) == []
    asked.near("What is Python?", "What's Python?", 0.95, execution_count=7)
    tab.repaint()
    assert len(rows(tab)) == 1
    assert "1 more label is about" in tab.drawing.value


def test_foreign_text_is_escaped(asked: Asked) -> None:
    asked.near(f"stored {HOSTILE}", f"asked {HOSTILE}", 0.95, Objection(ObjectionKind.SHADOW))
    tab = painted(asked, TuningTab())
    tab.grid.selection = [key_of(tab, f"asked {HOSTILE}")]
    assert "\x1b" not in str(rows(tab))
    assert "<img" not in tab.detail.value
    assert r"\x1b[31mred" in tab.detail.value
    assert "own answer to asked &lt;img" in tab.detail.value


@pytest.mark.slow
def test_a_redacted_panel_holds_no_word_of_the_questions(asked: Asked) -> None:
    source = Source(asked.store)
    shown = Panel(source, "Tuning", Settings(config=Config(redact=True)))
    for title in ("Tuning", "Lookups"):
        tab: Any = next(each for each in shown._tabs if each.title == title)
        shown._paint(tab)
        for row in tab.grid.page["spans"][0]["rows"]:
            tab.grid.selection = [row[0]]
            assert "Answer" in tab.detail.value
            for form in (
                state_of(shown),
                unsaved_of(shown),
                Static(source, Settings(config=Config(redact=True)))._repr_html_(),
            ):
                form = re.sub("[0-9a-f]{12,}", "", form)  # ids, in which any number may be
                assert "number" in form
                for word in ("2023", "2024 ", "Summarise", "bread", "own answer", "<del", "Words"):
                    assert word not in form


def test_the_browser_is_told_no_prompts_but_those_in_sight(asked: Asked) -> None:
    for number in range(150):
        asked.near(f"stored number {number}", f"asked number {number} of it", 0.7 + number / 1_000)
    shown = Panel(Source(asked.store), "Tuning")
    told = unsaved_of(shown)
    assert "149 of it" in told
    assert "50 of it" not in told
    assert "answer to" not in told
    assert "149 of it" not in state_of(shown)


def test_the_static_form_has_the_charts_and_the_saved_one_not(asked: Asked) -> None:
    assert "Similarity of the pairs" in Static(Source(asked.store))._repr_html_()
    assert "Similarity" not in Panel(Source(asked.store), "Tuning")._repr_mimebundle_()["text/html"]
    empty = Asked()
    assert "Similarity of the pairs" not in Static(Source(empty.store))._repr_html_()
    empty.store.close()


def test_the_tab_can_be_named_in_the_command() -> None:
    assert tuple(tab.title for tab in panel.TABS) == get_args(Tab)


def test_the_threshold_is_that_of_the_cache_that_is_on(tmp_path: Any) -> None:
    gm.on(tmp_path)
    try:
        controller.settings.options = Options(threshold=0.88)
        assert controller.source().threshold == 0.88
    finally:
        gm.off()
    assert controller.source(tmp_path).threshold == 0.93


# The Lookups tab


@pytest.fixture
def lookups(asked: Asked) -> Any:
    asked.store.record(
        [Lookup(at=NOON, run="run", number_in_run=9, outcome="hit", key=key("How do I bake bread?"), match="exact")],
        [GPT],
        1_000,
    )
    return painted(asked, LookupsTab())


def test_a_semantic_hit_shows_the_question_it_was_served_from(lookups: Any) -> None:
    lookups.grid.selection = ["1"]
    told = text(lookups.detail.value)
    for words in ("A hit by meaning (0.97 similar)", "guards passed", "answer to How do I bake bread?"):
        assert words in told
    assert ">do</del>" in lookups.detail.value
    assert ">can</ins>" in lookups.detail.value
    assert lookups.detail.value.count("<ins") == 1


def test_a_near_miss_shows_both_answers_and_what_blocked_it(lookups: Any) -> None:
    lookups.grid.selection = ["3"]
    told = text(lookups.detail.value)
    for words in ("number”: 2023 / 2024", f"answer to {REPORTS[0]}", f"own answer to {REPORTS[1]}"):
        assert words in told


def test_the_buttons_are_there_only_for_what_was_near(lookups: Any) -> None:
    for number, shown in (("1", True), ("4", False), ("3", True)):
        lookups.grid.selection = [number]
        assert lookups.verdicts.shown is shown
    lookups.grid.selection = []
    assert not lookups.verdicts.shown


def test_wrong_labels_the_lookup_and_shows_the_verdict(asked: Asked, lookups: Any) -> None:
    lookups.grid.selection = ["1"]
    assert "<dt>Verdict</dt><dd>unlabelled</dd>" in lookups.detail.value
    lookups.verdicts.do(ids=["1"], right=False)
    assert asked.labels() == {"How can I bake bread?": False}
    assert lookups.verdicts.said.startswith("Lookup 1: wrong.")
    assert "<dt>Verdict</dt><dd>wrong</dd>" in lookups.detail.value
    asked.store.forget_lookups()
    lookups.verdicts.do(ids=["1"], right=False)
    assert (lookups.verdicts.said, lookups.verdicts.failed) == ("This lookup is not kept any more.", True)


def test_a_cosine_is_not_rounded_up_to_the_threshold(asked: Asked) -> None:
    asked.near("What is Python?", "What's Python?", 0.92999)
    assert rows(painted(asked, TuningTab()))[0][1] == "0.929"
    assert "0.92" in rows(painted(asked, LookupsTab()))[0]


def test_a_readonly_store_can_be_looked_at(asked: Asked, monkeypatch: Any) -> None:
    monkeypatch.setattr(SQLiteStore, "readonly", property(lambda _: True))
    tab = painted(asked, TuningTab())
    assert not tab.verdicts.writable
    assert len(rows(tab)) == 3


def test_the_columns_of_an_empty_table_are_those_of_a_full_one(asked: Asked) -> None:
    empty = Asked()
    full, none = (TuningTab.read(Source(each.store), View("all")) for each in (asked, empty))
    pd.testing.assert_series_equal(full.dtypes, none.dtypes)
    empty.store.close()
