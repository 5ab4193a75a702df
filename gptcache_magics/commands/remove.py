"""``%gptcache remove``: remove entries so that `undo` can bring them back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, overload

from gptcache_magics import editing
from gptcache_magics.commands._parser import Option, Word, checked
from gptcache_magics.commands._selection import TO_CHANGE, Expired, Grep, Model, Older, Tag, Unused, entry_ids, selected
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection
from gptcache_magics.text.amounts import counted

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = "%gptcache remove --older 30d --dry-run"

DryRun = Annotated[bool, Option(help="list the entries, remove nothing")]
Yes = Annotated[bool, Option(help=f"without it, at most {editing.MANY} are removed")]


@overload
def remove(
    *ids: str | Iterable[str],
    model: Model = ...,
    grep: Grep = ...,
    tag: Tag = ...,
    older: Older = ...,
    unused: Unused = ...,
    expired: Expired = ...,
    dry_run: Literal[False] = ...,
    yes: Yes = ...,
) -> str: ...


@overload
def remove(
    *ids: str | Iterable[str],
    model: Model = ...,
    grep: Grep = ...,
    tag: Tag = ...,
    older: Older = ...,
    unused: Unused = ...,
    expired: Expired = ...,
    dry_run: Literal[True],
    yes: Yes = ...,
) -> pd.DataFrame: ...


@overload
def remove(
    *ids: str | Iterable[str],
    model: Model = ...,
    grep: Grep = ...,
    tag: Tag = ...,
    older: Older = ...,
    unused: Unused = ...,
    expired: Expired = ...,
    dry_run: bool,
    yes: Yes = ...,
) -> pd.DataFrame | str: ...


@checked
def remove(
    *ids: Annotated[str | Iterable[str], Word("ID", help="ids of entries, or their first digits", suggest=entry_ids)],
    model: Model = None,
    grep: Grep = None,
    tag: Tag = None,
    older: Older = None,
    unused: Unused = None,
    expired: Expired = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> pd.DataFrame | str:
    """Remove entries by id, model, words or age; pinned ones only by id. `undo` brings them back.

    Only entries that fit every condition are removed; with ``dry_run`` they are returned as a table.
    """
    source = controller.source()
    if not ids and not any((model, grep, tag, older, unused, expired)):
        raise CommandError(
            "remove: say which entries: ids, --model, --grep, --tag, --older, --unused or --expired. "
            f"Example: {EXAMPLE}"
        )
    selection = selected(
        source,
        ids,
        model=model,
        grep=grep,
        tag=tag,
        older=older,
        unused=unused,
        expired=expired,
        pinned=None if ids else False,
        least=TO_CHANGE,
    )
    return removed(selection, dry_run=dry_run, yes=yes)


def removed(selection: Selection, *, dry_run: bool, yes: bool) -> pd.DataFrame | str:
    """Remove a selection; many only with ``yes``. Returns a sentence for the user, or the table of a dry run."""
    source = controller.source().settled()  # what is removed explains misses
    if dry_run:
        from gptcache_magics.tables import frames

        return frames.entries(source.store, selection)
    number, _ = source.store.count(selection)
    if number > editing.MANY and not yes:
        raise CommandError(f"This removes {counted(number, 'entry')}. Add --yes, or --dry-run to list them.")
    if not number:
        return "Nothing to remove."
    _, sentence = editing.remove(source.store, selection)
    return f"{sentence} Bring them back: %gptcache undo"
