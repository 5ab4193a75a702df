"""``%gptcache compare``: two entries, an entry and its history, two models."""

import pandas as pd
import pytest

import gptcache_magics as gm
from gptcache_magics.commands.compare import EXAMPLE
from gptcache_magics.errors import CommandError
from gptcache_magics.tables.comparison import COMPARED, totals
from tests.support.shell import ask

pytestmark = pytest.mark.usefixtures("on")


def ids(model: str) -> list[str]:
    """Return the ids of the entries of a model, the newest first."""
    return [str(id) for id in gm.entries(model=model).index]


def test_two_models_give_a_row_for_each_question_that_both_were_asked() -> None:
    for model, questions in (("small", ("sky?", "sea?", "alone?")), ("large", ("sea?", "sky?"))):
        for question in questions:
            ask(question, model)

    df = gm.compare("small", "large")

    assert df["question"].tolist() == ["sea?", "sky?"]
    assert df["entry_a"].tolist() == ids("small")[1:]
    assert sorted(df["entry_b"]) == sorted(ids("large"))
    assert not df["same"].any()
    assert {name: str(dtype) for name, dtype in df.dtypes.items()} == {
        name: str(pd.api.types.pandas_dtype(dtype)) for name, dtype in COMPARED.items()
    }


def test_totals_are_sums_of_what_is_known() -> None:
    for model in ("small", "large"):
        ask("sky?", model)

    sums = totals(gm.compare("small", "large"))

    assert list(sums.index) == ["a", "b"]
    assert sums["paid_usd"].isna().all()
    assert (sums["paid_seconds"] > 0).all()
    assert sums.dtypes.astype(str).tolist() == ["Int64", "Int64", "float64", "float64"]


def test_of_several_answers_to_a_question_the_newest_is_compared() -> None:
    ask("sky?", "small")
    newest = ask("sky?", "large")
    with gm.using(mode="refresh"):
        newest = ask("sky?", "large")

    assert gm.compare("small", "large")["answer_b"].tolist() == [newest]


def test_two_entries_show_the_words_that_differ_and_both_answers() -> None:
    answers = [ask("Why is the sky blue?"), ask("Why is the sea blue?")]
    one, other = reversed(ids("small-model"))

    shown = repr(gm.compare(one, other))

    assert "Why is the [-sky-]{+sea+} blue?" in shown
    assert all(answer in shown for answer in answers)


def test_an_entry_is_compared_with_the_answer_that_it_had_before() -> None:
    before = ask("sky?")
    with gm.using(mode="refresh"):
        now = ask("sky?")

    shown = repr(gm.compare(ids("small-model")[0]))

    assert shown.index(before) < shown.index(now)
    assert "before 20" in shown


def test_foreign_text_is_escaped() -> None:
    ask("<script>alert(1)</script>")
    ask("\x1b[31mred")
    html = gm.compare(*ids("small-model"))._repr_html_()

    assert "<script>" not in html
    assert "\x1b" not in html


def test_wrong_words_get_a_sentence() -> None:
    ask("sky?", "small")
    ask("sea?", "large")
    for words, said in (
        (
            ("small",),
            f"compare: the model 'small' needs another one. Example: {EXAMPLE}",
        ),
        (("smal_",), "No model 'smal_' in this store. Did you mean 'small'? Models: large, small."),
        (("aaaa",), "No entry has the id 'aaaa'. All ids: %gptcache entries"),
        (("small", "large"), "compare: small and large have no question in common. All questions: %gptcache entries"),
        (("smal_", "large"), "No model 'smal_' in this store. Did you mean 'small'? Models: large, small."),
    ):
        with pytest.raises(CommandError) as error:
            gm.compare(*words)
        assert str(error.value) == said
    id = ids("small")[0]
    with pytest.raises(CommandError, match=f"{id} has no earlier answer"):
        gm.compare(id)
