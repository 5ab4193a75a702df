"""The report that ``%gptcache tune`` returns, and its two charts."""

import re
from html import unescape
from xml.etree import ElementTree

import pandas as pd
import pytest

from gptcache_magics.semantic import tuning
from gptcache_magics.semantic.options import PRESETS
from gptcache_magics.widgets.charts import similarity_chart, threshold_chart, tuning_html
from gptcache_magics.widgets.threshold_report import Tuned

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script> \x1b[31mred \u202etxet"
Row = tuple[str, str, float, bool]


def bread(number: int, cosine: float, right: bool = True) -> Row:
    return f"How can I bake bread {number}?", f"How do I bake bread {number}?", cosine, right


def report(cosine: float, right: bool = False) -> Row:
    return "Summarise the 2024 report.", "Summarise the 2023 report.", cosine, right


def unlabelled(pairs: pd.DataFrame, *places: int) -> pd.DataFrame:
    pairs.loc[list(places), "right"] = pd.NA
    return pairs


@pytest.fixture
def pairs() -> pd.DataFrame:
    """Return sixty right pairs from 0.90 to 0.99, six wrong, four unlabelled, and two that a guard blocks."""
    rows = [bread(n, 0.9005 + (n % 10) / 100) for n in range(60)]
    rows += [bread(n, 0.915 + n / 1_000, right=False) for n in range(4)]
    rows += [bread(n, 0.945, right=False) for n in range(2)]
    rows += [bread(n, 0.80) for n in range(4)]
    rows += [report(0.97), report(0.98, right=True)]
    return unlabelled(tuning.made_pairs(rows, "minilm/384"), 66, 67, 68, 69)


@pytest.fixture
def tuned(pairs: pd.DataFrame) -> Tuned:
    return Tuned(pairs, 0.93, 0.99)


def told(chart: str) -> str:
    return ElementTree.fromstring(chart).findtext(f"{SVG}desc") or ""


def titles(chart: str) -> list[str]:
    """Return the words for each place under the pointer."""
    return [element.text or "" for element in ElementTree.fromstring(chart).iter(f"{SVG}title")][1:]


def test_it_gives_the_frame_the_pairs_and_the_suggestion(tuned: Tuned, pairs: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(tuned.to_frame(), tuning.thresholds(pairs))
    assert tuned.pairs is pairs
    assert tuned.suggestion == tuning.suggestion(pairs, 0.93, 0.99)
    tuned.to_frame().insert(0, "other", 1)
    pd.testing.assert_frame_equal(tuned.to_frame(), tuning.thresholds(pairs))


def test_the_text_has_counts_a_short_table_and_the_worst_pairs(tuned: Tuned) -> None:
    counts, table, sentences, worst = repr(tuned).split("\n\n")
    assert counts == "72 pairs by minilm/384: 61 right, 7 wrong, 4 unlabelled; a guard blocks 2."
    lines = table.splitlines()
    assert lines[0].split("  ")[0] == "Threshold"
    assert [line.split("  ")[0] for line in lines[1:]] == [
        "0.80",
        "0.85 loose",
        "0.90",
        "0.93 balanced, now",
        "0.96 strict",
    ]
    assert re.fullmatch(r"0\.90 +66 +60 +6 +0 +9 \(4 to 19\)", lines[3])
    assert re.fullmatch(r"0\.93 balanced, now +44 +42 +2 +0 +–", lines[4]), "fewer than 50 labels"
    assert sentences == f"{tuned.expected}\n{tuned.suggestion.sentence}"
    assert tuned.expected == f"Threshold 0.93 (balanced): {tuning.expected(tuned.to_frame(), 0.93)}."
    assert worst.splitlines()[:4] == [
        "Worst pairs",
        "  0.94, served though wrong",
        "    stored  How do I bake bread 0?",
        "    asked   How can I bake bread 0?",
    ]
    assert "  0.98, right but blocked by number: 2023 / 2024" in worst
    assert "  0.92, right but below 0.93" in worst


def test_a_threshold_between_two_steps_stands_at_the_lower_one(pairs: pd.DataFrame) -> None:
    shown = repr(Tuned(pairs, 0.945, 0.99))
    assert "\n0.94 now 0.945 " in shown
    assert "\nThreshold 0.945: " in shown


def test_the_html_has_the_same_and_both_charts(tuned: Tuned) -> None:
    html = tuned._repr_html_()
    text = unescape(re.sub("<[^>]*>", "", html))
    for words in (tuned.counts, tuned.expected, tuned.suggestion.sentence, "9 (4 to 19)", "served though wrong"):
        assert words in text
    assert tuning_html(tuned.to_frame(), 0.93) in html
    assert "<del" in html
    assert " class=" not in html.replace(' class="tex2jax_ignore mathjax_ignore"', "")


def test_foreign_text_is_harmless(pairs: pd.DataFrame) -> None:
    rows = [(HOSTILE, HOSTILE, 0.95, False), (f"asked {HOSTILE}", f"stored {HOSTILE}", 0.95, True)]
    hostile = tuning.made_pairs(rows, HOSTILE)
    hostile.loc[1, "blocked"] = f"quoted text: {HOSTILE} / –"
    tuned = Tuned(hostile, 0.93)
    html = tuned._repr_html_()
    assert "<script" not in html
    assert "quoted text: &lt;script&gt;alert(1)" in html
    assert repr(tuned).count("alert(1)") == 6
    for form in (repr(tuned), html):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", form)


def test_missing_labels_and_a_single_pair_are_not_an_error() -> None:
    tuned = Tuned(unlabelled(tuning.made_pairs([bread(1, 0.95)], "minilm/384"), 0), 0.93)
    assert repr(tuned).startswith("1 pair by minilm/384: 0 right, 0 wrong, 1 unlabelled.\n")
    assert "Worst" not in repr(tuned)
    assert f"{tuned.expected}\n{tuned.suggestion.sentence}" in repr(tuned)


def test_labels_of_unserved_pairs_are_not_an_error() -> None:
    pairs = tuning.made_pairs([bread(number, 0.80, right=False) for number in range(60)], "minilm/384")
    assert "60 labels, but none about a hit at the threshold 0.93" in repr(Tuned(pairs, 0.93))


def test_the_bars_are_the_pairs_that_no_guard_blocks(pairs: pd.DataFrame) -> None:
    chart = similarity_chart(tuning.thresholds(pairs), 0.93)
    assert "0.94 to 0.95: 6 right, 2 wrong" in titles(chart)
    assert "0.80 to 0.81: 4 unlabelled" in titles(chart)
    free = pairs[pairs["blocked"] == ""]
    counts = [int(count.replace(",", "")) for title in titles(chart) for count in re.findall(r"([\d,]+) [rwu]", title)]
    assert sum(counts) == len(free) == 70
    assert told(chart) == (
        "From 0.70 to 1: 60 right, 6 wrong, 4 unlabelled. At the threshold 0.93 (balanced) or above: "
        "42 right, 2 wrong, 0 unlabelled. 2 blocked by a guard are left out."
    )


def test_a_cosine_of_1_is_in_the_last_bar() -> None:
    chart = similarity_chart(tuning.thresholds(tuning.made_pairs([bread(1, 1.0), bread(2, 0.995)], "e/1")), 0.93)
    assert titles(chart) == ["0.99 to 1.00: 2 right"]


def test_the_curves_are_the_frame_s(pairs: pd.DataFrame) -> None:
    table = tuning.thresholds(pairs)
    chart = threshold_chart(table, 0.95)
    said = titles(chart)
    assert len(said) == len(table)
    row = table.loc[0.93]
    assert (row["hits"], row["wrong"], row["unguarded_hits"], row["unguarded_wrong"]) == (44, 2, 46, 3)
    assert "0.93: 44 hits, 2 labelled wrong; without guards 46 and 3" in said
    for cosine in (0.95, *PRESETS.values()):
        assert f"At {cosine:.2f}" in told(chart)
    curves = [path for path in ElementTree.fromstring(chart).iter(f"{SVG}path") if path.get("stroke-width") == "2"]
    assert [path.get("stroke-dasharray") is not None for path in curves] == [True, False, True, False]
    assert len({path.get("d") for path in curves}) == 4


@pytest.mark.parametrize("threshold", [0.3, 0.7, 0.85, 0.93, 0.945, 0.9999, 1.0])
def test_charts_are_images_with_words_and_stay_inside(pairs: pd.DataFrame, threshold: float) -> None:
    for table in (tuning.thresholds(pairs), tuning.thresholds(pairs.iloc[:0])):
        for chart in ElementTree.fromstring(tuning_html(table, threshold)):
            assert (chart.tag, chart.get("role")) == (f"{SVG}svg", "img")
            assert [child.tag for child in chart][:2] == [f"{SVG}title", f"{SVG}desc"]
            height = float(chart.get("viewBox", "").split()[3])
            for element in chart.iter():
                assert not {"id", "class", "href"} & set(element.attrib)
                x, y, wide = (float(element.get(name, "0")) for name in ("x", "y", "width"))
                assert x >= 0
                assert x + wide <= 440
                assert 0 <= y <= height
                starts = re.findall(r"M(-?[\d.]+) (-?[\d.]+)", element.get("d", ""))
                assert all(0 <= float(x) <= 440 and 0 <= float(y) <= height for x, y in starts)
                assert "nan" not in element.get("d", "")
            texts = {element.text or "": float(element.get("x", "")) for element in chart.iter(f"{SVG}text")}
            assert {"strict", "balanced", "loose"} <= set(texts)
            present = texts.get(f"threshold {threshold:g}")
            assert (present is not None) == (threshold >= 0.7)
            assert present is None or 50 <= present <= 390  # the middle of about a hundred units


@pytest.mark.slow
def test_many_pairs_take_a_few_kilobytes() -> None:
    rows = [bread(number, 0.7 + (number % 300) / 1_000) for number in range(5_000)]
    html = tuning_html(tuning.thresholds(tuning.made_pairs(rows, "e/1")), 0.93)
    assert len(html) < 30_000
