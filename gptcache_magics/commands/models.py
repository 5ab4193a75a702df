"""``%gptcache models``: the content of the store, model by model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from gptcache_magics.commands._nothing import no_models, or_sentence
from gptcache_magics.commands._parser import Option, checked
from gptcache_magics.commands._selection import At, Space, configurations_of
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Store

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = "%gptcache models"
SAME = "No parameter differs. All configurations: %gptcache stats --by configuration --since all"
EXAMPLE_DIFF = '%gptcache models --diff "gpt-4o-mini" "gpt-4o-mini · T 0.9"'


@checked
def models(
    *,
    diff: Annotated[
        Sequence[str] | None, Option(metavar="A B", help="only the parameters in which two configurations differ")
    ] = None,
    at: At = None,
    space: Space = None,
) -> pd.DataFrame:
    """Show one row per model: configurations, entries, size, hits.

    ``gptcache_magics.tables.columns.MODELS`` lists the columns. With ``diff``, the labels or model names of two
    configurations, return one row for each parameter in which they differ.
    """
    from gptcache_magics.tables import frames

    source = controller.source(at, space).settled()
    if diff is None:
        df = frames.models(source.store)
        return df if len(df) else or_sentence(df, no_models(source, at))
    if isinstance(diff, str) or len(diff) != 2:
        raise CommandError(f"models: diff is two configurations. Got {diff!r}. Example: {EXAMPLE_DIFF}")
    df = frames.differences(source.store, *(_one(source.store, str(name)) for name in diff))
    return df if len(df) else or_sentence(df, SAME)


def _one(store: Store, name: str) -> str:
    """Return the key of the only configuration that a name fits."""
    from gptcache_magics.tables import frames

    keys = configurations_of(store, name) or []
    if len(keys) != 1:
        known = frames.configurations(store)
        labels = ", ".join(repr(label) for label in known["configuration"][known["key"].isin(keys)])
        raise CommandError(f"'{name}' has {len(keys)} configurations: {labels}. Name one by its label: {EXAMPLE_DIFF}")
    return keys[0]
