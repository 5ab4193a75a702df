"""Judge a match by meaning, from a command or a button of the panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Near, Store

__all__ = ["VERDICTS", "label"]

VERDICTS: Final = ("right", "wrong")


def label(store: Store, lookup: Mapping[str, Any], *, right: bool) -> str:
    """Store whether the answer near a lookup is right for its question. Returns a sentence for the user.

    Parameters
    ----------
    lookup
        A row of ``store.lookups``, by column.

    Raises
    ------
    CommandError
        If that lookup was not matched by meaning.
    """
    number = lookup["number"]
    asked = lookup["asked"] if lookup["asked"] is not None else lookup["entry"]
    if lookup["near"] is None or asked is None:
        raise CommandError(
            f"label: lookup {number} was near to no other question, so there is nothing to judge. "
            "Those that were have a similarity in %gptcache lookups"
        )
    near = Near(lookup["near"], lookup["similarity"], lookup["embedder"], lookup["objection"])
    store.put_label(asked, near, right)
    told = f"Lookup {number}: {VERDICTS[not right]}."
    if right or near.objection:  # it was not served
        return told
    return f"{told} Nothing is served by meaning for this question any more; the next call asks the model."
