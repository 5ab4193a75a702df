"""What the models of the patterns answer. Texts hold the number of the call: an answer bought again is another one."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.support.provider_server import Json, Mind

__all__ = ["MINDS"]

Thought = str | tuple[str, Json]


@dataclass(frozen=True, slots=True)
class Ask:
    """A call as a mind sees it."""

    number: int
    messages: list[tuple[str, str]]
    """Role and text of each message, the system message first."""
    tools: list[str]

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in self.messages)

    @property
    def last(self) -> str:
        return self.messages[-1][1]

    @property
    def results(self) -> int:
        """Number of results of tools."""
        return sum(role == "tool" for role, _ in self.messages)


def _asked(body: Json, number: int) -> Ask:
    tools = [tool.get("function", tool)["name"] for tool in body.get("tools") or []]
    system = [("system", str(body["system"]))] if body.get("system") else []
    return Ask(number, [*system, *(pair for each in _messages(body) for pair in _texts(each))], tools)


def _messages(body: Json) -> list[Json]:
    """Return the messages of a chat, or the text that the Responses API takes in their place."""
    messages: list[Json] = body.get("messages") or [{"role": "user", "content": body["input"]}]
    return messages


def _texts(message: Json) -> Iterator[tuple[str, str]]:
    content = message.get("content") or ""
    if isinstance(content, str):
        yield message["role"], content
        return
    results = [block for block in content if block["type"] == "tool_result"]
    for block in results:
        yield "tool", str(block["content"])
    if not results:
        yield message["role"], " ".join(block.get("text", "") for block in content)


def _chats(ask: Ask) -> Thought:
    return f"That is a question I like to think about for a while (answer {ask.number})."


def _remembers(ask: Ask) -> Thought:
    if "Memory" not in ask.tools and "PatchDoc" not in ask.tools:
        return _chats(ask)
    if broken := re.search(r"json_doc_id: (\S+)", ask.last):
        return "PatchDoc", {"json_doc_id": broken[1], "path": "/content", "value": "plays chess"}
    if document := re.search(r'<document id="([^"]+)">', ask.text):
        return "PatchDoc", {"json_doc_id": document[1], "path": "content", "value": "plays chess, and sails"}
    return "Memory", {"topic": "hobbies"}  # the content is missing


def _supervises(ask: Ask) -> Thought:
    if "web_search" in ask.tools:
        found = "Headcount" in ask.text
        return f"Facebook 67,317 … (answer {ask.number})." if found else ("web_search", {"query": "FAANG"})
    if "add" in ask.tools:
        added = "1977586" in ask.last
        return f"1,977,586 (answer {ask.number})." if added else ("add", {"numbers": [67317, 1910269]})
    if "transferred to transfer_to_mathematician" in ask.text:
        return f"Together they have 1,977,586 people (answer {ask.number})."
    return (
        "transfer_to_mathematician"
        if "transferred to transfer_to_researcher" in ask.text
        else "transfer_to_researcher",
        {},
    )


def _swarms(ask: Ask) -> Thought:
    if "transfer_to_hotels" not in ask.tools:
        asks_for_a_flight = "flight" in ask.last
        return ("transfer_to_flights", {}) if asks_for_a_flight else f"The Station Hotel (answer {ask.number})."
    if "LX 332" in ask.last:
        return f"Take LX 332 (answer {ask.number})."
    return "search_flights", {"day": "tomorrow"}


def _acts(ask: Ask) -> Thought:
    steps = ask.last.count("Observation:")
    if steps == 2:
        return f"Final Answer: the Danube (answer {ask.number})."
    return f"Thought: I need the length of river {steps + 1}. Action: lookup (answer {ask.number})"


def _judges(ask: Ask) -> Thought:
    if "Verdict" in ask.text or "Which" in ask.last or "Compare" in ask.last:
        return f'{{"winner": "A", "why": "it is clearer (answer {ask.number})"}}'
    return _chats(ask)


def _plans(ask: Ask) -> Thought:
    if "task" not in ask.tools:
        steps: list[Thought] = [
            ("ls", {}),
            ("write_file", {"path": "notes.md", "content": f"Owls hunt at night (answer {ask.number})."}),
            ("read_file", {"path": "notes.md"}),
            f"The notes are in notes.md (answer {ask.number}).",
        ]
    else:
        steps = [
            ("write_todos", {"todos": ["research", "write"]}),
            ("task", {"description": "Collect what is known of owls in notes.md."}),
            ("read_file", {"path": "notes.md"}),
            ("write_file", {"path": "report.md", "content": f"# Owls (answer {ask.number})"}),
            ("ls", {}),
            f"The report is in report.md (answer {ask.number}).",
        ]
    return steps[ask.results]


def _calls_a_tool(ask: Ask) -> Thought:
    return ("search", {"query": "gigabyte"}) if ask.tools else _chats(ask)


def _thinks(ask: Ask) -> Thought:
    if "Observation" in ask.last:
        return f"Final Answer: two million (answer {ask.number})."
    return f"I should search. Action: search (answer {ask.number})"


def _is_long(ask: Ask) -> Thought:
    return "Once upon a time " * 9 + f"(answer {ask.number})."


def _mind(think: Callable[[Ask], Thought]) -> Mind:
    return lambda body, number: think(_asked(body, number))


def _serves(ask: Ask) -> Thought:
    if "print_sentiment" in ask.tools:
        return "print_sentiment", {"score": 0.2}
    if "stock" in ask.tools:
        return f"Yes, by Friday (answer {ask.number})." if ask.results else ("stock", {"answer": "kettle"})
    if "polite" in ask.last:
        return f"Thank you for writing to us (answer {ask.number})."
    return json.dumps({"product": "kettle", "severity": f"{ask.number} of 9"})


MINDS: Final[dict[str, Mind]] = {
    "bookkeeping": _mind(_calls_a_tool),
    "compare_sdks": _mind(_chats),
    "cut_off": _mind(_is_long),
    "deep_files": _mind(_plans),
    "judge_quotes": _mind(_judges),
    "map_reduce": _mind(_chats),
    "memory_patch": _mind(_remembers),
    "rag_ids": _mind(_chats),
    "rag_openai": _mind(_chats),
    "react_tools": _mind(_thinks),
    "scratchpad": _mind(_acts),
    "self_consistency": _mind(_chats),
    "stream_events": _mind(_chats),
    "structured_claude": _mind(_serves),
    "supervisor": _mind(_supervises),
    "swarm_dates": _mind(_swarms),
}
"""The mind of each pattern's model."""
