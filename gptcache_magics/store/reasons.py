"""The reasons of lookups as data: a kind and a detail, from which a sentence is made where it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from gptcache_magics.errors import GPTCacheMagicsError
from gptcache_magics.text.amounts import cosine

__all__ = [
    *("ExactOnly", "Kind", "Near", "NotStorable", "Objection", "ObjectionKind", "Reason", "Unusable"),
    *("CUT_OFF", "EMPTY", "FAILURES", "INCOMPLETE", "WITHHELD", "exact_only", "not_stored", "sentence", "without_word"),
]


CUT_OFF: Final = "cut off at max_tokens"
WITHHELD: Final = "withheld by a filter"
EMPTY: Final = "empty"
INCOMPLETE: Final = frozenset({CUT_OFF, WITHHELD, EMPTY})
"""Details of answers that are not stored unless the user asks for it; the model's own word may follow in brackets."""


class Kind(StrEnum):
    """The kinds of reasons. Stores keep these words, so none of them may change."""

    NEW = "new"
    EXPIRED = "expired"
    REMOVED = "removed"
    EVICTED = "evicted"
    DAMAGED = "damaged"
    MODEL_UNKNOWN = "model unknown"
    MODE = "mode"
    """The detail is ``refresh`` or ``bypass``."""
    CACHE_FALSE = "cache=False"
    OWN_CACHE = "own cache"
    """The detail names the cache that a model asks instead."""
    NOT_CACHED = "not cached"
    """The detail names what the call of an SDK makes that is not kept, or why its request cannot be read."""
    REPLACED = "replaced"
    """The detail names the cache that LangChain asks instead."""
    OWN_STREAM = "own stream"
    OWN_METHOD = "own method"
    """The detail names the method."""
    NO_STREAMS = "no streams"
    SEVERAL = "several"
    EVENTS = "events"
    RETRY = "retry"
    UNPARSED = "unparsed"
    """The detail says why the text of the stored answer is not the object that the caller expects."""
    UNREADABLE = "unreadable"
    """The detail names the field or the argument whose data cannot be read."""
    BUDGET = "budget"
    ERROR = "error"
    """The detail is the message of an error inside the cache."""
    LOCKED = "locked"
    """Others kept the store busy: the detail says what could not be done."""
    CACHE_AWAY = "cache away"
    """Another cache, which keeps the answers, does not answer: the detail says so."""
    UNPROVED = "unproved"
    """The detail says why the answer of another cache may not be the answer to this request."""
    TEAM_AWAY = "team away"
    """The team's store could not be asked; the detail says why."""
    TEAM_ASKS = "team asks"
    """A colleague asked the model the same at that time; the detail says why that was not waited for."""
    NOT_KEPT = "not kept"
    """The detail says why the stored answer is incomplete: such answers are given only where they are kept."""
    NO_USAGE = "no usage"
    NOT_STORED = "not stored"
    """The detail says why the answer to a miss was not kept."""
    EXACT_ONLY = "exact only"
    """The detail says why a question was not matched by its meaning."""
    MATCHING_ERROR = "matching error"
    """The detail is the message of an error while a question was matched by its meaning."""
    FIRST = "first time"
    UNSTORED = "not stored before"
    """The detail says why the answer to the same call was not kept."""
    MODE_BEFORE = "mode before"
    """The detail is the mode in which the same was asked, which stores nothing."""
    EARLIER = "earlier"
    """The detail says why the same call left no answer."""
    SAMPLE = "another sample"
    ANOTHER_MODEL = "another model"
    """The detail names what differs from a stored call, as in the next three."""
    ANOTHER_ADDRESS = "another base URL"
    ANOTHER_PARAMETER = "another parameter"
    OTHER_TOOLS = "other tools"
    FOLLOWS = "follows"
    """The detail is the number of the lookup whose answer is in the prompt."""
    IGNORED = "ignored"
    """The detail names what differs from the prompt of the answer, and was ignored: ``an id and a date``."""
    TEAM = "from the team"
    """The detail is the role of the member whose answer it is."""
    DOUBT = "doubt"
    """The detail says what differs, and why it may matter: ``an id; the answer names the old id in another form``."""
    VOLATILE = "volatile"
    """The detail names what differs: ``an id in message 2``."""
    CONTEXT = "another context"
    """The detail names the message that differs: ``message 2 (ai)``, ``message 3 (tool) added``."""
    WORDS = "other words"
    """The detail says how much the closest question has in common."""
    SIMILAR = "similar"
    """A stored question is near; the lookup itself keeps the question and the objection.

    The detail is what was compared of both, if they have a frame in common as prompts of one template have.
    """
    OTHER = "other"
    """The detail is a sentence that an earlier version wrote, or nothing where the kind is not one of these."""

    @classmethod
    def _missing_(cls, value: object) -> Kind:
        return cls.OTHER


FAILURES: Final = frozenset({Kind.ERROR, Kind.MATCHING_ERROR})
"""Kinds of reasons that count as errors, whatever the outcome of their lookup."""


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason of a lookup's outcome."""

    kind: Kind
    detail: str = ""


class _WithReason(GPTCacheMagicsError):
    """An error that ends in a lookup's reason. The message is the reason's detail."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.detail)
        self.reason = reason


class NotStorable(_WithReason):
    """The answer is not one that a later call may be given."""


class Unusable(_WithReason):
    """The stored answer is not one for this call, which may be given another."""


class ExactOnly(_WithReason):
    """The question may be found by an exact match only."""


class ObjectionKind(StrEnum):
    """The kinds of objections to the answer of a similar question. Stores keep these words: none may change."""

    GUARD = "guard"
    BELOW = "below"
    JUDGED_WRONG = "judged wrong"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Objection:
    """The reason why the answer to a similar question was not served."""

    kind: ObjectionKind
    detail: str = ""
    """The difference that a guard found (``2023 / 2024``), or the threshold."""
    guard: str = ""
    """The name of the guard that objects."""

    def __str__(self) -> str:
        return self.as_text()

    def as_text(self, *, words: bool = True) -> str:
        """Return the objection as text; unless ``words``, without words of the questions."""
        if self.kind is ObjectionKind.GUARD:
            return f"{self.guard}: {self.detail}" if words else self.guard
        return _OBJECTIONS[self.kind].format(self.detail)


class Near(NamedTuple):
    """The stored question that is most similar to one that was asked, as a semantic lookup saw it."""

    key: str
    """Key of the entry, or its first 16 digits."""
    similarity: float
    """The cosine of both questions, 0 to 1."""
    embedder: str
    """Name of the embedder, with its dimension: cosines of different embedders do not compare."""
    objection: Objection | None = None
    """Objection that kept its answer back; None if the answer was served."""


_OBJECTIONS: Final[Mapping[ObjectionKind, str]] = {
    ObjectionKind.BELOW: "below {}",
    ObjectionKind.JUDGED_WRONG: "called wrong before",
    ObjectionKind.SHADOW: "shadow mode",
}
_SENTENCES: Final[Mapping[Kind, str]] = {
    Kind.NEW: "nothing stored for it",
    Kind.EXPIRED: "expired",
    Kind.REMOVED: "removed",
    Kind.EVICTED: "evicted",
    Kind.DAMAGED: "damaged",
    Kind.MODEL_UNKNOWN: "model unknown",
    Kind.MODE: "mode {}",
    Kind.CACHE_FALSE: "cache=False",
    Kind.OWN_CACHE: "a cache of its own: {}",
    Kind.NOT_CACHED: "not cached: {}",
    Kind.REPLACED: "{} replaced this cache",
    Kind.OWN_STREAM: "a stream of its own",
    Kind.OWN_METHOD: "{} asks no cache",
    Kind.NO_STREAMS: "streams are not cached here",
    Kind.SEVERAL: "several answers in one stream",
    Kind.EVENTS: "events v3",
    Kind.RETRY: "a retry asks the model",
    Kind.UNPARSED: "the stored answer cannot be parsed: {}",
    Kind.UNREADABLE: "cannot tell what the model sees: {}",
    Kind.BUDGET: "budget reached",
    Kind.ERROR: "error: {}",
    Kind.LOCKED: "{}",
    Kind.CACHE_AWAY: "{}",
    Kind.UNPROVED: "{}",
    Kind.TEAM_AWAY: "the team's store is away: {}",
    Kind.TEAM_ASKS: "a colleague asked the same at that time: {}",
    Kind.NOT_KEPT: "the stored answer is {}",
    Kind.NO_USAGE: "the answer was recorded from a stream that told no usage",
    Kind.NOT_STORED: "not stored: {}",
    Kind.EXACT_ONLY: "exact only: {}",
    Kind.MATCHING_ERROR: "exact only: error: {}",
    Kind.FIRST: "asked for the first time",
    Kind.UNSTORED: "not stored before: {}",
    Kind.MODE_BEFORE: "asked before in mode {}",
    Kind.EARLIER: "asked before: {}",
    Kind.SAMPLE: "another sample",
    Kind.ANOTHER_MODEL: "another model: {}",
    Kind.ANOTHER_ADDRESS: "another base URL: {}",
    Kind.ANOTHER_PARAMETER: "another parameter: {}",
    Kind.OTHER_TOOLS: "other tools: {}",
    Kind.FOLLOWS: "follows from lookup {}",
    Kind.IGNORED: "the same but for {}",
    Kind.TEAM: "from the team: {}",
    Kind.DOUBT: "in doubt, the same but for {}",
    Kind.VOLATILE: "the same but for {}",
    Kind.CONTEXT: "{} differs",
    Kind.WORDS: "other words: {}",
    Kind.SIMILAR: "similar",
    Kind.OTHER: "{}",
}


def sentence(reason: Reason | None, near: Near | None = None, *, words: bool = True) -> str:
    """Return a reason as people read it, empty if there is none.

    Parameters
    ----------
    near
        The similar question that the lookup found: ``number: 2023 / 2024, similar 0.95 to a41f09cc``.
    words
        Whether words of the questions may be in it.
    """
    if reason is None:
        return ""
    if reason.kind is Kind.SIMILAR and near is not None:
        objection = f"{near.objection.as_text(words=words)}, " if near.objection is not None else ""
        return f"{objection}similar {cosine(near.similarity)} to {near.key[:8]}"
    if reason.kind is Kind.CONTEXT and reason.detail.endswith((" added", " removed")):
        return reason.detail
    return _SENTENCES[reason.kind].format(reason.detail)


def without_word(detail: str) -> str:
    """Return the detail of an answer that was not stored without the model's word: ``cut off at max_tokens``."""
    return detail.partition(" (")[0]


def not_stored(detail: str) -> NotStorable:
    """Return the error to raise for an answer that is not kept."""
    return NotStorable(Reason(Kind.NOT_STORED, detail))


def exact_only(detail: str) -> ExactOnly:
    """Return the error to raise for a question that may not be matched by its meaning."""
    return ExactOnly(Reason(Kind.EXACT_ONLY, detail))
