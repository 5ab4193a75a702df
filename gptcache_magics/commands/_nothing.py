"""Sentences in place of a table without rows: they say what is not there, and what to type next."""

from __future__ import annotations

import re
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from gptcache_magics.settings import names_bundle
from gptcache_magics.store.postgres.address import without_password
from gptcache_magics.store.protocol import Period
from gptcache_magics.text.enumeration import enumerated

if TYPE_CHECKING:
    import pandas as pd

    from gptcache_magics.tables.source import Source

__all__ = ["no_embeddings", "no_entries", "no_lookups", "no_misses", "no_models", "or_sentence"]

CALL: Final = "Run a cell that calls a model."
CHARACTERS: Final = 60
"""Most characters of an option's value that the sentence repeats."""
WHEN: Final = {"run": " in this run", "today": " today", "all": ""}


def or_sentence(df: pd.DataFrame, sentence: str) -> pd.DataFrame:
    """Return a table that notebooks and terminals show as `sentence`: it has no rows. Its columns stay."""
    from gptcache_magics.tables.mark import marked

    return marked(df, sentence)


def no_lookups(
    source: Source, command: str, since: str | None, at: str | Path | None, space: str | None = None, **given: Any
) -> str:
    """Return the sentence about a table of lookups.

    Parameters
    ----------
    command
        The command that shows them, such as ``stats --by cell``.
    given
        The options of the command that choose lookups.
    """
    there, since = _there(at, space), since or source.since
    if at is not None and names_bundle(at):
        shown = without_password(str(at))
        return f"{shown} is a bundle: it holds answers, and no lookups. Answers: %gptcache entries{there}"
    when, conditions = _when(since), _conditions(given)
    if conditions:
        return f"No lookups with {conditions}{when}. All lookups: %gptcache lookups --since all{there}"
    if since != "all" and source.store.lookups(Period(), 1):
        return f"No lookups{when}. Earlier ones: %gptcache {command} --since all{there}"
    return _none(source, "lookups", at)


def no_entries(source: Source, at: str | Path | None, space: str | None = None, **given: Any) -> str:
    """Return the sentence about a table of entries; `given` are the options that choose entries."""
    conditions = _conditions(given)
    if conditions:
        return f"No entries with {conditions}. All entries: %gptcache entries{_there(at, space)}"
    return _none(source, "entries", at)


def no_embeddings(source: Source, since: str | None, at: str | Path | None, space: str | None = None) -> str:
    """Return the sentence about a table of embedded texts."""
    since = since or source.since
    when = _when(since)
    if since != "all" and source.store.embedding_uses(Period()):
        return (
            f"No texts were embedded{when}. Earlier ones: %gptcache stats --embeddings --since all{_there(at, space)}"
        )
    return f"No texts were embedded{when} through the cache. To keep embeddings: %gptcache on --embeddings"


def no_misses(source: Source, since: str | None, at: str | Path | None, space: str | None = None) -> str:
    """Return the sentence about a table of questions that were asked in vain."""
    since = since or source.since
    more = "" if since == "all" else f" Earlier: %gptcache missed --since all{_there(at, space)}"
    return f"Nothing was asked in vain{_when(since)}.{more}"


def no_models(source: Source, at: str | Path | None) -> str:
    """Return the sentence about a table of models."""
    return _none(source, "models", at)


def _none(source: Source, rows: str, at: str | Path | None) -> str:
    return f"No {rows} yet. {CALL}" if at is None else f"No {rows} in {source.where}. Another store: --at FOLDER"


def _when(since: str) -> str:
    """Return a period in words; empty for all time."""
    return WHEN.get(since, f" in the last {since}")


def _there(at: str | Path | None, space: str | None) -> str:
    """Return the options that name a place, without a password."""
    return (f" --at {quote(without_password(str(at)))}" if at is not None else "") + (f" --space {space}" * bool(space))


def _conditions(given: dict[str, Any]) -> str:
    return enumerated([_typed(name.strip("_"), value) for name, value in given.items() if value not in (None, False)])


def _typed(name: str, value: Any) -> str:
    """Return an option as it is typed."""
    if value is True:
        return f"--{name}"
    text = value.pattern if isinstance(value, re.Pattern) else str(value)
    return f"--{name} {text if len(text) <= CHARACTERS else text[:CHARACTERS] + '…'}"
