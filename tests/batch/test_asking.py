"""Rows that are asked about at the same time."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from gptcache_magics.batch.asking import Row, ask_rows
from gptcache_magics.batch.loop import waited_for


def answered(ask: Callable[[Any], Any], *inputs: Any, concurrency: int = 4, timeout: float | None = None) -> list[Row]:
    rows = dict(ask_rows(ask, [dict(enumerate(inputs))], concurrency, timeout))
    return [rows[place] for place in range(len(inputs))]


def test_an_error_is_that_of_its_row() -> None:
    def ask(text: str) -> str:
        if text == "exit":
            sys.exit("for ever")
        return {"known": "answer"}[text]

    known, unknown, left = answered(ask, "known", "unknown", "exit")

    assert (known.answer, known.error) == ("answer", "")
    assert (unknown.answer, unknown.error, unknown.outcome) == (None, "KeyError: 'unknown'", "error")
    assert left.error == "SystemExit: for ever"


def test_an_error_is_one_line_without_credentials() -> None:
    def ask(text: str) -> str:
        raise ValueError(f"no\nfor sk-proj-{'a1B2' * 10}")

    (row,) = answered(ask, "x")

    assert row.error.startswith("ValueError: no for ")
    assert "a1B2" not in row.error


def test_no_more_rows_are_under_way_than_wanted() -> None:
    running, most, gate = [], [], threading.Semaphore(0)

    def ask(number: int) -> None:
        running.append(number)
        most.append(len(running))
        if len(most) == 3:
            gate.release(9)
        gate.acquire()
        running.remove(number)

    answered(ask, *range(9), concurrency=3)

    assert max(most) == 3


@pytest.mark.slow
def test_a_row_that_hangs_has_an_error_after_its_time_and_holds_up_no_other() -> None:
    gate = threading.Semaphore(0)

    def ask(text: str) -> str:
        if text == "hangs":
            gate.acquire()
        return text

    rows = answered(ask, "hangs", "a", "b", concurrency=1, timeout=1)
    gate.release()

    assert [row.error for row in rows] == ["TimeoutError: no answer within 1.0 s", "", ""]
    assert [row.answer for row in rows] == [None, "a", "b"]


def test_after_the_caller_has_left_no_further_row_begins_and_those_under_way_end() -> None:
    began, gate, ended = SimpleQueue[int](), threading.Semaphore(0), SimpleQueue[int]()

    def ask(number: int) -> int:
        began.put(number)
        if number:
            gate.acquire()
        ended.put(number)
        return number

    with closing(ask_rows(ask, [dict(enumerate(range(9)))], 2, None)) as rows:
        next(rows)
        before = {began.get(), began.get(), began.get()}
    gate.release(9)

    assert before == {0, 1, 2}
    assert {ended.get(), ended.get(), ended.get()} == {0, 1, 2}
    assert began.empty()


def test_a_function_may_be_async_in_a_loop_that_runs() -> None:
    loops = []

    async def ask(text: str) -> str:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        return text.upper()

    async def notebook() -> list[Row]:
        return [*answered(ask, "a", "b"), *answered(ask, "c")]

    assert [row.answer for row in asyncio.run(notebook())] == ["A", "B", "C"]
    assert len({*map(id, loops)}) == 1, "connections of a client belong to a loop"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")
def test_a_forked_child_has_a_loop_of_its_own() -> None:
    async def ask() -> str:
        return "answer"

    assert waited_for(ask()) == "answer"
    child = os.fork()
    if not child:
        os._exit(0 if waited_for(ask()) == "answer" else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (AIMessage("text"), "text"),
        (AIMessage([{"type": "text", "text": "of a block"}]), "of a block"),
        (SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content="openai's"))]), "openai's"),
        (SimpleNamespace(output_text="of responses"), "of responses"),
        (SimpleNamespace(content=[SimpleNamespace(text="anthropic"), SimpleNamespace(text="'s")]), "anthropic's"),
        ("a lone \ud800", "a lone ?"),
        (42, 42),
        (None, None),
    ],
)
def test_the_answer_is_its_text(answer: Any, text: Any) -> None:
    assert answered(lambda _: answer, "x")[0].answer == text


def test_a_message_that_calls_a_tool_stays_whole() -> None:
    message = AIMessage("", tool_calls=[{"name": "weather", "args": {}, "id": "1"}])

    assert answered(lambda _: message, "x")[0].answer is message
