"""The options that hold for one cache, and how they were before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gptcache_magics.lookup.budget import Budget
from gptcache_magics.lookup.ledger import Ledger
from gptcache_magics.semantic.options import Matching, MatchOptions, apply
from gptcache_magics.settings import Options

if TYPE_CHECKING:
    from gptcache_magics.semantic.search import SemanticSearch

__all__ = ["Adjustable", "State"]


class Adjustable(Matching, Protocol):
    """The parts of a cache that its options change."""

    ledger: Ledger


@dataclass(frozen=True, slots=True)
class State:
    """The options of a cache at one moment."""

    options: Options = Options()
    budget: Budget | None = None
    similar: SemanticSearch | None = None

    @classmethod
    def of(cls, cache: Adjustable) -> State:
        """Return the present state of a cache."""
        return cls(cache.settings.options, cache.ledger.budget, cache.similar)

    def restore(self, cache: Adjustable) -> None:
        """Let a cache be as it was. The search by meaning begins again if another one took its place."""
        cache.ledger.budget = self.budget
        if cache.similar is not self.similar:
            given = None if self.similar is None else self.similar.maker.given
            apply(cache, MatchOptions("exact" if self.similar is None else "semantic", embedder=given))
        cache.settings.options = self.options
