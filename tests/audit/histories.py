"""Histories that differ in what a class may not send: extras of messages, ids, indexes, the order of arguments."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

__all__ = ["extras_named", "histories_of"]

History = tuple[str, list[BaseMessage], str]
"""Label, messages, and the label of the history that asks the same if both make the same request; empty if none."""

NAMED: Final = re.compile(r"""additional_kwargs(?:"?\)?\s*or\s*\{\}\))?(?:\.(?:get|pop)\(|\[)\s*["'](\w+)["']""")
TESTED: Final = re.compile(r"""["'](\w+)["']\s+(?:not\s+)?in\s+\w*(?:\.\w+)*\.?additional_kwargs""")
BLOCK_FIELDS: Final = ("id", "index", "annotations", "phase", "extras", "cache_control", "prompt_cache_breakpoint")


def extras_named(kind: type) -> list[str]:
    """Return the names in ``additional_kwargs`` that the packages of a class mention, and one that none mentions."""
    found = {"foo", "refusal", "parsed"}
    for package in {base.__module__.partition(".")[0] for base in kind.__mro__}:
        spec = find_spec(package) if package.startswith("langchain_") and package != "langchain_core" else None
        for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
            for path in Path(folder).rglob("*.py"):
                text = path.read_text()
                found.update(NAMED.findall(text), TESTED.findall(text))
    return sorted(found)


def histories_of(kind: type, *, extras: bool) -> Iterator[History]:
    """Yield the histories for one class; ``extras`` is False for a class that counts all of them."""
    if extras:
        yield from _extras(kind)
    yield from _blocks()
    yield from _ids()
    yield from _arguments()


def _turns(*messages: BaseMessage) -> list[BaseMessage]:
    return [HumanMessage("Where is Rome?"), *messages, HumanMessage("And Oslo?")]


def _call(number: str = "call_a", **arguments: Any) -> dict[str, Any]:
    return {"name": "search", "args": arguments or {"place": "Rome"}, "id": number, "type": "tool_call"}


def _used(number: str = "call_a", content: Any = "", **fields: Any) -> list[BaseMessage]:
    return _turns(AIMessage(content, tool_calls=[_call(number)], **fields), ToolMessage("Italy.", tool_call_id=number))


def _of_each_type(**fields: Any) -> Iterator[tuple[str, list[BaseMessage]]]:
    """Yield a history for each type of message, with these fields in the message."""
    yield "human", [HumanMessage("Where is Rome?", **fields)]
    yield "system", [SystemMessage("Be brief.", **fields), HumanMessage("Where is Rome?")]
    yield "ai", _turns(AIMessage("In Italy.", **fields))
    yield "calling ai", _used(**fields)
    yield "tool", [*_used()[:2], ToolMessage("Italy.", tool_call_id="call_a", **fields), HumanMessage("And Oslo?")]


def _extras(kind: type) -> Iterator[History]:
    for label, prompt in _of_each_type():
        yield label, prompt, ""
    for label, prompt in _of_each_type(name="ada"):
        yield f"{label}, name", prompt, label
    for label, prompt in _of_each_type(id="message-1"):
        yield f"{label}, id", prompt, label
    raw = {"id": "call_a", "type": "function", "function": {"name": "search", "arguments": '{"place": "Rome"}'}}
    for name in extras_named(kind):
        for value in ("one", None, {"id": "one", "data": "two"}, [{"id": "one"}], [raw], {"call_a": "one"}):
            for label, prompt in _of_each_type(additional_kwargs={name: value}):
                yield f"{label}, {name}={value}", prompt, label
    failed = ToolMessage("Italy.", tool_call_id="call_a", status="error")
    yield "tool, error", [*_used()[:2], failed, HumanMessage("And Oslo?")], "tool"


def _blocks() -> Iterator[History]:
    def texts(**more: Any) -> Iterator[tuple[str, list[BaseMessage]]]:
        blocks: list[Any] = [{"type": "text", "text": "In Italy.", **more}]
        yield "human text", [HumanMessage(blocks)]
        yield "system text", [SystemMessage(blocks), HumanMessage("Where is Rome?")]
        yield "ai text", _turns(AIMessage(blocks))
        yield "tool text", [*_used()[:2], ToolMessage(blocks, tool_call_id="call_a"), HumanMessage("And Oslo?")]
        v1 = {"output_version": "v1", "model_provider": "anthropic"}
        yield "ai text of v1", _turns(AIMessage(blocks, response_metadata=v1))

    for label, prompt in texts():
        yield label, prompt, ""
    for name in BLOCK_FIELDS:
        values: tuple[Any, ...] = ("one", "two", [])
        if name in ("cache_control", "prompt_cache_breakpoint"):
            values = ({"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"})
        elif name == "annotations":
            values = ([], [{"type": "citation", "cited_text": "one", "extras": {}}])
        for value in values:
            for label, prompt in texts(**{name: value}):
                yield f"{label}, {name}={value}", prompt, label
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "one"}
    use = {"type": "tool_use", "id": "call_a", "name": "search", "input": {"place": "Rome"}}
    for block in (thought, use):
        kind = block["type"]
        yield str(kind), _used(content=[block]), ""
        yield f"{kind}, index", _used(content=[{**block, "index": 0}]), str(kind)
        yield f"{kind}, other text", _used(content=[{**block, "thinking": "Ah.", "input": {"place": "Oslo"}}]), ""


def _ids() -> Iterator[History]:
    """Yield conversations of two tool calls, whose ids differ; and those in which an id says more than that."""

    def two(
        first: str, second: str, answers: tuple[str, str] = ("", ""), note: str = "", **fields: Any
    ) -> list[BaseMessage]:
        one, other = answers if any(answers) else (first, second)
        return _turns(
            AIMessage("", tool_calls=[_call(first), _call(second, place="Oslo")], **fields),
            ToolMessage("Italy.", tool_call_id=one),
            ToolMessage("Norway.", tool_call_id=other),
            *([HumanMessage(note)] if note else []),
        )

    def raw(number: str) -> dict[str, Any]:
        return {"id": number, "type": "function", "function": {"name": "search", "arguments": "{}"}}

    def orphan(number: str) -> list[BaseMessage]:
        return [*_used(), ToolMessage("Norway.", tool_call_id=number), HumanMessage("So?")]

    def use(number: str) -> list[BaseMessage]:
        block = {"type": "tool_use", "id": number, "name": "search", "input": {"place": "Rome"}}
        return _used(number, content=[block])

    yield "two calls", two("call_a", "call_b"), ""
    yield "two calls, other ids", two("toolu_1", "toolu_2"), "two calls"
    yield "two calls, ids of which one holds the other", two("call_1", "call_12"), "two calls"
    yield "two calls, their ids turned", two("call_b", "call_a"), "two calls"
    yield "two calls, their results turned", two("call_a", "call_b", ("call_b", "call_a")), ""
    yield "two calls, one result for both", two("call_a", "call_b", ("call_a", "call_a")), ""
    yield "two calls of one id", two("call_a", "call_a"), ""
    yield "two calls of another id", two("call_b", "call_b"), ""
    yield "two calls, an id in a text", two("call_a", "call_b", note="And call_a?"), ""
    yield "two calls, the other id in a text", two("call_a", "call_b", note="And call_b?"), ""
    yield "two calls, an id of others in a text", two("toolu_1", "toolu_2", note="And call_a?"), ""
    yield "two calls, a number in a text", two("toolu_1", "toolu_2", note="And call-1?"), ""
    yield "two calls, an id that is a number in a text", two("call-2", "call-1", note="And call-1?"), ""
    yield "two calls, the turned id that is a number in a text", two("call-1", "call-2", note="And call-1?"), ""
    yield "a result without a call", orphan("call_b"), ""
    yield "another result without a call", orphan("call_c"), ""
    yield "a result of the call", orphan("call_a"), ""
    yield "a server's call", _used("srvtoolu_1"), ""
    yield "another of the server's calls", _used("srvtoolu_2"), ""
    yield "a block", use("toolu_1"), ""
    yield "a block, other id", use("toolu_2"), "a block"
    yield "raw calls", _turns(AIMessage("", additional_kwargs={"tool_calls": [raw("call_a")]})), ""
    yield "raw calls, other id", _turns(AIMessage("", additional_kwargs={"tool_calls": [raw("call_b")]})), "raw calls"
    invalid = {"name": "search", "args": "{", "error": "", "type": "invalid_tool_call"}
    for number, same in (("toolu_1", ""), ("toolu_2", "an invalid call")):
        broken = AIMessage("", invalid_tool_calls=[{**invalid, "id": number}])
        label = "an invalid call, other id" if same else "an invalid call"
        yield label, _turns(broken, ToolMessage("Again.", tool_call_id=number)), same


def _arguments() -> Iterator[History]:
    def asked(**arguments: Any) -> list[BaseMessage]:
        return _turns(AIMessage("", tool_calls=[_call(**arguments)]), ToolMessage("Italy.", tool_call_id="call_a"))

    yield "arguments", asked(place="Rome", near={"a": 1, "b": [1, 2]}), ""
    yield "arguments, turned", asked(near={"b": [1, 2], "a": 1}, place="Rome"), "arguments"
    yield "arguments, list turned", asked(place="Rome", near={"a": 1, "b": [2, 1]}), ""
    yield "arguments, one more", asked(place="Rome", near={"a": 1, "b": [1, 2]}, far=None), ""
