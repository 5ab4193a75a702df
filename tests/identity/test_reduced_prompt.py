"""What of a history does not reach the model: no class that sends it is asked twice for the same."""

from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_ollama import ChatOllama
from langchain_openai import AzureChatOpenAI, ChatOpenAI

from gptcache_magics.identity import carried
from gptcache_magics.identity.prompt import prompt_of
from tests.support.calls import Chat, identity

OPENAI = ChatOpenAI(model="gpt-4o-mini", api_key="sk-a")
RESPONSES = ChatOpenAI(model="gpt-4o-mini", api_key="sk-a", use_responses_api=True)
AZURE = AzureChatOpenAI(model="gpt-4o", api_key="a", api_version="2024-10-21", azure_endpoint="https://a.example")
CLAUDE = ChatAnthropic(model="claude-haiku-4-5", api_key="a")
LLAMA = ChatOllama(model="llama3")
PROVED = pytest.mark.parametrize("model", [OPENAI, AZURE, CLAUDE, LLAMA], ids=lambda model: type(model).__name__)


class Mine(ChatOpenAI):
    """A class of the user's, which may send anything."""


def key(model: Any, messages: list[BaseMessage], **arguments: Any) -> str:
    return identity(model, prompt_of(messages), **arguments).key


def call(number: str, **more: Any) -> dict[str, Any]:
    return {"name": "search", "args": {"place": "Rome", "near": "sea"}, "id": number, "type": "tool_call", **more}


def used(number: str, result: str | None = None, question: str = "And Oslo?", **fields: Any) -> list[BaseMessage]:
    return [
        HumanMessage("Where is Rome?"),
        AIMessage(**{"content": "", "tool_calls": [call(number)], **fields}),
        ToolMessage("Italy", tool_call_id=result or number),
        HumanMessage(question),
    ]


def twice(first: str, second: str, results: tuple[str, str] | None = None, note: str = "So?") -> list[BaseMessage]:
    one, two = results or (first, second)
    return [
        HumanMessage("Where?"),
        AIMessage("", tool_calls=[call(first), call(second, args={"place": "Oslo"})]),
        ToolMessage("Italy", tool_call_id=one),
        ToolMessage("Norway", tool_call_id=two),
        HumanMessage(note),
    ]


@PROVED
@pytest.mark.parametrize("extras", [{"foo": 1}, {"refusal": None}, {"parsed": {"a": 1}}, {"refusal": "No.", "foo": {}}])
@pytest.mark.parametrize("kind", [HumanMessage, AIMessage, SystemMessage])
def test_extras_that_are_not_sent_do_not_count(model: Any, extras: dict[str, Any], kind: Any) -> None:
    plain, noted = ([kind("Hi."), HumanMessage("So?")], [kind("Hi.", additional_kwargs=extras), HumanMessage("So?")])

    assert key(model, noted) == key(model, plain)


@PROVED
def test_the_raw_form_of_tool_calls_does_not_count_beside_them(model: Any) -> None:
    raw = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{}"}}

    assert key(model, used("call_1", additional_kwargs={"tool_calls": [raw]})) == key(model, used("call_1"))


@pytest.mark.parametrize(
    ("model", "extras"),
    [
        (OPENAI, {"audio": {"id": "a"}}),
        (OPENAI, {"function_call": {"name": "search", "arguments": "{}"}}),
        (OPENAI, {"function_call": None}),
        (OPENAI, {"tool_calls": []}),
        (OPENAI, {"name": "ada"}),
        (LLAMA, {"reasoning_content": "Hm."}),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else type(value).__name__,
)
def test_extras_that_are_sent_count(model: Any, extras: dict[str, Any]) -> None:
    plain = [AIMessage("Hi."), HumanMessage("So?")]

    assert key(model, [AIMessage("Hi.", additional_kwargs=extras), plain[1]]) != key(model, plain)


def test_the_role_of_a_system_message_counts() -> None:
    developer = SystemMessage("Be brief.", additional_kwargs={"__openai_role__": "developer"})

    assert key(OPENAI, [developer, HumanMessage("Hi.")]) != key(
        OPENAI, [SystemMessage("Be brief."), HumanMessage("Hi.")]
    )


@pytest.mark.parametrize("model", [CLAUDE, LLAMA], ids=["anthropic", "ollama"])
def test_names_do_not_count_where_they_are_not_sent(model: Any) -> None:
    assert key(model, [HumanMessage("Hi.", name="ada")]) == key(model, [HumanMessage("Hi.")])
    assert key(OPENAI, [HumanMessage("Hi.", name="ada")]) != key(OPENAI, [HumanMessage("Hi.")])


@PROVED
def test_the_name_of_a_result_does_not_count(model: Any) -> None:
    plain = used("call_1")
    named = [*plain[:2], ToolMessage("Italy", tool_call_id="call_1", name="search"), plain[3]]

    assert key(model, named) == key(model, plain)


def test_the_status_of_a_result_counts_for_anthropic_only() -> None:
    plain = used("call_1")
    failed = [*plain[:2], ToolMessage("Italy", tool_call_id="call_1", status="error"), plain[3]]

    assert key(OPENAI, failed) == key(OPENAI, plain)
    assert key(LLAMA, failed) == key(LLAMA, plain)
    assert key(CLAUDE, failed) != key(CLAUDE, plain)


@PROVED
@pytest.mark.parametrize("more", [{"id": "msg_1"}, {"index": 0}, {"annotations": []}, {"phase": "final"}], ids=str)
def test_notes_on_the_text_of_an_answer_do_not_count(model: Any, more: dict[str, Any]) -> None:
    def answered(**more: Any) -> list[BaseMessage]:
        return [HumanMessage("Hi."), AIMessage([{"type": "text", "text": "Hello.", **more}]), HumanMessage("So?")]

    assert key(model, answered(**more)) == key(model, answered())


def test_notes_on_the_text_of_a_person_count_where_they_are_sent() -> None:
    def asked(**more: Any) -> list[BaseMessage]:
        return [HumanMessage([{"type": "text", "text": "Hi.", **more}])]

    assert key(OPENAI, asked(id="one")) != key(OPENAI, asked())
    assert key(CLAUDE, asked(id="one")) == key(CLAUDE, asked())
    assert key(CLAUDE, asked(cache_control={"type": "ephemeral"})) != key(CLAUDE, asked())


def test_the_index_of_a_streamed_thought_does_not_count() -> None:
    def thought(**more: Any) -> list[BaseMessage]:
        return used("call_1", content=[{"type": "thinking", "thinking": "Hm.", "signature": "one", **more}])

    assert key(CLAUDE, thought(index=0)) == key(CLAUDE, thought())
    assert key(CLAUDE, thought(signature="two")) != key(CLAUDE, thought())


@PROVED
def test_ids_of_tool_calls_are_numbered(model: Any) -> None:
    one = key(model, twice("call_1", "call_2"))

    assert one == key(model, twice("toolu_b", "toolu_a")) == key(model, twice("a-1", "a-12"))
    assert one != key(model, twice("call_1", "call_2", ("call_2", "call_1")))
    assert one != key(model, twice("call_1", "call_2", ("call_1", "call_1")))
    assert one != key(model, twice("call_1", "call_1"))


@PROVED
@pytest.mark.parametrize("note", ["And toolu_1?", "toolu_1", '{"id": "toolu_1"}', "call-1", "x call-2 x"])
def test_an_id_in_another_text_stays_as_it_is(model: Any, note: str) -> None:
    keys = {key(model, twice(*ids, note=note)) for ids in (("toolu_1", "toolu_2"), ("toolu_2", "toolu_1"))}

    assert len(keys) == 2


@pytest.mark.parametrize("model", [OPENAI, CLAUDE], ids=["openai", "anthropic"])
def test_an_id_that_ties_nothing_stays_as_it_is(model: Any) -> None:
    assert key(model, used("call_1", "call_2")) != key(model, used("call_1", "call_3"))
    assert key(model, [*used("a"), *used("a")]) != key(model, [*used("b"), *used("b")])


def test_ids_that_a_server_knows_stay_as_they_are() -> None:
    assert key(CLAUDE, used("srvtoolu_1")) != key(CLAUDE, used("srvtoolu_2"))
    assert key(CLAUDE, used("mcptoolu_1")) != key(CLAUDE, used("mcptoolu_2"))
    assert key(RESPONSES, used("call_1")) != key(RESPONSES, used("call_2"))


@pytest.mark.parametrize(
    "arguments", [{"include": ["a"]}, {"previous_response_id": "resp_1"}, {"tools": [{"type": "web_search"}]}], ids=str
)
def test_a_call_of_the_responses_api_counts_ids(arguments: dict[str, Any]) -> None:
    assert key(OPENAI, used("call_1"), **arguments) != key(OPENAI, used("call_2"), **arguments)
    assert key(OPENAI, used("call_1")) == key(OPENAI, used("call_2"))


def test_a_raw_tool_call_and_a_block_are_numbered_with_their_result() -> None:
    def raw(number: str) -> list[BaseMessage]:
        block = {"id": number, "type": "function", "function": {"name": "search", "arguments": "{}"}}
        return used(number, tool_calls=[], additional_kwargs={"tool_calls": [block]})

    def block(number: str) -> list[BaseMessage]:
        return used(number, content=[{"type": "tool_use", "id": number, "name": "search", "input": {}}])

    assert key(OPENAI, raw("call_1")) == key(OPENAI, raw("call_2"))
    assert key(CLAUDE, block("toolu_1")) == key(CLAUDE, block("toolu_2"))


@pytest.mark.parametrize("model", [Chat(), Mine(model="gpt-4o-mini", api_key="sk-a")], ids=["unknown", "derived"])
def test_a_class_that_was_not_compared_counts_everything(model: Any) -> None:
    assert key(model, used("call_1")) != key(model, used("call_2"))
    assert key(model, [HumanMessage("Hi.", name="ada")]) != key(model, [HumanMessage("Hi.")])
    assert key(model, [HumanMessage("Hi.", additional_kwargs={"a": 1})]) != key(model, [HumanMessage("Hi.")])


def test_a_package_newer_than_the_one_that_was_read_counts_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(extras: dict[str, Any]) -> str:
        model = ChatOllama(model="llama3", num_ctx=len(seen))
        return key(model, [HumanMessage("Hi.", additional_kwargs=extras)])

    seen: list[int] = []
    assert of({"foo": 1}) == of({})
    seen.append(1)
    carried._was_read.cache_clear()
    monkeypatch.setitem(carried.READ, "langchain_ollama", (0, 1))
    assert of({"foo": 1}) != of({})
    carried._was_read.cache_clear()


def test_the_stored_prompt_is_the_reduced_one() -> None:
    messages = used("call_abc", additional_kwargs={"refusal": None})
    found = identity(OPENAI, prompt_of(messages))
    again = identity(OPENAI, found.prompt)

    assert "call_abc" not in found.prompt
    assert "refusal" not in found.prompt
    assert (again.key, again.prompt, again.earlier) == (found.key, found.prompt, None)


def test_a_prompt_that_was_reduced_has_its_earlier_key_too() -> None:
    messages = used("call_abc")
    found, other = (identity(model, prompt_of(messages)) for model in (OPENAI, RESPONSES))

    assert found.earlier is not None
    assert found.earlier.key != found.key
    assert found.earlier.seen == other.seen
    assert "call_abc" in found.earlier.prompt
    assert found.sample(2).earlier.number == 2
    assert identity(OPENAI, prompt_of([HumanMessage("Hi.")])).earlier is None


def test_arguments_of_a_tool_call_are_the_same_in_any_order() -> None:
    turned = call("call_1", args={"near": "sea", "place": "Rome"})

    assert key(OPENAI, used("call_1", tool_calls=[turned])) == key(OPENAI, used("call_1"))
