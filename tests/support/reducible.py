"""Calls with something in them that does not reach the model: ``tests/data/before-reduction`` holds their answers."""

from collections.abc import Iterator
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI, OpenAI

__all__ = ["URL", "reducible_calls"]

URL = "http://127.0.0.1:9"
"""Address that the answers were recorded at; nothing listens there, so a call that misses fails."""
KEY = "sk-test-0123456789abcdef"


def _tool(name: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"place": {"type": "string"}}}
    return {"type": "function", "function": {"name": name, "description": f"Do {name}.", "parameters": parameters}}


def _used(content: Any, number: str, **extras: Any) -> list[BaseMessage]:
    call = {"name": "search", "args": {"place": "Rome"}, "id": number, "type": "tool_call"}
    return [
        HumanMessage("Where is Rome?"),
        AIMessage(content, tool_calls=[call], additional_kwargs=extras),
        ToolMessage("Rome is in Italy.", tool_call_id=number, name="search"),
        HumanMessage("And Oslo?"),
    ]


def reducible_calls(url: str = URL) -> Iterator[tuple[str, Any, Any, dict[str, Any]]]:
    """Yield name, model, prompt and arguments of each call."""

    def chat(**fields: Any) -> Any:
        return ChatOpenAI(model="gpt-4o-mini", api_key=KEY, base_url=f"{url}/v1", max_retries=0, **fields)

    claude: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 64_000, "api_key": KEY, "base_url": url}
    raw = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": '{"place": "Rome"}'}}
    noted = [{"type": "text", "text": "In Italy.", "id": "msg_1", "index": 0, "annotations": []}]
    use = {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"place": "Rome"}, "index": 1}
    answered = [HumanMessage("Where is Rome?"), AIMessage(noted, additional_kwargs={"refusal": None})]

    yield "tool calls", chat(), _used("", "call_1", tool_calls=[raw], refusal=None), {}
    yield "noted blocks", chat(), [*answered, HumanMessage("And Bern?")], {}
    yield "tools in an order", chat().bind_tools([_tool("search"), _tool("draw")]), "Draw Rome.", {}
    yield "bookkeeping", chat(service_tier="flex", model_kwargs={"metadata": {"course": "a"}}), "A tide?", {"user": "a"}
    yield "bookkeeping in the body", chat(extra_body={"safety_identifier": "a"}), "A tide?", {}
    yield "tracking headers", chat(), "A tide?", {"extra_headers": {"x-request-id": "1"}}
    yield "completion", OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0), "A tide?", {"user": "a"}
    yield (
        "tool uses",
        ChatAnthropic(**claude, max_retries=0),
        _used([{"type": "text", "text": "I look.", "index": 0}, use], "toolu_1"),
        {},
    )
    yield "metadata", ChatAnthropic(**claude, max_retries=0), "A tide?", {"service_tier": "auto"}
    yield "names", ChatOllama(model="llama3", base_url=url), _used("", "1f0c", refusal=None), {}
