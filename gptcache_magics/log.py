"""Tell the logger ``gptcache_magics`` what happens inside the cache. Prompts and answers are never told.

Warnings are errors of the store and of anything else that no call notices, each text once in a run. Information is a
call that goes past the cache, and a wait for a locked file. Nothing is shown unless the user configures logging.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final

from gptcache_magics.unprintable import printable

__all__ = ["tell"]

_LOGGER: Final = logging.getLogger("gptcache_magics")
_LOGGER.addHandler(logging.NullHandler())


def tell(level: int, message: str, *arguments: object) -> None:
    """Log a message. An error of a user's handler stays here: it is not an error of the call that is cached."""
    with suppress(Exception):
        if _LOGGER.isEnabledFor(level):
            _LOGGER.log(level, message, *map(_shown, arguments), stacklevel=2)


def _shown(argument: object) -> object:
    return argument if isinstance(argument, int | float) else printable(str(argument))
