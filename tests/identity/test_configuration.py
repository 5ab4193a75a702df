"""The configuration of a call: which arguments count, and what a table may show of it."""

import enum
import gc
import json
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from gptcache_magics.identity.call import Call
from gptcache_magics.identity.configuration import _readings, configuration_of
from gptcache_magics.identity.facts import facts_of
from gptcache_magics.identity.key import identify_by_llm_string
from gptcache_magics.identity.reading import ARGUMENTS
from gptcache_magics.store.reasons import Kind, Reason
from tests.support.calls import (
    SECRET,
    Chat,
    Color,
    Login,
    OtherChat,
    Pair,
    Persona,
    Plain,
    identity,
    key,
    schema,
    without_address,
)


def test_another_class_is_another_model() -> None:
    assert key(OtherChat()) != key(Chat())


@pytest.mark.parametrize(
    "kwargs",
    [
        {"stop": ["."]},
        {"stop": []},
        {"temperature": 0.2},
        {"temperature": None},
        {"max_tokens": None},
        {"tools": []},
        {"extra_body": {"guided_json": {"properties": {"credentials": {"type": "string"}}}}},
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
        {"api_key": SECRET},
        {"ls_structured_output_format": {"kwargs": {}}},
    ],
    ids=without_address,
)
def test_an_argument_that_changes_no_answer_leaves_the_key(kwargs: dict[str, Any]) -> None:
    assert key(**kwargs) == key()


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


def test_a_configuration_names_what_the_call_gave_and_what_that_replaced() -> None:
    found = identity(Chat(seed=7), temperature=0.1, stop=["."], seed=8, api_key=SECRET).configuration
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


# Without a model


def test_an_llm_string_that_names_a_model_is_labelled_by_it() -> None:
    for llm_string in ('{"kwargs": {"model_name": "gpt-4o-mini"}}---[]', "[('model', 'gpt-4o-mini'), ('stop', None)]"):
        found = identify_by_llm_string("prompt", llm_string)
        assert (found.configuration.model, found.reason) == ("gpt-4o-mini", None)

    unnamed = identify_by_llm_string("prompt", "[('_type', 'chat-ollama'), ('stop', None)]")
    assert (unnamed.configuration.model, unnamed.reason) == ("chat-ollama", Reason(Kind.MODEL_UNKNOWN))


@pytest.mark.parametrize("llm_string", ["", "x" * 5000, "a/b", "half \ud83d", "\0"])
def test_any_llm_string_will_do(llm_string: str) -> None:
    one, two = identify_by_llm_string("prompt", llm_string), identify_by_llm_string("prompt", llm_string + ".")

    assert one.key == identify_by_llm_string("prompt", llm_string).key != two.key
    assert len(one.configuration.label) < 100


def test_addresses_in_an_llm_string_do_not_count() -> None:
    one, two = (identify_by_llm_string("prompt", f"[('f', <function f at 0x7f{n:010x}>)]") for n in (1, 2))

    assert one.key == two.key


# Secrets


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
def test_text_that_looks_like_a_key_is_not_shown(looks: str) -> None:
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


def test_an_argument_of_another_type_before_it_leaves_a_configuration_as_it_is() -> None:
    class Name(enum.Enum):
        SMALL = "gpt-4o"

    def of(model: object) -> tuple[str, str]:
        found = configuration_of(Call(Chat(), {"model": model}, True))
        return found.key, found.model

    before = of("gpt-4o")
    facts_of(Chat).calls.clear()
    of(Name.SMALL)
    assert of("gpt-4o") == before


def _openai() -> Any:
    return ChatOpenAI(model="gpt-4o", temperature=1, api_key=SecretStr("sk-a"), model_kwargs={"place": {"a": 1}})


CHANGES: dict[str, Callable[[Any], object]] = {
    "a field": lambda model: setattr(model, "temperature", 0.5),
    "an equal value of another type": lambda model: setattr(model, "seed", True),
    "within a field": lambda model: model.model_kwargs["place"].update(a=2),
    "the address of a client": lambda model: setattr(model.root_client, "base_url", "http://other/v1"),
    "a header of a client": lambda model: model.root_client._custom_headers.update({"x-mode": "b"}),
    "the query of a client": lambda model: model.root_client._custom_query.update({"mode": "b"}),
    "a client": lambda model: setattr(model, "client", model.root_client.with_options(base_url="http://o/v1").chat),
    "the client of a client": lambda model: setattr(
        model.client, "_client", model.root_client.with_options(base_url="http://other/v1")
    ),
}


def _arguments() -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    return {"tools": [{"type": "function", "function": {"name": "f", "parameters": parameters}}], "seed": 1}


@pytest.mark.parametrize("arguments", [{}, _arguments()], ids=["no arguments", "arguments"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_model_that_was_read_is_read_again_once_it_is_changed(
    change: Callable[[Any], object], arguments: dict[str, Any]
) -> None:
    def key() -> str:
        return configuration_of(Call(model, arguments, True)).key

    model = _openai()
    model.seed = 1
    before = key()
    assert id(model) in _readings
    assert key() == before
    change(model)
    assert key() != before


@pytest.mark.parametrize(
    "change",
    [
        lambda arguments: arguments["tools"][0]["function"]["parameters"]["properties"].update(day={}),
        lambda arguments: arguments["tools"].append(arguments["tools"][0]),
        lambda arguments: arguments["tools"].clear(),
        lambda arguments: arguments.update(seed=True),
        lambda arguments: arguments.update(seed=None),
        lambda arguments: arguments.pop("seed"),
        lambda arguments: arguments.clear(),
    ],
)
def test_arguments_count_as_they_are_at_each_call(change: Callable[[dict[str, Any]], object]) -> None:
    def key(model: Any) -> str:
        return configuration_of(Call(model, arguments, True)).key

    model, arguments = _openai(), _arguments()
    before = key(model)
    assert key(model) == before
    change(arguments)
    after = key(model)
    assert after != before
    assert key(_openai()) == after
    arguments.update(_arguments())
    assert key(model) == key(_openai()) == before


def test_the_configurations_of_many_arguments_are_not_all_remembered() -> None:
    model = _openai()
    keys = [configuration_of(Call(model, {"seed": seed}, True)).key for seed in (*range(200), *range(200))]
    assert keys[:200] == keys[200:]
    assert len(set(keys)) == 200
    assert len(_readings[id(model)]._calls) <= ARGUMENTS


def test_a_reading_goes_with_its_model() -> None:
    model = _openai()
    model.model_kwargs = {}
    configuration_of(Call(model, {}, True))
    number, alive = id(model), weakref.ref(model)
    assert number in _readings
    del model
    gc.collect()
    assert alive() is None
    assert number not in _readings


def test_a_class_and_its_schema_as_it_is_are_two_requests():
    class Reply(BaseModel):
        answer: str

    model = ChatOpenAI(model="gpt-4o-mini", api_key="sk-test")
    keys = {
        configuration_of(Call(model, {"response_format": given}, chat=True)).key
        for given in (Reply, Reply.model_json_schema())
    }
    assert len(keys) == 2


@pytest.mark.parametrize(
    "described",
    [
        lambda word: {"parameter_definitions": {"password": {"description": word, "type": "str"}}},
        lambda word: {"type": "object", "example": {"password": word}},
    ],
)
def test_what_a_schema_says_of_a_password_is_no_password(described: Callable[[str], Any]) -> None:
    assert key(extra_body=described("a")) != key(extra_body=described("b"))
