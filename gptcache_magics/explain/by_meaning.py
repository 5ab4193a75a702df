"""What a lookup by meaning found, and why that was served or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from gptcache_magics.explain.closest import Closest, Question, compared_with
from gptcache_magics.semantic.guards import GUARDS
from gptcache_magics.store import reasons
from gptcache_magics.store.protocol import Store
from gptcache_magics.text.amounts import cosine

__all__ = ["Found", "MeaningCause", "found_by_meaning", "noted"]

MeaningCause = Literal["hit", "guard", "below threshold", "called wrong", "shadow mode"]
_TOLD: Final[Mapping[str, tuple[MeaningCause, str]]] = {
    reasons.JUDGED_WRONG: ("called wrong", "an answer served by meaning was called wrong for this question."),
    reasons.SHADOW: (
        "shadow mode",
        "in shadow mode the model is asked all the same, so that both answers can be compared.",
    ),
}


@dataclass(frozen=True, slots=True)
class Found:
    """The stored question that is most similar to what was asked, and what became of it."""

    cause: MeaningCause
    sentence: str
    nearest: Closest | None
    """None if its entry is not there any more."""


def found_by_meaning(store: Store, asked: Question, lookup: Mapping[str, Any]) -> Found | None:
    """What a lookup found by meaning; None if that was not on, or nothing was near."""
    if lookup["near"] is None:
        return None
    similarity, objection = lookup["similarity"], lookup["objection"]
    nearest = compared_with(store, asked, lookup["near"], similarity)
    is_near = f"A stored question is {cosine(similarity)} similar"
    if not objection:
        return Found("hit", f"{is_near}, and its answer was served.", nearest)
    if objection.startswith(reasons.BELOW):
        return Found("below threshold", f"{is_near}, {objection.replace(' ', ' the threshold ', 1)}.", nearest)
    guard, _, difference = objection.partition(": ")
    cause, told = _TOLD.get(objection) or ("guard", f"blocked by the guard “{guard}”: {difference}.")
    return Found(cause, f"{is_near}, but {told}", nearest)


def noted(lookup: Mapping[str, Any]) -> str:
    """What else is to be known of matching by meaning; empty if nothing is."""
    reason: str = lookup["reason"]
    if lookup["match"] == "semantic":
        return f"All {len(GUARDS)} guards passed. Not the same? %gptcache label {lookup['number']} wrong"
    if reason.startswith(reasons.EXACT_ONLY):
        return f"Not matched by meaning: {reason.removeprefix(reasons.EXACT_ONLY)}"
    return ""
