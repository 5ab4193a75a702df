"""What makes two calls the same: what changes the key, what does not, and what a table may show of it."""

import enum
import functools
import json
import math
import os
import re
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, FakeListChatModel, FakeListLLM
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
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatResult
from pydantic import BaseModel, ConfigDict, SecretStr

import gptcache_magics
from gptcache_magics.identity.call import Call
from gptcache_magics.identity.key import Identity, identify, identify_by_llm_string

SECRET = "correct-horse-battery-staple"
USAGE = UsageMetadata(input_tokens=1, output_tokens=2, total_tokens=3)
TOOL_CALL = {"name": "weather", "args": {"city": "Paris"}, "id": "call_1", "type": "tool_call"}
CALL_CHUNK = tool_call_chunk(name="weather", args='{"city": "Paris"}', id="call_1", index=0)


def without_address(value: object) -> str:
    """A name for a case that is the same in every process."""
    value = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
    return re.sub(r" at 0x[0-9a-f]+", "", value if isinstance(value, str) else repr(value))


class Chat(BaseChatModel):
    """A chat model with fields of every kind."""

    model_config = ConfigDict(extra="allow")

    model: str = "small"
    temperature: float | None = 0.7
    max_tokens: int | None = None
    seed: int = 0
    strict: bool = False
    stop_words: list[str] = ["\n"]  # noqa: RUF012  (pydantic copies it)
    instructions: str = ""
    anything: Any = None
    base_url: str | None = None
    password: SecretStr | None = None
    max_retries: int = 2
    timeout: float | None = None
    streaming: bool = False
    use_previous_response_id: bool = False

    @property
    def _llm_type(self) -> str:
        return "chat"

    def _generate(self, *arguments: Any, **options: Any) -> ChatResult:
        return ChatResult(generations=[])


class OtherChat(Chat):
    """Another class of model."""


class Color(enum.Enum):
    """Two members."""

    RED = "red"
    BLUE = "blue"


class Persona(BaseModel):
    """A pydantic object with a name like that of a field that a model's key leaves out."""

    name: str = "Ada"
    tags: list[str] = []
    api_key: SecretStr | None = None


@dataclass
class Login:
    """A dataclass with a secret in it."""

    user: str = "ada"
    password: str = ""
    more: dict[str, Any] = field(default_factory=dict)


class Plain:
    """An object that shows nothing of itself but its address."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def method(self) -> None:
        """Nothing."""


class Slotted:
    """An object that keeps its data in slots."""

    __slots__ = ("a",)

    def __init__(self, a: object) -> None:
        self.a = a


class Open(BaseModel, extra="allow"):
    """A pydantic object with fields of a user's own."""

    name: str = "Ada"


Pair = namedtuple("Pair", ["user", "password"])


def identity(llm: Any = None, question: str = "prompt", **kwargs: Any) -> Identity:
    """The identity of a call with these arguments."""
    llm = llm if llm is not None else Chat()
    return identify(Call(llm, kwargs, isinstance(llm, BaseChatModel), 0), question)


def key(llm: Any = None, question: str = "prompt", **kwargs: Any) -> bytes:
    """The key of a call with these arguments."""
    return identity(llm, question, **kwargs).key


def key_of(*messages: BaseMessage, **fields: Any) -> bytes:
    """The key of a chat."""
    return key(Chat(**fields), dumps(list(messages)))


def suffixed(suffix: str) -> Callable[[str], str]:
    """A closure."""
    return lambda text: text + suffix


# The model


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "large"},
        {"temperature": 0.2},
        {"temperature": 0},
        {"temperature": None},
        {"max_tokens": 7},
        {"seed": 1},
        {"seed": 2**70},
        {"strict": True},
        {"stop_words": []},
        {"stop_words": ["\n", "."]},
        {"instructions": "Be brief."},
        {"base_url": "http://elsewhere/v1"},
        {"an_extra": "field"},
        {"anything": {}} | {"anything": {"a": None}},
        {"anything": 0},
        {"anything": ""},
        {"anything": math.nan},
        {"anything": Persona()},
        {"anything": b"bytes"},
    ],
    ids=without_address,
)
def test_a_field_that_can_change_an_answer_changes_the_key(fields: dict[str, Any]) -> None:
    assert key(Chat(**fields)) != key(Chat())
    assert key(Chat(**fields)) == key(Chat(**fields))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (1, 2),
        (1, 1.5),
        (0, False),
        ("a", "A"),
        ("half \ud83d", "half \ud83e"),
        (2**70, 2**70 + 1),
        ({"a": 2**70}, {"a": -(2**70)}),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ({("a", "b"): 1}, {("a", "b"): 2}),
        ({("a", "b"): 1}, {("a", "c"): 1}),
        ([1, 2], [2, 1]),
        ({"a", "b"}, {"a", "c"}),
        (frozenset({1}), frozenset({2})),
        (Color.RED, Color.BLUE),
        (Persona(name="Ada"), Persona(name="Bob")),
        (Persona(tags=["a"]), Persona(tags=["b"])),
        ([Persona(name="Ada")], [Persona(name="Bob")]),
        (Persona, Login),
        (Login(user="ada"), Login(user="bob")),
        (Login(more={"a": 1}), Login(more={"a": 2})),
        (Pair("ada", ""), Pair("bob", "")),
        (Plain(a=1), Plain(a=2)),
        (Plain(a=[1]), Plain(a=[2])),
        (Slotted(1), Slotted(2)),
        (Open(mood="good"), Open(mood="bad")),  # type: ignore[call-arg]
        (Plain(a=Plain(b=1)), Plain(a=Plain(b=2))),
        (b"one", b"two"),
        (1 + 2j, 1 + 3j),
        (str.upper, str.lower),
        (lambda text: text.upper(), lambda text: text.lower()),
        (lambda text: text + "a", lambda text: text + "b"),
        (lambda text="a": text, lambda text="b": text),
        (suffixed("a"), suffixed("b")),
        (functools.partial(suffixed, "a"), functools.partial(suffixed, "b")),
        (functools.partial(str.upper), functools.partial(str.lower)),
        (functools.partial(suffixed("a")), functools.partial(suffixed("b"))),
        (Plain(a=1).method, Plain(a=2).method),
        ("Read https://x/#one and answer.", "Read https://x/#two and answer."),
        ("https://x/?page=1", "https://x/?page=2"),
        ("https://x/one", "https://x/two"),
        ("https://x/#one", "https://x/#two"),
    ],
    ids=lambda value: without_address(value)[:40],
)
def test_two_values_of_a_field_differ(one: Any, two: Any) -> None:
    assert key(Chat(anything=one)) != key(Chat(anything=two))
    assert key(anything=one) != key(anything=two)
    assert key(Chat(anything={"nested": [one]})) != key(Chat(anything={"nested": [two]}))


def test_any_value_of_a_field_has_a_key() -> None:
    """Even what pydantic has no schema for, or what JSON has no word for."""
    values = (
        Chat,
        Plain,
        object,
        json,
        len,
        math.nan,
        range(3),
        {1: 2**70, "a": 1},
        {"\ud83d": "\ud83d"},
        ...,
    )

    assert len({key(Chat(anything=value)) for value in values}) == len(values)


def test_another_class_is_another_model() -> None:
    assert key(OtherChat()) != key(Chat())


@pytest.mark.parametrize(
    "fields",
    [
        {"max_retries": 7},
        {"timeout": 30.0},
        {"streaming": True},
        {"name": "assistant"},
        {"tags": ["a"], "metadata": {"a": 1}, "verbose": True},
        {"cache": False},
        {"disable_streaming": True},
        {"password": SECRET},
        {"model": "small", "temperature": 0.7, "stop_words": ["\n"]},  # as the class has them
        {"anything": None},
    ],
    ids=without_address,
)
def test_a_field_that_changes_no_answer_leaves_the_key(fields: dict[str, Any]) -> None:
    assert key(Chat(**fields)) == key(Chat())


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}),
        ({"a", "b", "c"}, {"c", "b", "a"}),
        (Plain(), Plain()),
        (Plain(a=1), Plain(a=1)),
        ([Plain()], [Plain()]),
        (Persona(name="Ada"), Persona(name="Ada")),
        (Login(), Login()),
        (suffixed("a"), suffixed("a")),
        (math.nan, float("nan")),
        ({"api_key": "one"}, {"api_key": "two"}),
        ({"headers": {"Authorization": "one"}}, {"headers": {"Authorization": "two"}}),
        (Login(password="one"), Login(password="two")),
        ("https://ada:one@x/v1", "https://ada:two@x/v1"),
    ],
    ids=lambda value: without_address(value)[:40],
)
def test_equal_values_of_a_field_share_a_key(one: Any, two: Any) -> None:
    assert key(Chat(anything=one)) == key(Chat(anything=two))
    assert key(anything=one) == key(anything=two)


def test_the_fields_are_read_anew_for_each_call() -> None:
    model = Chat(anything={"a": [1]})
    before = key(model)
    model.anything["a"].append(2)
    assert key(model) != before

    model.anything["a"].pop()
    assert key(model) == before


@pytest.mark.parametrize("make", [FakeListChatModel, FakeListLLM])
def test_the_call_counter_of_a_fake_is_no_parameter(make: Callable[..., Any]) -> None:
    model = make(responses=["a", "b"])
    before = key(model)
    model.invoke("question")

    assert key(model) == before
    assert key(make(responses=["a", "c"])) != before


PROCESS = """
import functools
from tests.identity.test_key import *
source = '''
def has(text):
    return [word for word in text.split() if word in {"one", "two", "three"} or (lambda: word)()]
'''
space = {"__name__": "__main__"}
exec(compile(source, f"/tmp/kernel_{os.getpid()}/1.py", "exec"), space)  # as a notebook's cell is compiled
values = [
    {"a", "b", "c", "d"}, frozenset("abcdef"), {"a": {"x", "y", "z"}}, Plain(), Plain(a={"x", "y"}), object(),
    str.upper, space["has"], functools.partial(space["has"], "text"), Persona(), Persona, Login(), Color.RED,
    suffixed("a"), 2**70,
]
for value in values:
    print(key(Chat(anything=value)).hex(), repr(value)[:60].partition(" at 0x")[0].split("{")[0])
"""


def test_the_key_is_the_same_in_every_process() -> None:
    def keys(seed: int) -> list[str]:
        path = str(Path(gptcache_magics.__file__).parents[1])
        done = subprocess.run(
            [sys.executable, "-c", PROCESS],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return [line.partition(" ")[0] for line in done.stdout.splitlines()]

    one, two = keys(1), keys(2)
    assert len(set(one)) == len(one) > 10
    assert one == two


# The arguments of a call


@pytest.mark.parametrize(
    "kwargs",
    [
        {"stop": ["."]},
        {"temperature": 0.2},
        {"model": "large"},
        {"tools": [{"type": "function", "function": {"name": "weather"}}]},
        {"tool_choice": "any"},
        {"response_format": {"type": "json_object"}},
        {"response_format": Persona},
        {"logit_bias": {50256: -100}},
        {"anything": Color.RED},
    ],
    ids=without_address,
)
def test_an_argument_that_can_change_an_answer_changes_the_key(kwargs: dict[str, Any]) -> None:
    assert key(**kwargs) != key()
    assert key(**kwargs) == key(**kwargs)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"stop": None},
        {"callbacks": [object()], "tags": ["a"], "metadata": {"a": 1}, "run_name": "a", "run_id": 7},
        {"stream": True},
        {"timeout": 7},
        {"api_key": SECRET},
        {"ls_structured_output_format": {"kwargs": {}}},
    ],
    ids=without_address,
)
def test_an_argument_that_changes_no_answer_leaves_the_key(kwargs: dict[str, Any]) -> None:
    assert key(**kwargs) == key()


def schema(*properties: str) -> dict[str, Any]:
    """A tool with these properties."""
    described = {name: {"type": "string", "description": f"the {name}"} for name in properties}
    parameters = {"type": "object", "properties": described}
    return {"type": "function", "function": {"name": "login", "parameters": parameters}}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tool: {"tools": [tool]},
        lambda tool: {"functions": [tool["function"]]},
        lambda tool: {"response_format": {"type": "json_schema", "json_schema": tool["function"]["parameters"]}},
        lambda tool: {"format": tool["function"]["parameters"]},
        lambda tool: {"extra_body": {"tools": [tool]}},
    ],
    ids=["tools", "functions", "response_format", "format", "extra_body"],
)
@pytest.mark.parametrize("name", ["password", "api_key", "token", "secret", "cookie", "authorization", "auth"])
def test_tools_that_differ_in_a_property_named_like_a_secret_differ(wrap: Callable[[Any], Any], name: str) -> None:
    assert key(**wrap(schema("user", name))) != key(**wrap(schema("user")))
    other = json.loads(json.dumps(schema("user", name)).replace(f"the {name}", "another"))
    assert key(**wrap(schema("user", name))) != key(**wrap(other))


# The prompt

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
def test_what_the_model_sees_of_a_chat_changes_the_key(place: int, update: dict[str, Any]) -> None:
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
        (4, {"usage_metadata": {**USAGE, "total_cost": 0}}),
        (4, {"response_metadata": {"model_name": "small", "finish_reason": "stop", "id": "resp_1"}}),
        (4, {"response_metadata": {"gptcache": {"entry": "a41f"}}}),
        (3, {"artifact": Plain()}),
        (3, {"artifact": {"rows": [1, 2]}}),
    ],
    ids=without_address,
)
def test_what_the_model_does_not_see_of_a_chat_leaves_the_key(place: int, update: dict[str, Any]) -> None:
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


def test_the_previous_response_counts_where_the_request_names_it() -> None:
    def keys(**fields: Any) -> int:
        answers = [AIMessage("Hi", response_metadata={"id": f"resp_{n}"}) for n in range(3)]
        return len({key_of(answer, HumanMessage("And?"), **fields) for answer in answers})

    assert keys(use_previous_response_id=True) == 3
    assert keys() == 1


@pytest.mark.parametrize("prompt", ["", "plain", "[]", "[{", '[{"lc": 1}]', '[{"lc": 1, "kwargs": 3}]', "\0", "\ud83d"])
def test_a_prompt_that_is_no_chat_is_taken_as_it_is(prompt: str) -> None:
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


# Without a model


def test_an_llm_string_that_names_a_model_is_labelled_by_it() -> None:
    for llm_string in ('{"kwargs": {"model_name": "gpt-4o-mini"}}---[]', "[('model', 'gpt-4o-mini'), ('stop', None)]"):
        found = identify_by_llm_string("prompt", llm_string)
        assert (found.configuration.model, found.reason) == ("gpt-4o-mini", "")

    unnamed = identify_by_llm_string("prompt", "[('_type', 'chat-ollama'), ('stop', None)]")
    assert (unnamed.configuration.model, unnamed.reason) == ("chat-ollama", "model unknown")


@pytest.mark.parametrize("llm_string", ["", "x" * 5000, "a/b", "half \ud83d", "\0"])
def test_any_llm_string_will_do(llm_string: str) -> None:
    one, two = identify_by_llm_string("prompt", llm_string), identify_by_llm_string("prompt", llm_string + ".")

    assert one.key == identify_by_llm_string("prompt", llm_string).key != two.key
    assert len(one.configuration.label) < 100


def test_addresses_in_an_llm_string_do_not_count() -> None:
    one, two = (identify_by_llm_string("prompt", f"[('f', <function f at 0x7f{n:010x}>)]") for n in (1, 2))

    assert one.key == two.key


# What is shown

SECRETS: list[Any] = [
    {"api_key": SECRET},
    {"headers": {"Authorization": SECRET, "X-Api-Key": SECRET, "Cookie": SECRET}},
    {"headers": [("Authorization", SECRET), ("x-api-key", SECRET)]},
    {"headers": [[b"Authorization", SECRET.encode()]]},
    {"auth": ("ada", SECRET)},
    {"auth": {"user": "ada", "pass": SECRET}},
    {"cookies": {"sid": SECRET}},
    {"passwords": [SECRET]},
    {"secrets": {"a": SECRET}},
    {"credentials": {"type": "service", "key": SECRET}},
    {"proxy": f"http://ada:{SECRET}@proxy:8080"},
    {"proxies": {"https://": f"http://ada:{SECRET}@proxy:8080"}},
    {"urls": [f"https://x/v1?api_key={SECRET}"]},
    {"deep": [{"deeper": ({"client_secret": SECRET},)}]},
    {"password": SECRET.encode()},
    {"token": SecretStr(SECRET)},
    {"plain": SecretStr(SECRET)},
    {SecretStr("a"): {"access_token": SECRET}},
    Login(password=SECRET),
    [Login(password=SECRET)],
    Login(more={"token": SECRET}),
    Pair("ada", SECRET),
    [Pair("ada", SECRET)],
    Plain(password=SECRET),
    Persona(api_key=SecretStr(SECRET)),
    {Color.RED: Persona(api_key=SecretStr(SECRET))},
    SecretStr(SECRET),
    {"authorization": f"Bearer {SECRET}"},
    f"https://ada:{SECRET}@x/v1",
    f"https://x/v1?token={SECRET}&page=1",
]


@pytest.mark.parametrize("value", SECRETS, ids=lambda value: without_address(value).replace(SECRET, "…")[:60])
def test_a_secret_is_neither_shown_nor_part_of_the_key(value: Any) -> None:
    for found in (identity(Chat(anything=value)), identity(anything=value), identity(Chat(anything={"a": [value]}))):
        shown = f"{found.configuration.label} {found.configuration.parameters} {found.configuration.call_parameters}"
        assert SECRET not in shown
        assert SECRET.encode().hex() not in shown
        json.loads(found.configuration.parameters)


@pytest.mark.parametrize("looks", ["sk-abcdefgh12345678", "Bearer abcdefgh123456", "hf_abcdefgh12345678"])
def test_what_looks_like_a_key_is_not_shown(looks: str) -> None:
    for found in (
        identity(Chat(anything=looks)),
        identity(user=looks),
        identify_by_llm_string("prompt", f"[('a', '{looks}')]"),
    ):
        assert looks not in found.configuration.parameters
        assert looks not in found.configuration.label


def test_a_secret_in_an_llm_string_is_not_shown() -> None:
    for llm_string in (
        f"[('api_key', '{SECRET}'), ('headers', {{'X-Api-Key': '{SECRET}'}})]",
        f'{{"kwargs": {{"openai_api_key": "{SECRET}"}}}}---[]',
    ):
        assert SECRET not in identify_by_llm_string("prompt", llm_string).configuration.parameters


@pytest.mark.parametrize(
    ("fields", "kwargs", "label"),
    [
        ({}, {}, "small"),
        ({"temperature": 0.2}, {}, "small · T 0.2"),
        ({"temperature": 0.1 + 0.2}, {}, "small · T 0.3"),
        ({"temperature": 1.0}, {}, "small · T 1"),
        ({}, {"temperature": 0}, "small · T 0"),
        ({"temperature": 0.2}, {"tools": [schema("a")] * 3}, "small · T 0.2 · 3 tools"),
        ({}, {"tools": [schema("a")]}, "small · 1 tool"),
        ({}, {"response_format": Persona}, "small · structured"),
        ({"model": "large", "seed": 7, "strict": True}, {}, "large · seed 7 · strict True"),
        ({"instructions": "x" * 100}, {}, "small · instructions"),
        ({}, {"stop": ["."]}, "small · stop"),
        ({}, {f"p{n}": n for n in range(9)}, "small · p0 0 · p1 1 · p2 2 · p3 3 · p4 4 · …"),
    ],
    ids=without_address,
)
def test_a_configuration_is_labelled_by_what_is_not_as_usual(
    fields: Mapping[str, Any], kwargs: Mapping[str, Any], label: str
) -> None:
    assert identity(Chat(**fields), **kwargs).configuration.label == label


def test_a_configuration_names_what_the_call_gave_and_what_that_replaced() -> None:
    found = identity(Chat(seed=7), temperature=0.1, stop=["."], seed=8, api_key=SECRET, timeout=1).configuration
    assert found.call_parameters is not None
    assert json.loads(found.call_parameters) == {"temperature": None, "stop": None, "seed": 7}
    assert json.loads(found.parameters) == {"temperature": 0.1, "stop": ["."], "seed": 8}


def test_a_configuration_names_model_provider_and_temperature() -> None:
    found = identity(Chat(temperature=0.25, seed=7)).configuration
    assert (found.model, found.temperature, json.loads(found.parameters)) == (
        "small",
        0.25,
        {"temperature": 0.25, "seed": 7},
    )
    assert found.provider
    assert found.call_parameters == "{}"

    fake = identity(FakeListChatModel(responses=["a"])).configuration
    assert (fake.provider, fake.model) == ("fake", "FakeListChatModel")
