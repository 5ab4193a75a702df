"""Judge a match by meaning, from a command or a button of the panel."""

from __future__ import annotations

from typing import Final

from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import LabelStore, Near

__all__ = ["label"]

VERDICTS: Final = ("right", "wrong")


def label(store: LabelStore, number: int | None, asked: str | None, near: Near | None, *, right: bool) -> str:
    """Store whether the answer of a similar question is right for the question asked. Returns a sentence for the user.

    Parameters
    ----------
    number
        Number of the lookup.
    asked
        Id of the question that the lookup asked.
    near
        The similar question that the lookup found.

    Raises
    ------
    CommandError
        If the lookup found no similar question.
    """
    if near is None or asked is None:
        raise CommandError(
            f"label: lookup {number} was not near another question, so there is nothing to judge. "
            "Lookups that were near one have a similarity in %gptcache lookups"
        )
    store.put_label(asked, near, right)
    message = f"Lookup {number}: {VERDICTS[not right]}."
    if right or near.objection is not None:  # the answer was not served
        return message
    return f"{message} Nothing is served by meaning for this question any more; the next call asks the model."
