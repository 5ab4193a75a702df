"""In a cascade, a prompt that holds a new answer follows from its call, whatever the words; ids in short prompts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration

from gptcache_magics import generations
from gptcache_magics.explain.causes import cause_of
from gptcache_magics.explain.frame import fits, frame
from gptcache_magics.store.protocol import Period
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sqlite.store import SQLiteStore
from tests.explain.test_causes import Log, chat, configured

PLANS = (
    "Take the early ferry along the coast, sleep in a cabin, and eat cod with locals.",
    "Fly north, rent skis, hire a guide named Olaf and look out for reindeer at night.",
)
SUMMARIES = (
    "Buy a rail pass; mountains first, then glaciers, finally a quiet lake with friends.",
    "Stay in the capital, visit three museums about ships, then paint a picture of rain.",
)
IDS = ("3f0c1a0e-1111-4222-8333-abcdefabcdef", "9a8b7c6d-2222-4333-8444-fedcbafedcba")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    store = SQLiteStore(tmp_path / "store")
    yield Log(store)
    store.close()


def call(log: Log, run: int, prompt: str, answer: str | AIMessage, **fields: object) -> int:
    """Ask and store an answer, as the next lookup of a run."""
    number = log.ask(prompt, stored=False, run=f"run {run}", number_in_run=log.number, **fields)
    message = AIMessage(answer) if isinstance(answer, str) else answer
    log.store_entry(prompt, answer=generations.encode([ChatGeneration(message=message)]))
    return number


def causes(log: Log, run: int) -> list[Reason]:
    return [cause_of(log.store, row) for row in reversed(log.store.lookups(Period(run=f"run {run}")))]


def test_a_cascade_of_answers_in_quite_different_words_names_the_call_before(log: Log) -> None:
    for run in (0, 1):
        root = call(log, run, f"Make a plan for a holiday in Norway. Request {IDS[run]}", PLANS[run])
        call(log, run, f"Summarize this plan in a sentence: {PLANS[run]}", SUMMARIES[run])
        call(log, run, f"Judge the following summary: {SUMMARIES[run]}", f"verdict {run}")

    assert [each.kind for each in causes(log, 0)] == [Kind.FIRST] * 3
    assert causes(log, 1)[1:] == [Reason(Kind.FOLLOWS, str(root)), Reason(Kind.FOLLOWS, str(root + 1))]
    told = log.why(root + 1)
    assert told.nearest is not None
    assert told.nearest.question == f"Summarize this plan in a sentence: {PLANS[0]}"
    assert told.also == ()


def test_an_answer_that_came_as_before_is_not_what_differs(log: Log) -> None:
    for run, day in enumerate(("2026-01-05", "2026-01-06")):
        call(log, run, f"Today is {day}. Make a plan for a holiday in Norway.", PLANS[0])
        call(log, run, f"Today is {day}. Summarize this plan in a sentence: {PLANS[0]}", SUMMARIES[0])

    assert [each.kind for each in causes(log, 1)] == [Kind.VOLATILE] * 2


def test_a_prompt_that_is_an_answer_follows_from_a_call_that_was_asked_before(log: Log) -> None:
    for run in (0, 1):
        root = call(log, run, f"Make a plan for a holiday in Norway. Request {IDS[run]}", PLANS[run])
        call(log, run, PLANS[run], SUMMARIES[run])
        call(log, run, SUMMARIES[run], f"verdict {run}")

    assert [each.kind for each in causes(log, 0)] == [Kind.FIRST] * 3
    assert causes(log, 1)[1:] == [Reason(Kind.FOLLOWS, str(root)), Reason(Kind.FOLLOWS, str(root + 1))]


@pytest.mark.parametrize(
    "prompt",
    [
        "Shorten what follows to the half: {half}",
        "Say this again in other words: {line}. And explain the choice to a child.",
        "Translate the step “{value}” into Norwegian, please.",
        "Number {id}: judge the plan “{whole}”, as you would judge your own.",
        "Which is better, the plan {whole} or the steps {line} and {value}?",
    ],
)
def test_a_part_of_an_answer_is_known_too(log: Log, prompt: str) -> None:
    for run in (0, 1):
        value = SUMMARIES[run][:30].strip()
        answer = f'1. {PLANS[run]}\n2. {SUMMARIES[run]}\n{{"steps": ["{value}"]}}'
        root = call(log, run, f"Make a plan for a holiday in Norway. Request {IDS[run]}", answer)
        parts = {"half": answer[:60], "line": SUMMARIES[run], "value": value, "whole": answer, "id": IDS[run]}
        call(log, run, prompt.format(**parts), f"verdict {run}")

    assert [each.kind for each in causes(log, 0)] == [Kind.FIRST] * 2
    assert causes(log, 1)[1] == Reason(Kind.FOLLOWS, str(root))


def test_an_answer_of_a_word_is_known_where_nothing_else_differs(log: Log) -> None:
    for run in (0, 1):
        city = ("Oslo", "Bergen")[run]
        root = call(log, run, f"Name a city for the request {IDS[run]}", city)
        call(log, run, f"Write about the city {city} for children.", f"essay {run}")
        call(log, run, f"In the year {run + 2020} the city {city} grew.", f"comment {run}")

    assert causes(log, 1)[1] == Reason(Kind.FOLLOWS, str(root))
    assert causes(log, 1)[2].kind is Kind.WORDS


def test_the_arguments_of_a_tool_are_an_answer_too(log: Log) -> None:
    for run in (0, 1):
        calls = [{"name": "Plan", "args": {"text": PLANS[run]}, "id": "call_1"}]
        root = call(log, run, f"Make a plan for Norway. Request {IDS[run]}", AIMessage("", tool_calls=calls))
        call(log, run, chat(("system", "Judge plans."), ("human", f"The plan: {PLANS[run]}")), "good")

    assert causes(log, 1)[1] == Reason(Kind.FOLLOWS, str(root))


def test_a_cascade_in_which_a_parameter_changed_too_names_that_first(log: Log) -> None:
    for run in (0, 1):
        root = call(log, run, f"Make a plan for a holiday in Norway. Request {IDS[run]}", PLANS[run])
        prompt = f"Summarize this plan in a sentence: {PLANS[run]}"
        log.ask(prompt, configured(temperature=run), run=f"run {run}")

    told = log.why()
    assert (told.cause, told.also) == ("another parameter", (f"it follows from lookup {root}",))


def test_what_follows_from_an_answer_that_mode_refresh_replaced_says_so(log: Log) -> None:
    call(log, 0, "Make a plan for a holiday in Norway.", PLANS[0])
    call(log, 0, f"Summarize this plan in a sentence: {PLANS[0]}", SUMMARIES[0])
    refreshed = Reason(Kind.MODE, "refresh")
    root = call(
        log, 1, "Make a plan for a holiday in Norway.", PLANS[1], mode="refresh", outcome="bypass", reason=refreshed
    )
    call(log, 1, f"Summarize this plan in a sentence: {PLANS[1]}", SUMMARIES[1])

    assert cause_of(log.store, log.store.lookups(Period(), 1)[0]) == Reason(Kind.FOLLOWS, str(root))


def test_a_new_question_about_a_new_answer_is_the_first(log: Log) -> None:
    call(log, 0, "Which city is the capital of Norway, and since when?", PLANS[0])
    call(log, 1, "Make a plan for a holiday in Norway.", PLANS[1])
    call(log, 1, f"Summarize this plan in a sentence: {PLANS[1]}", SUMMARIES[1])

    assert [each.kind for each in causes(log, 1)] == [Kind.FIRST, Kind.FIRST]


@pytest.mark.parametrize(
    ("prompt", "rules"),
    [
        ("Who is user {id}?", ("id",)),
        ("first {id}", ("id",)),
        ("{id}", ("id",)),
        ("Thread id={hex}: hi", ("id",)),
        ("at {time} on {date}", ("date", "time")),
        ("Is {id} in id: {hex}?", ("id",)),
        ("{id} = {id}?", ("id",)),
    ],
)
def test_a_short_prompt_that_differs_in_an_id_only_is_known(log: Log, prompt: str, rules: tuple[str, ...]) -> None:
    log.ask("Who is the king of Norway?")
    for at, id in enumerate(IDS):
        number = log.ask(
            prompt.format(id=id, hex=id.replace("-", "")[::-1], time=f"1{at}:2{at}:3{at}", date=f"{at + 1} May 202{at}")
        )
    told = log.why(number)
    assert told.cause == "volatile"
    assert told.nearest is not None
    assert {*told.nearest.rules} == {*rules}


def test_an_id_that_both_prompts_name_in_another_place_is_not_ignored(log: Log) -> None:
    log.ask(f"Is {IDS[0]} {IDS[0]}?")
    log.ask(f"Is {IDS[0]} {IDS[1]}?")
    assert log.why().cause != "volatile"


@pytest.mark.parametrize(
    ("text", "parts", "fitting", "other"),
    [
        ("Who is 17?", ["17"], ["Who is 4?", "Who is ?"], ["Who was 17?", "Who is 17", "Who is"]),
        ("17", ["17"], ["", "anything"], []),
        ("a 1 b 2 c", ["2", "1"], ["a x b y c"], ["a x c", "a b c"]),
        ("aa", [], ["aa"], ["a", "aaa"]),
        ("x 12 x", ["12", "1"], ["x  x"], ["x x"]),
    ],
)
def test_a_frame_is_what_is_around_the_parts(text: str, parts: list[str], fitting: list[str], other: list[str]) -> None:
    around = frame(text, parts)
    assert all(fits(each, around) for each in [text, *fitting])
    assert not any(fits(each, around) for each in other)
