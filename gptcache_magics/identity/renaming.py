"""Write into an answer the ids, dates and so on of another prompt, and see whether the old ones outlast that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gptcache_magics.identity.volatile import outlasting, pattern_of

__all__ = ["Renaming"]

_STAMPS: Final = frozenset({"date", "time"})


class Renaming:
    """Writes new names into the texts of one answer.

    An id is replaced wherever it stands. A date or a time is replaced where a rule finds it as the prompt had it: a
    part of a version or of another number is none.

    Parameters
    ----------
    names
        For each rule and old text, the new one.
    """

    def __init__(self, names: Mapping[tuple[str, str], str]) -> None:
        self._names = names
        self._ids = {old: new for (rule, old), new in names.items() if rule not in _STAMPS}
        longest_first = "|".join(re.escape(old) for old in sorted(self._ids, key=len, reverse=True))
        self._id = re.compile(rf"(?:{longest_first})(?![0-9A-Za-z])" if self._ids else "(?!)")
        self._stamp = pattern_of(frozenset(rule for rule, _ in names if rule in _STAMPS))
        self._rest: list[str] = []

    def __call__(self, text: str) -> str:
        """Return a text with the new names."""
        parts: list[str] = []
        end = 0
        for match in self._stamp.finditer(text):
            new = self._names.get((str(match.lastgroup), match[0]))
            if new is not None:
                parts += [self._with_ids(text[end : match.start()]), new]
                end = match.end()
        return "".join([*parts, self._with_ids(text[end:])])

    @property
    def outlasting(self) -> str:
        """The rule of an old name that the texts still tell of in another form; empty if of none."""
        return outlasting(self._names, "‹›".join(self._rest))

    def _with_ids(self, text: str) -> str:
        self._rest.append(self._id.sub("‹›", text))
        return self._id.sub(lambda match: self._ids[match[0]], text)
