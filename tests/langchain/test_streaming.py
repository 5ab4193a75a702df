"""Streams through the cache as their readers see them: LangGraph, callbacks, tool calls, and waiting calls."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import SimpleChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

import gptcache_magics as gm
from gptcache_magics.langchain import streaming
from tests.support.interrupts import interrupted_after
from tests.support.models import graph, weather
from tests.support.provider_server import ProviderServer
from tests.support.shell import NumberedModel

pytestmark = pytest.mark.usefixtures("on")

QUESTION = "What is the capital of France?"


class Heard(BaseCallbackHandler):
    """The events of one model call."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def on_chat_model_start(self, *args: Any, run_id: UUID, **kwargs: Any) -> None:
        self.events.append("start")

    def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        self.events.append("token")

    def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
        self.events.append("end")


def whole(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    return sum(chunks[1:], chunks[0])  # type: ignore[return-value]


@pytest.mark.parametrize("class_name", ["ChatOpenAI", "ChatAnthropic", "ChatOllama"])
def test_a_streamed_hit_has_tool_calls_usage_and_the_usual_callbacks(server: ProviderServer, class_name: str) -> None:
    llm = server.model(class_name).bind_tools([weather], tool_choice="any" if class_name != "ChatOllama" else None)
    bought = whole(list(llm.stream(QUESTION)))
    heard = Heard()
    served = whole(list(llm.stream(QUESTION, config={"callbacks": [heard]})))

    assert served.tool_calls == bought.tool_calls
    assert served.usage_metadata == bought.usage_metadata
    assert served.text == bought.text
    assert (heard.events[0], heard.events[-1]) == ("start", "end")
    assert heard.events.count("start") == heard.events.count("end") == 1
    assert "token" in heard.events
    assert list(gm.lookups()["outcome"]) == ["hit", "miss"]
    assert server.calls == 1


@pytest.mark.parametrize("stream_mode", ["values", "messages", "updates"])
def test_a_graph_streams_the_same_from_the_cache(server: ProviderServer, stream_mode: str) -> None:
    app, asked = graph(server.model("ChatOpenAI")), {"messages": [("user", QUESTION)]}

    def texts() -> str:
        found = []
        for piece in app.stream(asked, stream_mode=stream_mode):
            if stream_mode == "messages":
                found.append(piece[0].text)
            elif stream_mode == "values":
                found = [piece["messages"][-1].text]
            else:
                found = [piece["model"]["messages"][-1].text]
        return "".join(found)

    bought = texts()
    assert QUESTION in bought
    assert texts() == bought
    assert server.calls == 1
    assert list(gm.lookups()["outcome"]) == ["hit", "miss"]


@pytest.mark.parametrize("stored", [True, False])
def test_a_loop_that_ends_closes_a_stream_that_was_left_without_a_word(stored: bool) -> None:
    model, told = NumberedModel(), []
    if stored:
        model.invoke(QUESTION)

    async def left() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
        async for _ in model.astream(QUESTION):
            break

    for _ in range(5):  # the loop closes its generators in any order
        asyncio.run(left())
    assert told == []


@pytest.mark.slow
def test_an_interrupt_while_waiting_for_another_thread_leaves_everything_usable() -> None:
    model = NumberedModel(seconds=2)
    first: list[str] = []
    asking = threading.Thread(target=lambda: first.append(model.invoke(QUESTION).text))
    asking.start()
    while not gm.current().ledger.noted:
        time.sleep(0.01)
    interrupt = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        model.invoke(QUESTION)
    assert not first, "it waited for the other thread and not for its answer"
    asking.join()
    assert model.invoke(QUESTION).text == first[0]
    assert list(gm.lookups()["outcome"]) == ["hit", "miss"]


class Unfinished(SimpleChatModel):
    """A model that streams three words, and does not say why it ends."""

    @property
    def _llm_type(self) -> str:
        return "unfinished"

    def _call(self, *args: Any, **kwargs: Any) -> str:
        return "one two three"

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for word in ("one", " two", " three"):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))


def test_an_interrupt_while_a_broken_stream_is_closed_stores_no_part_of_it() -> None:
    model = Unfinished()
    for steps in range(1, 60):  # at another instruction each time
        question = f"Count, for the {steps}. time."
        pieces = model.stream(question)
        assert next(pieces).text == "one"
        with suppress(KeyboardInterrupt), interrupted_after(steps, streaming):
            pieces.close()  # type: ignore[attr-defined]
        assert model.invoke(question).text == "one two three"
