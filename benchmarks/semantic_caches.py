"""The caches that are compared by meaning, asked for whole conversations: ours, and GPTCache as its users set it up.

Ours is the product: ``gm.on``, LangChain's own way through a model, a lookup by its meaning. GPTCache is LangChain's
class for it with SQLite, faiss and ``SearchDistanceEvaluation``, everything else as it comes, and the same embedder;
it is shown a prompt either as ``last_content`` reads it or as LangChain hands it over.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from semantic_pairs import Embedded

import gptcache_magics as gm

__all__ = ["JSON", "LAST", "OURS", "CacheByMeaning", "Conversation", "Ours", "caches", "question", "text_of"]

OURS, LAST, JSON = "gptcache-magics", "GPTCache, last content", "GPTCache, LangChain's JSON"
NO_LIMIT: Final = 10**9
SECONDS: Final = 300.0
"""Time that our cache may take to load its embedder, or to make stored answers searchable."""
Conversation = Sequence[BaseMessage]


class CacheByMeaning(Protocol):
    """The methods that each cache needs here."""

    def fresh(self) -> None:
        """Begin with nothing stored."""

    def store(self, conversations: Iterable[Conversation]) -> None:
        """Store an answer to each, whatever it resembles."""

    def ask(self, conversation: Conversation) -> str | None:
        """Return the text of the conversation whose answer is served, or None; store nothing."""


def question(text: str) -> Conversation:
    """Return a conversation of one question."""
    return [HumanMessage(text)]


def text_of(conversation: Conversation) -> str:
    """Return a conversation as text. An answer consists of it here, so that each answer says what it answers."""
    return "\n".join(str(message.content) for message in conversation)


class Echo(BaseChatModel):
    """A model that repeats the question."""

    number: int = 0
    """A model with another number is another model, which shares no answers."""

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text_of(messages)))])


class Ours:
    """Our cache, turned on in this process until ``close``."""

    def __init__(self, threshold: float) -> None:
        gm.on(":memory:", match="semantic", threshold=threshold)
        cache = gm.current()
        assert cache is not None
        assert cache.similar is not None
        self.embedding, self._backfill = cache.similar.embedding, cache.similar.backfill
        if not self.embedding.wait(SECONDS):
            raise SystemExit(self.embedding.trouble or "The embedder was not loaded in time.")
        self._models = (Echo(number=number) for number in itertools.count())
        self.fresh()

    def fresh(self) -> None:
        """Go on with another model."""
        self._model = next(self._models)

    def store(self, conversations: Iterable[Conversation]) -> None:
        """Ask the model again, and wait until the answers can be found by meaning."""
        with gm.using(mode="refresh"):
            for conversation in conversations:
                self._model.invoke(list(conversation))
        if not self._backfill.wait(SECONDS) or self._backfill.trouble:
            raise SystemExit(self._backfill.trouble or "What was stored did not become searchable in time.")

    def ask(self, conversation: Conversation) -> str | None:
        """Return what the model or the cache answers; the model repeats the question."""
        with gm.using(mode="readonly"):
            answer = str(self._model.invoke(list(conversation)).content)
        return None if answer == text_of(conversation) else answer

    def close(self) -> None:
        """Turn it off."""
        gm.off()


class Stock:
    """LangChain's class for GPTCache, in a folder."""

    def __init__(self, folder: Path, read: Callable[..., str], embedded: Embedded) -> None:
        from gptcache.manager.factory import manager_factory
        from gptcache.similarity_evaluation import SearchDistanceEvaluation
        from langchain_community.cache import GPTCache

        self._manager = manager_factory(
            "sqlite,faiss",
            data_dir=str(folder),
            vector_params={"dimension": embedded.embedding.dimension},
            eviction_params={"max_size": NO_LIMIT},
        )

        def init(cache: Any, llm_string: str) -> None:
            cache.init(
                pre_embedding_func=read,
                embedding_func=embedded,
                data_manager=self._manager,
                similarity_evaluation=SearchDistanceEvaluation(),
            )

        self._cache = GPTCache(init)

    def fresh(self) -> None:
        """Remove what is stored, as an eviction does."""
        ids = self._manager.s.get_ids(deleted=False)
        if ids:
            self._manager.s.mark_deleted(ids)
            self._manager.v.delete(ids)

    def store(self, conversations: Iterable[Conversation]) -> None:
        """Update."""
        for conversation in conversations:
            answer = ChatGeneration(message=AIMessage(text_of(conversation)))
            self._cache.update(dumps(conversation), "", [answer])

    def ask(self, conversation: Conversation) -> str | None:
        """Look up."""
        found = self._cache.lookup(dumps(conversation), "")
        return None if found is None else found[0].text


def caches(ours: Ours, folder: Path, embedded: Embedded) -> dict[str, CacheByMeaning]:
    """Return our cache, and GPTCache in its two ways to read a prompt."""
    from gptcache.processor.pre import get_prompt, last_content

    def last(data: dict[str, Any], **_: Any) -> str:
        return str(last_content({"messages": [message["kwargs"] for message in json.loads(data["prompt"])]}))

    return {
        OURS: ours,
        LAST: Stock(folder / "last content", last, embedded),
        JSON: Stock(folder / "json", get_prompt, embedded),
    }
