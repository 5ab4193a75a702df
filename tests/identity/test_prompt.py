"""The canonical prompt: what of it changes the key, and what a person asked."""

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import FakeListLLM
from langchain_core.load import dumps
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    FunctionMessageChunk,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from gptcache_magics.identity.carried import Carried
from gptcache_magics.identity.prompt import canonical, prompt_of
from tests.support.calls import Plain, identity, key, key_of, without_address

USAGE = UsageMetadata(input_tokens=1, output_tokens=2, total_tokens=3)

TOOL_CALL = {"name": "weather", "args": {"city": "Paris"}, "id": "call_1", "type": "tool_call"}

CALL_CHUNK = tool_call_chunk(name="weather", args='{"city": "Paris"}', id="call_1", index=0)

HISTORY = (
    SystemMessage("Be brief."),
    HumanMessage("Weather in Paris?"),
    AIMessage("", tool_calls=[TOOL_CALL]),
    ToolMessage("Sun", tool_call_id="call_1"),
    AIMessage("Sunny."),
    HumanMessage("And tomorrow?"),
)


@pytest.mark.parametrize(
    ("place", "update"),
    [
        (0, {"content": "Be long."}),
        (1, {"content": "Weather in Rome?"}),
        (1, {"name": "Ada"}),
        (1, {"additional_kwargs": {"cache_control": {"type": "ephemeral"}}}),
        (1, {"content": [{"type": "text", "text": "Weather in Paris?"}, {"type": "image_url", "image_url": "data:1"}]}),
        (2, {"tool_calls": [{**TOOL_CALL, "args": {"city": "Rome"}}]}),
        (2, {"tool_calls": [{**TOOL_CALL, "id": "call_2"}]}),
        (3, {"content": "Rain"}),
        (3, {"tool_call_id": "call_2"}),
        (4, {"content": "Rainy."}),
        (5, {"content": "And tomorrow? "}),
        (5, {"content": "half \ud83d"}),
    ],
    ids=without_address,
)
def test_the_parts_of_a_chat_that_the_model_sees_change_the_key(place: int, update: dict[str, Any]) -> None:
    changed = list(HISTORY)
    changed[place] = changed[place].model_copy(update=update)

    assert key_of(*changed) != key_of(*HISTORY)
    assert key_of(*changed) == key_of(*changed)


@pytest.mark.parametrize(
    ("place", "update"),
    [
        (0, {"id": "1"}),
        (1, {"id": "2"}),
        (2, {"id": "lc_run--3"}),
        (4, {"id": "lc_run--4", "usage_metadata": USAGE}),
        (4, {"additional_kwargs": {"parsed": {"weather": "sunny"}}}),
        (4, {"usage_metadata": {**USAGE, "total_cost": 0}}),
        (4, {"response_metadata": {"model_name": "small", "finish_reason": "stop", "id": "resp_1"}}),
        (4, {"response_metadata": {"gptcache": {"entry": "a41f"}}}),
        (3, {"artifact": Plain()}),
        (3, {"artifact": {"rows": [1, 2]}}),
    ],
    ids=without_address,
)
def test_the_parts_of_a_chat_that_the_model_does_not_see_leave_the_key(place: int, update: dict[str, Any]) -> None:
    changed = list(HISTORY)
    changed[place] = changed[place].model_copy(update=update)

    assert key_of(*changed) == key_of(*HISTORY)


def test_the_order_and_the_roles_of_messages_count() -> None:
    one, two = HumanMessage("one"), HumanMessage("two")

    assert len({key_of(one, two), key_of(two, one), key_of(one), key_of(AIMessage("one")), key_of(one, one)}) == 5


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (AIMessageChunk(content="Hi", id="1", usage_metadata=USAGE, chunk_position="last"), AIMessage("Hi")),
        (AIMessageChunk(content="", tool_call_chunks=[CALL_CHUNK]), AIMessage("", tool_calls=[TOOL_CALL])),
        (HumanMessageChunk(content="Hi", id="1"), HumanMessage("Hi")),
        (SystemMessageChunk(content="Hi"), SystemMessage("Hi")),
        (ToolMessageChunk(content="Hi", tool_call_id="1"), ToolMessage("Hi", tool_call_id="1")),
        (ChatMessageChunk(content="Hi", role="critic"), ChatMessage(content="Hi", role="critic")),
        (FunctionMessageChunk(content="Hi", name="weather"), FunctionMessage(content="Hi", name="weather")),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_chunk_kept_in_a_history_is_the_message(chunk: BaseMessage, message: BaseMessage) -> None:
    question = HumanMessage("And?")

    assert key_of(chunk, question) == key_of(message, question)


def test_an_object_that_was_parsed_for_the_user_is_no_part_of_the_prompt() -> None:
    parsed = AIMessage('{"a": 1}', additional_kwargs={"parsed": {"a": 1}})

    assert key_of(parsed, HumanMessage("And?")) == key_of(AIMessage('{"a": 1}'), HumanMessage("And?"))


def test_the_container_of_an_answer_counts_where_the_request_names_it() -> None:
    def keys(**fields: Any) -> int:
        answers = [AIMessage("Hi", response_metadata={"container": {"id": f"c{n}", "expires_at": n}}) for n in range(3)]
        again = AIMessage("Hi", response_metadata={"container": {"id": "c0", "expires_at": 7}})
        return len({key_of(answer, HumanMessage("And?"), **fields) for answer in (*answers, again)})

    assert keys(reuse_last_container=True) == 3
    assert keys() == 1


def test_the_form_of_an_answers_content_counts() -> None:
    blocks = [{"type": "reasoning", "reasoning": "so"}]
    v1 = {"output_version": "v1", "model_provider": "openai"}
    answers = [
        AIMessage(content, response_metadata=metadata)
        for content in (blocks, "text")
        for metadata in ({}, v1, v1 | {"model_provider": "anthropic"})
    ]

    assert len({key_of(answer, HumanMessage("And?")) for answer in answers}) == 6


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        (ChatOpenAI(model="small", api_key="a"), 1),
        (ChatAnthropic(model="small", api_key="a"), 2),
        (ChatOllama(model="small"), 2),
    ],
)
@pytest.mark.parametrize("content", ["text", "", []])
def test_the_mark_of_standard_blocks_counts_on_any_content_that_the_class_rewrites(
    model: Any, keys: int, content: Any
) -> None:
    marked = AIMessage(content, response_metadata={"output_version": "v1"})
    prompts = [[HumanMessage("Who?"), answer, HumanMessage("And?")] for answer in (marked, AIMessage(content))]

    found = [identity(model, prompt_of(prompt)) for prompt in prompts]
    assert len({each.key for each in found}) == keys
    assert [each.earlier for each in found] == [None, None]


def test_the_previous_response_counts_where_the_request_names_it() -> None:
    def keys(**fields: Any) -> int:
        answers = [AIMessage("Hi", response_metadata={"id": f"resp_{n}"}) for n in range(3)]
        return len({key_of(answer, HumanMessage("And?"), **fields) for answer in answers})

    assert keys(use_previous_response_id=True) == 3
    assert keys() == 1


@pytest.mark.parametrize("prompt", ["", "plain", "[]", "[{", '[{"lc": 1}]', '[{"lc": 1, "kwargs": 3}]', "\0", "\ud83d"])
def test_a_prompt_that_is_not_a_chat_is_taken_as_it_is(prompt: str) -> None:
    found = identity(question=prompt)

    assert (found.prompt, found.question) == (prompt, prompt)
    assert found.key not in (key(question=prompt + " "), key(FakeListLLM(responses=["a"]), prompt))
    assert identity(FakeListLLM(responses=["a"]), prompt).prompt == prompt


@pytest.mark.parametrize(
    ("messages", "question"),
    [
        (HISTORY, "And tomorrow?"),
        ((SystemMessage("Be brief."),), "Be brief."),
        ((HumanMessage("One?"), HumanMessage("Two?"), AIMessage("Well.")), "Two?"),
        ((HumanMessage([{"type": "text", "text": "What is"}, {"type": "text", "text": "this?"}]),), "What is\nthis?"),
        ((HumanMessage(["What?", {"type": "image_url", "image_url": {"url": "data:"}}]),), "What?\n[image_url]"),
        ((HumanMessage("half \ud83d"),), "half \ud83d"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(len(value)),
)
def test_the_question_is_what_a_person_asked_last(messages: tuple[BaseMessage, ...], question: str) -> None:
    assert identity(question=dumps(list(messages))).question == question


def test_a_prompt_without_ids_reaches_gptcache_as_langchain_wrote_it() -> None:
    plain = dumps(list(HISTORY))
    with_ids = dumps([message.model_copy(update={"id": "1"}) for message in HISTORY])

    assert identity(question=plain).prompt == plain
    assert json.loads(identity(question=with_ids).prompt) == json.loads(plain)


# Any prompt

any_text = st.text(st.characters(), max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=5,
)
mappings = st.dictionaries(any_text, values, max_size=3)
contents = any_text | st.lists(any_text | mappings.map(lambda extra: {"type": "text", **extra}), max_size=3)
tool_calls = st.lists(st.builds(tool_call, name=any_text, args=mappings, id=any_text), max_size=2)
messages: st.SearchStrategy[BaseMessage] = st.one_of(
    st.builds(SystemMessage, contents),
    st.builds(HumanMessage, contents, name=st.none() | any_text),
    st.builds(AIMessage, contents, tool_calls=tool_calls),
    st.builds(ToolMessage, contents, tool_call_id=any_text, status=st.sampled_from(["success", "error"])),
    st.builds(ChatMessage, contents, role=any_text),
)
histories = st.lists(messages, min_size=1, max_size=3)
any_prompt = settings(max_examples=200, deadline=None, derandomize=True)


def seen(history: list[BaseMessage]) -> bytes:
    """Return the canonical prompt of messages, as LangChain hands them to a cache."""
    return canonical(prompt_of(history), Carried())[0]


def reversed_names(value: Any) -> Any:
    """Return an equal value whose mappings are in another order."""
    if isinstance(value, dict):
        return {name: reversed_names(value[name]) for name in reversed(value)}
    return [reversed_names(item) for item in value] if isinstance(value, list) else value


@pytest.mark.slow
@any_prompt
@given(histories, mappings, any_text)
def test_what_no_model_sees_is_in_no_prompt(history: list[BaseMessage], metadata: dict[str, Any], id: str) -> None:
    changed = [type(each)(**reversed_names(dict(each)) | {"id": id}) for each in history]
    for each in changed:
        each.response_metadata = metadata
        if isinstance(each, AIMessage):
            each.usage_metadata = USAGE
            each.additional_kwargs["parsed"] = metadata
    assert seen(changed) == seen(history)


@pytest.mark.slow
@any_prompt
@given(histories, st.data())
def test_whatever_a_model_sees_changes_the_prompt(history: list[BaseMessage], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(history) - 1))
    old, new = history[place], data.draw(messages)
    given = [{**dict(each), "usage_metadata": None} for each in (old, new)]
    assume(type(old) is not type(new) or json.dumps(given[0], sort_keys=True) != json.dumps(given[1], sort_keys=True))
    changed = [*history[:place], new, *history[place + 1 :]]
    assert seen(changed) != seen(history)
    assert seen([*history, new]) != seen(history)
