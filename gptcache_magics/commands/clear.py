"""``%gptcache clear``: empty the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gptcache_magics.commands._parser import Parser
from gptcache_magics.commands.remove import removed
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection
from gptcache_magics.text.amounts import counted

if TYPE_CHECKING:
    import pandas as pd

HELP = "Remove all entries of this store; the lookups stay unless --log."
EXAMPLE = "%gptcache clear --yes"


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_option("--log", action="store_true", help="remove the lookups too")
    parser.add_option("--dry-run", action="store_true", help="list the entries, remove nothing")
    parser.add_option("--yes", action="store_true", help="without it, at most 20 are removed")


def clear(*, log: bool = False, dry_run: bool = False, yes: bool = False) -> pd.DataFrame | str:
    """Remove all entries; ``log`` removes the lookups too, which ``undo`` does not bring back."""
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
