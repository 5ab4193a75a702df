"""``%gptcache unpin``: remove the mark of `pin`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Literal, Unpack, overload

from gptcache_magics import editing
from gptcache_magics.commands._parser import checked
from gptcache_magics.commands._selection import Ids
from gptcache_magics.commands._selectors import DryRun, Selectors, Yes, change

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = "%gptcache unpin a41f"


@overload
def unpin(
    *ids: str | Iterable[str], dry_run: Literal[False] = ..., yes: bool = ..., **selectors: Unpack[Selectors]
) -> str: ...


@overload
def unpin(
    *ids: str | Iterable[str], dry_run: Literal[True], yes: bool = ..., **selectors: Unpack[Selectors]
) -> pd.DataFrame: ...


@overload
def unpin(
    *ids: str | Iterable[str], dry_run: bool, yes: bool = ..., **selectors: Unpack[Selectors]
) -> pd.DataFrame | str: ...


@checked
def unpin(*ids: Ids, dry_run: DryRun = False, yes: Yes = False, **selectors: Unpack[Selectors]) -> pd.DataFrame | str:
    """Remove the mark of `pin`."""
    return change(
        "unpins", partial(editing.pin, pinned=False), ids, example=EXAMPLE, dry_run=dry_run, yes=yes, **selectors
    )
