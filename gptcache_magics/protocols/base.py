"""The face that every protocol shows: requests and answers as plain JSON, in the terms of the cache.

A request becomes messages, each as the fields of one of LangChain's, and parameters, which are everything else. No part
of a request is lost: what LangChain's messages have no place for is kept as it was sent, so that two requests which
differ never look alike. An answer is kept as the provider's own JSON, and read as the fields of LangChain's answers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from gptcache_magics.store.records import Usage

__all__ = ["Incomplete", "Json", "NotRead", "Protocol"]

Json = dict[str, Any]


class NotRead(Exception):
    """The body is none that this protocol sends. The message says what is missing."""


class Incomplete(Exception):
    """The stream did not come to its end. The message says how it ended."""


class Protocol(ABC):
    """One API over HTTP: how it writes what is asked, and what is answered."""

    name: ClassVar[str]
    """Kept with each answer, so it never changes: ``openai-chat``."""
    api: ClassVar[str]
    """Name for people, among the parameters of a configuration: ``chat completions``."""
    provider: ClassVar[str]
    """The provider whose protocol it is (:data:`gptcache_magics.identity.providers.PROVIDERS`)."""
    stream_type: ClassVar[str] = "text/event-stream; charset=utf-8"
    """Content type of a stream."""
    arriving: ClassVar[frozenset[str]] = frozenset({"stream", "stream_options"})
    """Parameters that change how an answer arrives and not the answer."""

    @abstractmethod
    def fits(self, path: str) -> str | None:
        """Return the beginning of a path that names the server, such as ``/v1``; None if this is another protocol."""

    def model(self, body: Json, path: str) -> str:
        """Return the name of the model that is asked."""
        name = body.get("model")
        if not isinstance(name, str) or not name:
            raise NotRead("it names no model")
        return name

    def api_at(self, path: str) -> str:
        """Return the name of the API for people, with its version where a path names another than the usual one."""
        return self.api

    def streams(self, body: Json, path: str) -> bool:
        """Return whether the answer is to come in pieces."""
        return bool(body.get("stream"))

    @abstractmethod
    def messages(self, body: Json) -> list[Json]:
        """Return the messages as fields of LangChain's. Raises ``NotRead``."""

    @abstractmethod
    def asking(self, messages: Sequence[Json]) -> Json:
        """Return the fields of a body that hold these messages: the opposite of :meth:`messages`."""

    @abstractmethod
    def parameters(self, body: Json) -> Json:
        """Return everything of a request but messages, model and what changes how the answer arrives."""

    def goes_past(self, body: Json) -> str:
        """Return why the answer to a request is not one to keep; empty if it is."""
        return ""

    @abstractmethod
    def answers(self, whole: Json) -> list[Json]:
        """Return the choices of an answer, each as the fields of an ``AIMessage``."""

    @abstractmethod
    def usage(self, whole: Json) -> Usage:
        """Return the tokens of an answer."""

    @abstractmethod
    def fold(self, raw: bytes) -> Json:
        """Return the whole answer that a stream amounts to.

        Raises
        ------
        Incomplete
            If the end of the answer was not seen, or an error came in its place.
        """

    @abstractmethod
    def unfold(self, whole: Json, body: Json) -> bytes:
        """Return the stream that says a whole answer, as a request asks for it."""

    def kept(self, whole: Json, body: Json) -> Json:
        """Return the answer to a request as it is kept."""
        return whole

    def lacks(self, whole: Json, body: Json) -> bool:
        """Return whether a kept answer lacks the tokens that a request asks for."""
        return False

    @abstractmethod
    def ended(self, tail: bytes) -> bool:
        """Return whether the last bytes of a stream say that the answer is whole: readers may stop there."""

    def settled(self, raw: bytes, body: Json) -> bool:
        """Return whether nothing of an answer can follow a stream that folds, though its end was not read."""
        return True

    @abstractmethod
    def reworded(self, whole: Json, change: Callable[[str], str]) -> Json:
        """Return an answer with every text of the model changed; everything else stays."""

    @abstractmethod
    def with_text(self, whole: Json, text: str) -> Json:
        """Return an answer with the text of its first choice replaced; its tool calls stay."""

    def error(self, kind: str, message: str, status: int) -> Json:
        """Return the body of an error, in which SDKs of this protocol find the message."""
        return {"error": {"message": message, "type": kind, "code": status, "status": kind}}
