"""The charts: well-formed, told in words, safe with any name, the same in a notebook and in a terminal."""

import itertools
import re
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

import gptcache_magics as gm
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Outcome, Usage
from gptcache_magics.tables.chart_data import Series
from gptcache_magics.widgets.charts import (
    Plot,
    axes,
    charts_html,
    charts_text,
    costs_chart,
    hit_rate_chart,
    latency_chart,
    words,
)
from gptcache_magics.widgets.tabs.charts import ChartsTab
from gptcache_magics.widgets.view import View
from tests.support.filled_store import CLAUDE, LLAMA, MINI, NOON, USAGE, FilledStore, configuration, week_of_lookups
from tests.support.shell import ask

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "<script>alert(1)</script>",
    "</svg><img src=x onerror=alert(2)>",
    "\x1b[31mred \u202etxet\ufffe\uffff\x00",
    '"quoted" & $a$ ]]> &amp;',
    "long-name/" * 10_000,
    "模型" * 1_000,
    "line\nbreak",
    "",
)


@pytest.fixture
def filled(store: FilledStore) -> FilledStore:
    """Return a store with twenty minutes of three models, one of which has no price."""
    for n in range(20):
        outcome: Outcome = "hit" if n % 4 else "miss"
        for of in (MINI, CLAUDE, LLAMA):
            store.look(outcome, of, usage=USAGE, seconds=1.5, at=NOON + 60 * n, lookup_seconds=1e-4 * (n + 1))
    return store


def charts(series: Series) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(charts_html(series)))


def told(chart: ElementTree.Element) -> str:
    """Return the description of a chart."""
    return chart.findtext(f"{SVG}desc") or ""


def texts(chart: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in chart.iter(f"{SVG}text")]


def test_every_chart_is_an_image_with_a_name_and_its_figures_in_words(filled: FilledStore) -> None:
    found = charts(Series.read(filled))

    assert [chart.findtext(f"{SVG}title") for chart in found] == [
        "Hit rate over time",
        "Saved and paid, by model",
        "Lookup latency",
    ]
    for chart in found:
        assert chart.tag == f"{SVG}svg"
        assert chart.get("role") == "img"
        assert [child.tag for child in chart][:2] == [f"{SVG}title", f"{SVG}desc"]
        assert texts(chart)[0] == chart.findtext(f"{SVG}title")
        assert chart.get("viewBox", "").startswith("0 0 440 ")
        assert not {"id", "class", "href"} & {name for element in chart.iter() for name in element.attrib}
        assert {element.tag.removeprefix(SVG) for element in chart.iter()} <= {
            *("svg", "title", "desc", "text", "path", "g", "rect"),
        }
        assert len(ElementTree.tostring(chart)) < 10_000


def test_the_words_about_hit_rates_are_the_frame_s(filled: FilledStore) -> None:
    rates = Series.read(filled).hit_rates
    hits, misses = rates["hits"].sum(), rates["misses"].sum()
    said = told(charts(Series.read(filled))[0])

    assert (hits, misses) == (45, 15)
    assert said.startswith(f"Overall {hits / (hits + misses):.0%}: {hits} hits, {misses} misses; ")
    low, high = rates["hit_rate"].min(), rates["hit_rate"].max()
    assert f"Lowest {low:.0%} at {axes.moment(NOON, 60)}" in said
    assert f"highest {high:.0%} at " in said
    assert said.count("by 30 seconds.") == 1


def test_each_bar_says_its_figures_under_the_pointer(filled: FilledStore) -> None:
    chart = charts(Series.read(filled))[0]
    rates = Series.read(filled).hit_rates
    shown = [element.text for element in chart.iter(f"{SVG}title")][1:]

    asked = rates[rates["hits"] + rates["misses"] > 0]
    assert shown == [
        words.bucket(row.start.timestamp(), 30, row.hits, row.misses)  # type: ignore[union-attr, arg-type]
        for row in asked.itertuples()
    ]


def test_the_words_about_costs_are_the_frame_s(filled: FilledStore) -> None:
    costs = Series.read(filled).costs
    said = told(charts(Series.read(filled))[1])

    for model in ("claude-sonnet-4-0", "gpt-4o-mini"):
        saved, paid = costs.loc[model, ["saved_usd", "paid_usd"]]
        assert f"{model}: saved ${saved:.4f}, paid ${paid:.4f}." in said
    assert "llama3: saved 22 s, paid 7.5 s." in said
    assert costs.loc["llama3", ["saved_seconds", "paid_seconds"]].tolist() == [22.5, 7.5]
    assert said.index("claude") < said.index("gpt") < said.index("llama")


def test_the_words_about_latency_are_the_frame_s(filled: FilledStore) -> None:
    quantiles = Series.read(filled).quantiles
    said = told(charts(Series.read(filled))[2])

    hit, miss = (quantiles.loc[outcome] for outcome in ("hit", "miss"))
    assert said == (
        f"45 hits: median {hit['median_ms']:.1f} ms, 95% within {hit['p95_ms']:.1f} ms. "
        f"15 misses: median {miss['median_ms']:.2f} ms, 95% within {miss['p95_ms']:.1f} ms."
    )


def test_an_unknown_amount_is_said_to_be_unknown(store: FilledStore) -> None:
    store.look("miss", MINI, usage=Usage())
    store.look("hit", MINI, usage=USAGE)

    said = told(charts(Series.read(store))[1])
    assert "paid unknown." in said
    assert "saved $0." in said


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_model_name_is_shown_and_cut_and_nothing_else(store: FilledStore, name: str) -> None:
    of = configuration("nobody", name)
    store.look("miss", of, usage=USAGE, seconds=2.0)
    store.look("hit", of, usage=USAGE, seconds=2.0)
    series = Series.read(store)

    html = charts_html(series)
    chart = ElementTree.fromstring(html)[1]
    assert "<script" not in html
    assert "<img" not in html
    assert len(html) < 20_000
    assert max(map(len, texts(chart))) <= 50
    text = charts_text(series)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", html + text)
    assert max(map(len, text.splitlines())) < 80


def test_times_too_short_for_seconds_are_written_in_milliseconds(store: FilledStore) -> None:
    store.look("miss", configuration("nobody", "fast"), seconds=0.0008)

    chart = charts_html(Series.read(store))
    assert ">0.80 ms paid<" in chart
    assert ">milliseconds<" in chart


def test_the_text_form_keeps_its_columns_beside_wide_names(store: FilledStore) -> None:
    for name in ("模型" * 20, "a", "long-name/" * 9):
        store.look("miss", configuration("nobody", name), seconds=2.0)

    lines = [line for line in charts_text(Series.read(store)).splitlines() if "saved" in line]
    before = [line.partition("saved")[0] for line in lines]
    assert [sum(map(words.wide, text)) for text in before] == [30] * 3


def test_nothing_to_draw_is_said_in_a_sentence(store: FilledStore) -> None:
    empty = Series.read(store)
    for form in (charts_html(empty), charts_text(empty), repr(Plot(empty)), Plot(empty)._repr_html_()):
        assert words.EMPTY in form
        assert "<svg" not in form
    for note in (
        hit_rate_chart(empty.hit_rates),
        costs_chart(empty.costs),
        latency_chart(empty.latencies, empty.quantiles),
    ):
        assert ElementTree.fromstring(note).get("role") == "note"


def test_lookups_without_hit_miss_or_cost_are_not_an_error(store: FilledStore) -> None:
    for outcome in ("bypass", "error"):
        store.look(outcome, LLAMA)  # type: ignore[arg-type]
    series = Series.read(store)

    assert [chart.text for chart in charts(series)] == [words.NO_RATES, words.NO_COSTS, words.NO_LATENCIES]
    assert charts_text(series).split("\n\n") == [words.NO_RATES, words.NO_COSTS, words.NO_LATENCIES]


@pytest.mark.parametrize("outcome", ["hit", "miss"])
def test_one_lookup_is_drawn(store: FilledStore, outcome: Outcome) -> None:
    store.look(outcome, MINI, usage=USAGE, seconds=1.0)
    rate, costs, latency = charts(Series.read(store))

    assert told(rate).startswith("Overall 100%: 1 hit, 0 misses" if outcome == "hit" else "Overall 0%: 0 hits, 1 miss")
    assert "1.0 ms" in told(latency)
    assert f"No {'miss' if outcome == 'hit' else 'hit'}" in told(latency)
    assert "gpt-4o-mini" in told(costs)
    assert "1 ms" not in texts(rate)


def test_more_models_than_there_is_room_for_are_counted(store: FilledStore) -> None:
    for n in range(11):
        store.look("miss", configuration("nobody", f"model-{n:02}"), seconds=100.0 - n)

    series = Series.read(store)
    chart = charts(series)[1]
    assert "3 more models" in texts(chart)
    assert told(chart).endswith("3 more models.")
    assert [text for text in texts(chart) if text.startswith("model-")] == [f"model-{n:02}" for n in range(8)]
    assert "3 more models" in charts_text(series)


@pytest.mark.parametrize(
    ("room", "widths"),
    [
        (0, [440.0, 440.0, 440.0]),
        (1800, [576.0] * 3),
        (800, [800.0, 382.0, 382.0]),
        (500, [500.0] * 3),
        (9, [330.0] * 3),
    ],
)
def test_everything_drawn_is_inside_the_drawing(filled: FilledStore, room: int, widths: list[float]) -> None:
    found = [*ElementTree.fromstring(charts_html(Series.read(filled), room)).iter(f"{SVG}svg")]
    assert [float(chart.get("viewBox", "").split()[2]) for chart in found] == widths
    for chart in found:
        width, height = map(float, chart.get("viewBox", "").split()[2:])
        for element in chart.iter():
            if element.tag in (f"{SVG}text", f"{SVG}rect"):
                assert 0 <= float(element.get("x", "")) <= width
                assert 0 <= float(element.get("y", "")) <= height
            starts = re.findall(r"M(-?[\d.]+) (-?[\d.]+)", element.get("d", ""))
            assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in starts)
            assert "nan" not in element.get("d", "")


@pytest.mark.slow
def test_a_hundred_thousand_lookups_take_a_few_kilobytes() -> None:
    store = week_of_lookups(100_000)
    found = charts(Series.read(store))
    store.close()

    assert told(found[0]).startswith("Overall 70%: 70,000 hits, 30,000 misses")
    assert all(len(ElementTree.tostring(chart)) < 12_000 for chart in found)


def test_the_text_form_has_a_line_for_each_figure(filled: FilledStore) -> None:
    series = Series.read(filled)
    rates, costs, latencies = charts_text(series).split("\n\n")

    assert rates.startswith("Hit rate over time, overall 75%: 45 hits, 15 misses\n")
    lines = rates.splitlines()[2:]
    assert len(lines) == len(series.few_hit_rates)
    assert lines[0].split()[1:] == ["█" * 12, "50%:", "3", "hits,", "3", "misses"]
    assert re.search(r"^  claude-sonnet-4-0 +saved  █{24}  \$0\.\d{4}$", costs, re.M)
    assert "No price is known" in costs
    assert "45 hits: median" in latencies
    assert all(len(line) <= 80 for line in charts_text(series).splitlines())


@pytest.mark.parametrize(
    ("top", "most", "whole", "ticks"),
    [
        (0.0, 4, False, [0, 1]),
        (float("nan"), 4, False, [0, 1]),
        (1, 2, True, [0, 1]),
        (3, 2, True, [0, 2, 4]),
        (100, 2, True, [0, 50, 100]),
        (101, 2, True, [0, 100, 200]),
        (0.3551, 4, False, [0, 0.1, 0.2, 0.3, 0.4]),
        (0.3, 3, False, [0, 0.1, 0.2, 0.3]),
        (1e-7, 4, False, [0, 5e-8, 1e-7]),
        (4e9, 4, False, [0, 1e9, 2e9, 3e9, 4e9]),
    ],
)
def test_ticks_are_round_numbers_that_reach_the_top(top: float, most: int, whole: bool, ticks: list[float]) -> None:
    assert axes.round_ticks(top, most, whole=whole) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.01, 100, ["0.01", "0.1", "1", "10", "100"]),
        (0.02, 2, ["0.03", "0.1", "0.3", "1"]),
        (0.1, 1, ["0.1", "0.2", "0.5", "1"]),
        (1, 100_000, ["1", "10", "100", "1,000", "10,000", "100,000"]),
    ],
)
def test_ticks_of_a_log_axis_are_few_and_round(low: float, high: float, labels: list[str]) -> None:
    assert [axes.number(tick, tick) for tick in axes.decades(low, high)] == labels


def test_labels_have_the_digits_they_need_and_no_more() -> None:
    assert [axes.usd(dollars, 0.05) for dollars in (0, 0.05, 0.1)] == ["$0", "$0.05", "$0.10"]
    assert [axes.usd(0.5, 0.5), axes.usd(2_000, 1_000), axes.usd(0.002, 0.002)] == ["$0.50", "$2,000", "$0.002"]


@pytest.mark.parametrize("span", [1, 59, 61, 3_600, 86_400, 3 * 86_400, 40 * 86_400, 900 * 86_400])
def test_times_have_a_few_marks_that_differ(span: float) -> None:
    ticks = axes.time_ticks(NOON, NOON + span)
    assert 1 <= len(ticks) <= 6
    assert all(one != other for (_, one), (_, other) in itertools.pairwise(ticks))
    assert all(NOON <= at <= NOON + span for at, _ in ticks)


@pytest.fixture
def used(on: Path) -> Path:
    """Return the store of a cache in which two models were asked."""
    for question in ("first", "second", "first"):
        ask(question)
    ask("third", "large-model")
    return on


def test_stats_draws_what_it_counts(used: Path) -> None:
    plot = gm.stats(plot=True)

    assert "Overall 25%: 1 hit, 3 misses" in plot._repr_html_()  # type: ignore[union-attr]
    assert "overall 25%: 1 hit, 3 misses" in repr(plot)
    of_model = repr(gm.stats(plot=True, model="large-model"))
    assert "0 hits, 1 miss" in of_model
    assert "small-model" not in of_model
    assert repr(gm.stats(plot=True, since="all", at=used)) == repr(plot)
    with pytest.raises(CommandError, match="Type one of them"):
        gm.stats(plot=True, reset=True)
    assert len(gm.stats()) == 2


def test_the_tab_says_something_to_the_browser_only_if_a_figure_changed(used: Path) -> None:
    tab, source, sent = ChartsTab(), controller.source(), []
    assert not tab.opened
    assert not tab.children
    view = View("run")
    source.flush()
    tab.paint(source, view)
    assert tab.opened
    charts = tab.children[0]
    assert charts.value == ChartsTab.html(source, view)
    charts.observe(sent.append, "value")
    tab.paint(source, view)
    assert sent == []
    ask("fourth")
    source.flush()
    tab.paint(source, view)
    assert len(sent) == 1
    assert "1 hit, 4 misses" in charts.value
    tab.paint(source, View("run", model="large-model"))
    assert "0 hits, 1 miss" in charts.value
    tab.room = 800
    tab.paint(source, View("run"))
    assert 'viewBox="0 0 800 ' in charts.value
    tab.paint(source, View("run", cell=7))
    assert "No lookups with cell [7] in this run. To remove the filter, press its chip above." in charts.value


def test_a_drawing_does_not_depend_on_the_time(filled: FilledStore) -> None:
    assert pd.Timestamp.now() > pd.Timestamp(NOON, unit="s")
    assert charts_html(Series.read(filled)) == charts_html(Series.read(filled))
