"""A streamed hit gives what came: the same chunks, tool inputs as the model wrote them, reasoning before words."""

import asyncio
import warnings
from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from langchain_core.load import dumpd, load
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    message_chunk_to_message,
    messages_from_dict,
    messages_to_dict,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, GenerationChunk
from pydantic import BaseModel, field_validator

import gptcache_magics as gm
from gptcache_magics import chunks, generations
from gptcache_magics.chunks import Streamed
from tests.support.provider_server import ProviderServer
from tests.support.scripted_server import Script, anthropic, ollama, openai, responses, scripted, text

pytestmark = [pytest.mark.usefixtures("on"), pytest.mark.slow]

INPUT = (
    '{"z": 1.0, "a": [1e3, {"caf\\u00e9": null}], "big": 12345678901234567890123, "s": "<\\ud83d\\ude00>", "t": " x "}'
)


def openai_calls(*inputs: str) -> list[dict[str, Any]]:
    """Return the deltas of parallel tool calls, whose pieces take turns."""
    heads = [{"index": i, "id": f"call_{i}", "type": "function"} for i in range(len(inputs))]
    first = [{"tool_calls": [head | {"function": {"name": "find", "arguments": ""}}]} for head in heads]
    width = max(map(len, inputs))
    pieces = [(i, given[at : at + 7]) for at in range(0, width, 7) for i, given in enumerate(inputs) if given[at:]]
    return [*first, *({"tool_calls": [{"index": i, "function": {"arguments": piece}}]} for i, piece in pieces)]


def deltas(given: str) -> list[dict[str, Any]]:
    """Return the input of a tool in pieces, as Anthropic sends it."""
    return [{"type": "input_json_delta", "partial_json": given[at : at + 5]} for at in range(0, len(given), 5)]


TOOL = {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {}}
SERVER_TOOL = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
FOUND = {
    "type": "web_search_result",
    "url": "https://a.example",
    "title": "A",
    "encrypted_content": "x",
    "page_age": None,
}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [FOUND]}
CITED = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "b"}
CITATION = {"type": "citations_delta", "citation": {**CITED, "encrypted_index": "y"}}
THINKING = [{"type": "thinking_delta", "thinking": "Let me "}, {"type": "thinking_delta", "thinking": "see."}]
SIGNED = [*THINKING, {"type": "signature_delta", "signature": "c2ln"}]
ITEM = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "find", "status": "completed"}

ANSWERS: dict[str, tuple[str, Script, dict[str, Any]]] = {
    "openai": ("openai", openai({"role": "assistant", "content": ""}, "One ", " two\n\n", "3", end="stop"), {}),
    "openai, usage": ("openai", openai("a", end="stop", usage={"prompt_tokens": 3, "completion_tokens": 2}), {}),
    "openai, calls": ("openai", openai(*openai_calls(INPUT, '{"city":"Łódź"}', ""), end="tool_calls"), {}),
    "openai, words and calls": ("openai", openai("I look.", *openai_calls("{ }"), end="tool_calls"), {}),
    "anthropic, thinking": (
        "anthropic",
        anthropic(({"type": "thinking", "thinking": "", "signature": ""}, SIGNED), "So it is.", end="end_turn"),
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096},
    ),
    "anthropic, calls": (
        "anthropic",
        anthropic("I look.", (TOOL, deltas(INPUT)), (TOOL | {"id": "toolu_2"}, deltas('{"a":  1}')), end="tool_use"),
        {},
    ),
    "anthropic, cited": (
        "anthropic",
        anthropic(
            (SERVER_TOOL, deltas('{"query": "a"}')),
            (RESULT, []),
            ({"type": "text", "text": "", "citations": []}, [text("As A "), text("says."), CITATION]),
            end="end_turn",
        ),
        {},
    ),
    "ollama, thinking": (
        "ollama",
        ollama({"thinking": "Let me "}, {"thinking": "see."}, "So it ", "is.", end="stop"),
        {"reasoning": True},
    ),
    "ollama, calls": (
        "ollama",
        ollama(
            *({"tool_calls": [{"function": {"name": n, "arguments": {"b": 1, "a": "ü"}}}]} for n in "fg"), end="stop"
        ),
        {},
    ),
    "responses": ("responses", responses("One ", "two", end="completed"), {}),
    "responses, calls": ("responses", responses(items=[ITEM | {"arguments": INPUT}], end="completed"), {}),
}
V1 = {
    f"{name}, v1": (protocol, given, {**more, "output_version": "v1"})
    for name, (protocol, given, more) in ANSWERS.items()
}
TOOLS = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}]


def facts(message: BaseMessage) -> dict[str, Any]:
    """Return all fields of a message but its id, with its blocks; without the mark of a hit."""
    metadata = {name: value for name, value in message.response_metadata.items() if name != "gptcache"}
    return {**dict(message), "id": None, "response_metadata": metadata, "blocks": message.content_blocks}


def total(pieces: list[Any]) -> Any:
    """Add chunks up as readers do."""
    return sum(pieces[1:], pieces[0])


def loaded(message: BaseMessage) -> Any:
    """Return a message that LangChain has dumped and loaded."""
    with warnings.catch_warnings(action="ignore"):  # load() is in beta
        return load(dumpd(message), allowed_objects=[AIMessage])


async def gathered(pieces: Any) -> list[Any]:
    """Read an async stream."""
    return [piece async for piece in pieces]


@pytest.mark.parametrize("case", ANSWERS | V1)
def test_a_hit_gives_the_chunks_that_came(case: str) -> None:
    protocol, script, fields = (ANSWERS | V1)[case]
    with scripted(script) as server:
        llm = server.model(protocol, **fields)
        llm = llm.bind(tools=TOOLS) if "calls" in case and protocol == "openai" else llm
        bought = []
        for piece in llm.stream("q"):
            bought.append(deepcopy(piece))
            piece.content = piece.content + "!" if isinstance(piece.content, str) else [*piece.content, "!"]
            piece.additional_kwargs["mine"] = piece.response_metadata["mine"] = True
            for part in (*piece.tool_calls, *piece.tool_call_chunks, *piece.content):
                if isinstance(part, dict):
                    part.clear()

        expected, ids = [facts(piece) for piece in bought], {piece.id for piece in bought}
        whole = facts(total(bought))
        served = list(llm.stream("q"))
        assert [facts(piece) for piece in served] == expected
        assert facts(total(served)) == whole
        assert not ids & {piece.id for piece in served}
        assert [facts(piece) for piece in asyncio.run(gathered(llm.astream("q")))] == expected
        hit = llm.invoke("q")
        assert type(hit) is AIMessage
        assert hit.id not in ids
        assert hit.id
        assert (hit.text, hit.tool_calls) == (total(served).text, whole["tool_calls"])
        assert [block["type"] for block in hit.content_blocks] == [block["type"] for block in whole["blocks"]]
        assert server.calls == 1
        for message in (hit, message_chunk_to_message(total(served))):
            assert messages_from_dict(messages_to_dict([message]))[0].text == hit.text
            assert loaded(message).tool_calls == hit.tool_calls


@pytest.mark.parametrize("fields", [{}, {"output_version": "v1"}], ids=["", "v1"])
@pytest.mark.parametrize("protocol", ["openai", "responses", "anthropic", "ollama"])
@pytest.mark.parametrize("tools", [False, True], ids=["words", "calls"])
def test_a_stream_after_invoke_adds_up_to_its_answer(
    server: ProviderServer, protocol: str, tools: bool, fields: dict[str, Any]
) -> None:
    name = {"anthropic": "ChatAnthropic", "ollama": "ChatOllama"}.get(protocol, "ChatOpenAI")
    llm = server.model(name, **fields, **({"use_responses_api": True} if protocol == "responses" else {}))
    llm = llm.bind_tools(TOOLS) if tools else llm
    bought = llm.invoke("one two three")
    pieces = list(llm.stream("one two three"))
    served = total(pieces)

    assert len(pieces) > 1
    assert pieces[-1].chunk_position == "last"
    assert sum(piece.chunk_position == "last" for piece in pieces) == 1
    for field in ("text", "tool_calls", "invalid_tool_calls", "additional_kwargs", "usage_metadata"):
        assert getattr(served, field) == getattr(bought, field), field
    assert facts(served)["response_metadata"] == facts(bought)["response_metadata"]
    if not tools:
        assert [block["type"] for block in served.content_blocks] == [block["type"] for block in bought.content_blocks]
    assert server.calls == 1


class Share(BaseModel):
    """A share."""

    share: float

    @field_validator("share")
    @classmethod
    def of_hundred(cls, value: float) -> float:
        """Return a part of one."""
        return value / 100


def test_a_parsed_object_comes_with_the_same_chunk() -> None:
    with scripted(openai({"role": "assistant", "content": ""}, '{"share"', ": 50}", end="stop")) as server:
        llm = server.model("openai").bind(response_format=Share)
        bought, served = ([facts(piece) for piece in llm.stream("q")] for _ in range(2))
        assert served == bought
        assert any(piece["additional_kwargs"].get("parsed") == Share(share=50) for piece in served)
        assert server.calls == 1


def kept(message: AIMessage) -> list[AIMessageChunk]:
    """Return the chunks of an answer that was not streamed."""
    return [piece.message for piece in chunks.decode(generations.encode([ChatGeneration(message=message)]))]


def test_reasoning_comes_before_words_and_words_before_calls() -> None:
    call = {"name": "find", "args": {"a": 1}, "id": "1", "type": "tool_call"}
    pieces = kept(AIMessage("So it is.", additional_kwargs={"reasoning_content": "Let me see."}, tool_calls=[call]))
    kinds = [
        "reasoning"
        if piece.additional_kwargs
        else "words"
        if piece.text
        else "call"
        if piece.tool_call_chunks
        else "end"
        for piece in pieces
    ]

    assert [kind for kind, after in pairwise([*kinds, ""]) if kind != after] == ["reasoning", "words", "call", "end"]
    assert total(pieces).additional_kwargs == {"reasoning_content": "Let me see."}


def test_blocks_come_in_their_order() -> None:
    blocks = [{"type": "thinking", "thinking": "Let me see.", "signature": "s"}, {"type": "text", "text": "So it is."}]
    pieces = kept(AIMessage(blocks))

    assert [piece.content[0]["type"] for piece in pieces[:-1]] == ["thinking", "text", "text", "text"]
    assert total(pieces).content == [blocks[0], {**blocks[1], "index": 1}]


def test_a_file_with_other_chunks_than_its_answer_serves_the_answer(tmp_path: Path) -> None:
    with scripted(openai("Take ", "5 mg", end="stop")) as server:
        list(server.model("openai").stream("dose?"))
        gm.save(tmp_path / "lesson.jsonl")
        good = (tmp_path / "lesson.jsonl").read_text()
        (tmp_path / "forged.jsonl").write_text(good.replace('["chunks"]', "").replace('"5 mg"', '"50 mg"', 1))
        assert (tmp_path / "forged.jsonl").read_text() != good
        gm.off()
        for name in ("lesson", "forged"):
            gm.on(tmp_path / name)
            gm.load(tmp_path / f"{name}.jsonl")
            pieces = list(server.model("openai").stream("dose?"))
            assert total(pieces).text == "Take 5 mg"
            gm.off()
        assert server.calls == 1


ODD = {
    "an object": lambda: ChatGenerationChunk(message=AIMessageChunk("a", additional_kwargs={"at": 1j})),
    "bytes": lambda: ChatGenerationChunk(message=AIMessageChunk("a", additional_kwargs={"at": b"\xff"})),
    "not a number": lambda: ChatGenerationChunk(message=AIMessageChunk("a"), generation_info={"p": [float("nan")]}),
    "half a character": lambda: ChatGenerationChunk(message=AIMessageChunk("\ud83d")),
    "a large number": lambda: ChatGenerationChunk(message=AIMessageChunk("a"), generation_info={"n": 2**70}),
    "a completion": lambda: GenerationChunk(text="\ud83d"),
}


@pytest.mark.parametrize("case", ODD)
def test_chunks_that_are_not_json_are_kept_whole_or_not_at_all(case: str) -> None:
    make: Callable[[], Any] = ODD[case]
    answer = Streamed(chunks=[make(), make()])
    try:
        data = chunks.encode(answer)
    except gm.GPTCacheMagicsError:
        assert case in ("an object", "bytes")
        return
    assert data[:1] != generations.CHUNKED
    assert generations.decode(data)[0].text == answer.whole[0].text
    assert "".join(piece.text for piece in chunks.decode(data)) == answer.whole[0].text
