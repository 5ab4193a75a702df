"""What may come next on a ``%gptcache`` line."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Final

from gptcache_magics import commands
from gptcache_magics.controller import controller
from gptcache_magics.errors import GPTCacheMagicsError
from gptcache_magics.semantic.labels import VERDICTS
from gptcache_magics.semantic.options import PRESETS
from gptcache_magics.store.protocol import Selection

__all__ = ["completions"]

WITH_IDS: Final = ("show", "pin", "unpin", "tag", "edit", "remove")
IDS: Final = 50


def completions(words: Sequence[str]) -> list[str]:
    """The words that complete the last one, after ``%gptcache``: commands, options, their values, models, ids."""
    *before, word = words
    return [each for each in _candidates(before, word) if each.startswith(word)]


def _candidates(before: Sequence[str], word: str) -> Iterable[str]:
    if not before:
        return commands.COMMANDS
    name, *rest = before
    if name == "help":
        return commands.COMMANDS
    if name not in commands.COMMANDS:
        return ()
    parser = commands.parser(name)
    previous = rest[-1] if rest else ""
    if previous in parser.values:
        return parser.values[previous]
    if previous in ("-m", "--model"):
        return _models()
    if previous == "--since":
        return ("run", "today", "1h", "7d", "all")
    if previous == "--sort":
        return _columns()
    if previous == "--threshold":
        return (f"{cosine:g}" for cosine in PRESETS.values())
    if previous == "--embedder":
        return _embedders()
    if previous in parser.with_value:
        return ()
    if name == "label" and len(rest) == 1:
        return VERDICTS
    given = {twin for names in parser.options if set(names) & set(rest) for twin in names}
    options = [names[-1] for names in parser.options if names[-1] not in given]
    return [*_ids(), *options] if name in WITH_IDS and not word.startswith("-") else options


def _embedders() -> Iterable[str]:
    from gptcache_magics.semantic.embedders import EMBEDDERS

    return EMBEDDERS


def _columns() -> Iterable[str]:
    from gptcache_magics.tables import columns

    return columns.ENTRIES


def _models() -> list[str]:
    if controller.cache is None:
        return []
    try:
        columns, rows = controller.cache.store.configurations()
    except GPTCacheMagicsError:
        return []
    return sorted({shlex.quote(row[columns.index("model")]) for row in rows})


def _ids() -> list[str]:
    if controller.cache is None:
        return []
    try:
        columns, rows = controller.cache.store.entries(Selection(), limit=IDS)
    except GPTCacheMagicsError:
        return []
    return [row[columns.index("key")][:8] for row in rows]
