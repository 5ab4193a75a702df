"""Guards object where two questions that look alike may not share an answer.

Embedders measure what two texts are about, and one word rarely changes that: "Sort in ascending order" and "Sort in
descending order" have a cosine of 0.94 (all-MiniLM-L6-v2), and so have reports of 2023 and 2024. So plain rules of text
read near questions again, one rule for each way in which such pairs were seen to differ. A rule knows nothing of
meaning and only refuses. A refused answer costs one call of the model; a wrong answer would cost trust.

The rules are English. Questions in other languages with Latin letters have the guards of numbers, names, quotations,
code, order and single words, and of negating words in the larger of these languages.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from gptcache_magics.semantic.guards.rules import GUARDS, Guard
from gptcache_magics.semantic.guards.text import Text

__all__ = ["GUARDS", "Blocked", "Guard", "Text", "blocked"]

# One question is compared with several candidates, and a popular answer is a candidate often.
_prepared = lru_cache(maxsize=64)(Text)


class Blocked(NamedTuple):
    """An objection: the guard, and the difference that it found."""

    guard: str
    difference: str

    def __str__(self) -> str:
        return f"{self.guard}: {self.difference}"


def blocked(stored: str, asked: str, guards: Mapping[str, Guard] = GUARDS) -> Blocked | None:
    """Return the first objection to answering one question with the answer to another.

    Parameters
    ----------
    stored
        The question whose answer is at hand.
    asked
        The question asked now.
    guards
        The guards to ask, by the names that users see. Measurements leave some out.
    """
    one, other = _prepared(stored), _prepared(asked)
    objections = (Blocked(name, guard(one, other)) for name, guard in guards.items())
    return next((each for each in objections if each.difference), None)
