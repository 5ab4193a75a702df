"""``%gptcache entries``: the stored answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Unpack

from gptcache_magics.commands._nothing import no_entries, or_sentence
from gptcache_magics.commands._parser import Option, checked
from gptcache_magics.commands._selection import At, Ids, Limit, Space
from gptcache_magics.commands._selectors import Selectors, selected
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.text.choices import nearest

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = '%gptcache entries --grep "capital of" -n 20'


def _columns() -> Iterable[str]:
    from gptcache_magics.tables import columns

    return columns.ENTRIES


@checked
def entries(
    *ids: Ids,
    sort: Annotated[
        str | None, Option(metavar="COLUMN", help="sort by this column, largest first", suggest=_columns)
    ] = None,
    limit: Limit = None,
    at: At = None,
    space: Space = None,
    **selectors: Unpack[Selectors],
) -> pd.DataFrame:
    """Show the stored answers, newest first.

    ``gptcache_magics.tables.columns.ENTRIES`` lists the columns.
    """
    from gptcache_magics.tables import columns, frames

    if sort is not None and sort not in columns.ENTRIES:
        known = ", ".join(columns.ENTRIES)
        raise CommandError(f"entries: no column '{sort}'.{nearest(sort, columns.ENTRIES)} Columns: {known}.")
    source = controller.source(at, space).settled()
    selection = selected(source, ids, **selectors)
    df = frames.entries(source.store, selection, limit=None if sort else limit)
    if sort is not None:
        df = df.sort_values(sort, ascending=False, kind="stable").head(limit or len(df))
    return df if len(df) else or_sentence(df, no_entries(source, at, space, **selectors))
