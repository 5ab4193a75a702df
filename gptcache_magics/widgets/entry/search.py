"""Search among the entries that are older than those in the table."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pandas as pd

from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection, Store
from gptcache_magics.tables import frames

__all__ = ["OlderEntries"]


@dataclass(slots=True)
class OlderEntries:
    """Entries found by a search of the whole store, kept until the search or the number of entries changes."""

    _found_for: tuple[object, ...] = ()
    _found: pd.DataFrame = field(default_factory=pd.DataFrame)

    def of(self, store: Store, query: str, newest: pd.DataFrame, model: str | None, limit: int) -> pd.DataFrame:
        """Return the entries older than the `newest` whose question or prompt matches `query`."""
        pattern = _pattern(query)
        if not pattern or newest.empty:
            return newest.iloc[:0]
        wanted = (store.where, store.count(), pattern, model)
        if wanted != self._found_for:
            older = Selection(grep=pattern, older_than=newest["created"].min().timestamp())
            try:
                self._found = frames.entries(store, older, model=model, limit=limit)
            except CommandError:  # not a regular expression yet: the table says so
                self._found = newest.iloc[:0]
            self._found_for = wanted
        return self._found


def _pattern(query: str) -> str:
    """Return a typed query as a regular expression: text between slashes is one already."""
    if len(query) > 1 and query.startswith("/") and query.endswith("/"):
        return query[1:-1]
    return re.escape(query.strip())
