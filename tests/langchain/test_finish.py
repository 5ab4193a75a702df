"""An answer is stored when its end was seen: real classes read streams that end in every way a provider's may."""

import asyncio
import gc
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from inspect import getsource
from pathlib import Path
from typing import Any, ClassVar

import pytest
from langchain_core.language_models import FakeListChatModel, FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk
from langchain_core.runnables import RunnableLambda
from langchain_openai.chat_models import base

import gptcache_magics as gm
from gptcache_magics import generations
from gptcache_magics.identity import providers
from gptcache_magics.identity.providers import CALLING, COMPLETE, CUT_AT_LENGTH, WITHHELD
from gptcache_magics.store.reasons import NotStorable
from tests.support.models import text_of
from tests.support.scripted_server import (
    Script,
    anthropic,
    ollama,
    ollama_text,
    openai,
    openai_text,
    responses,
    scripted,
)
from tests.support.shell import NumberedModel

pytestmark = [pytest.mark.usefixtures("on"), pytest.mark.slow]

DOSE, REST = "5 mg, ", "not for children"
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Par'}}
ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

WHOLE: dict[str, tuple[str, Script]] = {
    "openai": ("openai", openai(DOSE, REST, end="stop")),
    "openai_text": ("openai_text", openai_text(DOSE, REST, end="stop")),
    "responses": ("responses", responses(DOSE, REST, end="completed")),
    "anthropic": ("anthropic", anthropic(DOSE + REST, end="end_turn")),
    "anthropic, a stop sequence": ("anthropic", anthropic(DOSE + REST, end="stop_sequence")),
    "ollama": ("ollama", ollama(DOSE, REST, end="stop")),
    "ollama_text": ("ollama_text", ollama_text(DOSE, REST, end="stop")),
}
"""Answers that are whole, by protocol."""

# langchain-openai raises at the event of a failed response; before it knew that event, the end was missing.
FAILED = "broken off (ValueError)" if "response.failed" in getsource(base) else "no finish reason"
BROKEN: dict[str, tuple[str, Script, str]] = {
    "openai, no end": ("openai", openai(DOSE), "no finish reason"),
    "openai, no end but usage": (
        "openai",
        openai(DOSE, usage={"prompt_tokens": 1, "completion_tokens": 2}),
        "no finish",
    ),
    "openai, cut off": ("openai", openai(DOSE, end="length"), "cut off at max_tokens (length)"),
    "openai, withheld": ("openai", openai(DOSE, end="content_filter"), "withheld by a filter (content_filter)"),
    "openai, unknown": ("openai", openai(DOSE, end="abort"), "unknown finish reason (abort)"),
    "openai, twice": ("openai", [*openai(DOSE, end="stop"), *openai(REST, end="stop")], "more than once (stop, stop)"),
    "openai, stop and length": (
        "openai",
        [*openai(DOSE, end="stop"), *openai(end="length")],
        "cut off at max_tokens (length)",
    ),
    "openai, two choices": (
        "openai",
        [*openai(DOSE), *openai(REST, index=1), *openai(end="stop"), *openai(end="stop", index=1)],
        "more than once",
    ),
    "openai, an input cut": ("openai", openai({"tool_calls": [CALL]}, end="tool_calls"), "weather is not whole"),
    "openai, an error": ("openai", [*openai(DOSE), {"error": {"message": "overloaded"}}], "broken off (API"),
    "openai_text, no end": ("openai_text", openai_text(DOSE), "no finish reason"),
    "responses, no end": ("responses", responses(DOSE), "no finish reason"),
    "responses, incomplete": (
        "responses",
        responses(DOSE, end="incomplete"),
        "cut off at max_tokens (max_output_tokens)",
    ),
    "responses, failed": ("responses", responses(DOSE, end="failed"), FAILED),
    "responses, an error": ("responses", [*responses(DOSE), {"type": "error", "code": "x", "message": "y"}], "broken"),
    "anthropic, no end": ("anthropic", anthropic(DOSE), "no finish reason"),
    "anthropic, a pause": ("anthropic", anthropic(DOSE, end="pause_turn"), "unknown finish reason (pause_turn)"),
    "anthropic, withheld": ("anthropic", anthropic(DOSE, end="refusal"), "withheld by a filter (refusal)"),
    "anthropic, no stop reason": (
        "anthropic",
        [*anthropic(DOSE), {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 1}}],
        "no finish reason",
    ),
    "anthropic, an error": ("anthropic", [*anthropic(DOSE), ERROR], "broken off ("),
    "anthropic, an input cut": (
        "anthropic",
        anthropic((TOOL, [{"type": "input_json_delta", "partial_json": '{"city": "Par'}]), end="tool_use"),
        "weather is not whole",
    ),
    "ollama, not done": ("ollama", ollama(DOSE), "no finish reason"),
    "ollama, cut off": ("ollama", ollama(DOSE, end="length"), "cut off at max_tokens (length)"),
    "ollama, unloaded": ("ollama", ollama(DOSE, end="unload"), "unknown finish reason (unload)"),
    "ollama, an error": ("ollama", [*ollama(DOSE), {"error": "out of memory"}], "broken off (ResponseError)"),
    "ollama_text, not done": ("ollama_text", ollama_text(DOSE), "no finish reason"),
}
"""Answers that are not whole, and the reason that the lookup gives."""


def stream(llm: Any, question: str) -> str:
    """Read a stream to its end."""
    return "".join(text_of(chunk) for chunk in llm.stream(question))


async def astream(llm: Any, question: str) -> str:
    """Read an async stream to its end."""
    return "".join([text_of(chunk) async for chunk in llm.astream(question)])


async def by_events(llm: Any, question: str) -> str:
    """Invoke inside of ``astream_events``, where LangChain streams."""
    inner = RunnableLambda(lambda asked: text_of(llm.invoke(asked)))
    events = [event async for event in inner.astream_events(question, version="v2")]
    return str(events[-1]["data"]["output"])


PATHS: dict[str, Callable[[Any, str], str]] = {
    "stream": stream,
    "astream": lambda llm, question: asyncio.run(astream(llm, question)),
    "events": lambda llm, question: asyncio.run(by_events(llm, question)),
}


def by_path(cases: dict[str, Any]) -> list[Any]:
    """Return each case on the paths that it takes. LangChain streams no completions for events."""
    ends = ("no end", "an error", "not done", *WHOLE)
    paths = [(case, path) for case in cases for path in PATHS if path == "stream" or case.endswith(ends)]
    return [(case, path) for case, path in paths if not ("_text" in case and path == "events")]


@pytest.mark.parametrize(("case", "path"), by_path(WHOLE))
def test_a_whole_answer_is_stored(case: str, path: str) -> None:
    protocol, script = WHOLE[case]
    with scripted(script) as server:
        llm = server.model(protocol)
        assert PATHS[path](llm, "dose?") == DOSE + REST
        assert PATHS[path](server.model(protocol), "dose?") == DOSE + REST
        assert server.calls == 1
        assert text_of(llm.invoke("dose?")) == DOSE + REST
        assert server.calls == 1


@pytest.mark.parametrize(("case", "path"), by_path(BROKEN))
def test_an_answer_that_is_not_whole_is_paid_noted_and_not_stored(case: str, path: str) -> None:
    protocol, script, reason = BROKEN[case]
    whole = next(script for name, (_, script) in WHOLE.items() if name == protocol)
    with scripted(script, whole) as server:
        with suppress(Exception):
            PATHS[path](server.model(protocol), "dose?")
        (row,) = gm.lookups().to_dict("records")
        assert (row["outcome"], reason in row["reason"]) == ("miss", True), row["reason"]
        assert PATHS[path](server.model(protocol), "dose?") == DOSE + REST
        assert server.calls == 2


@pytest.mark.parametrize("case", [case for case in BROKEN if "input cut" not in case])  # LangChain has completed it
def test_an_invoke_that_reads_a_stream_stores_whole_answers_only(case: str) -> None:
    protocol, script, _ = BROKEN[case]
    fields = {} if protocol.startswith("ollama") else {"streaming": True}
    whole = next(script for name, (_, script) in WHOLE.items() if name == protocol)
    with scripted(script, whole) as server:
        with suppress(Exception):
            server.model(protocol, **fields).invoke("dose?")
        assert text_of(server.model(protocol, **fields).invoke("dose?")) == DOSE + REST
        assert text_of(server.model(protocol, **fields).invoke("dose?")) == DOSE + REST
        assert server.calls == 2


BODY = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": None}


@pytest.mark.parametrize(
    ("finish_reason", "calls"), [("stop", 1), ("STOP", 1), ("eos", 1), (None, 1), ("abort", 2), ("stopstop", 2)]
)
def test_a_body_of_json_is_whole_unless_it_says_otherwise(finish_reason: str | None, calls: int) -> None:
    message = {"role": "assistant", "content": "5 mg"}
    body = BODY | {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]}
    with scripted([{"body": body}]) as server:
        assert [server.model("openai").invoke("dose?").text for _ in range(2)] == ["5 mg"] * 2
        assert server.calls == calls


class Left(Exception):
    """Raised by the reader of a stream."""


def stop_early(llm: Any) -> None:
    """Leave the stream after its first words."""
    for _ in llm.stream("dose?"):
        break


def raise_early(llm: Any) -> None:
    """Raise an error in the middle of a stream."""
    with suppress(Left):
        for _ in llm.stream("dose?"):
            raise Left


def forget_it(llm: Any) -> None:
    """Leave the stream to the garbage collector."""
    chunks = llm.stream("dose?")
    next(chunks)
    del chunks
    gc.collect()


async def stop_early_async(llm: Any) -> None:
    """Leave an async stream after its first words."""
    chunks = llm.astream("dose?")
    async for _ in chunks:
        break
    await chunks.aclose()


async def cancelled(llm: Any) -> None:
    """Cancel the task that reads a stream."""

    async def read(chunks: AsyncIterator[Any]) -> None:
        async for _ in chunks:
            asyncio.current_task().cancel()  # type: ignore[union-attr]
            await asyncio.sleep(0)

    with suppress(asyncio.CancelledError):
        await read(llm.astream("dose?"))
    asyncio.current_task().uncancel()  # type: ignore[union-attr]


LEAVING: dict[str, Callable[[Any], object]] = {
    "stop": stop_early,
    "raise": raise_early,
    "forget": forget_it,
    "async stop": lambda llm: asyncio.run(stop_early_async(llm)),
    "cancel": lambda llm: asyncio.run(cancelled(llm)),
}


@pytest.mark.parametrize("leave", LEAVING)
@pytest.mark.parametrize("protocol", ["openai", "anthropic", "ollama", "openai_text", "responses"])
def test_a_stream_that_its_reader_leaves_is_noted_and_not_stored(protocol: str, leave: str) -> None:
    with scripted(WHOLE[protocol][1]) as server:
        LEAVING[leave](server.model(protocol))
        (row,) = gm.lookups().to_dict("records")
        assert row["reason"].startswith("not stored: "), row["reason"]
        assert "left before the end" in row["reason"] or leave == "cancel"
        assert stream(server.model(protocol), "dose?") == DOSE + REST
        assert server.calls == 2


@pytest.mark.parametrize(
    "llm",
    [FakeListChatModel(responses=["a b"]), FakeListLLM(responses=["a b"]), NumberedModel(seconds=0)],
    ids=lambda llm: type(llm).__name__,
)
def test_a_class_that_never_gives_a_reason_ends_with_its_stream(llm: Any) -> None:
    first = stream(llm, "q")
    assert stream(llm, "q") == first
    assert list(gm.lookups()["outcome"]) == ["hit", "miss"]


class Own(GenericFakeChatModel):
    """A user's own class, which gives these chunks."""

    messages: Any = iter(())
    chunks: ClassVar[list[Any]] = []

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        yield from deepcopy(Own.chunks)


def piece(text: str, **fields: Any) -> ChatGenerationChunk:
    """Return a chunk."""
    return ChatGenerationChunk(message=AIMessageChunk(text, **fields))


OWN = {
    "nothing in them": ([piece(""), piece(" ")], "empty"),
    "an unknown reason": (
        [piece("a"), piece("", response_metadata={"finish_reason": "tired"})],
        "unknown finish reason",
    ),
}


@pytest.mark.parametrize("case", OWN)
def test_an_answer_of_an_own_class_is_judged_by_what_it_says(case: str) -> None:
    Own.chunks, reason = OWN[case]
    for _ in range(2):
        list(Own().stream("q"))
    assert list(gm.lookups()["outcome"]) == ["miss", "miss"]
    assert all(reason in each for each in gm.lookups()["reason"])


CALLS = [{"name": "look", "args": {}, "id": "1"}]


def judged(reason: Any, calls: Any = CALLS, **info: Any) -> str:
    """Return why an answer with this finish reason is not stored; an empty text if it is."""
    message = AIMessage("Hi", tool_calls=calls, response_metadata={"finish_reason": reason})
    try:
        generations.check_storable([ChatGeneration(message=message, generation_info=info or None)])
    except NotStorable as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("reason", sorted(COMPLETE))
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_complete_words_count_in_any_case(reason: str, case: Callable[[str], str]) -> None:
    assert judged(case(reason)) == ""


@pytest.mark.parametrize(
    "reason", ["stopstop", "stoplength", "STOPSTOP", "end_turnend_turn", "abort", "null?", 2, True]
)
def test_glued_and_unknown_words_are_incomplete(reason: Any) -> None:
    assert judged(reason).startswith("unknown finish reason")


@pytest.mark.parametrize("reason", sorted(CALLING))
def test_an_answer_that_is_said_to_call_a_tool_has_a_call(reason: str) -> None:
    assert judged(reason, []) == f"it has no tool call, and ended with {reason}"


@pytest.mark.parametrize("text", ["", "c"])
def test_a_stream_that_goes_on_after_its_finish_reason_is_not_whole(text: str) -> None:
    Own.chunks = [piece("a"), piece("b", response_metadata={"finish_reason": "stop"}), piece(text)]
    for _ in range(2):
        list(Own().stream("q"))
    assert list(gm.lookups()["outcome"]) == ["miss" if text else "hit", "miss"]


def test_both_places_of_a_reason_count() -> None:
    assert judged("stop", finish_reason="stop") == ""
    assert judged("stop", finish_reason="length") == "cut off at max_tokens (length)"
    assert judged("stop", finish_reason="eos") == "it ended more than once (stop, eos)"


def test_no_word_is_complete_and_cut_off() -> None:
    assert not COMPLETE & (CUT_AT_LENGTH | providers.FAILED | WITHHELD)


class Provided(Own):
    """A user's own class, which gives the chunks of a file that no field names: another answer of the same class."""

    place: Path

    @property
    def file(self) -> Path:
        return self.place.with_suffix(".pickle")

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        yield from pickle.loads(self.file.read_bytes())


def test_a_stream_without_a_reason_is_broken_off_where_earlier_ones_had_one(tmp_path: Path) -> None:
    ended, broken = [piece("a"), piece("b", response_metadata={"finish_reason": "stop"})], [piece("a")]
    model = Provided(place=tmp_path / "chunks")
    for question, chunks in (("1", ended), ("2", broken), ("2", ended)):
        model.file.write_bytes(pickle.dumps(chunks))
        list(model.stream(question))
    assert "no finish reason, as earlier answers" in gm.lookups()["reason"].iloc[1]
    model.file.write_bytes(pickle.dumps(broken))
    assert stream(model, "2") == "ab"
