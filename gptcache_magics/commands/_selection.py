"""Options that several commands share: they name models, cells, tags, times and stores."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from gptcache_magics.commands._parser import Option, Word, whole_number
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError, GPTCacheMagicsError
from gptcache_magics.settings import BUNDLE
from gptcache_magics.store.protocol import Lookup, LookupLog, LookupRow, Period, Selection, Store, team_behind
from gptcache_magics.tables.tags import tags_of
from gptcache_magics.text.choices import nearest

if TYPE_CHECKING:
    import pandas as pd

    from gptcache_magics.tables.source import Source

__all__ = [
    *(
        "At",
        "Cell",
        "Face",
        "Id",
        "Ids",
        "Limit",
        "Model",
        "Since",
        "Space",
        "Tag",
    ),
    "TO_CHANGE",
    *(
        "asked_by",
        "cell_number",
        "check_tag",
        "configurations_of",
        "entry_ids",
        "is_id",
        "known_models",
        "known_tags",
        "looked_up",
        "may_be_id",
        "models_of",
        "named_keys",
    ),
]

LAST: Final = "last"
SHOWN: Final = 10
"""Most numbers of cells that a sentence names."""
SUGGESTED: Final = 50
"""Number of the newest ids that are completed."""
TO_CHANGE: Final = 4
"""Least number of digits of the id of an entry that a command changes: one digit may be a slip, and fits something."""


def entry_ids() -> list[str]:
    """Return the ids of the newest entries of the cache that is on, as tables show them."""
    try:
        newest = controller.source().store.entries(Selection(), limit=SUGGESTED)
    except GPTCacheMagicsError:
        return []
    return [each.key[:8] for each in newest]


def may_be_id(word: str, *, least: int) -> bool:
    """Return whether a word has the form of an id, or of at least so many of its first digits."""
    return re.fullmatch(rf"[0-9a-f]{{{least},32}}", word) is not None


def is_id(store: Store, word: str, *, least: int) -> bool:
    """Return whether a word of at least so many digits is the beginning of an entry's id."""
    return may_be_id(word, least=least) and bool(store.entries(Selection(ids=[word]), limit=1))


def known_tags() -> list[str]:
    """Return the tags that lookups of this run asked for, and those of the newest entries."""
    try:
        source = controller.source()
        tags = tags_of(source.store)
    except GPTCacheMagicsError:
        return []
    asked = [lookup.tag for lookup in [*source.ledger.recent]] if source.ledger is not None else []
    return sorted(tags.union(*map(str.split, asked)))


def known_models() -> list[str]:
    """Return the models in the store of the cache that is on."""
    try:
        known = controller.source().store.configurations()
    except GPTCacheMagicsError:
        return []
    return sorted({shlex.quote(each.model) for each in known})


def _faces() -> list[str]:
    """Return the libraries that asked the store of the cache that is on."""
    try:
        return _asking(controller.source().store)
    except GPTCacheMagicsError:
        return []


def _asking(store: LookupLog) -> list[str]:
    """Return the libraries that have asked, those of the newest lookups first."""
    return [*dict.fromkeys(each.face for each in store.sums(Period(), cells=False))]


def asked_by(store: LookupLog, face: str | None) -> str | None:
    """Return the library that ``--face`` names; None if ``face`` is None.

    Raises
    ------
    CommandError
        If it has asked nothing.
    """
    if face is None:
        return None
    known = _asking(store)
    if face in known:
        return str(face)
    raise CommandError(
        f"No lookup of '{face}' in this store.{nearest(str(face), known)} Libraries: {', '.join(known) or 'none'}."
    )


def _cell(text: str) -> int | str:
    number = whole_number(text)
    if text != LAST and not number:
        raise argparse.ArgumentTypeError(f"--cell takes the number beside a cell, such as 12, or {LAST}. Got '{text}'.")
    return number or LAST


Id = Annotated[str, Word("ID", help="the id of an entry, or its first digits", suggest=entry_ids)]
Ids = Annotated[str | Iterable[str], Word("ID", help="ids of entries, or their first digits", suggest=entry_ids)]
Model = Annotated[
    str | None,
    Option("-m", help="only this model: its name, a part of it, or a glob such as gpt-4*", suggest=known_models),
]
Face = Annotated[
    str | None,
    Option(metavar="NAME", help="only what this library asked: langchain, openai, litellm …", suggest=lambda: _faces()),
]
Tag = Annotated[str | None, Option(help="only entries with this tag", suggest=known_tags)]
Cell = Annotated[
    int | str | None,
    Option(metavar=f"N|{LAST}", help="only of the cell with [N] beside it", suggest=lambda: [LAST], read=_cell),
]
Limit = Annotated[int | None, Option("-n", help="at most N rows", metavar="N")]
Since = Annotated[
    str | None,
    Option(
        metavar="WHEN",
        help="run, today, all, or a time such as 1h or 7d (default: run)",
        suggest=lambda: ("run", "today", "1h", "7d", "all"),
    ),
]
At = Annotated[
    str | Path | None,
    Option(
        metavar="WHERE",
        help="read this store, on or not: a folder, a bundle, or a team's postgresql://…",
        place=True,
        ending=BUNDLE,
    ),
]
Space = Annotated[
    str | None, Option(metavar="NAME", help="with --at of a team's store: the part of it to read (default: default)")
]


def check_tag(store: Store, tag: str) -> None:
    """Raise ``CommandError`` if no entry has a tag."""
    if store.entries(Selection(tag=tag), limit=1):
        return
    known = sorted(tags_of(store))
    hint = f"Tags: {', '.join(known)}." if known else "Tag some: %gptcache tag lesson-1 a41f"
    raise CommandError(f"No entry has the tag '{tag}'.{nearest(str(tag), known)} {hint}")


def configurations_of(store: Store, model: str | None, *, everywhere: bool = False) -> list[str] | None:
    """Return the keys of the configurations that ``models_of`` names; None if ``model`` is None."""
    names = models_of(store, model, everywhere=everywhere)
    if names is None:
        return None
    from gptcache_magics.tables import model_names

    known = _known(store, everywhere)
    return list(known["key"][model_names.named(known, names)])


def models_of(store: Store, model: str | None, *, everywhere: bool = False) -> list[str] | None:
    """Return the names of models, or labels of configurations, that ``-m`` stands for; None if ``model`` is None.

    Raises
    ------
    CommandError
        If this store does not know the model, or a part of a name fits several models.
    """
    if model is None:
        return None
    from gptcache_magics.tables import model_names

    return model_names.fitting(_known(store, everywhere), str(model))


def _known(store: Store, everywhere: bool) -> pd.DataFrame:
    """Return the configurations of a store, and of the team behind it if ``everywhere``."""
    from gptcache_magics.tables import frames

    team = team_behind(store) if everywhere else None
    if team is None:
        return frames.configurations(store)
    with closing(team.tables()) as tables:
        return frames.configurations(store, tables.configurations())


def named_keys(store: Store, ids: Sequence[str | Iterable[str]], *, least: int = 1) -> list[str]:
    """Return the keys of entries by the beginnings of their ids; each must fit exactly one entry.

    Parameters
    ----------
    least
        Number of digits that must be given: ``TO_CHANGE`` for a command that changes entries.
    """
    names = ([each] if isinstance(each, str) or not isinstance(each, Iterable) else each for each in ids)
    return [_named_key(store, name, least) for several in names for name in several]


def _named_key(store: Store, beginning: str, least: int) -> str:
    if not isinstance(beginning, str):
        raise CommandError(f"An id is a text, such as 'a41f'. Got {repr(beginning)[:40]}. All ids: %gptcache entries")
    digits = beginning.lstrip("#")
    keys = [each.key for each in store.entries(Selection(ids=[digits]), limit=6)]
    number = whole_number(digits)
    of_lookup = "" if number is None or len(digits) >= TO_CHANGE else f"%gptcache why {number}"
    if not keys:
        meant = f" The lookup with that number: {of_lookup}" if of_lookup else ""
        raise CommandError(f"No entry has the id '{beginning}'. All ids: %gptcache entries{meant and f'.{meant}'}")
    if len(keys) > 1:
        fitting = ", ".join(sorted(key[: len(beginning) + 2] for key in keys[:5]))
        more = " and more" if len(keys) > 5 else ""
        count = f"{len(keys)} entries" if len(keys) < 6 else "many entries"
        raise CommandError(f"Id '{beginning}' fits {count}: {fitting}{more}. Type more.")
    if len(digits) < least:
        raise CommandError(
            f"Type at least {least} digits of the id of an entry to change: '{beginning}' stands for {keys[0][:8]} "
            "only by chance."
        )
    if of_lookup:
        raise CommandError(
            f"'{beginning}' may be the number of a lookup, or the beginning of an id. "
            f"The lookup: {of_lookup}. The entry: %gptcache show {keys[0][:8]}"
        )
    return keys[0]


def cell_number(source: Source, cell: int | str | None, since: str | None = None) -> int | None:
    """Return the number beside a cell; ``last`` is the cell of this run that made the newest lookup.

    Parameters
    ----------
    since
        The period that is asked for. Only in the default one must the cell have made a lookup.

    Raises
    ------
    CommandError
        If ``cell`` is not such a number, or the cell made no lookup in this run.
    """
    if cell is None:
        return None
    if cell != LAST and (not isinstance(cell, int) or cell < 1):
        raise CommandError(f"cell takes the number beside a cell, such as 12, or {LAST!r}. Got {cell!r}.")
    if cell != LAST and since is not None:
        return int(cell)
    numbers = [*dict.fromkeys(count for _, _, count in _lookups(source) if count is not None)]
    if cell in numbers:
        return int(cell)
    if cell == LAST and numbers:
        return numbers[0]
    of, every = "of this run" if source.ledger is not None else "in this store", "%gptcache lookups --since all"
    if not numbers:
        raise CommandError(f"No cell {of} asked the cache yet. All lookups: {every}")
    cells = ", ".join(str(each) for each in numbers[:SHOWN]) + (" …" if len(numbers) > SHOWN else "")
    raise CommandError(f"Cell {cell} {of} asked the cache nothing. Cells that did: {cells}. All lookups: {every}")


def looked_up(source: Source, cell: int | str | None = None) -> list[str]:
    """Return the ids that this run, or one cell of it, asked for, whether or not an answer was stored."""
    number = cell_number(source, cell)
    found = (id for id, stores, count in _lookups(source) if stores and number in (None, count))
    return sorted({id for id in found if id})


def _lookups(source: Source) -> list[tuple[str, bool, int | None]]:
    """Return the lookups of this run, newest first; all runs if the store is not on.

    Each is its entry, whether it may have hit or stored that, and its cell.
    """
    period = source.period("run" if source.ledger is not None else "all")
    if source.ledger is not None and source.store.readonly:  # a read-only store records nothing
        recent = reversed(list(source.ledger.recent))
        return [((each.key or "")[:16], _may_store(each), each.execution_count) for each in recent]
    return [(each.entry or "", _may_store(each), each.execution_count) for each in source.store.lookups(period)]


def _may_store(lookup: Lookup | LookupRow) -> bool:
    return lookup.outcome in ("hit", "miss") or lookup.mode == "refresh"
