"""The rows that a store gives back, by the names of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gptcache_magics.store.reasons import Kind, Near, Objection, ObjectionKind, Reason
from gptcache_magics.store.records import Entry, Match, Outcome, Usage

__all__ = [
    "Content",
    "EarlierAnswer",
    "EmbedderUse",
    "EntryRow",
    "EntryVector",
    "LabelRow",
    "LookupRow",
    "Outcomes",
    "StoredQuestion",
    "Tally",
    "UnembeddedEntry",
    "UnshapedEntry",
]


_OBJECTIONS = frozenset({"", *ObjectionKind})


class EntryRow(NamedTuple):
    """One stored entry, as a store gives it back."""

    key: str
    configuration: str
    prompt: str
    question: str
    answer: bytes
    bytes: int
    created: float
    accessed: float | None
    """Moment of the newest hit."""
    hits: int
    expires: float | None
    seconds: float | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    finish_reason: str
    pinned: bool
    edited: bool
    tags: str
    sample: int
    prompt_digest: str
    shape: str = ""
    ignored: str = ""
    author: str = ""
    """Role of the team member who stored the answer; empty in a store without a team."""

    @property
    def usage(self) -> Usage:
        """Tokens of the answer."""
        return Usage(self.input_tokens, self.output_tokens, self.cache_read_tokens, self.cache_write_tokens)

    @property
    def entry(self) -> Entry:
        """The entry as it was stored."""
        return Entry(
            key=self.key,
            configuration=self.configuration,
            prompt=self.prompt,
            question=self.question,
            answer=self.answer,
            created=self.created,
            seconds=self.seconds,
            usage=self.usage,
            finish_reason=self.finish_reason,
            prompt_digest=self.prompt_digest,
            sample=self.sample,
            expires=self.expires,
            edited=bool(self.edited),
            tags=self.tags,
            shape=self.shape,
            ignored=self.ignored,
        )


class EarlierAnswer(NamedTuple):
    """An answer that was replaced."""

    replaced: float
    answer: bytes


class StoredQuestion(NamedTuple):
    """The first 2,000 characters of a question that was asked or stored."""

    id: str
    question: str


class Content(NamedTuple):
    """The entries of one configuration."""

    key: str
    """Key of the configuration."""
    entries: int
    bytes: int
    first_created: float
    last_created: float


class LookupRow(NamedTuple):
    """One recorded lookup, as a store gives it back."""

    number: int
    """Place among all lookups of the store, from 1."""
    run: str
    number_in_run: int
    at: float
    outcome: Outcome
    reason_kind: str
    reason_detail: str
    mode: str
    match: Match | None
    configuration: str | None
    entry: str | None
    """The id of the served entry, else of the question asked."""
    asked: str | None
    """For a hit of another prompt's entry, the id of the question asked."""
    near_entry: str | None
    similarity: float | None
    embedder: str
    objection_kind: str
    objection_guard: str
    objection_detail: str
    prompt_digest: str | None
    lookup_seconds: float | None
    seconds: float | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    notebook: str
    cell: str
    cell_line: str
    execution_count: int | None
    question: str | None
    """The first 2,000 characters of the question."""
    author: str = ""
    """Role of the team member who asked; empty in a store without a team."""
    face: str = "langchain"
    """The library that asked."""

    @property
    def reason(self) -> Reason | None:
        """The reason of the outcome."""
        return Reason(Kind(self.reason_kind), self.reason_detail) if self.reason_kind else None

    @property
    def near(self) -> Near | None:
        """The similar question that was found; None if nothing was near, or nothing was searched."""
        if self.near_entry is None or self.similarity is None or self.objection_kind not in _OBJECTIONS:
            return None
        kind = ObjectionKind(self.objection_kind) if self.objection_kind else None
        objection = Objection(kind, self.objection_detail, self.objection_guard) if kind is not None else None
        return Near(self.near_entry, self.similarity, self.embedder, objection)

    @property
    def question_id(self) -> str | None:
        """The id of the question asked, whichever entry answered it."""
        return self.asked if self.asked is not None else self.entry

    @property
    def usage(self) -> Usage:
        """The tokens of the answer."""
        return Usage(self.input_tokens, self.output_tokens, self.cache_read_tokens, self.cache_write_tokens)


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """The columns that figures are made of. A place is the same lookup in each column, newest first."""

    number: Sequence[int] = ()
    at: Sequence[float] = ()
    outcome: Sequence[Outcome] = ()
    reason_kind: Sequence[str] = ()
    failed: Sequence[bool] = ()
    """Whether the reason is an error inside the cache."""
    not_stored: Sequence[bool] = ()
    """Whether the model's answer was paid for and not stored."""
    match: Sequence[Match | None] = ()
    configuration: Sequence[str | None] = ()
    lookup_seconds: Sequence[float | None] = ()
    seconds: Sequence[float | None] = ()
    input_tokens: Sequence[int | None] = ()
    output_tokens: Sequence[int | None] = ()
    cache_read_tokens: Sequence[int | None] = ()
    cache_write_tokens: Sequence[int | None] = ()
    notebook: Sequence[str] = ()
    cell_line: Sequence[str] = ()
    execution_count: Sequence[int | None] = ()
    face: Sequence[str] = ()
    """The library that asked."""


class Tally(NamedTuple):
    """The lookups of one configuration."""

    key: str | None
    """Key of the configuration."""
    hits: int
    misses: int
    last: float
    """Moment of the newest lookup."""


class UnembeddedEntry(NamedTuple):
    """An entry without a vector."""

    key: str
    configuration: str
    prompt: str


class UnshapedEntry(NamedTuple):
    """An entry whose shape is not known."""

    key: str
    prompt: str


class EntryVector(NamedTuple):
    """The vector of an entry; ``sequence`` grows with each stored vector."""

    sequence: int
    id: str
    vector: bytes
    """float32, little-endian."""


class EmbedderUse(NamedTuple):
    """An embedder that was used in a store, or has a threshold there."""

    embedder: str
    """Name, with the dimension where vectors were stored."""
    vectors: int
    threshold: float | None


class LabelRow(NamedTuple):
    """A person's judgement of a pair of questions."""

    asked: str
    entry: str
    right: bool
    similarity: float
    objection_kind: str
    objection_guard: str
    objection_detail: str
    embedder: str
    at: float
    asked_question: str | None
    stored_question: str | None
