"""Run a script, read a store or verify a notebook from a shell: ``python -m gptcache_magics stats --at .gptcache``."""

from __future__ import annotations

import os
import re
import shutil
import sys
from io import TextIOWrapper
from itertools import pairwise
from shlex import quote
from typing import Any, Final

from gptcache_magics import commands, run
from gptcache_magics.commands import _load_at
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError, GPTCacheMagicsError
from gptcache_magics.lookup.options import local_folder
from gptcache_magics.store.postgres.address import is_address, without_password
from gptcache_magics.team import commands as team
from gptcache_magics.text.choices import nearest
from gptcache_magics.text.web_address import is_web_address
from gptcache_magics.unprintable import printable
from gptcache_magics.widgets.formats import one_line

PROGRAM: Final = "python -m gptcache_magics"
TABLES: Final = ("stats", "models", "entries", "lookups", "missed", "doctor", "verify")
LOAD: Final = "load"
COMMANDS: Final = (*TABLES, "show", "why", "save", LOAD)
TEAM: Final = "team"
RUN: Final = "run"
NEXT: Final = re.compile(r"^ *next +.*$", re.MULTILINE)
"""Finds the line of an explanation that says what to type."""
FORMATS: Final = ("--csv", "--json")
ROWS: Final = 1_000
"""Most rows of a table that is shown as columns: more of them take seconds."""
CHARACTERS: Final = 60
"""Most characters of a text in a table."""
HELP: Final = f"""An LLM cache for notebooks you can see.

  {PROGRAM} run SCRIPT [ARGUMENTS] [--store WHERE | --bundle FILE] [--mode MODE] [--budget MONEY]
      Run a script with the cache on, or replay it from a bundle: {PROGRAM} run --help
  {PROGRAM} verify NOTEBOOK|SCRIPT [--bundle FILE] [--timeout SECONDS]
      Run it from recorded answers only. Exit code 0: everything was replayed; 1: something was not.
  {PROGRAM} stats | models | entries | lookups [--at WHERE] [--csv | --json]
      Show a table of a store: a folder (default: .gptcache), a bundle, or postgresql://… (with --space NAME).
  {PROGRAM} missed [FILE …] [--at WHERE] [--csv | --json]
      Show who asked what in vain: of a store, or of students' bundles that a lesson lacks (--at lesson.jsonl).
  {PROGRAM} show ID | why NUMBER | save FILE [--at WHERE]
      Show an entry, explain a lookup, or write all entries to a bundle.
  {PROGRAM} load FILE [--at WHERE]
      Add the entries of a bundle to a store, which is made if it is not there.
  {PROGRAM} doctor [--at WHERE]
      Check the installed packages and the store. Exit code 0: all is well; 1: something is not.
  {PROGRAM} team init | status | prune URL
      Make, look at and tidy up the PostgreSQL of a team: {PROGRAM} team --help
  {PROGRAM} stats --help
  {PROGRAM} --version

Everything else is for notebooks: %load_ext gptcache_magics"""


def main(words: list[str]) -> int:
    """Run one command. Return its exit code, which is 2 for wrong use."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a console of Windows may not know every character
            stream.reconfigure(errors="replace")
    at = _value(words, "--at") if words[:1] != [RUN] else ""
    there = _typed(at, _value(words, "--space"))
    try:
        if words[:1] == [RUN]:
            return run.main(words[1:])
        text, code = _run(words, at, there)
        print(text)  # noqa: T201
        for notice in controller.news():
            print(_here(notice, there), file=sys.stderr)  # noqa: T201
        sys.stdout.flush()
    except GPTCacheMagicsError as error:
        print(without_password(_here(str(error), there)), file=sys.stderr)  # noqa: T201
        return 2
    except BrokenPipeError:  # as "| head" ends; Python would write to the pipe once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _value(words: list[str], option: str) -> str:
    """Return the value that a line gives an option; empty if it gives none."""
    follows = [after for word, after in pairwise(words) if word == option]
    joined = [word.removeprefix(f"{option}=") for word in words if word.startswith(f"{option}=")]
    return next(iter([*follows, *joined]), "")


def _typed(at: str, space: str) -> str:
    """Return the options that name a place, without a password; empty for the default place."""
    return (f" --at {quote(without_password(at))}" if at else "") + (f" --space {quote(space)}" if space else "")


def _run(words: list[str], at: str, there: str) -> tuple[str, int]:
    """Return what a command shows, and the exit code."""
    name, *rest = words or ["--help"]
    if name in ("--help", "-h", "help"):
        return HELP, 0
    if name == commands.VERSION and not rest:
        return commands.versions(), 0
    if name == TEAM:
        return team.run(rest), 0
    if name in commands.COMMANDS and name not in COMMANDS:
        raise CommandError(f"{name} is for notebooks: %load_ext gptcache_magics. In a shell: {', '.join(COMMANDS)}.")
    if name not in COMMANDS:
        raise CommandError(
            f"No command '{name}'.{nearest(name, (*COMMANDS, RUN, TEAM, '--help', commands.VERSION))} {PROGRAM} --help"
        )
    parser = _load_at.parser() if name == LOAD else commands.parser(name)
    if "--help" in rest or "-h" in rest:
        formats = "\n\nAs a file: --csv or --json" if name in TABLES else ""
        return _here(parser.format_help().strip()) + formats, 0
    given = [word for word in rest if word in FORMATS]
    if given and name not in TABLES:
        raise CommandError(f"{name}: {given[0]} is for tables: {', '.join(TABLES)}.")
    if len(given) > 1:
        raise CommandError(f"{name}: --csv or --json. Give one of them, once.")
    several, arguments = parser.parse([word for word in rest if word not in FORMATS])
    if "at" in arguments and name != LOAD:
        arguments["at"] = arguments["at"] or _default_store()
    result = parser.call(several, arguments)
    return _shown(result, "".join(given), there), 0 if getattr(result, "ok", True) else 1


def _default_store() -> str:
    place = str(controller.place_for(None))
    if is_address(place):  # the tables of a team are those of its folder here, unless --at names them
        place = local_folder()
    if not is_web_address(place) and not os.path.exists(os.path.expanduser(place)):
        raise CommandError(f"There is no store in {place} here. Name one: --at FOLDER, or --at lesson.jsonl")
    return place


def _shown(result: Any, format: str, there: str = "") -> str:
    """Return what a command has returned: a table as columns, CSV or JSON, anything else as text."""
    import pandas as pd

    from gptcache_magics.commands._checks import Checkup
    from gptcache_magics.tables.mark import nothing_in

    if format and hasattr(result, "to_frame"):
        result = result.to_frame()
    if not isinstance(result, pd.DataFrame):
        if format:
            raise CommandError(f"{format} is for tables, and this is not one.")
        if isinstance(result, str | Checkup):
            return _here(result if isinstance(result, str) else str(result), there)
        # Anything else quotes prompts and cells, in which a line of the cache stays as it is.
        return NEXT.sub(lambda tip: _here(tip[0], there), str(result))
    if format == "--csv":
        return str(result.to_csv(index=bool(result.index.name))).removesuffix("\n")
    if format == "--json":
        rows = result.reset_index() if result.index.name else result
        return str(rows.to_json(orient="records", date_format="iso", date_unit="us"))
    if result.empty:
        return _here(nothing_in(result), there) or "No rows."
    if len(result) > ROWS:
        more = f"\n{len(result) - ROWS:,} more rows. All: --csv. Fewer: -n {ROWS // 10}"
        return _shown(result.head(ROWS), format) + more
    # Older pandas would break a row where a text has a line break; in a pipe, each row is one line.
    texts = {
        str(name): each.map(_shortened, na_action="ignore") for name, each in result.items() if each.dtype == "string"
    }
    result = result.assign(**texts)
    return printable(result.to_string(line_width=shutil.get_terminal_size().columns if sys.stdout.isatty() else None))


def _shortened(text: str) -> str:
    return one_line(text, CHARACTERS)


def _here(text: str, there: str = "") -> str:
    """Return a text with the commands as they are typed in a shell, about the place that the line names: ``there``."""

    def typed(command: re.Match[str]) -> str:
        place = there if command[2] != "verify" and "--at" not in command.string else ""
        return f"{PROGRAM} {command[2]}{place}"

    return re.sub(rf"(\w+ = )?%gptcache ({'|'.join(COMMANDS)})\b", typed, text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
