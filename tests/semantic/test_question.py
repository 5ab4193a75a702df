"""Matching by meaning: only the question may differ, within a context that must be equal."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from gptcache_magics.identity.carried import STORED
from gptcache_magics.identity.prompt import canonical, prompt_of
from gptcache_magics.semantic.question import SearchableQuestion, searchable_question
from gptcache_magics.store.reasons import ExactOnly

GPT = "67" * 16
QUESTION = "Which city is the capital of France?"
CALL = {"name": "search", "args": {}, "id": "1", "type": "tool_call"}


def searchable(*messages: BaseMessage, configuration: str = GPT) -> SearchableQuestion:
    return searchable_question(canonical(prompt_of(messages), STORED)[0], configuration)


def test_the_question_is_the_last_human_message() -> None:
    told = searchable(SystemMessage("Be brief."), HumanMessage("Hi!"), AIMessage("Hello."), HumanMessage(QUESTION))

    assert told.question == QUESTION


def test_a_completion_prompt_is_the_question_as_it_is() -> None:
    assert searchable_question(QUESTION.encode(), GPT).question == QUESTION
    assert (
        searchable_question(b'[{"not": "messages"}, {"of": "LangChain"}]', GPT).context
        == searchable_question(b"a b c", GPT).context
    )


def test_other_words_have_the_same_context() -> None:
    one, two = (searchable(SystemMessage("Be brief."), HumanMessage(each)) for each in (QUESTION, "What is it, then?"))

    assert one.context == two.context
    assert one.context != searchable(HumanMessage(QUESTION)).context


@pytest.mark.parametrize(
    "other",
    [
        (SystemMessage("Be verbose."), HumanMessage("Of Paris."), AIMessage("Yes?"), HumanMessage(QUESTION)),
        (SystemMessage("Be brief."), HumanMessage("Of Oslo."), AIMessage("Yes?"), HumanMessage(QUESTION)),
        (SystemMessage("Be brief."), HumanMessage("Of Paris."), AIMessage("No."), HumanMessage(QUESTION)),
        (SystemMessage("Be brief."), HumanMessage(f"Of Paris. {QUESTION}")),
        (HumanMessage("Of Paris."), AIMessage("Yes?"), HumanMessage(QUESTION)),
        (SystemMessage("Be brief."), HumanMessage("Of Paris."), AIMessage("Yes?"), HumanMessage(QUESTION, name="Eve")),
        (SystemMessage("Be brief."), HumanMessage("Of Paris."), ChatMessage("Yes?", role="ai"), HumanMessage(QUESTION)),
    ],
    ids=["system", "earlier question", "earlier answer", "one turn less", "no system", "a name", "a role"],
)
def test_everything_but_the_question_is_the_context(other: tuple[BaseMessage, ...]) -> None:
    asked = searchable(SystemMessage("Be brief."), HumanMessage("Of Paris."), AIMessage("Yes?"), HumanMessage(QUESTION))

    assert searchable(*other).context != asked.context


def test_the_configuration_is_part_of_the_context() -> None:
    of_another = searchable(HumanMessage(QUESTION), configuration="0e" * 16)

    assert searchable(HumanMessage(QUESTION)).context != of_another.context


def test_differences_between_a_model_s_and_a_cache_s_answer_do_not_count() -> None:
    def asked(**fields: Any) -> SearchableQuestion:
        return searchable(HumanMessage("Of Paris."), AIMessage("Yes?", **fields), HumanMessage(QUESTION))

    assert asked().context == asked(id="run-1", response_metadata={"model": "x"}).context


def test_text_blocks_are_text_and_what_stands_beside_it_is_context() -> None:
    plain = searchable(HumanMessage([{"type": "text", "text": QUESTION}]))
    cached = searchable(HumanMessage([{"type": "text", "text": QUESTION, "cache_control": {"type": "ephemeral"}}]))

    assert plain.question == cached.question == QUESTION
    assert plain.context != cached.context


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([HumanMessage(QUESTION), AIMessage("Paris")], "not a person's"),
        ([HumanMessage("and now?")], "fewer than 3 words"),
        ([HumanMessage("word " * 61)], "more than 60 words"),
        (
            [
                HumanMessage("Hi."),
                AIMessage("", tool_calls=[CALL]),
                ToolMessage("it", tool_call_id="1"),
                HumanMessage(QUESTION),
            ],
            "tools",
        ),
        (
            [
                HumanMessage("Hi."),
                AIMessage("", additional_kwargs={"function_call": {"name": "f"}}),
                HumanMessage(QUESTION),
            ],
            "tools",
        ),
        (
            [HumanMessage([{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": {"url": "data:x"}}])],
            "image_url",
        ),
        ([HumanMessage([{"type": "file", "id": "1"}]), AIMessage("Seen."), HumanMessage(QUESTION)], "file"),
        ([HumanMessage([{"type": "odd"}])], "odd"),
        ([HumanMessage("")], "fewer than 3 words"),
    ],
    ids=["last is ai", "too short", "too long", "tool call", "function call", "image", "file", "unknown", "empty"],
)
def test_a_prompt_of_more_than_words_gets_exact_matches_only(messages: list[BaseMessage], reason: str) -> None:
    with pytest.raises(ExactOnly, match=reason):
        searchable(*messages)


def test_a_conversation_in_one_text_gets_exact_matches_only() -> None:
    turns = "Human: I love cats and hate dogs.\nAI: Ok.\nHuman: Which animal should I buy?\nAI:"
    with pytest.raises(ExactOnly, match="a conversation in one text"):
        searchable_question(turns.encode(), "63" * 16)
    assert searchable_question(b"Question: Which animal should I buy?", "63" * 16)


def test_text_that_is_not_valid_unicode_gets_exact_matches_only() -> None:
    with pytest.raises(ExactOnly, match="Unicode"):
        searchable_question("half \ud83d of a pair".encode("utf-8", "surrogatepass"), GPT)
