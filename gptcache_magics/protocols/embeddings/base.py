"""The face that every API of embeddings shows: the texts of a request, and what an answer says of each of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from gptcache_magics.protocols.base import Json, NotRead
from gptcache_magics.protocols.json_values import count

__all__ = ["EmbeddingAPI", "Inputs", "listed", "numbered"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The texts of a request, and its parameters."""

    model: str
    texts: list[Any]
    """Each text as it was sent, or its tokens, or an object with the text and its own parameters."""
    parameters: Json = field(default_factory=dict)
    """Everything else of the request."""


class EmbeddingAPI(ABC):
    """One API of embeddings over HTTP."""

    name: ClassVar[str]
    """Kept with each embedding, so it never changes: ``openai-embeddings``."""
    provider: ClassVar[str]
    """The provider whose API it is (:data:`gptcache_magics.identity.providers.PROVIDERS`)."""
    arriving: ClassVar[frozenset[str]] = frozenset()
    """Parameters that do not change a vector."""

    @abstractmethod
    def fits(self, path: str) -> str | None:
        """Return the beginning of a path that names the server, such as ``/v1``; None if this is another API."""

    def version(self, path: str) -> str:
        """Return the version of the API that a path names, where its versions answer differently."""
        return ""

    @abstractmethod
    def read(self, body: Json, path: str) -> Inputs:
        """Return what a request asks for. Raises ``NotRead`` with what it holds beside texts."""

    @abstractmethod
    def only(self, body: Json, places: Sequence[int]) -> Json:
        """Return the request for the texts at some places."""

    @abstractmethod
    def items(self, whole: Json, number: int) -> list[Any]:
        """Return what an answer says of each text. Raises an error of any class unless it has ``number`` of them."""

    @abstractmethod
    def vectors(self, item: Any) -> list[Any]:
        """Return the vectors in what was said of one text. Raises an error of any class if it has another shape."""

    @abstractmethod
    def rest(self, whole: Json) -> Json:
        """Return an answer without what it says of the texts."""

    @abstractmethod
    def whole(self, rest: Json, items: Sequence[Any], body: Json) -> Json:
        """Return the answer to a request that says ``items`` of its texts."""

    def tokens(self, whole: Json) -> int | None:
        """Return the tokens that an answer says it took; None if it does not say."""
        return None

    def with_tokens(self, rest: Json, tokens: int) -> Json:
        """Return an answer that says how many tokens it took, where it did so before."""
        return rest

    def text(self, sent: Any) -> str:
        """Return the words of a text for people; empty for tokens."""
        return sent if isinstance(sent, str) else ""


def listed(value: Any) -> list[Any]:
    """Return one text, or one list of tokens, as a list of them. Raises ``NotRead`` for anything else."""
    if isinstance(value, str) or _is_tokens(value):
        return [value]
    if isinstance(value, list) and value and all(isinstance(each, str) or _is_tokens(each) for each in value):
        return value
    raise NotRead("images" if isinstance(value, list) and value else "it has no texts")


def numbered(found: Any, number: int) -> list[Any]:
    """Return a list that must have ``number`` members."""
    if not isinstance(found, list) or len(found) != number:
        raise ValueError("it does not have as many vectors as texts were sent")
    return found


def tokens_at(whole: Any, *names: str) -> int | None:
    """Return a number of tokens at a place in an answer."""
    for name in names:
        whole = whole.get(name) if isinstance(whole, dict) else None
    return count(int(whole) if isinstance(whole, float) and whole.is_integer() else whole)


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(each) is int for each in value)
