"""Make, look at and tidy up a team's store from a shell. A command is a function that returns its text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Final

from gptcache_magics.commands._parser import Option, Parser, Word, summary
from gptcache_magics.errors import CommandError, GPTCacheMagicsError
from gptcache_magics.store.postgres.address import DEFAULT_SPACE, Address, check_form, is_address
from gptcache_magics.text.amounts import bytes_of, seconds_of
from gptcache_magics.text.choices import nearest

__all__ = ["COMMANDS", "run"]

PROGRAM: Final = "python -m gptcache_magics team"
EXAMPLE: Final = "postgresql://USER@HOST/DATABASE"

Url = Annotated[str, Word("URL", help="the database, as postgresql://USER@HOST/DATABASE")]
Space = Annotated[str | None, Option(metavar="NAME", help="only this space (default: all)")]
Pooled = Annotated[bool, Option(help="a pooler such as pgbouncer is between")]


def init(
    url: Url,
    *,
    space: Annotated[str, Option(metavar="NAME", help="the space whose roles are made")] = DEFAULT_SPACE,
    apply: Annotated[bool, Option(help="run the SQL instead of printing it")] = False,
) -> str:
    """Print the SQL that makes the store and the roles of a space: reader, writer and editor."""
    from gptcache_magics.store.postgres import administration
    from gptcache_magics.store.postgres.script import printed
    from gptcache_magics.team import report

    address = _address(url, space)
    if not apply:
        return printed(address)
    administration.apply(address)
    return report.made(address)


def status(url: Url, *, space: Space = None, pooled: Pooled = False) -> str:
    """Show version, sizes, entries, lookups a day, authors and connections."""
    from gptcache_magics.store.postgres.administration import opened
    from gptcache_magics.store.postgres.facts import facts
    from gptcache_magics.team import report

    address = _address(url, space, pooled=pooled)
    with opened(address) as line:
        return report.status(address, facts(line, space))


def prune(
    url: Url,
    *,
    older: Annotated[str | None, Option(metavar="TIME", help="entries that were created before, as 90d")] = None,
    unused: Annotated[str | None, Option(metavar="TIME", help="entries that nobody asked for since, as 90d")] = None,
    max_size: Annotated[
        str | None, Option(metavar="SIZE", help="entries that were unused for longest, above this, as 20GB")
    ] = None,
    log: Annotated[str | None, Option(metavar="TIME", help="lookups before, in whole weeks, as 8w")] = None,
    space: Space = None,
    pooled: Pooled = False,
    dry_run: Annotated[bool, Option(help="count, and remove nothing")] = False,
) -> str:
    """Remove what is expired, too old or too much. Files of members keep their copies."""
    from gptcache_magics.store.postgres.administration import check_may_remove, opened
    from gptcache_magics.store.postgres.retention import Limits, server_time
    from gptcache_magics.store.postgres.retention import prune as remove
    from gptcache_magics.team import report

    ages = {"older": _age("older", older), "unused": _age("unused", unused), "log": _age("log", log)}
    size = _size(max_size)
    address = _address(url, space, pooled=pooled)
    with opened(address) as line:
        check_may_remove(line, address, space)
        now = server_time(line)
        moments = {name: None if age is None else max(0.0, now - age) for name, age in ages.items()}
        found = remove(line, Limits(**moments, size=size, space=space), dry_run=dry_run)
    return report.pruned(address, found, dry_run=dry_run)


COMMANDS: Final[dict[str, tuple[Callable[..., str], str]]] = {
    "init": (init, f"{PROGRAM} init {EXAMPLE} | psql {EXAMPLE}"),
    "status": (status, f"{PROGRAM} status {EXAMPLE}"),
    "prune": (prune, f"{PROGRAM} prune {EXAMPLE} --unused 90d --max-size 20GB --log 8w --dry-run"),
}
"""Function and example of each command."""


def run(words: Sequence[str]) -> str:
    """Run the command that the first word names, and return what it shows.

    Raises
    ------
    CommandError
        If the words are wrong, or the store cannot be used. The sentence is for a shell.
    """
    name, *rest = words or ["--help"]
    if name in ("--help", "-h"):
        lines = (f"  {PROGRAM} {name} URL\n      {summary(function)}" for name, (function, _) in COMMANDS.items())
        return "\n".join(["Make, look at and tidy up the store of a team.\n", *lines, f"\n{PROGRAM} prune --help"])
    if name not in COMMANDS:
        raise CommandError(f"team takes {', '.join(COMMANDS)}. Got '{name}'.{nearest(name, COMMANDS)} {PROGRAM} --help")
    function, example = COMMANDS[name]
    parser = Parser(f"{PROGRAM} {name}", function, example)
    if "--help" in rest or "-h" in rest:
        return parser.format_help().strip()
    _, arguments = parser.parse(list(rest))
    try:
        return function(**arguments)
    except GPTCacheMagicsError as error:
        text = str(error).replace("%gptcache on ", f"{PROGRAM} {name} ").replace("%pip ", "pip ")
        raise CommandError(text) from error


def _address(url: str, space: str | None, *, pooled: bool = False) -> Address:
    check_form(url)
    if not is_address(url):
        raise CommandError(f"A team's store is named by a URL such as {EXAMPLE}. Got '{url}'.")
    return Address.parse(url, DEFAULT_SPACE if space is None else space, pooled=pooled)


def _age(name: str, text: str | None) -> float | None:
    """Return seconds. Minutes are refused: ``3m`` may have been meant as months."""
    if text is None:
        return None
    allowed = f"--{name} takes days or weeks above 0, such as 90d or 8w"
    if not re.fullmatch(r"\d*\.?\d*[hdw]", text.strip().lower(), re.ASCII) or not (age := seconds_of(text, allowed)):
        raise CommandError(f"{allowed}. Got '{text}'.")
    return age


def _size(text: str | None) -> float | None:
    if text is None:
        return None
    if not (size := bytes_of(text)):
        raise CommandError(f"--max-size takes a size above 0, such as 500MB or 2GB. Got '{text}'.")
    return size
