"""``%gptcache pin``: mark entries to keep."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Unpack, overload

from gptcache_magics import editing
from gptcache_magics.commands._parser import checked
from gptcache_magics.commands._selection import Ids
from gptcache_magics.commands._selectors import DryRun, Selectors, Yes, change

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = "%gptcache pin a41f"


@overload
def pin(
    *ids: str | Iterable[str], dry_run: Literal[False] = ..., yes: bool = ..., **selectors: Unpack[Selectors]
) -> str: ...


@overload
def pin(
    *ids: str | Iterable[str], dry_run: Literal[True], yes: bool = ..., **selectors: Unpack[Selectors]
) -> pd.DataFrame: ...


@overload
def pin(
    *ids: str | Iterable[str], dry_run: bool, yes: bool = ..., **selectors: Unpack[Selectors]
) -> pd.DataFrame | str: ...


@checked
def pin(*ids: Ids, dry_run: DryRun = False, yes: Yes = False, **selectors: Unpack[Selectors]) -> pd.DataFrame | str:
    """Keep entries: `remove` leaves them, unless they are named by id or asked for with --pinned."""
    return change("pins", editing.pin, ids, example=EXAMPLE, dry_run=dry_run, yes=yes, **selectors)
