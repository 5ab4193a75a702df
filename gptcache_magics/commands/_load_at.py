"""``load`` in a shell, where no cache is on: it is on for as long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from gptcache_magics import commands
from gptcache_magics.commands._parser import Option, Parser, checked
from gptcache_magics.commands.load import EXAMPLE, File, From, Keep, Replace
from gptcache_magics.errors import CommandError
from gptcache_magics.settings import names_bundle

__all__ = ["parser"]


def parser() -> Parser:
    """Return a parser for the words after ``load``."""
    return Parser("%gptcache load", load, EXAMPLE)


@checked
def load(
    path: File,
    *,
    from_: From = None,
    keep: Keep = False,
    replace: Replace = False,
    at: Annotated[
        str | Path | None,
        Option(
            metavar="WHERE", help="add to this store: a folder, or a team's postgresql://…; made if it is not there"
        ),
    ] = None,
    space: Annotated[
        str | None, Option(metavar="NAME", help="with a team's store: the part of it to add to (default: default)")
    ] = None,
) -> str:
    """Add the entries of a bundle or of LangChain's SQLiteCache to a store.

    An answer that the store has already is kept, or with ``replace`` replaced.
    """
    if at is not None and names_bundle(at):
        raise CommandError(
            f"load: --at names the store that the entries go to, and a bundle is only read. Got {at}. "
            "Example: %gptcache load lesson.jsonl --at .gptcache"
        )
    commands.function("on")(at, space=space)
    try:
        return str(commands.function("load")(path, from_=from_, keep=keep, replace=replace))
    finally:
        commands.function("off")()
