"""What rows of the panel's tables show where their texts begin alike, and the files that are made of them."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from gptcache_magics.controller import controller
from gptcache_magics.widgets.formats import Column
from gptcache_magics.widgets.grid.cells import from_place, last_parts, shared_beginnings
from gptcache_magics.widgets.grid.export import export
from gptcache_magics.widgets.grid.grid import Grid
from gptcache_magics.widgets.tabs.entries import EntriesTab
from gptcache_magics.widgets.tabs.lookups import LookupsTab
from gptcache_magics.widgets.tabs.models import ModelsTab
from gptcache_magics.widgets.view import View
from tests.support.shell import ask

TEMPLATE = "Translate the following sentence of a guest to French, politely: "
COLUMNS = (Column("model", "Model", "model"), Column("question", "Question", "prompt", grow=True))
KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


def seen(text: str, texts: list[str]) -> str:
    place = shared_beginnings(texts).get(text)
    return text if place is None else "".join(from_place(text, place))


def test_rows_of_one_template_show_the_words_that_differ():
    texts = [f"{TEMPLATE}{each}" for each in ("Guten Tag", "Guten Abend", "Wo ist mein Koffer?", "Danke")]
    texts += ["What is the capital of Italy?", "A question of its own"]
    assert [seen(each, texts) for each in texts] == [
        "Translate … politely: Guten Tag",
        "Translate … politely: Guten Abend",
        "Translate … politely: Wo ist mein Koffer?",
        "Translate … politely: Danke",
        *texts[4:],
    ]


def test_two_texts_are_no_template_and_short_ones_stay():
    assert shared_beginnings([f"{TEMPLATE}one", f"{TEMPLATE}two"]) == {}
    assert shared_beginnings([f"Is {n} prime?" for n in range(100)]) == {}
    assert shared_beginnings([]) == {}


def test_a_beginning_is_found_among_many_rows_and_in_long_texts():
    long = [f"{TEMPLATE * 20}{n} " + "word " * 2_000 for n in range(500)]
    places = shared_beginnings([*long, *(f"{n} another" for n in range(4_500))])
    assert len(places) == 500
    assert all("politely" in each[place:][:40] for each, place in places.items())


def test_a_path_shows_its_last_part_unless_another_ends_alike():
    names = [r"C:\models\phi.gguf", "/home/me/a/llama.gguf", "/home/me/b/llama.gguf", "acme/Large-7b", "gpt-4o", "/"]
    assert last_parts(names) == dict(
        zip(names, ["phi.gguf", "a/llama.gguf", "b/llama.gguf", "Large-7b", "gpt-4o", "/"], strict=True)
    )


@pytest.fixture
def grid():
    frame = pd.DataFrame(
        {
            "model": ["/models/tiny.gguf", "gpt-4o", "/models/tiny.gguf"],
            "question": [f"{TEMPLATE}{each} {KEY}" for each in ("a <b>", "b", "c")],
        },
        index=pd.Index([1, 2, 3], name="number"),
    ).astype("string")
    grid = Grid(COLUMNS, key="number", label="Lookups")
    grid.update(frame)
    yield grid
    grid.close()


def test_a_cell_is_sent_as_its_short_beginning_and_its_rest_and_asked_for_whole(grid, monkeypatch):
    sent = []
    monkeypatch.setattr(grid, "send", sent.append)
    (span,) = grid.page["spans"]
    assert span["rows"][0][:2] == ["1", ("", "tiny.gguf")]
    assert span["rows"][0][2][0] == "Translate … "
    assert "following" not in str(span)
    grid._asked(grid, {"whole": ["1", "question", True]}, [])
    grid._asked(grid, {"whole": ["2", "", False]}, [])
    grid._asked(grid, {"whole": ["9", "question", True]}, [])  # a row that has gone
    assert sent == [
        {"whole": {"text": f"{TEMPLATE}a <b> ***", "copy": True}},
        {"whole": {"text": f"gpt-4o\t{TEMPLATE}b ***", "copy": False}},
    ]


def test_a_search_and_an_order_are_those_of_the_whole_texts(grid):
    grid.order = {**grid.order, "query": "of a guest to french, politely: b"}
    assert [row[0] for span in grid.page["spans"] for row in span["rows"]] == ["2"]


def test_an_export_has_the_rows_that_are_shown_whole_and_without_keys(grid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grid.order = {**grid.order, "sort": "question", "ascending": False, "query": "tiny"}
    told = grid._export("csv")
    (written,) = tmp_path.iterdir()
    assert told == f"2 rows in {written.name}"
    assert written.name.startswith("gptcache-lookups-2")
    assert list(pd.read_csv(written)["question"]) == [f"{TEMPLATE}{each} ***" for each in ("c", "a <b>")]
    assert grid._export("pickle") == "No export as 'pickle'."


def test_an_export_that_fails_is_a_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert export(pd.DataFrame({"a": [1]}), "Lookups", "csv").startswith("Not written: ")


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("redact", [False, True])
def test_the_table_of_every_tab_can_be_written(on, tmp_path, monkeypatch, form: str, redact: bool):
    monkeypatch.chdir(tmp_path)
    for number in (1, 1, 2):
        ask(f"question {number}")
    source = controller.source().settled()
    parquet = any(importlib.util.find_spec(each) for each in ("pyarrow", "fastparquet"))
    for tab in (ModelsTab(), LookupsTab(), EntriesTab()):
        tab.paint(source, View(since="all", redact=redact))
        told = tab.grid._export(form)
        if form == "parquet" and not parquet:
            assert told == "Parquet needs pyarrow. Type: %pip install pyarrow, or export CSV."
            continue
        path = Path(told.rpartition(" ")[2])
        assert path.exists(), told
        frame = pd.read_csv(path) if form == "csv" else pd.read_parquet(path)
        assert len(frame) == len(tab.table)
        assert ("question 1" in frame.to_string()) == (not redact and not isinstance(tab, ModelsTab))
        tab.close()
