"""Run ``python -m gptcache_magics verify lesson.ipynb``, for a shell or a build."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Final

from gptcache_magics import commands
from gptcache_magics.commands.verify import verify
from gptcache_magics.errors import GPTCacheMagicsError

PROGRAM: Final = "python -m gptcache_magics"
HELP: Final = f"""An LLM cache for notebooks you can see.

  {PROGRAM} verify NOTEBOOK [--bundle FILE] [--timeout SECONDS]
      Run a copy of the notebook from recorded answers. Exit code 0: everything was replayed; 1: something was not.
  {PROGRAM} verify --help
  {PROGRAM} --version

Everything else is for notebooks: %load_ext gptcache_magics"""


def main(words: list[str]) -> int:
    """Run one command. Return its exit code, which is 2 for wrong use."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a console of Windows may not know every character
            stream.reconfigure(errors="replace")
    try:
        return _run(words)
    except GPTCacheMagicsError as error:
        print(_here(str(error)), file=sys.stderr)  # noqa: T201
        return 2


def _run(words: list[str]) -> int:
    if not words or words[0] in ("--help", "-h", "help"):
        print(HELP)  # noqa: T201
        return 0
    if words == [commands.VERSION]:
        print(commands.versions())  # noqa: T201
        return 0
    if words[0] != "verify":
        print(f"No command '{words[0]}'. {PROGRAM} --help", file=sys.stderr)  # noqa: T201
        return 2
    parser = commands.parser("verify")
    if "--help" in words or "-h" in words:
        print(_here(parser.format_help().strip()))  # noqa: T201
        return 0
    _, arguments = parser.parse(words[1:])
    report = verify(**arguments)
    print(report)  # noqa: T201
    return 0 if report.ok else 1


def _here(text: str) -> str:
    """Return a text with the command as it is typed in a shell."""
    return text.replace("%gptcache verify", f"{PROGRAM} verify")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
