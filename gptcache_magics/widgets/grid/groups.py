"""Rows of a table under headings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Groups"]


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of the rows of a table, and their headings."""

    of: Sequence[int]
    """Group of each row of the table; groups are shown in the order of their numbers."""
    headings: Sequence[tuple[str, str]]
    """Name and figures of each group."""
    leading: Sequence[bool]
    """Whether each row comes before the others of its group while the reader does not sort."""

    def arranged(self, positions: Sequence[int], *, leading: bool) -> list[int]:
        """Return the rows at these positions under their headings: -1 stands for the first heading, -2 for the next."""
        rows = np.asarray(positions, dtype=np.int64)
        groups = np.asarray(self.of, dtype=np.int64)[rows]
        later = ~np.asarray(self.leading, dtype=bool)[rows] & leading
        order = np.lexsort((np.arange(len(rows)), later, groups))
        starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
        return [int(each) for each in np.insert(rows[order], starts, -1 - groups[order][starts])]
