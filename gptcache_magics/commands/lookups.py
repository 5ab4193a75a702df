"""``%gptcache lookups``: every question to the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from gptcache_magics.commands._nothing import no_lookups, or_sentence
from gptcache_magics.commands._parser import Option, checked
from gptcache_magics.commands._selection import (
    At,
    Cell,
    Face,
    Limit,
    Model,
    Since,
    Space,
    asked_by,
    cell_number,
    models_of,
)
from gptcache_magics.controller import controller
from gptcache_magics.store.protocol import Outcome

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = "%gptcache lookups --outcome miss -n 10"


@checked
def lookups(
    *,
    limit: Limit = None,
    outcome: Annotated[Outcome | None, Option(help="only lookups with this outcome")] = None,
    model: Model = None,
    face: Face = None,
    cell: Cell = None,
    since: Since = None,
    at: At = None,
    space: Space = None,
) -> pd.DataFrame:
    """Show every question to the cache and its outcome, newest first.

    ``gptcache_magics.tables.columns.LOOKUPS`` lists the columns.
    """
    from gptcache_magics.tables import frames

    source = controller.explained(at, space)
    names = models_of(source.store, model)
    df = frames.lookups(
        source.store,
        period=source.period(since),
        model=names,
        outcome=outcome,
        execution_count=cell_number(source, cell, since),
        face=asked_by(source.store, face),
        limit=limit,
    )
    if len(df):
        return df
    chosen = {"outcome": outcome, "model": model, "face": face, "cell": cell}
    return or_sentence(df, no_lookups(source, "lookups", since, at, space, **chosen))
