"""What a team's store gives back."""

from __future__ import annotations

from typing import Final, NamedTuple

from gptcache_magics.store.records import Entry

__all__ = ["KEPT_OF_A_CONTEXT", "Change", "LargeContext", "TeamAnswer", "TeamVector"]

KEPT_OF_A_CONTEXT: Final = 10_000
"""Newest vectors of a context that are searched."""


class TeamAnswer(NamedTuple):
    """The team's answer to one exact key."""

    entry: Entry | None
    """The entry under exactly this key; None if there is none, or a damaged one."""
    author: str
    """Role of the member whose answer it is; empty without an entry."""
    damaged: bool
    """Whether there is a row under the key's id that is not sound. The next answer that is put replaces it."""
    newest: int
    """Sequence of the newest change of the space, as of the same moment."""


class Change(NamedTuple):
    """An entry that other kernels must forget. Sequences are in the order in which changes became visible."""

    sequence: int
    id: str | None
    """Id of the entry; None for all entries of the space."""
    why: str
    """``replaced`` or ``removed``."""
    origin: str
    """Origin of the ``TeamDatabase`` that made the change."""


class TeamVector(NamedTuple):
    """The vector of an entry, with the entry. Sequences are in the order in which vectors became visible."""

    sequence: int
    entry: Entry
    author: str
    vector: bytes
    """float32, little-endian."""


class LargeContext(NamedTuple):
    """Questions that are compared with each other, of which there are more than ``KEPT_OF_A_CONTEXT``."""

    label: str
    """Label of the configuration of one of them."""
    embedder: str
    vectors: int
