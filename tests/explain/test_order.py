"""Where several causes hold, the weightiest is the sentence, and the others are said, too."""

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from gptcache_magics.explain.causes import cause_of
from gptcache_magics.explain.view import Why
from gptcache_magics.explain.volatile import volatile_difference
from gptcache_magics.store.protocol import LookupRow, Period, Selection
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sqlite.store import SQLiteStore
from tests.explain.test_causes import REPORT, Log, chat, configured, digest

ONE, OTHER = "3f0c1a0e-1111-4222-8333-abcdefabcdef", "9f0c1a0e-1111-4222-8333-abcdefabcde0"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    store = SQLiteStore(tmp_path / "store")
    yield Log(store)
    store.close()


def last(log: Log) -> LookupRow:
    return log.store.lookups(Period(), 1)[0]


# The causes that a comparison finds, the weightiest first: each changes a call.

CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another model": lambda call: call.update(model="gpt-5"),
    "another parameter": lambda call: call["parameters"].update(temperature=0.9),
    "other tools": lambda call: call["parameters"].update(tools=[{"name": "search", "description": "new"}]),
    "another context": lambda call: call.update(system="Be thorough."),
    "other words": lambda call: call.update(question=REPORT.replace("three", "four")),
}


def ask(log: Log, call: dict[str, Any]) -> None:
    prompt = chat(("system", call["system"]), ("human", call["question"]))
    log.ask(prompt, configured(call["model"], **call["parameters"]))


def new_call() -> dict[str, Any]:
    parameters = {"temperature": 0.2, "tools": [{"name": "search", "description": "old"}]}
    return {"model": "gpt-4o-mini", "parameters": parameters, "system": "Be brief.", "question": REPORT}


@pytest.mark.parametrize("cause", CHANGES)
def test_each_cause_is_found_by_itself(log: Log, cause: str) -> None:
    ask(log, new_call())
    call = new_call()
    CHANGES[cause](call)
    ask(log, call)

    assert log.why().cause == cause
    assert log.why().also == ()


@pytest.mark.parametrize(("heavier", "lighter"), combinations(CHANGES, 2))
def test_of_two_causes_the_weightier_is_the_sentence_and_the_other_is_said_too(
    log: Log, heavier: str, lighter: str
) -> None:
    ask(log, new_call())
    call = new_call()
    CHANGES[lighter](call)
    CHANGES[heavier](call)
    ask(log, call)

    if (heavier, lighter) == ("another context", "other words"):
        heavier = "other words"  # where the words differ, nothing tells what their context would have been
    explanation = log.why()
    assert explanation.cause == heavier
    said = " ".join([*explanation.also, *(change.text for change in explanation.nearest.changes)])
    expected = {
        "other tools": "tools changed: search",
        "another parameter": "temperature 0.2 → 0.9",
        "another context": "the system message differs",
        "other words": "other words",
    }
    if heavier != "other words":
        assert expected[lighter] in said


@pytest.mark.parametrize("gone", ["remove", "evict", "expire"])
@pytest.mark.parametrize(
    ("earlier", "cause"),
    [({"reason": Reason(Kind.NOT_STORED, "cut off (length)")}, "not stored"), ({"mode": "readonly"}, "mode")],
)
def test_an_answer_that_was_not_kept_weighs_more_than_one_that_is_gone(
    log: Log, gone: str, earlier: dict[str, Any], cause: str
) -> None:
    log.ask(REPORT, stored=False, **earlier)
    kind = {"remove": Kind.REMOVED, "evict": Kind.EVICTED, "expire": Kind.EXPIRED}[gone]
    log.ask(REPORT, reason=Reason(kind))

    assert log.why().cause == cause
    assert log.why().also == (f"it was {kind}",)
    assert f"also     it was {kind}" in repr(Why(log.why()))


# What is volatile


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (f"id {ONE}", f"id {OTHER}", "an id in the prompt"),
        ("at 0x7f00aa", "at 0x7f00ab", "an address in the prompt"),
        ("on 2026-11-25", "on 2026-11-26", "a date in the prompt"),
        ("on 2 Nov 2026", "on 12 December 2026", "a date in the prompt"),
        ("at 12:30:01", "at 12:31:59", "a time in the prompt"),
        ("datetime.datetime(2026, 11, 5, 9, 0)", "datetime.datetime(2026, 11, 25, 9, 0)", "a date in the prompt"),
        (
            "[{'at': datetime.datetime(2026, 1, 5, 9, 0, 7, 12), 'n': 1}]",
            "[{'at': datetime.datetime(2026, 1, 5, 19, 30), 'n': 1}]",
            "a time in the prompt",
        ),
        ("datetime(2026, 1, 5, 9, 0, tzinfo=UTC)", "datetime(2026, 1, 5, 9, 1, tzinfo=UTC)", "a time in the prompt"),
        ("datetime(2026, 1, 5, 9, 0, tzinfo=UTC)", "datetime(2026, 1, 5, 9, 0, tzinfo=CET)", ""),
        ("pattern(2026, 1, 5, 9, 0)", "pattern(2026, 1, 5, 9, 1)", ""),
        ("datetime(2026, 1, 5, 9, 0, 7, 5, 8)", "datetime(2026, 1, 5, 9, 0, 7, 5, 9)", ""),
        ("(2026, 1, 5, 9, 0)", "(2026, 1, 6, 9, 0)", ""),
        (f"{ONE} 2026-11-25", f"{OTHER} 2026-11-26", "an id and a date in the prompt"),
        ("in 2025", "in 2026", ""),
        ("version 1.2.3", "version 1.2.4", ""),
        ("$12.30", "$12.40", ""),
        ("0x1F", "0x2F", ""),
        ("call Bob", "call Ann", ""),
        (f"{ONE} {OTHER} {ONE}", f"{ONE} {OTHER} {OTHER}", ""),
        (f"{ONE} {OTHER}", f"{OTHER} {ONE}", ""),
        ("a", "a", ""),
    ],
)
def test_ids_addresses_dates_and_times_are_told_from_words(old: str, new: str, told: str) -> None:
    assert volatile_difference(old, new)[0] == told


def test_a_message_that_differs_in_an_id_only_is_named(log: Log) -> None:
    def prompt(id: str) -> str:
        return chat(("system", "Be brief."), ("human", f"Context:\n{id}\n{REPORT}"))

    log.ask(prompt(ONE))
    log.ask(prompt(OTHER))

    assert log.why().cause == "volatile"
    assert log.why().sentence == "The same but for an id in message 2."
    assert cause_of(log.store, last(log)) == Reason(Kind.VOLATILE, "an id in message 2")


def documents(*ids: str, question: str) -> str:
    """Return a prompt with documents, each with its metadata in an order that its id decides."""
    texts = ("Owls hunt at night.", "Otters hold hands while they sleep.", "Orcas live in families.")
    metadata = ["'source': 'sea.pdf'", "'page': 1", "'author': 'Ada'", "'kind': 'pdf'"]
    held = ", ".join(
        f"Document(id='{id}', metadata={{{', '.join(sorted(metadata, key=lambda each: digest(each + id)))}}}, "
        f"page_content='{text}')"
        for id, text in zip(ids, texts, strict=True)
    )
    return f"Answer from this context only:\n[{held}]\n\nQuestion: {question}"


def test_of_the_questions_of_a_template_the_one_that_differs_in_ids_and_order_is_the_closest(log: Log) -> None:
    questions = [f"What {animal} {does}?" for animal in ("owls", "otters", "orcas") for does in ("eat", "fear", "hear")]
    ids = [[str(UUID(int=number * 3 + each, version=4)) for each in range(1, 4)] for number in range(2)]
    for of_run in ids:
        for question in questions:
            log.ask(documents(*of_run, question=question))
            told = log.why()
            assert (told.cause == "volatile") is (of_run is ids[1])
    assert told.detail == "an id and another order in the prompt"
    assert "Question: What orcas hear?" in log.store.entries(Selection(ids=[told.nearest.id]), 1)[0].prompt
    assert "next     %gptcache on --ignore id,order" in repr(Why(told))


def test_of_the_questions_of_a_template_the_one_in_another_order_is_the_closest(log: Log) -> None:
    pages = ["Owls hunt at night.", "Orcas live in families that a mother leads.", "Otters hold hands as they sleep."]
    for context in (pages, [pages[2], pages[0], pages[1]]):
        for question in ("What do owls eat?", "What do owls fear?"):
            log.ask("\n\n".join([*context, question]))

    assert log.why().sentence == "The same words were stored, in another order."
    assert log.why().nearest.question.endswith("What do owls fear?")
    assert cause_of(log.store, last(log)) == Reason(Kind.CONTEXT, "the order of the words")


def test_a_parameter_that_changed_with_an_id_is_named_before_it(log: Log) -> None:
    for temperature, id in ((0.2, ONE), (0.9, OTHER)):
        for question in ("What do owls eat?", "What do owls fear?"):
            log.ask(f"{id}: {question}", configured(temperature=temperature))

    stored = "The same but for an id in the prompt was stored"
    assert log.why().sentence == f"{stored}, but under another parameter: temperature 0.2 → 0.9."
    assert log.why().also == ("the same but for an id in the prompt",)


# In a cascade

ANSWER = "The shop sold more bicycles in its second year than in all others taken together."


def step(log: Log, run: str, number: int, prompt: str, answer: str) -> None:
    log.ask(prompt, stored=False, run=run, number_in_run=number)
    log.store_entry(prompt, answer=f'F[[null,"{answer}",null]]'.encode())


def test_what_follows_from_an_earlier_miss_names_that(log: Log) -> None:
    for run, answer in (("first", ANSWER[::-1]), ("second", ANSWER)):
        step(log, run, 1, f"Summarise the report for the {run} reader.", answer)
        step(log, run, 2, chat(("system", f"Judge: {answer}"), ("human", "Is it good?")), f"{run} verdict")

    assert log.why().cause == "follows"
    assert log.why().sentence == "It follows from lookup 3: the prompt holds the new answer of that one."
    assert log.why().also == ("the system message differs",)
    assert cause_of(log.store, last(log)) == Reason(Kind.FOLLOWS, "3")


def test_a_conversation_that_goes_on_follows_from_nothing(log: Log) -> None:
    step(log, "run", 1, chat(("human", REPORT)), ANSWER)
    step(log, "run", 2, chat(("human", REPORT), ("ai", ANSWER), ("human", REPORT)), "next")

    assert log.why().cause == "another context"


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        ("another model", Reason(Kind.ANOTHER_MODEL, "model gpt-4o-mini → gpt-5")),
        ("another parameter", Reason(Kind.ANOTHER_PARAMETER, "temperature 0.2 → 0.9")),
        ("other tools", Reason(Kind.OTHER_TOOLS, "tools changed: search (description “old” → “new”)")),
        ("another context", Reason(Kind.CONTEXT, "the system message")),
        ("other words", Reason(Kind.WORDS, "98%")),
    ],
)
def test_a_cause_is_kept_as_the_reason_of_a_lookup(log: Log, cause: str, reason: Reason) -> None:
    ask(log, new_call())
    assert cause_of(log.store, last(log)) == Reason(Kind.FIRST)
    call = new_call()
    CHANGES[cause](call)
    ask(log, call)

    found = cause_of(log.store, last(log))
    assert found.kind is reason.kind
    assert found.detail == reason.detail or cause == "other words"


def test_an_earlier_call_without_an_answer_is_kept_as_the_reason(log: Log) -> None:
    log.ask(REPORT, stored=False, seconds=None)
    log.ask(REPORT)
    assert cause_of(log.store, last(log)) == Reason(Kind.EARLIER, "no answer yet")


def test_in_replay_an_address_is_no_cause(log: Log) -> None:
    log.ask(REPORT, configured(base_url="http://a", temperature=0.2))
    log.ask(REPORT, configured(base_url="http://b", temperature=0.9), mode="replay", stored=False)

    assert log.why().cause == "another parameter"
    assert "http" not in repr(Why(log.why())).replace(log.why().nearest.configuration.label, "").replace(
        log.why().configuration.label, ""
    )
