"""``%gptcache remove``: take entries out of the store, in a way that can be undone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gptcache_magics.commands._parser import Parser
from gptcache_magics.commands._selection import configurations_of, named_keys
from gptcache_magics.controller import controller
from gptcache_magics.editing import MANY
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection
from gptcache_magics.text.amounts import byte_size, counted, seconds_of

if TYPE_CHECKING:
    import pandas as pd

HELP = "Remove entries by id, model, words or age; pinned ones only by id. `undo` brings them back."
EXAMPLE = "%gptcache remove --older 30d --dry-run"


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_argument("ids", nargs="*", metavar="ID", help="ids of entries, or their first digits")
    parser.add_option("-m", "--model", help="of this model")
    parser.add_option("--grep", metavar="RE", help="whose prompt or question match this regular expression")
    parser.add_option("--tag", help="with this tag")
    parser.add_option("--older", metavar="TIME", help="stored before this time, such as 30d")
    parser.add_option("--unused", metavar="TIME", help="neither stored nor hit since, such as 90d")
    parser.add_option("--expired", action="store_true", help="not served any more")
    parser.add_option("--dry-run", action="store_true", help="list them, remove nothing")
    parser.add_option("--yes", action="store_true", help="without it, at most 20 are removed")


def remove(
    *ids: str,
    model: str | None = None,
    grep: str | None = None,
    tag: str | None = None,
    older: str | None = None,
    unused: str | None = None,
    expired: bool = False,
    dry_run: bool = False,
    yes: bool = False,
) -> pd.DataFrame | str:
    """Remove the entries that fit every condition; with ``dry_run`` list them as a DataFrame.

    Pinned entries are only removed when they are named by id.
    """
    store = controller.source().store
    if not ids and not any((model, grep, tag, older, unused, expired)):
        raise CommandError(
            "remove: say which entries: ids, --model, --grep, --tag, --older, --unused or --expired. "
            f"Example: {EXAMPLE}"
        )
    selection = Selection(
        ids=named_keys(store, ids) if ids else None,
        configurations=configurations_of(store, model),
        grep=grep,
        tag=tag,
        older_than=time.time() - seconds_of(older, "--older takes a time such as 30d") if older else None,
        unused_since=time.time() - seconds_of(unused, "--unused takes a time such as 90d") if unused else None,
        expired_at=time.time() if expired else None,
        pinned=None if ids else False,
    )
    return removed(selection, dry_run=dry_run, yes=yes)


def removed(selection: Selection, *, dry_run: bool, yes: bool) -> pd.DataFrame | str:
    """Remove a selection, ask before many; the line to print, or the table of a dry run."""
    source = controller.source()
    source.flush()
    number, size = source.store.count(selection)
    if dry_run:
        from gptcache_magics.tables import frames

        return frames.entries(source.store, selection)
    if number > MANY and not yes:
        raise CommandError(f"This removes {counted(number, 'entry')}. Add --yes, or --dry-run to list them.")
    if not number:
        return "Nothing to remove."
    source.store.remove(selection)
    return f"{counted(number, 'entry')} removed, {byte_size(size)}. Bring them back: %gptcache undo"
