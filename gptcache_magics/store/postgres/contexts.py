"""Find the contexts of meaning in a team's store that are larger than what is searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gptcache_magics.store.postgres.line import Line
from gptcache_magics.store.postgres.records import KEPT_OF_A_CONTEXT, LargeContext

__all__ = ["large_contexts"]

NAMED: Final = 5
_LARGE: Final = """WITH large AS (SELECT context, embedder, count(*) AS vectors FROM gptcache.vector WHERE space = %s
    GROUP BY context, embedder HAVING count(*) > %s ORDER BY vectors DESC LIMIT %s)
    SELECT coalesce((SELECT c.label FROM gptcache.vector v
        JOIN gptcache.entry e ON e.space = v.space AND e.id = v.id
        JOIN gptcache.configuration c ON c.space = e.space AND c.key = e.configuration
        WHERE v.space = %s AND v.embedder = l.embedder AND v.context = l.context LIMIT 1), ''),
    l.embedder, l.vectors FROM large l ORDER BY l.vectors DESC"""


def large_contexts(line: Line, space: str) -> Sequence[LargeContext]:
    """Return the contexts of a space that have more vectors than are searched, largest first."""
    rows = line.execute(_LARGE, (space, KEPT_OF_A_CONTEXT, NAMED, space))
    return [LargeContext._make(row) for row in rows]
