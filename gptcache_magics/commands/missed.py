"""``%gptcache missed``: who asked what in vain."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from gptcache_magics.commands._nothing import no_misses, or_sentence
from gptcache_magics.commands._parser import Word, checked
from gptcache_magics.commands._selection import At, Limit, Model, Since, Space, models_of
from gptcache_magics.commands._team import tables_of_team
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.settings import BUNDLE, names_bundle
from gptcache_magics.store.protocol import team_behind
from gptcache_magics.text.web_address import shown_address

if TYPE_CHECKING:
    import pandas as pd

    from gptcache_magics.tables.source import Source

EXAMPLE = "%gptcache missed anna.jsonl ben.jsonl --at lesson.jsonl"


@checked
def missed(
    *bundles: Annotated[
        str | Path,
        Word("FILE", help="bundles of students (default: the lookups of the store)", place=True, ending=BUNDLE),
    ],
    limit: Limit = None,
    model: Model = None,
    since: Since = None,
    at: At = None,
    space: Space = None,
) -> pd.DataFrame:
    """Show who missed which question, with the nearest question that is recorded.

    A question is listed until it is answered from the cache. ``who`` is the role that asked, with a team, else the
    notebook. ``gptcache_magics.tables.columns.MISSED`` lists the columns.

    Parameters
    ----------
    bundles
        What students have saved: listed is what they asked that the store has no answer to, and what they missed
        (``%gptcache save anna.jsonl --missed``). ``who`` is the name of the file.
    at
        The lesson, or a store with lookups; the cache that is on by default.
    """
    from gptcache_magics.explain import missed as table

    if bundles:
        return _of_bundles(controller.source(at, space).settled(), bundles, model, since, limit)
    team = at is None and controller.cache is not None and team_behind(controller.cache.store) is not None
    source = tables_of_team("missed") if team else controller.explained(at, space)
    if source.ledger is None and names_bundle(source.store.where):
        raise CommandError(
            f"missed: {source.where} is a bundle, which holds answers and no lookups. "
            f"What students asked beyond it: {EXAMPLE}"
        )
    asked = table.unanswered(source.store, source.period(since), models_of(source.store, model))
    df = table.missed(source.store, asked[:limit])
    return df if len(df) else or_sentence(df, no_misses(source, since, at, space))


def _of_bundles(
    lesson: Source, bundles: Sequence[str | Path], model: str | None, since: str | None, limit: int | None
) -> pd.DataFrame:
    """Return what the authors of bundles asked that a lesson has no answer to."""
    from gptcache_magics import bundle
    from gptcache_magics.explain import missed as table
    from gptcache_magics.tables import frames, model_names

    after = lesson.period(since).after if since not in (None, "run") else None
    contents = {str(each): bundle.read(each) for each in bundles}
    configurations = [each for read in contents.values() for each in read.configurations]
    chosen = None
    if model is not None:
        known = frames.configurations(lesson.store, configurations)
        chosen = set(known["key"][model_names.named(known, model_names.fitting(known, str(model)))])
    asked = [
        row
        for name, read in contents.items()
        for row in table.asked_in(lesson.store, read, _author(name, contents), after or 0.0, chosen)
    ]
    df = table.missed(lesson.store, asked[:limit], configurations)
    return df if len(df) else or_sentence(df, f"{lesson.where} answers all that was asked.")


def _author(path: str, others: Iterable[str]) -> str:
    """Return the name of a file without folder and ending; with its folder if another file has that name."""
    name = Path(shown_address(path)).stem
    same = sum(Path(shown_address(each)).stem == name for each in others)
    return name if same == 1 else os.path.splitext(shown_address(path))[0]
