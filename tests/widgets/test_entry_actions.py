"""The Entries tab without a browser: what its buttons do to the store, what they say, and what its search finds."""

import hashlib

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.outputs import Generation

import gptcache_magics as gm
from gptcache_magics import generations
from gptcache_magics.controller import controller
from gptcache_magics.editing import MANY, check_tag
from gptcache_magics.errors import CommandError
from gptcache_magics.store import open_store
from gptcache_magics.store.protocol import Configuration, Entry
from gptcache_magics.widgets.entry import actions
from gptcache_magics.widgets.tabs.entries import EntriesTab
from gptcache_magics.widgets.view import View


def ask(question):
    return FakeListChatModel(responses=[f"answer to {question}"]).invoke(question).content


@pytest.fixture
def source(on):
    for number in range(25):
        ask(f"question {number}")
    return controller.source()


@pytest.fixture
def tab(source):
    """Return a tab that is painted at once when it asks for it, as a panel does soon."""
    tab = EntriesTab()
    tab.repaint = lambda: tab.paint(source, View("all"))
    tab.repaint()
    return tab


def select(tab, *questions):
    frame = gm.entries()
    tab.grid.selection = frame.index[frame["question"].isin(questions)].tolist()


def select_all(tab):
    tab.grid.selection = gm.entries().index.tolist()


def press(tab, action, tag=""):
    """Press a button, as the browser says it: with the rows that are selected."""
    tab.actions.do(action=action, ids=tab.grid.selection, tag=tag)


def marks(tab):
    rows = [row for span in tab.grid.page["spans"] for row in span["rows"]]
    return {row[3]: row[5] for row in rows if row[5]}


def test_nothing_can_be_done_while_nothing_is_selected(tab):
    for action in ("pin", "unpin", "tag", "remove"):
        press(tab, action, "draft")
        assert tab.actions.said == "No entry is selected."
        assert tab.actions.failed
    assert len(gm.entries()) == 25


def test_selected_entries_are_pinned_unpinned_and_tagged(tab):
    select(tab, "question 3", "question 7")
    press(tab, "pin")
    assert tab.actions.said == "2 entries pinned."
    press(tab, "tag", "lesson-1")
    assert tab.actions.said == "2 entries tagged lesson-1."
    assert marks(tab) == dict.fromkeys(["question 3", "question 7"], "pinned #lesson-1")
    select(tab, "question 3")
    press(tab, "unpin")
    assert tab.actions.said == "1 entry unpinned."
    assert marks(tab) == {"question 3": "#lesson-1", "question 7": "pinned #lesson-1"}
    tab.grid.order = {**tab.grid.order, "query": "pinned"}
    assert tab.grid.page["total"] == 1


@pytest.mark.parametrize("tag", ["", "  ", "two words", "a\tb"])
def test_a_tag_is_one_word_as_in_the_command(tab, tag):
    select(tab, "question 3")
    press(tab, "tag", tag)
    with pytest.raises(CommandError) as error:
        check_tag(tag)
    assert tab.actions.failed
    assert tab.actions.said == " ".join(str(error.value).split())
    assert marks(tab) == {}


def test_undo_is_offered_when_there_is_something_to_undo(tab):
    assert not tab.actions.undoable
    gm.clear(yes=True)
    tab.repaint()
    assert tab.actions.undoable


def test_an_entry_that_is_gone_says_so(tab, source):
    select(tab, "question 3")
    tab.grid.selection = []
    rows = tab.grid._frame
    source.store.clear()
    tab.grid.selection = [rows["id"].iloc[0]]
    assert tab.actions.said == "This entry is not stored any more."


def test_a_few_are_removed_at_once_and_come_back(tab):
    select(tab, "question 1", "question 2", "question 3")
    press(tab, "remove")
    assert tab.actions.said.startswith("3 entries removed, ")
    assert tab.actions.said.endswith(" Undo brings back 3 entries.")
    assert tab.grid.selection == []
    assert tab.grid.page["total"] == 22
    assert tab.actions.undoable
    press(tab, "undo")
    assert not tab.actions.undoable
    assert tab.actions.said == "3 entries came back."
    assert tab.grid.page["total"] == 25
    press(tab, "undo")
    assert tab.actions.said == "Nothing to bring back."


def test_many_are_removed_only_when_confirmed(tab):
    assert actions.MANY == MANY
    select_all(tab)
    press(tab, "remove")
    assert tab.actions.question == "Remove 25 entries"
    assert len(gm.entries()) == 25
    press(tab, "keep")
    assert tab.actions.question == ""
    assert tab.actions.said == "Nothing was removed."
    press(tab, "remove")
    select(tab, "question 1")  # what is confirmed is what was asked about
    press(tab, "confirm")
    assert tab.actions.said == "Nothing was removed."
    select_all(tab)
    press(tab, "remove")
    press(tab, "confirm")
    assert tab.actions.said.startswith("25 entries removed")
    assert len(gm.entries()) == 0


def test_a_confirmation_that_was_not_asked_for_removes_nothing(tab):
    select_all(tab)
    press(tab, "confirm")
    assert len(gm.entries()) == 25


def test_a_store_that_is_off_is_changed_and_not_the_one_that_is_on(tab, source, on, tmp_path):
    other = open_store(tmp_path / "other")
    frame = gm.entries()
    gm.off()
    gm.on(tmp_path / "elsewhere")
    ask("question of elsewhere")
    other.close()
    away = controller.source(str(on))
    tab = EntriesTab()
    tab.repaint = lambda: tab.paint(away, View("all"))
    tab.repaint()
    tab.grid.selection = frame.index[:3].tolist()
    press(tab, "remove")
    assert tab.grid.page["total"] == 22
    assert len(gm.entries()) == 1
    press(tab, "undo")
    assert tab.grid.page["total"] == 25


def test_a_store_that_can_only_be_read_says_so(tab, source, monkeypatch):
    select(tab, "question 1")
    monkeypatch.setattr(type(source.store), "readonly", True)
    tab.repaint()
    assert not tab.actions.writable
    for action in ("pin", "remove", "undo"):
        press(tab, action)
        assert tab.actions.said == "This store can only be read."
    assert len(gm.entries()) == 25


def test_an_error_of_the_store_is_one_sentence(tab, source, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("disk\nunplugged")

    select(tab, "question 1")
    monkeypatch.setattr(type(source.store), "change", fail)
    press(tab, "pin")
    assert tab.actions.failed
    assert tab.actions.said == "disk unplugged"


def test_one_selected_entry_is_shown_and_several_are_not(tab):
    select(tab, "question 1")
    assert "answer to question 1" in tab.detail.value
    select(tab, "question 1", "question 2")
    assert tab.detail.key == tab.detail.value == ""
    select(tab, "question 2")
    assert "answer to question 2" in tab.detail.value


def test_a_hit_renews_the_facts_and_leaves_the_conversation(tab, source):
    select(tab, "question 1")
    facts, conversation = tab.detail.facts, tab.detail.value
    ask("question 1")
    source.flush()
    tab.repaint()
    assert tab.detail.facts != facts
    assert tab.detail.value == conversation


def test_a_failed_reading_is_said_and_tried_again(tab, source, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("locked")

    with monkeypatch.context() as broken:
        broken.setattr(type(source.store), "history", fail)
        select(tab, "question 1")
        assert "cannot be shown: OSError: locked" in tab.actions.said
    tab.repaint()
    assert "answer to question 1" in tab.detail.value


def test_hidden_texts_are_nowhere_in_the_tab(tab, source):
    select(tab, "question 1")
    tab.paint(source, View("all", redact=True))
    state = f"{tab.grid.get_state()} {tab.detail.get_state()}"
    assert "question 1" not in state
    assert "••• 10 characters" in tab.detail.value
    assert tab.detail.redact
    assert "question 1" in source.store.questions(None, 100).__repr__()


def test_a_search_finds_entries_older_than_the_newest(tab, monkeypatch):
    for module in ("base", "entries"):
        monkeypatch.setattr(f"gptcache_magics.widgets.tabs.{module}.MOST_ROWS", 10)
    tab.repaint()
    assert tab.grid.page["count"] == "newest 10 rows"
    tab.grid.order = {**tab.grid.order, "query": "question 2"}
    assert tab.grid.page["total"] == 6  # 20 to 24 are among the newest, 2 is not
    tab.grid.order = {**tab.grid.order, "query": "/question [12]$/"}
    assert tab.grid.page["total"] == 2
    select(tab, "question 2")
    press(tab, "remove")
    assert tab.grid.page["total"] == 1
    tab.grid.order = {**tab.grid.order, "query": "/question [12/"}
    assert "regular expression" in tab.grid.page["note"]
    tab.grid.order = {**tab.grid.order, "query": ""}
    assert tab.grid.page["total"] == 10


def test_looking_for_older_entries_happens_once_for_each_search(tab, source, monkeypatch):
    for module in ("base", "entries"):
        monkeypatch.setattr(f"gptcache_magics.widgets.tabs.{module}.MOST_ROWS", 10)
    searched = []
    entries = type(source.store).entries

    def counted(self, selection, limit=None):
        searched.append(selection.grep)
        return entries(self, selection, limit)

    monkeypatch.setattr(type(source.store), "entries", counted)
    tab.grid.order = {**tab.grid.order, "query": "question 2"}
    for _ in range(5):
        tab.repaint()
    assert len([pattern for pattern in searched if pattern]) == 1


def test_thousands_of_selected_entries_are_changed_and_removed_at_once(tab, source):
    model = Configuration("63" * 16, "openai", "gpt-4o-mini", "gpt-4o-mini", None, "{}")
    answer = generations.encode([Generation(text="an answer")])
    keys = [hashlib.blake2b(b"%d" % number, digest_size=16).hexdigest() for number in range(3_000)]
    source.store.put_all((Entry(key, model.key, "p", "q", answer, 1.0) for key in keys), [model], replace=True)
    tab.repaint()
    select_all(tab)
    press(tab, "tag", "all")
    assert tab.actions.said == "3,025 entries tagged all."
    press(tab, "remove")
    press(tab, "confirm")
    assert tab.actions.said.startswith("3,025 entries removed")
    press(tab, "undo")
    assert tab.actions.said == "3,025 entries came back."
