"""The sub-commands of ``%gptcache``, one file each.

A command is a module with an ``EXAMPLE`` and a ``@checked`` function of its own name, which is also the Python function
of that name in ``gptcache_magics``: the magic parses its line and calls it. The function's signature declares what may
be typed (:mod:`._parser`). The first line of its docstring is the help.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, Protocol, cast

from gptcache_magics import __version__
from gptcache_magics.commands._parser import Parser, words
from gptcache_magics.text.choices import nearest

__all__ = [
    "COMMANDS",
    "VERSION",
    "Command",
    "command",
    "function",
    "installed_version",
    "parser",
    "unknown",
    "versions",
    "words",
]

COMMANDS: Final = (
    *("on", "off", "status", "mode", "stats", "models", "entries", "show", "lookups", "why", "missed", "compare"),
    *("panel", "pin", "unpin", "tag", "edit", "remove", "clear", "undo", "save", "load"),
    *("map", "tune", "label", "verify", "doctor", "help"),
)
"""Every sub-command, in the order of the help."""
VERSION: Final = "--version"


class Command(Protocol):
    """The module of a sub-command."""

    EXAMPLE: str


def command(name: str) -> Command:
    """Return the module of a sub-command."""
    return cast(Command, import_module(f"gptcache_magics.commands.{name}"))


def function(name: str) -> Callable[..., Any]:
    """Return the function of a sub-command."""
    return cast(Callable[..., Any], getattr(command(name), name))


def parser(name: str) -> Parser:
    """Return a parser for the words after a sub-command."""
    return Parser(f"%gptcache {name}", function(name), command(name).EXAMPLE)


def unknown(name: str) -> str:
    """Return the sentence about a word that is not a sub-command."""
    return f"No sub-command '{name}'.{nearest(name, ('--help', VERSION, *COMMANDS))} All: %gptcache help"


def versions() -> str:
    """Return the versions of this package and of the two that it stands on."""
    others = (f"{name} {installed_version(name) or 'missing'}" for name in ("gptcache", "langchain-core"))
    return ", ".join([f"gptcache-magics {__version__}", *others])


def installed_version(name: str) -> str | None:
    """Return the version of a package; None if it is not installed."""
    from importlib import metadata  # not when the extension is loaded

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
