"""Compare a question with a stored one that is near, to know whether they may share an answer.

Guards read both as a whole. If both have a frame in common, as prompts of one template have, then guards and embedder
compare what is in its gaps, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gptcache_magics.semantic import guards
from gptcache_magics.semantic.frame import Gap, differing_gaps
from gptcache_magics.semantic.template import Template
from gptcache_magics.semantic.vectors import Vector
from gptcache_magics.store.reasons import ExactOnly, Objection, ObjectionKind
from gptcache_magics.text.amounts import cosine

__all__ = ["TEMPLATE", "Comparison", "shown"]

TEMPLATE: Final = "template"
"""Name of the objection to what is in the gaps, beside the names of guards."""
_QUOTED: Final = "quoted text"
_OF_QUOTES: Final = {_QUOTED: guards.GUARDS[_QUOTED]}
_OTHERS: Final = {name: guard for name, guard in guards.GUARDS.items() if name != _QUOTED}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A question that is compared with stored ones."""

    asked: str
    threshold: float
    """The smallest cosine at which two texts count as the same."""
    template: Template | None
    others: Callable[[], Sequence[str]]
    """Returns stored questions of the context, to learn frames from."""
    vectors: Callable[[Sequence[str]], Sequence[Vector]]
    """Embeds texts. Raises ``ExactOnly`` if the embedder cannot read one."""

    def objection(self, stored: str, *, explained: bool) -> tuple[Objection | None, Sequence[Gap]]:
        """Return the objection to the answer of a stored question, or None, and the gaps that were compared.

        Parameters
        ----------
        explained
            Whether gaps are of interest even if a guard objects to the questions as a whole.
        """
        blocked = guards.blocked(stored, self.asked, _OTHERS)
        if blocked is not None and not explained:
            return _objection(blocked), ()
        gaps = differing_gaps(stored, self.asked, self.others(), self.template) or []
        if blocked is None and not (gaps and all(gap.quoted for gap in gaps)):
            blocked = guards.blocked(stored, self.asked, _OF_QUOTES)
        difference = next(filter(None, map(_difference, gaps)), "") or ("" if blocked else self._unlike(gaps))
        if difference:
            return Objection(ObjectionKind.GUARD, f"{shown(gaps)} ({difference})", TEMPLATE), gaps
        return (None if blocked is None else _objection(blocked)), gaps

    def _unlike(self, gaps: Sequence[Gap]) -> str:
        """Return why the texts in gaps do not mean the same, or an empty text."""
        gaps = [gap for gap in gaps if not gap.is_same]
        try:
            vectors = self.vectors([text for gap in gaps for text in (gap.stored, gap.asked)])
        except ExactOnly as only:
            return only.reason.detail
        cosines = (float(one @ other) for one, other in zip(vectors[::2], vectors[1::2], strict=True))
        return next((f"{cosine(each)} similar" for each in cosines if each < self.threshold), "")


def shown(gaps: Sequence[Gap]) -> str:
    """Return gaps as people read them."""
    return ", ".join(map(str, gaps))


def _difference(gap: Gap) -> str:
    """Return the difference that rules of text find in a gap, or an empty text."""
    if gap.changes_code:
        return "code differs"
    if gap.is_short and not gap.is_same:
        return "too short to compare"
    blocked = guards.blocked(gap.stored, gap.asked)
    return "" if blocked is None else str(blocked)


def _objection(blocked: guards.Blocked) -> Objection:
    return Objection(ObjectionKind.GUARD, blocked.difference, blocked.guard)
