"""One question of any caller to the cache, and its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

from gptcache_magics.errors import BudgetReached, CacheMiss
from gptcache_magics.generations import Ids
from gptcache_magics.identity.key import Identity
from gptcache_magics.settings import Scope
from gptcache_magics.store.patience import Patience
from gptcache_magics.store.protocol import Found, Lookup, Near, Usage
from gptcache_magics.store.reasons import Kind, Reason

__all__ = ["AnswerCodec", "Caller", "Failed", "Hit", "Miss", "Pending", "Refused", "Request", "Result", "Search"]


class Caller(Protocol):
    """The call that makes requests, as far as waiting for one another needs it."""

    @property
    def owner(self) -> object:
        """The asyncio task or the thread that called."""

    @property
    def streams(self) -> bool:
        """Whether the answer comes in pieces."""

    @property
    def running(self) -> Lock:
        """A lock that is held while the call runs. Unlike a flag, it is right after an interrupt at any instruction."""

    @property
    def patience(self) -> Patience:
        """The time that the store has taken from the call, in all its lookups and updates."""

    @property
    def paused(self) -> float | None:
        """The monotonic time at which the reader of a stream got its latest piece; None while the model is awaited."""

    @property
    def outer(self) -> Caller | None:
        """The running call that made this one, such as a model that asks another model."""


@dataclass(slots=True, eq=False)  # not frozen: it would take twice as long to make, at each lookup
class Request:
    """One question on its way, with the scope that holds for it. Nobody changes it."""

    identity: Identity
    """Provider, model, parameters and canonical messages, with the key that they make."""
    scope: Scope
    call: Caller | None = None
    """The call that asks; None where no hook saw it."""
    prompt: str = ""
    """LangChain's own words for prompt and model, which other caches are asked with."""
    llm_string: str = ""
    retry: bool = False
    """Whether the same was asked before, and the answer would not do."""
    face: str = "langchain"
    """The library that asks: ``langchain``, or the name of an SDK."""
    noted: Lookup | None = None
    """The lookup of this request when it failed before: a miss that follows is counted with it."""

    @property
    def patience(self) -> Patience:
        """The time that the store has taken from the call that asks."""
        return self.call.patience if self.call is not None else Patience()

    @property
    def skip(self) -> Reason | None:
        """Reason to ask the model without looking for an answer; None to look."""
        if self.scope.mode in ("refresh", "bypass"):
            return Reason(Kind.MODE, self.scope.mode)
        return Reason(Kind.RETRY) if self.retry else None

    def parse(self, text: str, stored: Any) -> Any:
        """Return the object that the caller's SDK parses from the text of an answer.

        Parameters
        ----------
        stored
            The value that stands in the stored answer for the object.

        Raises
        ------
        Unusable
            If the text is not an answer to this request.
        """
        return stored

    def fallback(self) -> Identity | None:
        """Return the identity of an answer that was stored without a model at hand, whether or not it fits."""
        return None

    def says_everything(self) -> bool:
        """Return whether ``llm_string`` names everything that counts, so that the answer of ``fallback`` fits."""
        return False


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """The result of looking for an answer."""

    found: Found | None = None
    reason: Reason | None = None
    """Reason why nothing was found, or why something similar was."""
    near: Near | None = None
    """The stored question that is most similar, if meaning was compared."""
    failed: bool = False
    seconds: float = 0.0


class AnswerCodec(Protocol):
    """Encodes and decodes the answers of one library: :mod:`gptcache_magics.generations` for LangChain."""

    def check_storable(self, answer: Any, call: Any, /, *, keep: bool = False) -> str:
        """Raise ``NotStorable`` for an answer to ``call`` that no later call should be given.

        To ``keep`` incomplete answers, return the finish reason that tells one; empty for a complete one.
        """

    def encode(self, answer: Any, /) -> bytes:
        """Encode an answer, proved to come back equal. Raises ``NotStorable`` if it does not."""

    def decode(
        self,
        data: bytes,
        /,
        *,
        ids: Ids | None = None,
        mark: Mapping[str, Any] | None = None,
        validate: bool = False,
        parse: Callable[[str, Any], Any] | None = None,
    ) -> Any:
        """Decode an answer into new objects; ``mark`` says that it is a hit, ``validate`` that a stranger wrote it.

        ``ids`` gives the messages their ids. ``parse`` is :meth:`Request.parse` of the request that gets the answer.
        """

    def usage(self, answer: Any, /) -> Usage:
        """Return the tokens of an answer."""

    def finish_reason(self, answer: Any, /) -> str:
        """Return why the model stopped, in the provider's word."""


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """A request that the model answers, and the lookup that its answer completes."""

    request: Request
    lookup: Lookup | None = None
    """The lookup; None if the answer was not looked up."""


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """The stored answer, in new objects."""

    answer: Any
    wait: float = 0.0
    """Seconds in which the caller is to get it, if it is to take as long as the recorded answer took."""


@dataclass(frozen=True, slots=True, eq=False)
class Miss:
    """The model is asked, because nothing is stored or the mode forbids looking."""

    pending: Pending


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """The model is asked, because looking failed; the error is noted."""

    pending: Pending


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """The model is not asked; ``error`` says why."""

    error: CacheMiss | BudgetReached


Result = Hit | Miss | Failed | Refused
