"""``%gptcache clear``: empty the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, overload

from gptcache_magics import editing
from gptcache_magics.commands._parser import Option, checked
from gptcache_magics.commands._selectors import DryRun, Yes
from gptcache_magics.commands.remove import removed
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection, WithTeam, team_behind
from gptcache_magics.text.amounts import byte_size, counted

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = "%gptcache clear --yes"


@overload
def clear(*, log: bool = ..., embeddings: bool = ..., dry_run: Literal[False] = ..., yes: bool = ...) -> str: ...


@overload
def clear(*, log: bool = ..., embeddings: bool = ..., dry_run: Literal[True], yes: bool = ...) -> pd.DataFrame: ...


@overload
def clear(*, log: bool = ..., embeddings: bool = ..., dry_run: bool, yes: bool = ...) -> pd.DataFrame | str: ...


@checked
def clear(
    *,
    log: Annotated[bool, Option(help="remove lookups and earlier answers too; `undo` brings none back")] = False,
    embeddings: Annotated[bool, Option(help="remove embeddings in place of entries; `undo` brings none back")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> pd.DataFrame | str:
    """Remove all entries of this store; the lookups stay unless --log, and embeddings without --embeddings."""
    cache = controller.cache
    if embeddings:
        return _embeddings(log=log, dry_run=dry_run, yes=yes)
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
        kept = 0 if dry_run else controller.source().store.count_embeddings()[0]
        if kept:
            stay = counted(kept, "embedding stays", "embeddings stay")
            result = f"{result} {stay}: %gptcache clear --embeddings"
    if log and not dry_run:
        number = controller.source().store.forget_lookups()
        return f"{counted(number, 'lookup')} removed. {result}"
    return result


def _embeddings(*, log: bool, dry_run: bool, yes: bool) -> str:
    """Remove the embeddings. Returns a sentence for the user."""
    if log:
        raise CommandError("clear: --log goes with the removal of entries. Leave out --embeddings or --log.")
    store = controller.source().settled().store
    number, size = store.count_embeddings()
    what = f"{counted(number, 'embedding')}, {byte_size(size)}"
    team = team_behind(store)
    if team is not None:
        return _embeddings_of_team(team, what, dry_run=dry_run, yes=yes)
    if dry_run or not number:
        return f"{what} in this store." if number else "No embeddings to remove."
    if number > editing.MANY and not yes:
        raise CommandError(f"clear: this removes {what}, for good. Add --yes.")
    return f"{counted(store.clear_embeddings(), 'embedding')} removed, {byte_size(size)}. That cannot be undone."


def _embeddings_of_team(team: WithTeam, here: str, *, dry_run: bool, yes: bool) -> str:
    """Remove the embeddings here and at the team. Returns a sentence for the user."""
    number, size = team.embeddings_there()
    address, what = team.database.address, f"{counted(number, 'embedding')}, {byte_size(size)}"
    if dry_run:
        return f"{here} in this folder; {what} at the team."
    if not yes:
        raise CommandError(
            f"clear: this removes the embeddings of everybody in {address.shown}, space {address.space} ({what}), and "
            f"those here ({here}), for good. Add --yes."
        )
    removed = counted(team.clear_embeddings(), "embedding")
    return f"{removed} removed here, and those of the team for everybody ({what}). That cannot be undone."
