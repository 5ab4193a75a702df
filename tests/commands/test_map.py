"""``%gptcache map``: a DataFrame through a model."""

import asyncio
import re
import threading
from pathlib import Path
from typing import Any

import openai
import pandas as pd
import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

import gptcache_magics as gm
from gptcache_magics.errors import CommandError
from gptcache_magics.tables.batch import ANSWERED
from tests.support.kernel import Kernel
from tests.support.models import Reply
from tests.support.provider_server import KEY, ProviderServer
from tests.support.shell import NumberedModel, Typist

MODEL = NumberedModel()
DF = pd.DataFrame({"review": ["good", "bad", "ugly", "good"], "n": [1, 2, 3, 4]}, index=[7, 7, 8, 9])


def outcomes(df: pd.DataFrame, name: str = "answer") -> list[str]:
    return [*df[f"{name}_outcome"]]


@pytest.mark.usefixtures("on")
def test_each_row_has_its_answer_and_what_the_cache_did() -> None:
    before = DF.copy()

    df = gm.map(DF, MODEL, columns="review")

    pd.testing.assert_frame_equal(DF, before)
    pd.testing.assert_frame_equal(df[["review", "n"]], DF, check_flags=False)
    assert df["answer"].iloc[0] == df["answer"].iloc[3] != df["answer"].iloc[1]
    assert outcomes(df) == ["miss", "miss", "miss", "hit"], "a row is asked once"
    assert [str(df[f"answer_{name}"].dtype) for name in ANSWERED] == [
        *("category", "float64", "float64", "float64", str(pd.array([], dtype="string").dtype)),
    ]
    assert outcomes(gm.map(DF, MODEL, columns="review")) == ["hit"] * 4
    assert len(gm.entries()) == 3


@pytest.mark.usefixtures("on")
def test_money_is_told_row_by_row_and_before(server: ProviderServer, capsys: pytest.CaptureFixture[str]) -> None:
    llm = server.model("ChatOpenAI")

    told = gm.map(DF, llm, columns="review", forecast=True)
    asked = server.calls
    df = gm.map(DF, llm, columns="review")

    assert asked == server.calls == 3
    cost = float(df["answer_saved_usd"].iloc[0])
    assert cost > 0
    assert df["answer_saved_usd"].tolist() == pytest.approx([cost] * 4)
    assert df["answer_paid_usd"].tolist() == [0] * 4
    assert re.match(r"4 rows with 3 different questions: about <\$0.0001 at most, by the first 3, which cost", told)
    assert "map: 100%" in capsys.readouterr().err
    paid = gm.map(DF.assign(review=["a", "b", "a", "c"]), llm, columns="review")["answer_paid_usd"]
    assert (paid > 0).tolist() == [True, True, False, True]


@pytest.mark.usefixtures("on")
def test_a_forecast_without_a_price_says_why(server: ProviderServer) -> None:
    assert "the price is unknown: no answer told tokens" in gm.map(DF, MODEL, columns="review", forecast=True)
    server.fail_next(3)
    told = gm.map(DF, server.model("ChatOpenAI"), columns="review", forecast=True)
    assert re.search("the price is unknown: .*500", told)


@pytest.mark.usefixtures("on")
def test_rows_over_the_budget_say_so_and_the_others_have_answers(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    cost = float(gm.map(pd.Series(["first"]), llm)["answer_paid_usd"].iloc[0])
    gm.on(budget=f"{cost * 3.5:.9f}usd")

    df = gm.map(pd.Series(["first", *"abcdefgh"]), llm, concurrency=1)  # side by side, calls under way count as well

    assert outcomes(df).count("miss") == 2
    assert outcomes(df)[0] == "hit"
    assert df["answer_error"].str.startswith("BudgetReached: ").sum() == 6
    told = gm.map(pd.Series(["first", *"abcdefgh"]), llm, forecast=True)
    assert re.search(r"What is stored costs nothing. But the budget has <\$0.0001 left.$", told)


@pytest.mark.usefixtures("on")
def test_a_row_that_fails_is_asked_again_the_next_time(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    server.fail_next(1)

    df = gm.map(DF["review"], llm, concurrency=1)
    again = gm.map(DF["review"], llm)

    assert outcomes(df)[:3] == ["error", "miss", "miss"]
    assert df["answer"].isna().tolist()[:3] == [True, False, False]
    assert "500" in df["answer_error"].iloc[0]
    assert not again["answer"].isna().any()


@pytest.mark.usefixtures("on")
def test_cells_without_a_value_are_rows_that_were_not_asked() -> None:
    df = gm.map(pd.DataFrame({"review": ["good", None, float("nan"), " "]}), MODEL)

    assert outcomes(df) == ["miss", "error", "error", "error"]
    assert df["answer_error"].tolist()[1:] == ["no value in 'review'"] * 2 + ["the question is empty"]
    assert len(gm.lookups()) == 1


@pytest.mark.usefixtures("on")
def test_a_table_without_rows_gives_the_same_columns() -> None:
    df = gm.map(DF.iloc[:0], MODEL, columns="review")

    full = gm.map(DF, MODEL, columns="review")
    assert df.empty
    assert df.dtypes.to_dict() == full.dtypes.to_dict()


@pytest.mark.usefixtures("on")
def test_chains_are_asked_from_their_prompt_to_their_parser(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    prompt = ChatPromptTemplate.from_template("Is {review} a {n}?")
    server.text = '{"answer": "yes"}'

    told = gm.map(DF, prompt | llm | StrOutputParser())
    parsed = gm.map(DF, prompt | llm.with_structured_output(Reply), name="reply")
    lengths = gm.map(DF, RunnableLambda(str.upper) | llm | (lambda message: len(message.text)), columns="review")

    assert told["answer"].tolist() == ['{"answer": "yes"}'] * 4
    assert all(isinstance(each, BaseModel) and each.answer == "yes" for each in parsed["reply"])
    assert str(lengths["answer"].dtype) == "Int64"


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.usefixtures("on")
def test_a_function_that_calls_an_sdk_is_cached(server: ProviderServer, is_async: bool) -> None:
    given: Any = {"api_key": KEY, "base_url": server.openai_url, "max_retries": 0}
    client, async_client = openai.OpenAI(**given), openai.AsyncOpenAI(**given)

    def asked(review: str) -> dict[str, Any]:
        return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": review}]}

    def ask(review: str) -> Any:
        return client.chat.completions.create(**asked(review))

    async def ask_async(review: str) -> Any:
        return await async_client.chat.completions.create(**asked(review))

    function = ask_async if is_async else ask

    async def notebook() -> list[pd.DataFrame]:
        return [gm.map(DF["review"], function), gm.map(DF["review"], function)]

    first, second = asyncio.run(notebook())

    assert first["answer"].str.contains("answers").all()
    assert outcomes(first) == ["miss", "miss", "miss", "hit"]
    assert first["answer_paid_usd"].gt(0).sum() == 3
    assert outcomes(second) == ["hit"] * 4
    assert server.calls == 3


@pytest.mark.usefixtures("on")
def test_a_function_that_asks_no_model_has_no_outcome() -> None:
    df = gm.map(DF["n"], lambda n: n * 2.5)

    assert df["answer"].tolist() == [2.5, 5, 7.5, 10]
    assert df["answer_outcome"].isna().all()


@pytest.mark.usefixtures("on")
def test_rows_in_replay_that_nobody_recorded_say_so() -> None:
    gm.map(DF.iloc[:1], MODEL, columns="review")

    with gm.using(mode="replay"):
        df = gm.map(DF, MODEL, columns="review")

    assert outcomes(df) == ["hit", "error", "error", "hit"]
    assert df["answer_error"].iloc[1].startswith("CacheMiss: ")


@pytest.mark.usefixtures("on")
def test_tags_and_modes_of_a_block_hold_for_the_rows() -> None:
    with gm.using(tag="batch"):
        gm.map(DF, MODEL, columns="review")
    with gm.using(mode="bypass"):
        assert set(outcomes(gm.map(DF.iloc[:2], MODEL, columns="review"))) == {"bypass"}

    assert set(gm.entries()["tags"]) == {"batch"}


@pytest.mark.usefixtures("on")
def test_answers_take_the_place_of_those_of_an_earlier_call_and_of_no_other_column() -> None:
    first = gm.map(DF, MODEL, columns="review")

    assert [*gm.map(first, MODEL, columns="review").columns] == [*first.columns]
    for data, columns in ((DF.assign(answer=1), "review"), (first, "answer"), (DF["review"].rename("answer"), None)):
        with pytest.raises(CommandError, match=r"the table has a column 'answer' already. Name the answers: map"):
            gm.map(data, MODEL, columns=columns)
    assert gm.map(first, MODEL, columns="answer", name="judged")["judged"].notna().all()


@pytest.mark.usefixtures("on")
def test_answers_of_any_kind_stand_beside_an_index_of_any_kind() -> None:
    answers = {"list": [1, 2], "dict": {"a": 1}, "none": None, "big": 10**30}
    index = pd.MultiIndex.from_product([["a", "b"], [1, 2]])
    data = pd.Series([*answers], index)

    assert [*gm.map(data, answers.get)["answer"]] == [*answers.values()]
    assert [*gm.map(data.iloc[[3]], answers.get)["answer"]] == [10**30]
    assert str(gm.map(data, lambda text: text == "list")["answer"].dtype) == "boolean"


def test_while_the_cache_is_off_nothing_is_asked() -> None:
    with pytest.raises(CommandError, match="The cache is off, so an answer would be paid again"):
        gm.map(DF, MODEL, columns="review")


def test_what_is_no_table_is_refused(on: Path) -> None:
    with pytest.raises(CommandError, match=r"map: a DataFrame or a Series holds the rows. Got \['a'\]."):
        gm.map(["a"], MODEL)


def test_a_line_names_variables_of_the_notebook(magic: Typist) -> None:
    magic.told("on :memory:")
    magic.ip.user_ns |= {"df": DF.assign(**{"a, b": "x"}), "llm": MODEL, "chain": ChatPromptTemplate(["{n}"]) | MODEL}

    assert len(magic.ip.run_line_magic("gptcache", "map df llm --columns review --name opinion")["opinion"]) == 4
    assert len(magic.ip.run_line_magic("gptcache", "map df chain")) == 4
    assert len(magic.ip.run_line_magic("gptcache", 'map df llm --columns "a, b"')) == 4
    magic.ip.run_line_magic("gptcache", 'map df llm --template "{review} {n}"')
    assert "ugly 3" in set(gm.entries()["question"])
    assert "There is no 'other'" in magic.refused("map other llm")
    refused = magic.refused("map df llm --columns n --concurrency 0")
    assert refused.endswith("Got '0'. Example: df = %gptcache map df llm --columns review --concurrency 10")


@pytest.mark.kernel
@pytest.mark.slow
def test_an_interrupt_ends_the_cell_and_keeps_the_rows_that_are_done(tmp_path: Path) -> None:
    with Kernel(tmp_path) as kernel:
        kernel.run(
            "import pandas as pd, gptcache_magics as gm\n"
            "gate, released = threading.Semaphore(0), []\n"
            "def ask_slowly(text):\n"
            "    if text > 'row 5' and not released:\n"
            "        print('hangs', flush=True)\n"
            "        gate.acquire()\n"
            "    return model.invoke(text).content\n"
            "rows = pd.Series([f'row {n}' for n in range(9)])"
        )
        asked = kernel.send("gm.map(rows, ask_slowly, concurrency=1)", "map-cell")
        kernel.until(asked, "hangs")

        interrupted = kernel.interrupt(asked)
        assert interrupted.error == "KeyboardInterrupt"
        again = kernel.run("released.append(1); gate.release(); list(gm.map(rows, ask_slowly)['answer_outcome'])")

        assert again.text.count("'hit'") + again.text.count("'miss'") == 9
        lookups = kernel.lookups("row")
        assert lookups["outcome"].tolist()[:6] == ["miss"] * 6
        assert (lookups[lookups["outcome"] == "miss"].groupby("question").size() == 1).all(), "none is asked twice"
        assert lookups["execution_count"].tolist()[:6] == [interrupted.count] * 6


@pytest.mark.slow
@pytest.mark.usefixtures("on")
def test_a_row_that_hangs_has_an_error_and_the_answer_of_its_call_is_kept() -> None:
    gate, ended = threading.Semaphore(0), threading.Semaphore(0)

    def ask(text: str) -> str:
        if text == "hangs":
            gate.acquire()
        answer = str(MODEL.invoke(text).content)
        if text == "hangs":
            ended.release()
        return answer

    df = gm.map(pd.Series(["hangs", "a", "b"]), ask, concurrency=1, timeout=1)
    gate.release()
    ended.acquire()

    assert df["answer_error"].iloc[0] == "TimeoutError: no answer within 1.0 s"
    assert outcomes(df) == ["error", "miss", "miss"]
    assert sorted(gm.entries()["question"]) == ["a", "b", "hangs"]
