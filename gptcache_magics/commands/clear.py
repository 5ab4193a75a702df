"""``%gptcache clear``: empty the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, overload

from gptcache_magics.commands._parser import Option, checked
from gptcache_magics.commands.remove import DryRun, Yes, removed
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection
from gptcache_magics.text.amounts import counted

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = "%gptcache clear --yes"


@overload
def clear(*, log: bool = ..., dry_run: Literal[False] = ..., yes: bool = ...) -> str: ...


@overload
def clear(*, log: bool = ..., dry_run: Literal[True], yes: bool = ...) -> pd.DataFrame: ...


@overload
def clear(*, log: bool = ..., dry_run: bool, yes: bool = ...) -> pd.DataFrame | str: ...


@checked
def clear(
    *,
    log: Annotated[bool, Option(help="remove the lookups too; `undo` does not bring them back")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> pd.DataFrame | str:
    """Remove all entries of this store; the lookups stay unless --log."""
    cache = controller.cache
    if cache is not None and cache.external_cache:
        if dry_run or not yes:
            raise CommandError(
                f"clear: the answers are in {cache.external_cache}, which does not list them and cannot bring them "
                "back. To clear it: %gptcache clear --yes"
            )
        result: pd.DataFrame | str = f"{cache.external_cache} is cleared.{cache.empty()} That cannot be undone."
    else:
        result = removed(Selection(), dry_run=dry_run, yes=yes)
    if log and not dry_run:
        number = controller.source().store.forget_lookups()
        return f"{counted(number, 'lookup')} removed. {result}"
    return result
