"""``%gptcache remove``: remove entries so that `undo` can bring them back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Unpack, overload

from gptcache_magics import editing
from gptcache_magics.commands._nothing import or_sentence
from gptcache_magics.commands._parser import checked
from gptcache_magics.commands._selection import TO_CHANGE, Ids
from gptcache_magics.commands._selectors import NAMES, DryRun, Selectors, Yes, any_of, selected, too_many
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError, StoreError
from gptcache_magics.store.protocol import Selection, Store, WithTeam, team_behind
from gptcache_magics.text.amounts import counted

if TYPE_CHECKING:
    import pandas as pd

NOTHING = "Nothing to remove."
EXAMPLE = "%gptcache remove --older 30d --dry-run"


@overload
def remove(
    *ids: str | Iterable[str], dry_run: Literal[False] = ..., yes: bool = ..., **selectors: Unpack[Selectors]
) -> str: ...


@overload
def remove(
    *ids: str | Iterable[str], dry_run: Literal[True], yes: bool = ..., **selectors: Unpack[Selectors]
) -> pd.DataFrame: ...


@overload
def remove(
    *ids: str | Iterable[str], dry_run: bool, yes: bool = ..., **selectors: Unpack[Selectors]
) -> pd.DataFrame | str: ...


@checked
def remove(*ids: Ids, dry_run: DryRun = False, yes: Yes = False, **selectors: Unpack[Selectors]) -> pd.DataFrame | str:
    """Remove entries by id, model, words or age; pinned ones only by id or --pinned. `undo` brings them back.

    Only entries that fit every condition are removed; with ``dry_run`` they are returned as a table.
    """
    source = controller.source()
    if not ids and not any_of(selectors):
        raise CommandError(f"remove: say which entries: {NAMES}. Example: {EXAMPLE}")
    if selectors.get("cell") is not None:
        source = source.settled()
    selection = selected(source, ids, unpinned=not ids, least=TO_CHANGE, everywhere=True, **selectors)
    return removed(selection, dry_run=dry_run, yes=yes)


def removed(selection: Selection, *, dry_run: bool, yes: bool) -> pd.DataFrame | str:
    """Remove a selection; many only with ``yes``. Returns a sentence for the user, or the table of a dry run."""
    source = controller.source().settled()  # what is removed explains misses
    team = team_behind(source.store)
    there = _there(team, selection) if team is not None and selection != Selection() else []
    if dry_run:
        df = _listed(source.store, selection, there)
        return df if len(df) else or_sentence(df, NOTHING)
    number, _ = source.store.count(selection)
    stay = _staying(source.store, selection)
    if max(number, len(there)) > editing.MANY and not yes:
        more = f", and {counted(len(there), 'entry')} of the team for everybody" if there else ""
        raise CommandError(too_many("removes", f"{counted(number, 'entry')}{more}"))
    if not number and not there:
        return NOTHING + stay
    removed, sentence = editing.remove(source.store, selection)
    back = "Bring it back" if removed == 1 else "Bring them back"
    return f"{sentence} {back}: %gptcache undo{'.' if stay else ''}{stay}" if removed else sentence + stay


def _staying(store: Store, selection: Selection) -> str:
    """Return how many pinned entries a removal leaves that fit all other conditions; empty for none."""
    number = store.count(replace(selection, pinned=True))[0] if selection.pinned is False else 0
    if not number:
        return ""
    stay, them = ("stays", "it") if number == 1 else ("stay", "them")
    return f" {counted(number, 'pinned entry')} {stay}; --pinned removes {them}."


def _there(team: WithTeam, selection: Selection) -> Sequence[str]:
    """Return the ids of the selected entries that the team has; none for entries of this file while it is away."""
    try:
        return team.selected_there(selection)
    except StoreError as error:
        if selection.ids is not None:  # the store knows whether the team has them
            return []
        raise StoreError(f"Nothing was removed. {error}") from error


def _listed(store: Store, selection: Selection, there: Sequence[str]) -> pd.DataFrame:
    """Return the selected entries here, and then those that only the team has."""
    from gptcache_magics.tables import frames

    here, team = frames.entries(store, selection), team_behind(store)
    known = {id[:8] for id in here.index}
    only = [id for id in there if id[:8] not in known]
    if team is None or not only:
        return here
    import pandas as pd

    with closing(team.tables()) as tables:
        return pd.concat([here, frames.entries(tables, Selection(ids=only))])
