"""``%gptcache entries``: the stored answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from gptcache_magics.commands._parser import Parser, cell_option, check_positive, nearest, place, positive
from gptcache_magics.commands._selection import configurations_of, looked_up
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection

if TYPE_CHECKING:
    import pandas as pd

HELP = "The stored answers, newest first."
EXAMPLE = '%gptcache entries --grep "capital of" -n 20'


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_option("-m", "--model", help="only this model")
    parser.add_option("--grep", metavar="RE", help="only where prompt or question match this regular expression")
    parser.add_option("--tag", help="only entries with this tag")
    parser.add_option("--pinned", action="store_true", help="only pinned entries")
    parser.add_option("--expired", action="store_true", help="only entries that are not served any more")
    cell_option(parser, "only what the cell with [N] beside it stored or hit")
    parser.add_option("--sort", metavar="COLUMN", help="sort by this column, largest first")
    parser.add_option("-n", "--limit", type=positive("-n"), help="at most so many")
    place(parser)


def entries(
    *,
    model: str | None = None,
    grep: str | None = None,
    tag: str | None = None,
    pinned: bool = False,
    expired: bool = False,
    cell: int | str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    at: str | Path | None = None,
) -> pd.DataFrame:
    """The stored answers as a DataFrame, newest first; ``gptcache_magics.tables.columns.ENTRIES`` lists its columns."""
    from gptcache_magics.tables import columns, frames

    if sort is not None and sort not in columns.ENTRIES:
        known = ", ".join(columns.ENTRIES)
        raise CommandError(f"entries: no column '{sort}'.{nearest(sort, columns.ENTRIES)} Columns: {known}.")
    source = controller.source(at)
    source.flush()
    check_positive("limit", limit)
    selection = Selection(
        ids=looked_up(source, cell) if cell is not None else None,
        configurations=configurations_of(source.store, model),
        grep=grep,
        tag=tag,
        pinned=True if pinned else None,
        expired_at=time.time() if expired else None,
    )
    df = frames.entries(source.store, selection, limit=None if sort else limit)
    if sort is not None:
        df = df.sort_values(sort, ascending=False, kind="stable").head(limit or len(df))
    return df
