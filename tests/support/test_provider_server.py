"""The loopback provider itself, without a cache: every class gets the answers it would get from the real one."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.prompt_values import StringPromptValue
from pydantic import BaseModel

from tests.support.models import text_of, weather
from tests.support.provider_server import CHAT_MODELS, COMPLETION_MODELS, Json, ProviderServer

MODELS = CHAT_MODELS + COMPLETION_MODELS
QUESTION = "What is the capital of France?"


class City(BaseModel):
    """A city."""

    name: str
    people: int
    twin: str | None = None


@pytest.mark.parametrize("name", MODELS)
def test_every_class_answers_in_invoke_and_in_stream(server: ProviderServer, name: str) -> None:
    llm = server.model(name)

    assert text_of(llm.invoke(QUESTION)) == f"{server.requests[0]['model']} answers {QUESTION!r} (call 1)"
    pieces = [text_of(piece) for piece in llm.stream(QUESTION)]
    assert "".join(pieces) == f"{server.requests[0]['model']} answers {QUESTION!r} (call 2)"
    assert len([piece for piece in pieces if piece]) > 3


@pytest.mark.parametrize("name", MODELS)
async def test_every_class_answers_in_ainvoke_and_in_astream(server: ProviderServer, name: str) -> None:
    llm = server.model(name)

    assert "(call 1)" in text_of(await llm.ainvoke(QUESTION))
    assert "(call 2)" in "".join([text_of(piece) async for piece in llm.astream(QUESTION)])


@pytest.mark.parametrize("fields", [{}, {"streaming": True, "stream_usage": True}, {"use_responses_api": True}])
def test_openai_reports_usage_and_why_it_stopped(server: ProviderServer, fields: Json) -> None:
    answer = server.model("ChatOpenAI", **fields).invoke(QUESTION)

    assert answer.usage_metadata["input_tokens"] > 6
    assert answer.usage_metadata["output_tokens"] > 6
    assert {"stop", "completed"} & set(map(str, answer.response_metadata.values()))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("name", "fields"), [*((name, {}) for name in CHAT_MODELS), ("ChatOpenAI", {"use_responses_api": True})]
)
def test_a_tool_is_called_once_and_its_result_answered(
    server: ProviderServer, name: str, fields: Json, streamed: bool
) -> None:
    llm = server.model(name, **fields).bind_tools([weather])
    human = HumanMessage(QUESTION)
    if streamed:
        first, *rest = llm.stream([human])
        call = sum(rest, first)
    else:
        call = llm.invoke([human])
    [wanted] = call.tool_calls

    assert wanted["name"] == "weather"
    assert "(call 1)" in wanted["args"]["city"]
    request = AIMessage(call.content, tool_calls=call.tool_calls)
    answer = llm.invoke([human, request, ToolMessage("Sun", tool_call_id=wanted["id"])])
    assert answer.tool_calls == []
    assert "(call 2)" in answer.text


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("name", CHAT_MODELS)
def test_structured_output_fits_the_schema(server: ProviderServer, name: str, method: str) -> None:
    city = server.model(name).with_structured_output(City, method=method).invoke(QUESTION)

    assert isinstance(city, City)
    assert "(call 1)" in city.name


def test_several_choices_and_several_prompts_are_answered_one_by_one(server: ProviderServer) -> None:
    chat = server.model("ChatOpenAI", n=2).generate([[HumanMessage(QUESTION)]])
    completion = server.model("OpenAI").generate(["A", "B"])

    assert [generation.text for generation in chat.generations[0]] == [
        f"gpt-4o-mini answers {QUESTION!r} (call 1)",
        f"gpt-4o-mini answers {QUESTION!r} (call 1, choice 2)",
    ]
    assert [generations[0].text for generations in completion.generations] == [
        "gpt-3.5-turbo-instruct answers 'A' (call 2)",
        "gpt-3.5-turbo-instruct answers 'B' (call 2)",
    ]


@pytest.mark.parametrize("name", MODELS)
def test_errors_and_overrides_reach_the_client(server: ProviderServer, name: str) -> None:
    llm = server.model(name)

    server.fail_next(1)
    with pytest.raises(Exception, match="as told"):
        llm.invoke(QUESTION)
    server.text, server.finish_reason = "Paris", "length"
    result = llm.generate_prompt([StringPromptValue(text=QUESTION)])
    assert result.generations[0][0].text == "Paris"
    assert "length" in str(result)


@pytest.mark.slow
def test_concurrent_calls_are_counted_one_by_one(server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    with ThreadPoolExecutor(8) as pool:
        answers = {answer.text for answer in pool.map(llm.invoke, [QUESTION] * 32)}

    assert server.calls == len(answers) == 32
