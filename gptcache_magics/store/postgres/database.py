"""The operations of a team's store: what the local tier asks of it, and sends to it."""

from __future__ import annotations

from collections.abc import Sequence

from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.postgres.records import Change, TeamAnswer, TeamVector
from gptcache_magics.store.records import Configuration, Entry
from gptcache_magics.store.rows import LabelRow, LookupRow

__all__ = ["TeamDatabase"]


class TeamDatabase:
    """One space of a team's store. Every method may be called from any thread.

    A method raises ``TeamAway`` if the store does not answer in time (``find``, ``newest``, ``changes`` and ``vectors``
    within half a second), at once while it is known to be away, and another ``StoreError`` if it answers that something
    is wrong. After each error the same call may be made again: all writing is idempotent.

    Parameters
    ----------
    origin
        Text that marks the changes that this object makes, 100 characters at most.
    """

    def __init__(self, address: Address, origin: str = "") -> None:
        self.address, self.origin = address, origin
        self.readonly = False
        """Whether the role may only read. Known once connected."""
        self.identity = ""
        """Text that every database has of its own, also one that was made again at the same address. Once connected."""
        self.role = ""
        """Name of the role. Known once connected."""

    @property
    def away(self) -> str:
        """Sentence that says why the store cannot be asked now; empty if it can."""
        raise NotImplementedError

    def connect(self) -> None:
        """Connect as a command does: wait 5 seconds at most, bring the schema forward, and raise what is wrong."""
        raise NotImplementedError

    def find(self, key: str) -> TeamAnswer:
        """Return the answer under an exact key."""
        raise NotImplementedError

    def newest(self) -> int:
        """Return the sequence of the newest change; 0 if there is none."""
        raise NotImplementedError

    def changes(self, after: int) -> Sequence[Change] | None:
        """Return the changes after one, oldest first; None if some of them are not kept any more."""
        raise NotImplementedError

    def put(self, entries: Sequence[Entry], configurations: Sequence[Configuration]) -> int:
        """Store entries. A newer answer replaces an older one, an equal one changes nothing.

        Returns the newest change that was visible before. Entries that are too large for a team, or whose values no
        database can keep, are left out.
        """
        raise NotImplementedError

    def record(self, lookups: Sequence[LookupRow], configurations: Sequence[Configuration]) -> int:
        """Store lookups, and count the hits of those that are new. Returns the newest change."""
        raise NotImplementedError

    def put_vectors(self, embedder: str, rows: Sequence[tuple[str, str, bytes]]) -> None:
        """Store key, context and float32 vector of entries that the team has; others are left out."""
        raise NotImplementedError

    def vectors(self, embedder: str, context: str, after: int, limit: int) -> Sequence[TeamVector]:
        """Return the vectors of one context after a sequence, oldest first; of the newest 10,000 only."""
        raise NotImplementedError

    def put_labels(self, labels: Sequence[LabelRow]) -> None:
        """Store judgements of pairs of questions. The newest of a pair stays."""
        raise NotImplementedError

    def judged_wrong(self, asked: str) -> frozenset[str]:
        """Return the ids of entries whose answer somebody called wrong for the question asked."""
        raise NotImplementedError

    def remove(self, ids: Sequence[str] | None) -> int:
        """Remove entries for everybody; None removes the whole space. Return the number removed."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connections. The next use opens them again."""
        raise NotImplementedError
