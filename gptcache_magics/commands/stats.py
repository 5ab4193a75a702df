"""``%gptcache stats``: hit rate, money and time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gptcache_magics.commands._parser import Parser, cell_option, check_one_of, since
from gptcache_magics.commands._selection import cell_number, configurations_of
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError

if TYPE_CHECKING:
    import pandas as pd

    from gptcache_magics.tables.frames import By
    from gptcache_magics.widgets.charts import Plot

HELP = "Hits, misses, money and time, one row a model (or cell, notebook, day, configuration, total)."
EXAMPLE = "df = %gptcache stats --by cell"
BY = ("model", "configuration", "cell", "notebook", "day", "total")


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_option("--by", values=BY, default="model", help="one row for each of these (default: model)")
    parser.add_option("-m", "--model", help="only this model")
    cell_option(parser, "only the cell with [N] beside it")
    parser.add_option("--wide", action="store_true", help="more columns")
    parser.add_option("--plot", action="store_true", help="charts: hit rate over time, money by model, latency")
    parser.add_option("--reset", action="store_true", help="start a new run; nothing is deleted")
    since(parser)


def stats(
    by: By = "model",
    *,
    model: str | None = None,
    cell: int | str | None = None,
    wide: bool = False,
    plot: bool = False,
    reset: bool = False,
    since: str | None = None,
    at: str | Path | None = None,
) -> pd.DataFrame | Plot | str:
    """Hits, misses, money and time as a DataFrame; ``gptcache_magics.tables.columns.STATS`` lists its columns.

    With ``plot``, charts instead: as HTML in a notebook, as text in a terminal.
    """
    from gptcache_magics.tables import frames

    check_one_of("by", by, BY)
    if plot and reset:
        raise CommandError("--plot draws the run as it is, and --reset begins another. Type one of them.")
    source = controller.source(at)
    source.flush()
    configurations_of(source.store, model)
    if reset:
        if source.ledger is None:
            raise CommandError("--reset starts a new run of the cache that is on, and --at names another store.")
        source.ledger.start_run()
        return "A new run begins. The lookups so far are kept: %gptcache stats --since all"
    period, count = source.period(since), cell_number(source, cell)
    if plot:
        from gptcache_magics.tables.chart_data import Series
        from gptcache_magics.widgets.charts import Plot

        return Plot(Series.read(source.store, period=period, model=model, execution_count=count))
    return frames.stats(source.store, by, period=period, model=model, execution_count=count, wide=wide)
