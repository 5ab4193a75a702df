"""What of the fields and arguments of a call changes no answer: tracking, the order of tools, bookkeeping."""

from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_openai import AzureChatOpenAI, ChatOpenAI, OpenAI

from gptcache_magics.identity.call import Call
from gptcache_magics.identity.key import identify
from tests.support.calls import Chat, identity

pytestmark = pytest.mark.filterwarnings("ignore:Parameters {'")


class Mine(ChatOpenAI):
    """A class of the user's, which may read anything."""


def openai(**fields: Any) -> Any:
    return ChatOpenAI(model="gpt-4o-mini", api_key="sk-a", **fields)


def azure(**fields: Any) -> Any:
    endpoint = {"api_version": "2024-10-21", "azure_endpoint": "https://a.example"}
    return AzureChatOpenAI(model="gpt-4o-mini", api_key="a", **endpoint, **fields)


def claude(**fields: Any) -> Any:
    return ChatAnthropic(model="claude-haiku-4-5", api_key="a", **fields)


def completion(**fields: Any) -> Any:
    return OpenAI(api_key="sk-a", **fields)


def mine(**fields: Any) -> Any:
    return Mine(model="gpt-4o-mini", api_key="sk-a", **fields)


def key(model: Any, **arguments: Any) -> str:
    return identity(model, "Hi", **arguments).key


def tool(name: str, description: str = "Do it.", **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties or {"b": {"type": "string"}, "a": {"type": "string"}}}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


@pytest.mark.parametrize("make", [openai, azure, claude])
@pytest.mark.parametrize("header", ["x-request-id", "traceparent", "X-Trace", "Helicone-Session-Id", "Authorization"])
def test_headers_that_only_trace_are_as_none(make: Any, header: str) -> None:
    assert key(make(), extra_headers={header: "1"}) == key(make()) == key(make(default_headers={header: "1"}))
    assert key(make(), extra_headers={"X-Tenant": "1"}) != key(make())


def test_empty_headers_that_take_the_place_of_others_count() -> None:
    given = {"model_kwargs": {"extra_headers": {"X-Tenant": "1"}}}

    assert key(openai(**given), extra_headers={"x-request-id": "1"}) != key(openai(**given))
    assert key(openai(extra_body={"top_k": 1}), extra_body={"user": "a"}) != key(openai(extra_body={"top_k": 1}))


@pytest.mark.parametrize("make", [openai, azure, claude])
def test_tools_in_another_order_are_the_same_call(make: Any) -> None:
    tools = [tool("search"), tool("draw"), tool("fold", b={"type": "integer"}, a={"type": "string"})]

    assert key(make(), tools=tools) == key(make(), tools=tools[::-1])
    assert key(make(), tools=tools) != key(make(), tools=[*tools[:2], tool("fold")])
    assert key(make(), tools=tools) != key(make(), tools=tools[:2])


@pytest.mark.parametrize(
    "tools",
    [
        [tool("search"), tool("search", "Find it.")],
        [tool("search"), {"cachePoint": {"type": "default"}}],
        [tool("search"), {"type": "function", "function": {}}],
    ],
    ids=["two of one name", "one without a name", "a function without a name"],
)
def test_the_order_of_tools_counts_where_it_may_say_something(tools: list[Any]) -> None:
    assert key(openai(), tools=tools) != key(openai(), tools=tools[::-1])


def test_the_order_of_tools_counts_for_a_class_that_was_not_compared() -> None:
    tools = [tool("search"), tool("draw")]

    assert key(Chat(), tools=tools) != key(Chat(), tools=tools[::-1])
    assert key(mine(), tools=tools) != key(mine(), tools=tools[::-1])


def test_the_order_of_names_in_a_schema_counts() -> None:
    one, two = ({"a": {"type": "string"}, "b": {"type": "string"}}, {"b": {"type": "string"}, "a": {"type": "string"}})

    assert key(openai(), tools=[tool("f", **one), tool("g")]) != key(openai(), tools=[tool("f", **two), tool("g")])


OF_OPENAI = ("user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier")


@pytest.mark.parametrize("make", [openai, azure])
@pytest.mark.parametrize("name", OF_OPENAI)
def test_bookkeeping_does_not_count_wherever_it_stands(make: Any, name: str) -> None:
    plain = key(make())

    assert key(make(), **{name: "one"}) == plain
    assert key(make(), extra_body={name: "one"}) == plain
    assert key(make(extra_body={name: "one"})) == plain
    assert key(make(model_kwargs={"metadata": {"a": "b"}})) == plain
    assert key(make(), extra_body={name: "one", "top_k": 1}) == key(make(), extra_body={"top_k": 1}) != plain


def test_bookkeeping_of_anthropic_and_of_completions_does_not_count() -> None:
    assert (
        key(claude(), service_tier="auto") == key(claude()) == key(claude(model_kwargs={"metadata": {"user_id": "a"}}))
    )
    assert key(completion(), user="one") == key(completion())
    assert key(openai(service_tier="flex")) == key(openai())


@pytest.mark.parametrize("name", ["store", "include", "n", "verbosity", "users", "metadatas"])
def test_what_is_no_bookkeeping_counts(name: str) -> None:
    assert key(openai(), **{name: 1}) != key(openai())


@pytest.mark.parametrize("make", [Chat, mine])
def test_bookkeeping_counts_for_a_class_whose_provider_documents_nothing(make: Any) -> None:
    assert key(make(), user="one") != key(make())


def test_what_is_bookkeeping_for_openai_counts_for_anthropic() -> None:
    assert key(claude(), user="one") != key(claude())


def test_bookkeeping_counts_where_the_user_says_so() -> None:
    model = openai()

    def counted(**arguments: Any) -> str:
        return identify(Call(model, arguments, True, counts_bookkeeping=True), "Hi").key

    assert counted() == key(model)
    assert counted(user="one") != counted(user="two") != counted()
    assert key(model, user="one") == key(model)
    assert counted(user="one") == identity(model, "Hi", user="one").earlier.key


def test_a_call_that_was_reduced_has_its_earlier_configuration_too() -> None:
    tools = [tool("search"), tool("draw")]
    one, two = (identity(openai(), "Hi", tools=each) for each in (tools, tools[::-1]))
    earlier = [each.earlier and each.earlier.configuration.key for each in (one, two)]

    assert one.configuration.key == two.configuration.key
    assert sorted(map(bool, earlier)) == [False, True]
    assert one.configuration.portable == two.configuration.portable
