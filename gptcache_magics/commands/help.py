"""``%gptcache help``: explain the commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gptcache_magics import commands
from gptcache_magics.commands._cell import CELL_LINE, cell_parser
from gptcache_magics.commands._cell import EXAMPLE as CELL_EXAMPLE
from gptcache_magics.commands._parser import Word, checked, summary
from gptcache_magics.errors import CommandError

EXAMPLE = "%gptcache help stats"


@dataclass(frozen=True)
class Help:
    """Text to read."""

    text: str

    def __repr__(self) -> str:
        return self.text


@checked
def help(
    name: Annotated[str | None, Word("COMMAND", help="a sub-command", suggest=lambda: commands.COMMANDS)] = None,
) -> Help:
    """Explain all commands, or one with its options."""
    if name is None:
        lines = [f"  %gptcache {each:<8} {summary(commands.function(each))}" for each in commands.COMMANDS]
        return Help(
            "\n".join(
                [
                    "Cache LangChain's model calls and see what it saves.",
                    "",
                    *lines,
                    "",
                    f"  {CELL_EXAMPLE}   as the first line of a cell: for this cell only",
                    "",
                    "More: %gptcache help on, %%gptcache --help, %gptcache --version",
                ]
            )
        )
    if name == CELL_LINE:
        return Help(cell_parser().format_help().strip())
    if name not in commands.COMMANDS:
        raise CommandError(commands.unknown(name))
    return Help(commands.parser(name).format_help().strip())
