"""The records that a store is given: entries, lookups, configurations, and the conditions on them.

An *entry* is one stored answer, a *lookup* one question to the cache, a *configuration* one model with one set of
answer-changing parameters.

Every key is lower-case hexadecimal text: 32 digits, and the first 16 of an entry's key are its id.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gptcache_magics.store.reasons import Near, Reason

__all__ = [
    *(
        "AnswerText",
        "Configuration",
        "Embedding",
        "EmbeddingUse",
        "Entry",
        "Found",
        "Lookup",
        "Match",
        "Outcome",
        "Period",
    ),
    *("Selection", "Usage"),
    "parameters_of",
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


def parameters_of(text: str) -> dict[str, Any]:
    """Return the parameters that a configuration holds as JSON; none if masking has cut into it, or damage."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


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
    shape: str = ""
    """blake2b-64 over the prompt without what differs from run to run, 16 digits; empty if not known."""
    ignored: str = ""
    """Rules of ``--ignore`` under which the answer was stored or served, with a space behind each: ``id date ``."""


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
    finish_reason: str = ""
    edited: bool = False
    """Whether a person changed the answer."""
    ignored: tuple[str, ...] = ()
    """The rules of ``--ignore`` without which it is the answer to another prompt."""
    several: bool = False
    """Whether the same rules lead to older entries with another answer."""
    author: str = ""
    """Role of the member whose answer the team's store has just given; empty for what is in the folder."""

    @classmethod
    def of(cls, entry: Entry) -> Found:
        """Return what a hit of an entry needs, found under its exact key."""
        return cls(
            key=entry.key,
            answer=entry.answer,
            created=entry.created,
            seconds=entry.seconds,
            usage=entry.usage,
            expires=entry.expires,
            finish_reason=entry.finish_reason,
            edited=entry.edited,
        )

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
    ignored: tuple[str, ...] = ()
    """Rules of ``--ignore`` that led to the entry, to be noted there when the lookup is recorded."""
    refusal: str = ""
    """The error message that the caller got in place of an answer; not recorded."""
    asked: str | None = None
    """For a hit of another prompt's entry, the key of the question asked; ``key`` is then that of the entry."""
    near: Near | None = None
    """The similar question that was found; None if nothing was near, or nothing was searched."""
    face: str = "langchain"
    """The library that asked: ``langchain``, or the name of an SDK."""
    counted: Any = None
    """What a store counts for it in its sums; None if it was not written yet."""


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
class AnswerText:
    """Says how a search reads stored answers."""

    read: Callable[[bytes], str | None]
    """Returns the text of an answer as tables show it; None if it cannot be read."""
    in_pieces: Sequence[str] = ()
    """Patterns of SQL's ``LIKE`` for the answers that spell their text in pieces or in escapes. In every other answer
    its ASCII letters stand as they are, so that a store need not read one that lacks those of the search."""
    headed: bytes = b""
    """First byte of the answers that begin with a name and the character NUL, at which ``LIKE`` would stop."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The entries of a command. Every given condition must hold; without conditions every entry is meant."""

    ids: Sequence[str] | None = None
    """Beginnings of ids; a whole key names its entry."""
    configurations: Sequence[str] | None = None
    grep: str | None = None
    """Regular expression searched in question and prompt, ignoring case."""
    answers: AnswerText | None = None
    """Reads the answers, which ``grep`` searches then, too."""
    only_answers: bool = False
    """Whether ``grep`` searches the answers and nothing else."""
    tag: str | None = None
    pinned: bool | None = None
    older_than: float | None = None
    """Moment before which the entries were created."""
    unused_since: float | None = None
    """Moment after which the entries were neither hit nor created."""
    expired_at: float | None = None
    """Moment by which the entries have expired."""
    prompt_digest: str | None = None
    shape: str | None = None


@dataclass(frozen=True, slots=True)
class Embedding:
    """What an embedder said of one text."""

    key: str
    model: str
    """Key of the configuration that was asked."""
    sent: str
    """JSON of the text, or of its tokens, as it was sent."""
    digest: str
    """blake2b-64 over API and text: the same for every address of a provider."""
    vector: bytes
    """The answer about this text, packed (:mod:`gptcache_magics.protocols.embeddings.vectors`)."""
    rest: str
    """JSON of the answer without what it says of the texts."""
    created: float
    tokens: int | None = None
    """Tokens of the text; those of several that were sent together are told apart by their lengths."""
    expires: float | None = None


@dataclass(slots=True)
class EmbeddingUse:
    """The texts that one process had embedded in one run on one day by one configuration."""

    run: str
    process: int
    day: str
    model: str
    """Key of the configuration."""
    at: float
    """When the latest of them was asked for."""
    texts: int = 0
    hits: int = 0
    """Number of texts whose vectors were stored before, or asked for twice in one request."""
    sent: int = 0
    """Number of texts that were sent to the provider."""
    tokens: int = 0
    """Tokens that were paid for."""
    saved_tokens: int = 0
