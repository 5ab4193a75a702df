"""The records of a store: entries, lookups, configurations.

An *entry* is one stored answer, a *lookup* one question to the cache, a *configuration* one model with one set of
answer-changing parameters.

Every key is lower-case hexadecimal text: 32 digits, and the first 16 of an entry's key are its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from gptcache_magics.store.reasons import Kind, Near, Objection, ObjectionKind, Reason

__all__ = [
    *("Configuration", "Content", "EarlierAnswer", "EmbedderUse", "Entry", "EntryRow", "EntryVector", "Found"),
    *("LabelRow", "Lookup", "LookupRow", "Match", "Near", "Outcome", "Outcomes", "Period", "Selection"),
    *("StoredQuestion", "Tally", "UnembeddedEntry", "Usage"),
]

Outcome = Literal["hit", "miss", "bypass", "error"]
Match = Literal["exact", "semantic"]


@dataclass(frozen=True, slots=True)
class Configuration:
    """A model with one set of answer-changing parameters: one partition of the store, one gptcache."""

    key: str
    """blake2b-128 over everything that can change an answer."""
    provider: str
    model: str
    """The model's name, or its class if it has no name."""
    label: str
    """``gpt-4o-mini · T 0.2 · 3 tools``."""
    temperature: float | None
    parameters: str
    """JSON of the answer-changing parameters, without secrets."""
    portable: str = ""
    """blake2b-128 over provider, model and parameters without addresses: the same on another machine."""
    environment: str = ""
    """Names of the variables that the model's class reads its key from, with spaces between them."""
    call_parameters: str | None = None
    """JSON object: the parameters that the call gave, each with the model's own value that it replaced, or null.

    None if unknown, as in stores of version 0.1.
    """

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer; ``None`` where the provider did not say. Cached tokens are part of the input tokens."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer to store: its prompt, the encoded generations, and its cost."""

    key: str
    """Exact key: 32 digits, of which the first 16 are the entry's id."""
    configuration: str
    prompt: str
    question: str
    """The text of the last human message, or the prompt itself."""
    answer: bytes
    """Encoded generations (:mod:`gptcache_magics.generations`)."""
    created: float
    """Moment of storing, in seconds since the epoch as every time in a store."""
    seconds: float | None = None
    """Seconds that the model took."""
    usage: Usage = Usage()
    finish_reason: str = ""
    prompt_digest: str = ""
    """blake2b-64 over the canonical prompt, 16 digits: finds the same prompt under another configuration."""
    sample: int = 0
    """Number of this answer among several to identical calls."""
    expires: float | None = None
    edited: bool = False
    """Whether a person changed the answer; the model's own is in the history."""
    tags: str = ""
    """Words between spaces: `` draft lesson-1 ``."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The part of a stored entry that a hit needs."""

    key: str
    answer: bytes
    created: float
    seconds: float | None
    usage: Usage
    expires: float | None = None
    similarity: float | None = None
    """Cosine of the two questions for a match by meaning; None for an exact match."""

    @property
    def match(self) -> Match:
        """The way in which it was found."""
        return "exact" if self.similarity is None else "semantic"

    def __str__(self) -> str:  # gptcache calls str() on an answer it returns
        return self.key[:16]


@dataclass(slots=True, eq=False)
class Lookup:
    """One question to the cache and its outcome.

    ``usage`` and ``seconds`` are those of the stored answer for a hit (saved). For a miss they are those of the model's
    answer (paid), filled in when the answer comes.
    """

    at: float
    run: str
    number_in_run: int
    outcome: Outcome
    reason: Reason | None = None
    mode: str = "auto"
    match: Match | None = None
    configuration: str | None = None
    key: str | None = None
    question: str = ""
    lookup_seconds: float | None = None
    seconds: float | None = None
    usage: Usage = Usage()
    notebook: str = ""
    cell_id: str = ""
    cell_line: str = ""
    execution_count: int | None = None
    prompt_digest: str = ""
    """Digest of the canonical prompt, as in an entry. Empty for a hit, whose entry has it."""
    tag: str = ""
    """Tag to put on the entry when the lookup is recorded."""
    refusal: str = ""
    """The error message that the caller got in place of an answer; not recorded."""
    asked: str | None = None
    """For a semantic hit, the key of the question asked; ``key`` is then that of the served entry."""
    near: Near | None = None
    """The similar question that was found; None if nothing was near, or nothing was searched."""


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
    """For a semantic hit, the id of the question asked."""
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

    @property
    def reason(self) -> Reason | None:
        """The reason of the outcome."""
        return Reason(Kind(self.reason_kind), self.reason_detail) if self.reason_kind else None

    @property
    def near(self) -> Near | None:
        """The similar question that was found; None if nothing was near, or nothing was searched."""
        if self.near_entry is None or self.similarity is None:
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


@dataclass(frozen=True, slots=True)
class Period:
    """The lookups of a table. Every given condition must hold; without conditions all lookups are meant."""

    run: str | None = None
    after: float | None = None
    """Earliest moment."""
    number: int | None = None
    below: int | None = None
    """A number above those of the lookups."""
    key: str | None = None
    """Key or id of the entry."""
    asked: str | None = None
    """Key or id of the call that asked, whichever entry answered it."""
    question: str | None = None
    """The exact question."""
    near: bool = False
    """Whether only lookups that were near another question are meant."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The entries of a command. Every given condition must hold; without conditions every entry is meant."""

    ids: Sequence[str] | None = None
    """Beginnings of ids; a whole key names its entry."""
    configurations: Sequence[str] | None = None
    grep: str | None = None
    """Regular expression searched in question and prompt, ignoring case."""
    tag: str | None = None
    pinned: bool | None = None
    older_than: float | None = None
    """Moment before which the entries were created."""
    unused_since: float | None = None
    """Moment after which the entries were neither hit nor created."""
    expired_at: float | None = None
    """Moment by which the entries have expired."""
    prompt_digest: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """The columns that figures are made of. A place is the same lookup in each column, newest first."""

    number: Sequence[int] = ()
    at: Sequence[float] = ()
    outcome: Sequence[Outcome] = ()
    failed: Sequence[bool] = ()
    """Whether the reason is an error inside the cache."""
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
