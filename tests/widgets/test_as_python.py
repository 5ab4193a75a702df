"""Copy as Python: the code compiles, holds no key, and asks exactly what the entry answers."""

import json
from dataclasses import replace
from datetime import date
from enum import Enum
from typing import Any, Literal

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from pydantic import BaseModel, Field

from gptcache_magics.identity.prompt import prompt_of
from gptcache_magics.store.protocol import Configuration, Entry
from gptcache_magics.tables import frames
from gptcache_magics.widgets.entry.as_python import as_python
from gptcache_magics.widgets.entry.stored import stored_entry
from tests.support.models import Reply, weather
from tests.support.provider_server import CHAT_MODELS, COMPLETION_MODELS, KEY

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
DIFFICULT = (
    "quotes ' and \" and '''three''', \\ backslash,\n\ttab, \u202ereversed, \x1b[31m, ünïcödé 🙂\nlast {brace}\n"
)


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, KEY)


def only_entry(cache):
    (id,) = frames.entries(cache.store).index
    return stored_entry(cache.store, id)


def assert_asks_the_same(cache, server, *, known=True):
    """Run the code of the only entry: the entry answers it, and nothing is asked or stored again."""
    stored, calls = only_entry(cache), server.calls
    assert stored.asked.call_parameters is not None
    code = as_python(stored.entry, stored.asked if known else replace(stored.asked, call_parameters=None))
    assert KEY not in code
    assert "Not sure" not in code
    names = {}
    exec(compile(code, "<copied>", "exec"), names)
    assert server.calls == calls, code
    assert only_entry(cache).id == stored.id
    return code, names["answer"]


@pytest.mark.parametrize("name", CHAT_MODELS + COMPLETION_MODELS)
def test_the_code_for_a_question_is_a_hit(cache, server, name):
    answer = server.model(name, temperature=0.3).invoke(DIFFICULT)
    code, again = assert_asks_the_same(cache, server)
    assert getattr(again, "text", again) == getattr(answer, "text", answer)
    assert f"llm = {name}(" in code
    assert "temperature=0.3" in code


@pytest.mark.parametrize("name", CHAT_MODELS)
def test_the_code_for_a_conversation_with_tools_is_a_hit(cache, server, name):
    llm = server.model(name).bind_tools([weather])
    question = [SystemMessage("Be brief.", name="house"), HumanMessage("What is the weather in Paris?")]
    called = llm.invoke(question)
    cache.clear()
    result = ToolMessage("Sun", tool_call_id=called.tool_calls[0]["id"], name="weather")
    llm.invoke([*question, called, result, HumanMessage("Thanks. And tomorrow?")])
    code, _ = assert_asks_the_same(cache, server)
    assert "ToolMessage(" in code
    assert "tools=[" in code


@pytest.mark.parametrize("name", CHAT_MODELS)
def test_the_code_for_a_tool_call_is_a_hit(cache, server, name):
    server.model(name).bind_tools([weather]).invoke("What is the weather in Paris?")
    _, answer = assert_asks_the_same(cache, server)
    assert answer.tool_calls[0]["name"] == "weather"


@pytest.mark.parametrize("name", CHAT_MODELS)
def test_the_code_for_a_structured_answer_is_a_hit(cache, server, name):
    server.model(name).with_structured_output(Reply).invoke("Reply!")
    assert_asks_the_same(cache, server)


class Part(BaseModel):
    """A part."""

    size: float = Field(ge=0, description='in "cm"')


class Thing(BaseModel, extra="forbid"):
    """A thing

    of two lines.
    """

    name: str = Field(title="What it is called", min_length=1)
    kind: Literal["small", "large"]
    parts: list[Part]
    prices: dict[str, float]
    note: Any
    count: int = 1  # without a default first: the store keeps no order of the others
    whole: Part | None = None


class Empty(BaseModel):
    pass


class Painted(BaseModel):
    colour: Enum("Colour", {"red": "red"})


class Day(BaseModel):
    day: date


@pytest.mark.parametrize("schema", [Thing, Empty], ids=lambda schema: schema.__name__)
def test_the_code_makes_the_class_again(cache, server, schema):
    server.text = json.dumps(
        {"name": "a", "kind": "small", "parts": [], "prices": {}, "note": 1} if schema is Thing else {}
    )
    server.model("ChatOpenAI").with_structured_output(schema, method="json_schema").invoke("Reply!")
    asked = server.requests[-1]
    code, _ = assert_asks_the_same(cache, server)
    names = {}
    cache.clear()
    exec(compile(code, "<copied>", "exec"), names)
    assert server.requests[-1] == asked
    assert server.calls == 2
    assert "asked again" not in code


@pytest.mark.parametrize(("schema", "text"), [(Painted, {"colour": "red"}), (Day, {"day": "2026-01-01"})])
def test_the_code_says_that_a_class_cannot_be_written_down(cache, server, schema, text):
    server.text = json.dumps(text)
    server.model("ChatOpenAI").with_structured_output(schema, method="json_schema").invoke("Reply!")
    stored = only_entry(cache)
    code = as_python(stored.entry, stored.asked)
    assert "# response_format was a class, and this is its schema: with it, the model is asked again." in code
    exec(compile(code, "<copied>", "exec"), {})
    assert server.calls == 2


@pytest.mark.parametrize("known", [True, False], ids=["stored", "of version 0.1"])
@pytest.mark.parametrize("name", ["ChatOpenAI", "ChatAnthropic"])
def test_parameters_of_the_call_stay_parameters_of_the_call(cache, server, name, known):
    server.model(name, max_tokens=50).invoke("hello", temperature=0.2, stop=["x"])
    code, _ = assert_asks_the_same(cache, server, known=known)
    assert 'invoke(messages, stop=["x"], temperature=0.2)' in code
    assert "max_tokens=50" in code


@pytest.mark.parametrize("name", ["ChatOpenAI", "ChatAnthropic"])
@pytest.mark.parametrize(
    ("fields", "kwargs"),
    [
        ({"temperature": 0.7}, {"temperature": 0.2}),
        ({"temperature": 0.2}, {"temperature": 0.2}),
        ({}, {"model": "another"}),
        ({"model": "one"}, {"model": "one"}),
    ],
    ids=["replaced", "repeated", "another model", "the same model"],
)
def test_a_call_that_replaces_a_parameter_of_the_model_is_written_as_it_was(cache, server, name, fields, kwargs):
    server.model(name, **fields).bind(**kwargs).invoke("hello")
    assert_asks_the_same(cache, server)


def test_many_parameters_are_written_where_they_were_given(cache, server):
    given = dict.fromkeys(["temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "top_logprobs"], 0)
    named = dict.fromkeys(["user", "service_tier", "prompt_cache_key", "safety_identifier", "verbosity"], "low")
    llm = server.model("ChatOpenAI", max_tokens=50, model_kwargs={"modalities": ["text"]})
    llm.bind(**given, **named).invoke("hello", stop=["x"])
    assert_asks_the_same(cache, server)


@pytest.mark.parametrize("name", CHAT_MODELS)
def test_the_code_for_an_image_is_a_hit(cache, server, name):
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    server.model(name).invoke([HumanMessage([{"type": "text", "text": "What is this?"}, image])])
    assert_asks_the_same(cache, server)


def test_the_code_for_a_responses_conversation_is_a_hit(cache, server):
    llm = server.model("ChatOpenAI", use_responses_api=True, model_kwargs={"user": "ada"})
    first = llm.invoke("one")
    cache.clear()
    llm.invoke([HumanMessage("one"), first, HumanMessage("two")])
    assert_asks_the_same(cache, server)


def test_an_address_from_the_environment_comes_from_there_again(cache, server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
    server.model("ChatOpenAI", base_url=None).invoke("hello")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/elsewhere")
    code, _ = assert_asks_the_same(cache, server)
    assert "base_url=" not in code


def test_the_code_is_short_for_a_simple_question(cache, server):
    (ChatPromptTemplate([("system", "You are terse."), "{question}"]) | server.model("ChatOpenAI")).invoke("Why?")
    stored = only_entry(cache)
    assert as_python(stored.entry, stored.asked).splitlines() == [
        "from langchain_core.messages import HumanMessage, SystemMessage",
        "from langchain_openai import ChatOpenAI",
        "",
        "# The key is read from OPENAI_API_KEY.",
        f'llm = ChatOpenAI(model="gpt-4o-mini", base_url="{server.openai_url}")',
        "messages = [",
        '    SystemMessage("You are terse."),',
        '    HumanMessage("Why?"),',
        "]",
        "answer = llm.invoke(messages)",
    ]


def entry_of(prompt="hello", **values):
    values = {"question": prompt, "answer": b'F[[null,"x",null]]', "created": 0.0, **values}
    return Entry(key="6b" * 16, configuration="63" * 16, prompt=prompt, **values)


def configuration_of(provider="acme", **values):
    values = {
        "model": "best-1",
        "label": "best-1 · T 0",
        "temperature": 0.0,
        "parameters": '{"temperature": 0}',
        **values,
    }
    return Configuration(key="63" * 16, provider=provider, **values)


def test_other_providers_get_the_messages_and_a_remark():
    prompt = json.dumps([{"lc": 1, "type": "constructor", "id": ["x", "HumanMessage"], "kwargs": {"content": "hi"}}])
    code = as_python(entry_of(prompt), configuration_of())
    names = {}
    exec(compile(code, "<copied>", "exec"), names)
    assert names["messages"] == [HumanMessage("hi")]
    assert "best-1 · T 0" in code
    assert "# answer = llm.invoke(messages)" in code


def test_a_model_that_cannot_be_written_down_is_said_to_be_unsure():
    code = as_python(entry_of(), configuration_of("openai"))
    compile(code, "<copied>", "exec")
    assert "Not sure to be the same" in code


def test_text_that_looks_like_a_key_is_left_out_and_said():
    call = {"name": "login", "args": {"password": 'it\'s "correct-horse"'}, "id": "1"}
    for prompt in ("my key is sk-abcdefghijklmnop", prompt_of([AIMessage("", tool_calls=[call])])):
        code = as_python(entry_of(prompt), configuration_of())
        compile(code, "<copied>", "exec")
        assert "sk-abc" not in code
        assert "correct-horse" not in code
        assert "asks something else" in code


@pytest.mark.parametrize(
    "label", ["\n__import__('os').abort()", "'; import os", '"""', "\\", "\u2028__import__('os').abort()", "\x00"]
)
def test_nothing_in_an_entry_becomes_code(label):
    parameters = json.dumps({label: label, "stop": [label]})
    for provider in ("acme", "openai", label):
        asked = configuration_of(provider, label=label, model=label, parameters=parameters, environment=label)
        prompt = [{"lc": 1, "type": "constructor", "id": [label], "kwargs": {label: label, "content": label}}]
        human = [{"lc": 1, "type": "constructor", "id": ["HumanMessage"], "kwargs": {label: label, "content": label}}]
        for each in (json.dumps(prompt), json.dumps(human), label):
            code = as_python(entry_of(each), asked)
            assert "abort" not in compile(code, "<copied>", "exec").co_names, code


def test_long_conversations_are_refused_and_samples_explained():
    assert "too long" in as_python(entry_of("x" * 1_000_000), configuration_of())
    assert "Answer 3 of several" in as_python(replace(entry_of(), sample=2), configuration_of())


def test_an_assistant_message_without_content_keeps_its_fields(cache, server):
    said = AIMessage("", additional_kwargs={"refusal": None, "parsed": {"a": 1}})
    server.model("ChatOpenAI").invoke([HumanMessage("hi"), said, HumanMessage("again")])
    assert_asks_the_same(cache, server)
