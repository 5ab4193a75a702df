"""What the rows of a table are asked."""

import operator
from typing import Any

import pandas as pd
import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from gptcache_magics.batch.inputs import function_of, inputs_of
from gptcache_magics.errors import CommandError
from tests.support.shell import NumberedModel

MODEL = NumberedModel()
DF = pd.DataFrame({"review": ["good", "bad"], "n": [1, 2], "my column": ["x", "y"]})


def prompt(text: str) -> Any:
    return ChatPromptTemplate.from_template(text)


def asked(df: pd.DataFrame | pd.Series, chain: Any = MODEL, **how: Any) -> list[Any]:
    inputs = inputs_of(df, chain, how.get("columns"), how.get("template"))
    return [inputs.asked[place] for place in sorted(inputs.asked)]


@pytest.mark.parametrize(
    ("chain", "how", "first"),
    [
        (MODEL, {"columns": "review"}, "good"),
        (MODEL, {"columns": ["my column"]}, "x"),
        (MODEL, {"columns": "n"}, "1"),
        (operator.neg, {"columns": "n"}, 1),
        (RunnableLambda(operator.neg) | MODEL, {"columns": "n"}, 1),
        (MODEL, {"template": "{{{review}}}: {n:.1f} {my column!r}"}, "{good}: 1.0 'x'"),
        (prompt("{review}") | MODEL | StrOutputParser(), {}, {"review": "good"}),
        (prompt("{question}") | MODEL, {"columns": "review"}, {"question": "good"}),
        ((prompt("{review} {n}") | MODEL).with_retry(), {}, {"review": "good", "n": 1}),
        (prompt("{n}").partial(n=3) | MODEL, {"columns": "review"}, "good"),
        (dict, {"columns": ["review", "n"]}, {"review": "good", "n": 1}),
        (dict, {"columns": ("review",)}, {"review": "good"}),
    ],
)
def test_a_row_is_asked_with_what_the_chain_takes(chain: Any, how: dict[str, Any], first: Any) -> None:
    assert asked(DF, chain, **how)[0] == first


@pytest.mark.parametrize(
    ("chain", "how", "said"),
    [
        (MODEL, {}, "columns says what is asked, such as columns='review'. Columns: review, n, my column."),
        (MODEL, {"columns": "revew"}, "no column 'revew'. Did you mean 'review'? Columns: review, n, my column."),
        (MODEL, {"columns": 0}, "no column '0'."),
        (MODEL, {"columns": []}, "columns names no column."),
        (MODEL, {"columns": [["n"]]}, "no column '['n']'."),
        (MODEL, {"columns": ["review", "n"]}, "a model is asked one text. Join the columns: template='{review} {n}'"),
        (MODEL, {"template": "Is it {revew}?"}, "no column 'revew'. Did you mean 'review'?"),
        (MODEL, {"template": "Is it good?"}, "the template names no column. Put one in braces"),
        (MODEL, {"template": "Is it {}?"}, "the template names no column."),
        (MODEL, {"template": "Is it {review?"}, "a brace of the template"),
        (MODEL, {"template": "{n}", "columns": "n"}, "the template names its columns itself. Leave out columns."),
        (prompt("{review} {n}") | MODEL, {"columns": "review"}, "the prompt needs 'n'. Name those columns, too."),
        (prompt("{review} {n}") | MODEL, {"template": "{n}"}, "begins with a prompt of its own, about n, review"),
        (prompt("{question}") | MODEL, {}, "no column 'question'."),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_row(chain: Any, how: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandError, match=r"^map: ") as caught:
        asked(DF, chain, **how)
    assert said in str(caught.value)


@pytest.mark.parametrize("chain", [3, "gpt-4o", NumberedModel])
def test_what_is_no_model_chain_or_function_is_refused(chain: Any) -> None:
    with pytest.raises(CommandError, match="map: a model, a chain or a function answers the rows"):
        function_of(chain)


def test_a_row_that_lacks_a_value_is_not_asked_about() -> None:
    df = pd.DataFrame({"a": ["x", None, float("nan"), pd.NA, "", "x"], "n": [1, 2, 3, 4, 5, None]})

    inputs = inputs_of(df, MODEL, None, "{a} {n:d}")

    assert inputs.asked == {}
    assert inputs.lacking[0].startswith("ValueError: Unknown format code 'd'"), "n is a float"
    assert inputs.lacking[1] == "no value in 'a'"
    assert inputs.lacking[5] == "no value in 'n'"
    assert inputs_of(df, MODEL, "a", None).lacking[4] == "the question is empty"


def test_rows_that_repeat_an_earlier_one_are_asked_later() -> None:
    inputs = inputs_of(pd.Series(["a", "b", "a", "c"]), MODEL, None, None)

    assert inputs.asked == {0: "a", 1: "b", 3: "c"}
    assert inputs.repeated == {2: "a"}


def test_columns_may_have_any_names() -> None:
    df = pd.DataFrame([["x", "y", "z"]], columns=pd.Index([0, "a.b", "c[0]"]))
    tuples = pd.DataFrame([["x"]], columns=pd.MultiIndex.from_tuples([("a", "b")]))

    assert asked(df, columns=0) == ["x"]
    assert asked(df, template="{a.b} {c[0]}") == ["y z"]
    assert asked(tuples, columns=("a", "b")) == ["x"]


def test_of_two_columns_of_one_name_none_is_meant() -> None:
    df = pd.DataFrame([["x", "y"]], columns=["a", "a"])

    with pytest.raises(CommandError, match=r"the table has 2 columns 'a'. Rename them."):
        asked(df, columns="a")


def test_messages_and_lists_go_to_a_model_as_they_are() -> None:
    assert asked(pd.Series([[("system", "Be brief."), ("human", "Why?")]])) == [
        [("system", "Be brief."), ("human", "Why?")]
    ]
