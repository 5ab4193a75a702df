"""Answers as bytes and back: equal, of the same types, in fresh objects; what does not come back is refused."""

import collections
import datetime
import decimal
import enum
import fractions
import http
import json
import math
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk
from pydantic import BaseModel

from gptcache_magics import generations
from gptcache_magics.store.protocol import Usage
from gptcache_magics.store.reasons import Kind, NotStorable
from tests.support.processes import output_of

USAGE = UsageMetadata(
    input_tokens=10,
    output_tokens=5,
    total_tokens=15,
    input_token_details={"cache_read": 4, "cache_creation": 2, "audio": 0},
    output_token_details={"reasoning": 3},
)
ODD_TEXTS = ["", " ", "\0", "👩‍💻 ‮שלום", "half \ud83d of a pair", "\r\n\t  ", "</script>\\u0000", "x" * 1_000_000]
EVERYTHING = AIMessage(
    content=[{"type": "text", "text": "Sun"}, {"type": "image_url", "image_url": {"url": "data:"}}, "plain"],
    id="run-1",
    name="Ada",
    tool_calls=[tool_call(name="weather", args={"city": "Łódź", "days": [1, 2.5, None, True]}, id="call_1")],
    invalid_tool_calls=[invalid_tool_call(name="weather", args="{", id=None, error="not JSON")],
    usage_metadata=USAGE,
    additional_kwargs={"refusal": None, "audio": {"id": "a"}, "reasoning_content": "Hm."},
    response_metadata={"finish_reason": "stop", "logprobs": [{"token": "Sun", "logprob": -0.5}], "n": 2**60},
)


INVALID = invalid_tool_call(name="f", args="{", id="1", error="")


class Reply(BaseModel):
    """A parsed answer, as langchain-openai keeps it in ``additional_kwargs``."""

    answer: str


class Verdict(enum.Enum):
    """An enum that is not a text."""

    YES = 1


class OwnMessage(AIMessage):
    """A user's own message class."""

    mood: str = "good"


class Silent:
    """An object that cannot be made again."""


def chat(message: BaseMessage | str, **fields: Any) -> ChatGeneration:
    """Return a generation of a chat model."""
    return ChatGeneration(message=AIMessage(message) if isinstance(message, str) else message, **fields)


def round_trip(*answers: Generation, **options: Any) -> list[Generation]:
    """Encode and decode."""
    return generations.decode(generations.encode(answers), **options)


def refusal_of(*answers: Generation) -> str:
    """Return why answers are not stored, or nothing if they are."""
    try:
        generations.check_storable(answers)
    except NotStorable as refusal:
        return str(refusal)
    return ""


def same(one: Any, other: Any) -> bool:
    """Return whether both are equal and of the same types throughout; NaN is equal to itself."""
    if isinstance(one, Generation | BaseMessage):
        return type(one) is type(other) and same(dict(one), dict(other))
    if isinstance(one, dict):
        return type(other) is dict and one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return type(other) is list and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or (one != one and other != other))


# There and back


@pytest.mark.parametrize(
    "answer",
    [
        chat(EVERYTHING),
        chat(AIMessage([])),
        chat(AIMessage("Hi", id="1")),
        chat(AIMessage("Hi", an_extra_field={"a": 1})),
        chat(AIMessage("", tool_calls=[tool_call(name="f", args={}, id=None)])),
        chat(AIMessage([{"type": "thinking", "thinking": "Hm.", "signature": "abc"}, {"type": "text", "text": "Hi"}])),
        chat("Hi", generation_info={"finish_reason": "stop", "logprobs": None}),
        chat("Hi", generation_info={}),
        chat(AIMessage("Hi", response_metadata={"score": math.nan, "best": math.inf, "worst": -math.inf})),
        chat(AIMessage("Hi", response_metadata={"seed": 2**70, "negative": -(2**70), "zero": -0.0, "small": 5e-324})),
        chat(AIMessage("Hi", response_metadata={"half \ud83d": "of a pair \udc00"})),
        chat(AIMessage("Hi", additional_kwargs={"deep": {"a": [[[{"b": None}]]]}})),
        chat(AIMessageChunk(content="Hi", id="1", usage_metadata=USAGE)),
        chat(AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name="f", args="{}", id="1", index=0)])),
        ChatGenerationChunk(message=AIMessageChunk(content="Hi")),
        chat(HumanMessage("Hi")),
        chat(SystemMessage("Hi")),
        chat(ToolMessage("Hi", tool_call_id="1", status="error")),
        chat(ChatMessage(content="Hi", role="critic")),
        chat(FunctionMessage(content="Hi", name="weather")),
        Generation(text="Hi"),
        Generation(text="Hi", generation_info={"eval_count": 3, "context": [1, 2, 3]}),
        Generation(text="Hi", generation_info={"half": "\ud83d"}),
        GenerationChunk(text="Hi", generation_info={"done": True}),
        *map(chat, ODD_TEXTS),
        *(Generation(text=text) for text in ODD_TEXTS),
    ],
    ids=lambda answer: repr(answer)[:70],
)
def test_an_answer_comes_back_equal_and_of_the_same_types(answer: Generation) -> None:
    [back] = round_trip(answer)

    assert same(back, answer)
    assert back is not answer


def test_several_generations_come_back_in_their_order() -> None:
    answers = [chat("one"), chat(AIMessageChunk(content="two")), Generation(text="three"), chat("four")]

    assert same(round_trip(*answers), answers)
    assert round_trip() == []


def test_a_decoded_answer_shares_nothing_with_another() -> None:
    data = generations.encode([chat(EVERYTHING)])
    one, two = (generations.decode(data)[0] for _ in range(2))
    assert isinstance(one, ChatGeneration)
    assert isinstance(two, ChatGeneration)
    one.message.content[0]["text"] = "changed"  # type: ignore[index]
    one.message.additional_kwargs["audio"]["id"] = "changed"
    one.message.response_metadata["logprobs"].clear()

    assert same(two.message.model_copy(update={"id": "run-1"}), EVERYTHING)


def test_encoding_leaves_the_answer_as_it_was() -> None:
    answer = chat(AIMessage("Hi", id="1", additional_kwargs={"parsed": Reply(answer="Hi")}))
    before = answer.model_copy(deep=True)
    generations.encode([answer])

    assert answer == before
    assert isinstance(answer.message.additional_kwargs["parsed"], Reply)


@pytest.mark.parametrize("content", ['{"answer": "Hi"}', [{"type": "text", "text": '{"answer": "Hi"}'}]])
@pytest.mark.parametrize("kind", [AIMessage, AIMessageChunk])
def test_a_parsed_answer_is_parsed_again_from_its_text(kind: type[AIMessage], content: Any) -> None:
    answer = chat(kind(content=content, additional_kwargs={"parsed": Reply(answer="Hi"), "refusal": None}))
    [back] = round_trip(answer, parse=lambda text, stored: Reply.model_validate_json(text))

    assert same(back, answer)


def test_an_object_that_was_not_parsed_from_one_text_is_refused() -> None:
    for content in ("", [{"type": "text", "text": '{"answer": '}, {"type": "text", "text": '"Hi"}'}]):
        with pytest.raises(NotStorable, match="a Reply was not parsed from one text"):
            generations.encode([chat(AIMessage(content, additional_kwargs={"parsed": Reply(answer="Hi")}))])


def test_an_object_of_token_counts_comes_back_as_plain_data() -> None:
    class Usage(BaseModel):
        """Tokens, as litellm counts them."""

        total_tokens: int = 3

    [back] = round_trip(chat(AIMessage("Hi", response_metadata={"token_usage": Usage(), "model": "m"})))

    assert isinstance(back, ChatGeneration)
    assert back.message.response_metadata == {"token_usage": {"total_tokens": 3}, "model": "m"}


def test_a_tuple_comes_back_as_a_list() -> None:
    [back] = round_trip(chat(AIMessage("Hi", response_metadata={"pair": (1, 2)})))

    assert isinstance(back, ChatGeneration)
    assert back.message.response_metadata == {"pair": [1, 2]}


class Words(str):
    """A text of a class of its own."""


data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**130), 2**130)
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from([2**63, 2**64 - 1, 2**64, -(2**63) - 1, -0.0, 5e-324]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
odd = st.sampled_from(
    [
        np.float64(1.5),
        np.float32(1.5),
        np.int64(7),
        np.bool_(True),
        np.str_("text"),
        np.array([1, 2]),
        np.datetime64("2026-01-01"),
        Words("text"),
        b"bytes",
        bytearray(b"bytes"),
        datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        datetime.date(2026, 1, 1),
        datetime.timedelta(1),
        decimal.Decimal("1.5"),
        decimal.Decimal(1),
        fractions.Fraction(1, 2),
        uuid.UUID(int=1),
        Path("."),
        http.HTTPStatus.OK,
        Verdict.YES,
        {1: "a"},
        {None: 1},
        {1},
        (1, "a"),
        range(2),
        1 + 2j,
        collections.OrderedDict(a=1),
        Reply(answer="Hi"),
        HumanMessage("Hi"),
        re.compile("a"),
    ]
)
anything = st.recursive(
    data | odd, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)


def answers_with(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Generation]:
    """Return generations of every kind with such values in all places that take any."""
    filled = st.dictionaries(names.filter(lambda name: name != "parsed"), values, max_size=3)
    calls = st.lists(st.builds(tool_call, name=names, args=filled, id=st.none() | names), max_size=2)
    blocks = st.lists(names | st.builds(lambda block: {"type": "odd", **block}, filled), max_size=3)
    messages = st.builds(
        lambda kind, content, calls, extras, metadata, id: kind(
            content=content,
            tool_calls=calls if kind is AIMessage else [],
            additional_kwargs=extras,
            response_metadata=metadata,
            id=id,
        ),
        st.sampled_from([AIMessage, AIMessage, AIMessageChunk]),
        st.text(st.characters(), max_size=8) | blocks,
        calls,
        filled,
        filled,
        st.none() | names,
    )
    info = st.none() | filled
    return st.builds(lambda message, info: chat(message, generation_info=info), messages, info) | st.builds(
        lambda text, info: Generation(text=text, generation_info=info), st.text(st.characters(), max_size=8), info
    )


def plain(value: Any) -> Any:
    """Return a value as it comes back: of a class derived from a text, a number, a list or a mapping only the data."""
    if isinstance(value, Generation | BaseMessage):
        return {"class": type(value), **plain(dict(value))}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    kind = next((kind for kind in (bool, int, float, str) if isinstance(value, kind)), type)
    return value if kind is type else kind(value)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(answers_with(data), max_size=3))
def test_any_answer_of_json_data_comes_back_equal(answers: list[Generation]) -> None:
    assert same(round_trip(*answers), answers)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(answers_with(anything), min_size=1, max_size=2))
def test_any_answer_comes_back_equal_or_is_refused(answers: list[Generation]) -> None:
    try:
        back = round_trip(*answers)
    except NotStorable:
        return
    assert same(plain(back), plain(answers))


# Fresh objects


@pytest.mark.parametrize("answer", [chat(EVERYTHING), chat(AIMessageChunk(content="Hi", id="run-1"))])
def test_the_ids_of_messages_are_those_that_are_given_and_else_those_that_were_stored(answer: ChatGeneration) -> None:
    data = generations.encode([answer, answer])
    stored = answer.message.id
    given = generations.decode(data, ids=lambda stored, number: f"{stored}+{number}")

    assert [each.message.id for each in generations.decode(data)] == [stored, stored]  # type: ignore[attr-defined]
    assert [each.message.id for each in given] == [f"{stored}+0", f"{stored}+1"]  # type: ignore[attr-defined]


def test_a_message_that_had_no_id_gets_none() -> None:
    [back] = round_trip(chat("Hi"), ids=lambda stored, number: "new")

    assert isinstance(back, ChatGeneration)
    assert back.message.id is None


@pytest.mark.parametrize(
    "message",
    [
        AIMessage("Hi"),
        AIMessage("Hi", response_metadata={"model_name": "small"}),
        AIMessageChunk(content="Hi"),
        AIMessage("Hi", response_metadata={"score": math.nan, "model_name": "small"}),
    ],
)
def test_a_mark_says_that_it_is_a_hit_and_nothing_else_changes(message: AIMessage) -> None:
    mark = {"entry": "a41f", "match": "exact", "similarity": 1.0, "stored_at": 12.5}
    data = generations.encode([chat(message)])
    [marked], [plain] = generations.decode(data, mark=mark), generations.decode(data)
    assert isinstance(marked, ChatGeneration)
    assert isinstance(plain, ChatGeneration)

    assert marked.message.response_metadata.pop("gptcache") == mark
    assert same(marked, plain)
    assert "gptcache" not in plain.message.response_metadata
    mark["entry"] = "changed"
    [again] = generations.decode(data, mark=mark)
    assert again.message.response_metadata["gptcache"] is not mark  # type: ignore[attr-defined]


def test_a_mark_on_plain_text_is_left_out() -> None:
    answer = Generation(text="Hi", generation_info={"a": 1})

    assert round_trip(answer, mark={"entry": "a41f"}) == [answer]


# Answers that cannot be stored


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        {1: "a key that is no text"},
        {None: "a key that is no text"},
        datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        decimal.Decimal("1.5"),
        {1, 2},
        Verdict.YES,
        Silent(),
        Silent,
        len,
        1 + 2j,
        Reply(answer="Hi"),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
@pytest.mark.parametrize(
    "make",
    [
        lambda value: chat(AIMessage("Hi", response_metadata={"value": value})),
        lambda value: chat(AIMessage("Hi", additional_kwargs={"deep": [value]})),
        lambda value: chat("Hi", generation_info={"value": value}),
        lambda value: Generation(text="Hi", generation_info={"value": value}),
    ],
    ids=["response_metadata", "additional_kwargs", "generation_info", "text"],
)
def test_an_answer_that_does_not_come_back_is_refused(make: Callable[[Any], Generation], value: Any) -> None:
    with pytest.raises(NotStorable) as raised:
        generations.encode([chat("fine"), make(value)])

    assert raised.value.reason.kind is Kind.NOT_STORED
    assert "\n" not in str(raised.value)


def test_a_message_class_of_a_users_own_is_refused() -> None:
    with pytest.raises(NotStorable) as raised:
        generations.encode([chat(OwnMessage(content="Hi", mood="bad"))])

    assert raised.value.reason.kind is Kind.NOT_STORED


@pytest.mark.parametrize(
    "foreign",
    [
        {"lc": 1, "type": "constructor", "id": ["langchain", "llms", "openai", "OpenAI"], "kwargs": {}},
        {"lc": 1, "type": "secret", "id": ["PATH"]},
        {"lc": 1, "type": "not_implemented", "id": ["os", "system"], "repr": "system"},
    ],
    ids=["constructor", "secret", "not implemented"],
)
def test_data_that_looks_like_a_langchain_object_stays_data_or_is_refused(foreign: dict[str, Any]) -> None:
    for odd in ({}, {"nan": math.nan}):
        answer = chat(AIMessage("Hi", additional_kwargs={"object": foreign}, response_metadata=odd))
        try:
            [back] = round_trip(answer)
        except NotStorable:
            continue
        assert same(back, answer)


def test_stored_bytes_make_only_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "from the environment")
    constructed = {"lc": 1, "type": "constructor", "id": ["langchain", "llms", "openai", "OpenAI"], "kwargs": {}}
    secret = {"lc": 1, "type": "secret", "id": ["A_SECRET"]}

    with pytest.raises(ValueError, match="not allowed"):
        generations.decode(b"S" + orjson.dumps([json.dumps(constructed)]))
    with pytest.raises(NotStorable, match="a NoneType is not a generation"):
        generations.decode(b"S" + orjson.dumps([json.dumps(secret)]))


# Answers that should not be stored


@pytest.mark.parametrize(
    "reason",
    [
        *("length", "content_filter", "max_tokens", "refusal", "MAX_TOKENS", "SAFETY", "RECITATION", "BLOCKLIST"),
        *("PROHIBITED_CONTENT", "SPII", "model_length", "error", "incomplete", "max_output_tokens", "content-filter"),
        "model_context_window_exceeded",
    ],
)
@pytest.mark.parametrize("name", ["finish_reason", "stop_reason", "done_reason"])
def test_an_answer_that_is_cut_off_is_not_storable(reason: str, name: str) -> None:
    in_metadata = chat(AIMessage("Half of", response_metadata={name: reason}))
    in_info = chat("Half of", generation_info={name: reason})
    for answer in (in_metadata, in_info, Generation(text="Half of", generation_info={name: reason})):
        with pytest.raises(NotStorable, match=f"\\({reason}\\)$"):
            generations.check_storable([chat("whole"), answer])
        assert generations.finish_reason([answer]) == reason


@pytest.mark.parametrize("status", ["incomplete", "failed", "cancelled"])
def test_a_response_that_was_not_completed_is_not_storable(status: str) -> None:
    with pytest.raises(NotStorable, match="broken off"):
        generations.check_storable([chat(AIMessage("Half of", response_metadata={"status": status}))])


@pytest.mark.parametrize(
    "answer",
    [
        *(
            chat(AIMessage("Hi", response_metadata={"finish_reason": reason}))
            for reason in ("stop", "end_turn", "STOP", None)
        ),
        chat(AIMessage("Hi", response_metadata={"status": "completed"})),
        chat(
            AIMessage(
                "", tool_calls=[tool_call(name="f", args={}, id="1")], response_metadata={"stop_reason": "tool_use"}
            )
        ),
        chat(AIMessage("", tool_calls=[tool_call(name="f", args={}, id="1")], invalid_tool_calls=[INVALID])),
        chat(AIMessage([{"type": "image_url", "image_url": {"url": "data:"}}])),
        chat(AIMessage("", additional_kwargs={"audio": {"id": "a"}})),
        Generation(text="Hi"),
        Generation(text=".", generation_info={"finish_reason": "stop"}),
    ],
    ids=lambda answer: repr(answer)[:70],
)
def test_a_whole_answer_is_storable(answer: Generation) -> None:
    assert refusal_of(answer) == ""


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [chat("")],
        [chat(" \n")],
        [chat(AIMessage([]))],
        [chat(AIMessage([{"type": "text", "text": ""}]))],
        [chat(AIMessage([{"type": "thinking", "thinking": "Hm."}]))],
        [chat(AIMessage("", additional_kwargs={"refusal": "No."}))],
        [chat(AIMessage("", additional_kwargs={"reasoning_content": "Hm."}))],
        [chat("Hi"), chat("")],
        [Generation(text="")],
    ],
    ids=lambda answers: repr(answers)[:70],
)
def test_an_empty_answer_is_not_storable(answers: list[Generation]) -> None:
    with pytest.raises(NotStorable) as raised:
        generations.check_storable(answers)

    assert raised.value.reason.kind is Kind.NOT_STORED


@pytest.mark.parametrize(
    "content", ["", "I look.", [{"type": "function_call", "name": "f", "arguments": "{", "call_id": "1"}]]
)
def test_an_answer_of_only_invalid_tool_calls_is_not_storable(content: Any) -> None:
    assert refusal_of(chat(AIMessage(content, invalid_tool_calls=[INVALID]))) == "its tool calls are invalid"


# Tokens, reasons and text for tables


@pytest.mark.parametrize(
    ("answers", "usage"),
    [
        ([chat(EVERYTHING)], Usage(10, 5, 4, 2)),
        ([chat("Hi")], Usage()),
        ([chat("Hi"), chat(EVERYTHING)], Usage(10, 5, 4, 2)),
        (
            [chat(AIMessage("Hi", usage_metadata=UsageMetadata(input_tokens=1, output_tokens=2, total_tokens=3)))],
            Usage(1, 2),
        ),
        ([Generation(text="Hi", generation_info={"prompt_eval_count": 7, "eval_count": 3})], Usage(7, 3)),
        ([Generation(text="Hi", generation_info={"eval_count": 3})], Usage(None, 3)),
        ([Generation(text="Hi")], Usage()),
        ([], Usage()),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_the_usage_is_the_providers(answers: list[Generation], usage: Usage) -> None:
    assert generations.usage(answers) == usage


@pytest.mark.parametrize(
    ("answers", "shown"),
    [
        ([chat("Hi")], "Hi"),
        ([Generation(text="Hi"), Generation(text="there")], "Hi\n\nthere"),
        ([chat(AIMessage("", tool_calls=[tool_call(name="f", args={"city": "Łódź"}, id="1")]))], 'f({"city": "Łódź"})'),
        ([chat(AIMessage("Hi", tool_calls=[tool_call(name="f", args={}, id="1")]))], "Hi\nf({})"),
        ([chat(EVERYTHING)], f'{chat(EVERYTHING).text}\nweather({{"city": "Łódź", "days": [1, 2.5, null, true]}})'),
        ([chat("half \ud83d")], "half \ud83d"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_an_answer_is_shown_as_text(answers: list[Generation], shown: str) -> None:
    assert generations.text_of(generations.encode(answers)) == shown


def test_reading_what_langchain_wrote_warns_of_nothing(tmp_path: Path) -> None:
    script = """
import warnings
from langchain_core.load import dumps
from langchain_core.outputs import Generation
from gptcache_magics import generations
warnings.simplefilter("error")  # after langchain_core, which shows warnings of its own again
print(generations.load(dumps(Generation(text="a"))).text)
"""
    assert output_of(script, folder=tmp_path) == "a"


def test_two_hits_share_nothing_that_can_be_changed() -> None:
    data = generations.encode([chat(AIMessage("Hi"))])
    [first] = generations.decode(data)
    first.message.tool_calls.append(tool_call(name="f", args={}, id=None))
    first.message.invalid_tool_calls.append(invalid_tool_call(name="f", args="{", id=None, error=None))
    first.message.additional_kwargs["mine"] = first.message.response_metadata["mine"] = 1
    first.message.mine = first.message.name = "changed"
    first.text = "changed"

    [second] = generations.decode(data)
    assert second == chat(AIMessage("Hi"))
    assert second.message.model_fields_set == AIMessage("Hi").model_fields_set
    assert second.message.model_extra == AIMessage("Hi").model_extra
