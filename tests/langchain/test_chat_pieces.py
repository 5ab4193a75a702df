"""Pieces of a chat answer of a class whose ``invoke`` reads a stream: a handler hears those of a hit, too."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

import gptcache_magics as gm
from tests.support.provider_server import ProviderServer

pytestmark = pytest.mark.usefixtures("on")


class Heard(BaseCallbackHandler):
    """The tokens that a handler hears."""

    def __init__(self, *, changes: bool = False) -> None:
        self.tokens: list[Any] = []
        self.changes = changes
        """Whether it changes the chunks that it hears."""

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, **kwargs: Any) -> None:
        self.tokens.append((token, type(chunk).__name__))
        if self.changes:
            chunk.message.content = "changed"


class HeardAsync(AsyncCallbackHandler):
    """The tokens that an asynchronous handler hears."""

    def __init__(self) -> None:
        self.tokens: list[Any] = []

    async def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.tokens.append(token)


CALLERS: dict[str, Callable[[Any, Any], Any]] = {
    "invoke": lambda chat, config: chat.invoke("q", config=config),
    "ainvoke": lambda chat, config: asyncio.run(chat.ainvoke("q", config=config)),
    "batch": lambda chat, config: chat.batch(["q"], config=config)[0],
    "abatch": lambda chat, config: asyncio.run(chat.abatch(["q"], config=config))[0],
    "a chain": lambda chat, config: (ChatPromptTemplate.from_template("{q}") | chat).invoke({"q": "q"}, config=config),
    "a function": lambda chat, config: RunnableLambda(lambda asked: chat.invoke(asked)).invoke("q", config=config),
    "tools": lambda chat, config: chat.bind_tools([{"name": "f", "description": "", "parameters": {}}]).invoke(
        "q", config=config
    ),
}


def content(message: Any) -> Any:
    """Return what two answers have in common."""
    return type(message), message.model_dump(exclude={"id"}), dict(message.response_metadata)


@pytest.mark.parametrize("handler", [Heard, HeardAsync])
@pytest.mark.parametrize("caller", CALLERS)
def test_a_handler_hears_of_a_hit_what_it_heard_of_the_answer(
    server: ProviderServer, caller: str, handler: Callable[[], Any]
) -> None:
    def run() -> tuple[Any, list[Any]]:
        heard = handler()
        return content(CALLERS[caller](server.model("ChatOllama"), {"callbacks": [heard]})), heard.tokens

    bought = run()
    assert len(bought[1]) > 1
    assert run() == bought
    assert server.calls == 1
    assert list(gm.lookups()["outcome"]) == ["hit", "miss"]


@pytest.mark.parametrize("caller", ["invoke", "ainvoke"])
def test_who_hears_nothing_gets_the_same_answer(server: ProviderServer, caller: str) -> None:
    chat = server.model("ChatOllama")
    bought = content(CALLERS[caller](chat, {"callbacks": [Heard()]}))
    assert content(CALLERS[caller](chat, None)) == bought
    assert "".join(each.text for each in chat.stream("q")) == bought[1]["content"]
    assert server.calls == 1


@pytest.mark.parametrize("caller", ["invoke", "ainvoke"])
def test_pieces_of_an_answer_that_nobody_heard_are_words(server: ProviderServer, caller: str) -> None:
    chat, heard = server.model("ChatOllama"), Heard()
    bought = content(CALLERS[caller](chat, None))
    assert content(CALLERS[caller](chat, {"callbacks": [heard]})) == bought
    assert "".join(token for token, _ in heard.tokens) == bought[1]["content"]
    assert server.calls == 1


def test_a_handler_that_changes_the_pieces_changes_nothing_else(server: ProviderServer) -> None:
    chat = server.model("ChatOllama")
    bought = content(chat.invoke("q"))
    for _ in range(2):
        assert content(chat.invoke("q", config={"callbacks": [Heard(changes=True)]})) == bought


def test_replay_refuses_what_is_missing_and_plays_the_rest(server: ProviderServer) -> None:
    chat, bought, served = server.model("ChatOllama"), Heard(), Heard()
    chat.invoke("q", config={"callbacks": [bought]})
    with gm.using(mode="replay"):
        chat.invoke("q", config={"callbacks": [served]})
        with pytest.raises(gm.CacheMiss):
            chat.invoke("another", config={"callbacks": [Heard()]})
    assert served.tokens == bought.tokens


def test_a_class_that_gives_no_pieces_gives_none_of_a_hit(server: ProviderServer) -> None:
    for _ in range(2):
        heard = Heard()
        server.model("ChatOpenAI").invoke("q", config={"callbacks": [heard]})
        assert heard.tokens == []
