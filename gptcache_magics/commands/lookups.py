"""``%gptcache lookups``: every question to the cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gptcache_magics.commands._parser import Parser, cell_option, check_one_of, check_positive, positive, since
from gptcache_magics.commands._selection import cell_number, configurations_of
from gptcache_magics.controller import controller

if TYPE_CHECKING:
    import pandas as pd

HELP = "Every question to the cache and what became of it, newest first."
EXAMPLE = "%gptcache lookups --outcome miss -n 10"
OUTCOMES = ("hit", "miss", "bypass", "error")


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_option("-n", "--limit", type=positive("-n"), help="at most so many")
    parser.add_option("--outcome", values=OUTCOMES, help="only these")
    parser.add_option("-m", "--model", help="only this model")
    cell_option(parser, "only of the cell with [N] beside it")
    since(parser)


def lookups(
    *,
    limit: int | None = None,
    outcome: str | None = None,
    model: str | None = None,
    cell: int | str | None = None,
    since: str | None = None,
    at: str | Path | None = None,
) -> pd.DataFrame:
    """The log as a DataFrame, newest first; ``gptcache_magics.tables.columns.LOOKUPS`` lists its columns."""
    from gptcache_magics.tables import frames

    check_one_of("outcome", outcome, OUTCOMES)
    check_positive("limit", limit)
    source = controller.source(at)
    source.flush()
    configurations_of(source.store, model)
    return frames.lookups(
        source.store,
        period=source.period(since),
        model=model,
        outcome=outcome,
        execution_count=cell_number(source, cell),
        limit=limit,
    )
