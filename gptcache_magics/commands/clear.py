"""``%gptcache clear``: empty the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, overload

from gptcache_magics import editing
from gptcache_magics.commands._parser import Option, checked
from gptcache_magics.commands.remove import DryRun, Yes, removed
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection, team_behind
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
    log: Annotated[bool, Option(help="remove lookups and earlier answers too; `undo` brings none back")] = False,
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
    elif (team := team_behind(controller.source().store)) is not None and not dry_run:
        address = team.database.address
        if not yes:
            raise CommandError(
                f"clear: this removes the answers of everybody in {address.shown}, space {address.space}, and those "
                "here. Add --yes, or --dry-run to list those here."
            )
        source = controller.source().settled()
        result = f"{editing.remove(source.store, Selection())[1]} The team's store is cleared for everybody. "
        result += "Bring back those that were here: %gptcache undo"
    else:
        result = removed(Selection(), dry_run=dry_run, yes=yes)
    if log and not dry_run:
        number = controller.source().store.forget_lookups()
        return f"{counted(number, 'lookup')} removed. {result}"
    return result
