"""The grid without a browser: what travels, how it sorts and searches, and how values read."""

import json
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from gptcache_magics.text.amounts import UNKNOWN
from gptcache_magics.widgets.formats import BLANK, Column, one_line, plain, shown
from gptcache_magics.widgets.grid.grid import HEADING, Grid
from gptcache_magics.widgets.grid.groups import Groups

COLUMNS = (Column("model", "Model"), Column("question", "Question", grow=True), Column("paid_usd", "Paid", "money"))


def make_frame(rows):
    """Return a frame of this many rows whose texts are long enough to be cut."""
    return pd.DataFrame(
        {
            "model": [f"model-{n % 3}" for n in range(rows)],
            "question": [f"question {n} " + "word " * 100 for n in range(rows)],
            "paid_usd": [None if n % 5 == 4 else n / 100 for n in range(rows)],
        },
        index=pd.Index(range(rows), name="number"),
    ).astype({"model": "string", "question": "string", "paid_usd": "float64"})


@pytest.fixture
def grid():
    grid = Grid(COLUMNS, key="number", label="Lookups", groupings=["cell"])
    grid.update(make_frame(100))
    yield grid
    grid.close()


def keys(grid):
    return [row[0] for span in grid.page["spans"] for row in span["rows"]]


def ask(grid, **order):
    grid.order = {**grid.order, **order}


@pytest.mark.parametrize("rows", [100, 100_000])
def test_the_state_stays_small_however_long_the_table_is(grid, rows):
    grid.update(make_frame(rows))
    assert len(json.dumps(grid.get_state(), default=str)) < 50_000


def test_only_the_rows_around_those_in_sight_are_told_and_none_is_saved(grid):
    grid.update(make_frame(5_000))
    grid.windows = {"view": {"first": 2_000, "key": ""}}
    told = json.dumps(grid.page, default=str)
    assert "question 2000 " in told
    assert "question 0 " not in told
    assert "question 4000 " not in told
    assert "question 2000 " not in json.dumps(grid.get_state(), default=str)


def test_two_views_each_get_the_rows_they_look_at(grid):
    grid.update(make_frame(5_000))
    grid.windows = {"one": {"first": 0, "key": ""}, "two": {"first": 3_000, "key": "3000"}}
    assert [span["start"] for span in grid.page["spans"]] == [0, 2_950]
    assert {"0", "3000"} <= set(keys(grid))


def test_views_that_look_at_the_same_rows_get_them_once(grid):
    grid.windows = {"one": {"first": 0, "key": ""}, "two": {"first": 10, "key": ""}}
    assert len(grid.page["spans"]) == 1
    assert len(keys(grid)) == len(set(keys(grid)))


def test_a_view_keeps_its_rows_when_new_ones_come_above(grid):
    grid.windows = {"view": {"first": 50, "key": "50"}}
    newer = make_frame(1_000)
    newer.index = pd.Index([*range(1_000, 1_900), *range(100)], name="number")
    grid.update(newer)
    assert {"50", "59"} <= set(keys(grid))


def test_an_update_that_changes_nothing_sends_nothing(grid):
    sent = []
    grid.observe(sent.append, "page")
    grid.update(make_frame(100))
    assert not sent


def test_numbers_sort_by_value_and_unknown_ones_come_last(grid):
    ask(grid, sort="paid_usd", ascending=False)
    assert keys(grid)[:2] == ["98", "97"]
    ask(grid, sort="paid_usd", ascending=True)
    assert keys(grid)[:2] == ["0", "1"]
    assert grid._positions[-1] % 5 == 4


def test_texts_sort_without_regard_to_case():
    grid = Grid([Column("model", "Model")], key="model", label="Models", sort=("model", True))
    grid.update(pd.DataFrame({"model": ["b", "C", "A"]}))
    assert keys(grid) == ["A", "b", "C"]


def test_a_search_finds_plain_text_as_it_is_written(grid):
    ask(grid, query="QUESTION 42 ")
    assert keys(grid) == ["42"]
    assert grid.page["count"] == "1 of 100 rows"
    ask(grid, query="question .")
    assert keys(grid) == []
    assert "No row" in grid.page["note"]


def test_a_search_between_slashes_is_a_regular_expression(grid):
    ask(grid, query="/question (7|8) /")
    assert keys(grid) == ["7", "8"]


def test_a_regular_expression_that_takes_too_long_is_named_also_after_an_update(grid):
    frame = make_frame(3)
    frame["question"] = "a" * 60 + "?"
    grid.update(frame)
    ask(grid, query="/(a|aa)+$/")
    for _ in range(2):
        assert "takes too long" in grid.page["note"]
        assert grid.page["total"] == 3
        grid.update(frame)


def test_a_bad_regular_expression_is_named_and_the_table_stays(grid):
    ask(grid, query="/question 7 /")
    ask(grid, query="/question (7/")
    assert "regular expression" in grid.page["note"]
    assert keys(grid) == ["7"]
    ask(grid, query="")
    assert grid.page["note"] == ""
    assert grid.page["total"] == 100


def test_a_range_longer_than_the_browser_holds_is_selected_here(grid):
    ask(grid, sort="paid_usd", ascending=False)
    grid._handle_custom_msg({"range": ["98", "96"]}, [])
    assert grid.selection == ["98", "97", "96"]
    grid._handle_custom_msg({"range": ["96", "gone"]}, [])
    assert grid.selection == ["98", "97", "96"]
    grid.update(make_frame(1_000))
    grid._handle_custom_msg({"range": ["10", "990"]}, [])
    assert len(grid.selection) > 780


def test_rows_stand_under_headings_when_that_is_asked_for(grid):
    groups = Groups(of=[n // 4 for n in range(12)], headings=[("a", "1"), ("b", ""), ("c", "")], leading=[False] * 12)
    grid.update(make_frame(12), groups=groups)
    assert keys(grid) == [str(n) for n in range(12)]
    ask(grid, grouped="cell")
    rows = [row for span in grid.page["spans"] for row in span["rows"]]
    assert [row for row in rows if row[0].startswith(HEADING)] == [
        ["\n2", "a", "1"],
        ["\n1", "b", ""],
        ["\n0", "c", ""],
    ]
    assert [at for at, row in enumerate(rows) if row[0].startswith(HEADING)] == [0, 5, 10]
    assert (grid.page["total"], grid.page["count"]) == (15, "12 rows")
    grid._handle_custom_msg({"range": ["2", "5"]}, [])
    assert grid.selection == ["2", "3", "4", "5"]


def test_the_page_says_for_which_wish_it_is(grid):
    ask(grid, query="question 7 ")
    assert grid.page["order"] == grid.order


def test_a_selection_survives_updates_until_its_row_is_gone(grid):
    grid.selection = ["3", "50"]
    grid.update(make_frame(60))
    assert grid.selection == ["3", "50"]
    assert list(grid.selected()["number"]) == [3, 50]
    grid.update(make_frame(10))
    assert grid.selection == ["3"]


def test_a_row_selected_during_an_update_stays_selected(grid):
    send = grid.send

    def send_and_hear(content: object) -> None:
        send(content)
        grid.select([3])  # as the browser may say while the new rows are on their way

    grid.send = send_and_hear
    grid.update(make_frame(60))
    assert grid.selection == ["3"]


def test_an_empty_table_says_what_to_do():
    grid = Grid(COLUMNS, key="number", label="Lookups", empty="Run a cell that calls a model.")
    grid.update(make_frame(0))
    assert grid.page["note"] == "Run a cell that calls a model."
    assert grid.page["total"] == 0


def test_a_key_that_cannot_be_shown_still_names_one_row():
    grid = Grid([Column("model", "Model")], key="model", label="Models")
    names = ["x" * 100_000, "x" * 100_001, "a\nb", "\ud800"]
    grid.update(pd.DataFrame({"model": pd.Series(names, dtype="object")}))
    assert len(set(keys(grid))) == len(names)
    grid.selection = [keys(grid)[1]]
    assert list(grid.selected()["model"]) == names[1:2]
    json.dumps(grid.get_state(), default=str).encode()


def test_a_column_with_nothing_to_see_is_said_so_that_it_gives_way_first():
    columns = (Column("id", "Id"), Column("marks", "Marks", level=1), Column("paid_usd", "Paid", "money", level=1))
    grid = Grid(columns, key="id", label="Entries")
    grid.update(pd.DataFrame({"id": ["a", "b"], "marks": ["", ""], "paid_usd": [None, 0.0]}))
    assert grid.page["bare"] == ["marks"]
    grid.update(pd.DataFrame({"id": ["a", "b"], "marks": ["", "pinned"], "paid_usd": [None, 0.0]}))
    assert grid.page["bare"] == []


def test_amounts_of_money_stand_with_their_points_below_each_other():
    grid = Grid([Column("id", "Id"), Column("paid_usd", "Paid", "money")], key="id", label="Entries")
    grid.update(pd.DataFrame({"id": list("abcde"), "paid_usd": [0.0, 0.00002, 0.0041, 12.5, None]}))
    texts = [row[2] for row in grid.page["spans"][0]["rows"]]
    assert [text.strip() for text in texts] == ["$0", "<$0.0001", "$0.0041", "$12.50", UNKNOWN]
    assert {len(text) - text.find(".") for text in texts[1:4]} == {5}
    assert texts[0] == "$0\u2008" + 4 * "\u2007"
    grid.update(pd.DataFrame({"id": ["a"], "paid_usd": [0.0041]}))
    assert grid.page["spans"][0]["rows"][0][2] == "$0.0041"


def test_a_blank_text_is_said_where_one_is_expected():
    grid = Grid([Column("question", "Question", blank=BLANK), Column("tag", "Tag")], key="question", label="Entries")
    grid.update(pd.DataFrame({"question": ["", " \n", None, "first"], "tag": ["", "", "", ""]}))
    assert [row[1:] for row in grid.page["spans"][0]["rows"]] == [
        [BLANK, ""],
        [BLANK, ""],
        [UNKNOWN, ""],
        ["first", ""],
    ]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("count", 1234567, "1,234,567"),
        ("count", pd.NA, UNKNOWN),
        ("money", 0.0041, "$0.0041"),
        ("money", float("nan"), UNKNOWN),
        ("ms", 0.091, "0.091"),
        ("ms", 1234.4, "1,234"),
        ("seconds", 4.21, "4.2"),
        ("duration", 4.21, "4.2 s"),
        ("duration", float("nan"), UNKNOWN),
        ("similarity", 0.9349, "0.93"),
        ("percent", 0.625, "62%"),
        ("bytes", 1_500, "1.5 kB"),
        ("time", pd.NaT, UNKNOWN),
        ("text", None, UNKNOWN),
    ],
)
def test_a_value_reads_as_its_kind_says(kind, value, text):
    assert shown(kind, value) == text


def test_a_time_of_today_is_a_clock_time_and_an_earlier_one_a_date():
    now = datetime.now(UTC)
    assert shown("time", pd.Timestamp(now)) == f"{now.astimezone():%H:%M:%S}"
    earlier = now - timedelta(days=40)
    assert shown("time", pd.Timestamp(earlier)) == f"{earlier.astimezone():%Y-%m-%d}"


def test_text_that_a_terminal_would_obey_is_made_visible():
    assert plain("\x1b[31mred\x07") == r"\x1b[31mred\x07"
    assert plain("abc\u202edef") == r"abc\u202edef"
    assert plain("\ud800") == r"\ud800"
    assert plain("two\r\nlines\tof text") == "two\nlines\tof text"


def test_a_long_text_is_cut_to_one_short_line():
    assert one_line("a\n b\t c") == "a b c"
    line = one_line("x" * 100_000)
    assert len(line) == 160
    assert line.endswith("…")


def test_a_difference_of_two_columns_shows_the_words_that_differ_and_is_found_by_both():
    long = "Summarise, for a reader in a hurry, the {} report of the lighthouse keepers in three sentences, {}."
    texts = {"old": [long.format(2023, "please"), "same"], "new": [long.format(2024, "today"), "same"]}
    grid = Grid((Column("new", "Old → new", "diff", against="old"),), key="id", label="Pairs")
    grid.update(pd.DataFrame(texts | {"id": ["a", "b"]}))
    first, second = (row[1] for row in grid.page["spans"][0]["rows"])
    assert first["text"] == "…hurry, the [-2023-]{+2024+} report of … sentences, [-please-]{+today+}."
    assert second == {"text": "same", "words": ()}
    for query in ("2023", "2024"):
        ask(grid, query=query)
        assert keys(grid) == ["a"]
    grid.close()
