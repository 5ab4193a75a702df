"""Answer a wrong word or number with one sentence, and name the word that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Final

from gptcache_magics.errors import CommandError

__all__ = ["LARGEST", "check_choice", "check_flag", "check_number", "nearest"]

LARGEST: Final = 1_000_000_000_000
"""The largest number of rows, lookups and the like that can be named."""


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Raise ``CommandError`` unless the value is one of the choices."""
    if value not in (choices := tuple(choices)):
        hint = nearest(str(value), choices)
        raise CommandError(f"{name} takes {', '.join(choices)}. Got {value!r}.{hint}")


def check_flag(name: str, value: Any) -> None:
    """Raise ``CommandError`` unless the value is True or False: the text ``no`` would count as true."""
    if not isinstance(value, bool):
        raise CommandError(f"{name} takes True or False. Got {value!r}.")


def check_number(name: str, value: Any) -> None:
    """Raise ``CommandError`` unless the value is a whole number above 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise CommandError(f"{name} takes a whole number above 0. Got {value!r}.")
    if value > LARGEST:
        raise CommandError(f"{name} takes at most {LARGEST:,}. Got a number above that. Type a smaller {name}.")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'stats' or 'status'?``, or an empty text. For an option, only options are meant."""
    known = [each for each in known if each != word and each.startswith("--" if word.startswith("--") else "")]
    plain = {each.lstrip("-"): each for each in known}
    matches = [plain[match] for match in difflib.get_close_matches(word.lstrip("-"), plain, n=2, cutoff=0.6)]
    return f" Did you mean {' or '.join(repr(match) for match in matches)}?" if matches else ""
