"""``%gptcache label``: say whether a match by meaning was right."""

from __future__ import annotations

from typing import Annotated, Literal

from gptcache_magics.commands._parser import Word, checked, whole_number
from gptcache_magics.commands.why import numbered
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.semantic.labels import label as put

EXAMPLE = "%gptcache label 128 wrong"


@checked
def label(
    number: Annotated[int | str, Word("NUMBER", help="the number of a lookup, from %gptcache lookups")],
    verdict: Annotated[Literal["right", "wrong"], Word("right|wrong", help="whether the stored answer is right")],
) -> str:
    """Say whether the stored answer is right for a lookup's question. After wrong, the next call asks the model.

    Parameters
    ----------
    number
        Number of the lookup: a hit by meaning, or a miss that was near one.
    verdict
        ``right`` or ``wrong``: whether the stored answer is right for the question.
    """
    known = whole_number(str(number).removeprefix("#"))
    if known is None:
        raise CommandError(
            f"label: a lookup has a number. Got '{number}'. Example: {EXAMPLE}. In code: gm.label(128, \"wrong\")"
        )
    source = controller.source()
    source.flush()
    lookup = numbered(source.store, known)
    return put(source.store, lookup.number, lookup.question_id, lookup.near, right=verdict == "right")
