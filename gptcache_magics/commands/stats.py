"""``%gptcache stats``: hit rate, money and time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal, overload

from gptcache_magics.commands._nothing import no_embeddings, no_lookups, or_sentence
from gptcache_magics.commands._parser import Option, checked
from gptcache_magics.commands._selection import At, Cell, Face, Model, Since, Space, asked_by, cell_number, models_of
from gptcache_magics.commands._team import tables_of_team
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.tables.source import By

if TYPE_CHECKING:
    import pandas as pd

    from gptcache_magics.widgets.charts import Plot

EXAMPLE = "df = %gptcache stats --by cell"


@overload
def stats(
    by: By = ...,
    *,
    model: Model = ...,
    face: Face = ...,
    cell: Cell = ...,
    wide: bool = ...,
    embeddings: bool = ...,
    plot: Literal[False] = ...,
    reset: Literal[False] = ...,
    since: Since = ...,
    at: At = ...,
    space: Space = ...,
) -> pd.DataFrame: ...


@overload
def stats(
    by: By = ...,
    *,
    model: Model = ...,
    face: Face = ...,
    cell: Cell = ...,
    wide: bool = ...,
    embeddings: bool = ...,
    plot: Literal[True],
    reset: Literal[False] = ...,
    since: Since = ...,
    at: At = ...,
    space: Space = ...,
) -> Plot: ...


@overload
def stats(
    by: By = ...,
    *,
    model: Model = ...,
    face: Face = ...,
    cell: Cell = ...,
    wide: bool = ...,
    embeddings: bool = ...,
    plot: Literal[False] = ...,
    reset: Literal[True],
    since: Since = ...,
    at: At = ...,
    space: Space = ...,
) -> str: ...


@overload
def stats(
    by: By = ...,
    *,
    model: Model = ...,
    face: Face = ...,
    cell: Cell = ...,
    wide: bool = ...,
    embeddings: bool = ...,
    plot: bool = ...,
    reset: bool = ...,
    since: Since = ...,
    at: At = ...,
    space: Space = ...,
) -> pd.DataFrame | Plot | str: ...


@checked
def stats(
    by: Annotated[By, Option(help="one row for each of these (default: model)")] = "model",
    *,
    model: Model = None,
    face: Face = None,
    cell: Cell = None,
    wide: Annotated[bool, Option(help="more columns")] = False,
    embeddings: Annotated[bool, Option(help="the texts that were embedded, in place of model calls")] = False,
    plot: Annotated[bool, Option(help="charts: hit rate over time, money by model, latency")] = False,
    reset: Annotated[bool, Option(help="let the figures of this run begin at zero; nothing is deleted")] = False,
    since: Since = None,
    at: At = None,
    space: Space = None,
) -> pd.DataFrame | Plot | str:
    """Show hits, misses, money and time, one row per model, library, cell, notebook, day or cause, or in total.

    ``gptcache_magics.tables.columns.STATS`` lists the columns. By face, one row per library that asked: ``langchain``,
    or an SDK such as ``openai``. By author, one row per member who asked: that is read
    from the team's store that is on, or from the one at ``at``, of all time unless ``since`` says another.
    With ``embeddings``, one row per model that embedded texts: how many, and how many of them were sent; they are no
    part of the hit rate. With ``plot``, charts instead: as HTML in a notebook, as text in a terminal.
    """
    from gptcache_magics.tables import frames

    if plot and reset:
        raise CommandError("--plot draws the run as it is, and --reset begins another. Type one of them.")
    if embeddings and (plot or reset or wide or cell is not None or face is not None or by != "model"):
        raise CommandError("stats: --embeddings is a table by model, which takes --model, --since and --at only.")
    source = (
        controller.explained(at, space) if at is not None or by != "author" else tables_of_team("stats --by author")
    )
    if embeddings:
        from gptcache_magics.tables.embeddings import embeddings as embeddings_frame

        named = [each.model for each in source.store.embedding_models()]
        df = embeddings_frame(source.store, period=source.period(since), model=_embedders(named, model))
        return df if len(df) else or_sentence(df, no_embeddings(source, since, at, space))
    names = models_of(source.store, model)
    if reset:
        if source.ledger is None:
            raise CommandError("--reset starts a new run of the cache that is on, and --at names another store.")
        source.ledger.start_run()
        return "Figures reset: a new run begins now. Nothing was deleted: %gptcache stats --since all"
    chosen: dict[str, Any] = {
        **{"period": source.period(since), "model": names},
        **{"execution_count": cell_number(source, cell, since), "face": asked_by(source.store, face)},
    }
    if plot:
        from gptcache_magics.tables.chart_data import Series
        from gptcache_magics.widgets.charts import Plot

        return Plot(Series.read(source.store, **chosen))
    df = frames.stats(source.store, by, **chosen, wide=wide)
    if len(df):
        return df
    typed = {"model": model, "face": face, "cell": cell}
    return or_sentence(df, no_lookups(source, f"stats --by {by}", since, at, space, **typed))


def _embedders(known: Sequence[str], wanted: str | None) -> Collection[str] | None:
    """Return the models that a name, a part of it or a pattern fits. Raises ``CommandError`` if none does."""
    if wanted is None:
        return None
    fitting = {name for name in known if name == wanted or wanted in name or fnmatchcase(name, wanted)}
    if not fitting:
        raise CommandError(f"No text was embedded by '{wanted}'. Embedded by: {', '.join(sorted({*known})) or 'none'}.")
    return fitting
