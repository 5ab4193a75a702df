"""The selection of entries: ids and conditions, the same for each command that shows, changes or removes them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypedDict, Unpack

from gptcache_magics import editing
from gptcache_magics.commands._nothing import or_sentence
from gptcache_magics.commands._parser import Option
from gptcache_magics.commands._selection import (
    TO_CHANGE,
    Cell,
    Model,
    Tag,
    check_tag,
    configurations_of,
    looked_up,
    named_keys,
)
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import AnswerText, Selection, Store
from gptcache_magics.text.amounts import counted, seconds_of
from gptcache_magics.text.grep import Grep

if TYPE_CHECKING:
    import pandas as pd

    from gptcache_magics.tables.source import Source

__all__ = ["ALL", "NAMES", "DryRun", "Selectors", "Yes", "any_of", "change", "selected", "too_many"]


class Selectors(TypedDict, total=False):
    """Conditions on entries, all of which must hold."""

    model: Model
    grep: Annotated[
        str | None, Option(metavar="RE", help="only where this regular expression is found, ignoring case", free=True)
    ]
    in_: Annotated[Literal["question", "answer"] | None, Option(help="where --grep looks (default: in both)")]
    tag: Tag
    cell: Cell
    older: Annotated[str | None, Option(metavar="TIME", help="only entries stored before this time, such as 30d")]
    unused: Annotated[
        str | None, Option(metavar="TIME", help="only entries not stored or hit for this time, such as 90d")
    ]
    expired: Annotated[bool, Option(help="only entries that are not served any more")]
    pinned: Annotated[bool, Option(help="only pinned entries")]


NAMES: Final = "ids, --model, --grep, --tag, --cell, --older, --unused, --expired or --pinned"
"""The selectors, for a message."""
ALL: Final = "All ids: %gptcache entries."
DryRun = Annotated[bool, Option(help="list the entries, change nothing")]
Yes = Annotated[bool, Option(help=f"do so with more than {editing.MANY} entries")]


def any_of(selectors: Selectors) -> bool:
    """Return whether any condition is given. An empty text is none: it would select everything."""
    return any(selectors.values())


def selected(
    source: Source,
    ids: Sequence[str | Iterable[str]] = (),
    *,
    unpinned: bool = False,
    least: int = 1,
    everywhere: bool = False,
    **selectors: Unpack[Selectors],
) -> Selection:
    """Return a selection of the entries that fit every given condition; ``least`` is as in ``named_keys``.

    Parameters
    ----------
    unpinned
        Whether pinned entries are left out, unless they are asked for.
    everywhere
        Whether the models of the team behind the store count, too: what is selected is to be removed there as well.

    Raises
    ------
    CommandError
        If an id, the model, the tag or the cell is unknown, or a time or an expression cannot be read.
    """
    tag, grep, inside = selectors.get("tag"), selectors.get("grep"), selectors.get("in_")
    if not isinstance(tag, str | None):
        editing.check_tag(tag)  # which raises
    if tag is not None and not everywhere:  # what is gone already is no error
        check_tag(source.store, tag)
    if grep is not None and not isinstance(grep, str | re.Pattern):
        raise CommandError(f"grep is a regular expression, such as 'capital of'. Got {repr(grep)[:40]}.")
    if grep is not None:
        Grep(grep.pattern if isinstance(grep, re.Pattern) else grep)  # before anything is read
    if inside is not None and grep is None:
        raise CommandError(f"--in says where --grep looks. Give both: --grep Paris --in {inside}")
    now, older, unused = time.time(), selectors.get("older"), selectors.get("unused")
    return Selection(
        ids=_ids(source, ids, selectors.get("cell"), least),
        configurations=configurations_of(source.store, selectors.get("model"), everywhere=everywhere),
        grep=grep.pattern if isinstance(grep, re.Pattern) else grep,
        answers=_answers() if grep is not None and inside != "question" else None,
        only_answers=inside == "answer",
        tag=tag,
        older_than=now - seconds_of(str(older), "--older takes a time such as 30d") if older else None,
        unused_since=now - seconds_of(str(unused), "--unused takes a time such as 90d") if unused else None,
        expired_at=now if selectors.get("expired") else None,
        pinned=True if selectors.get("pinned") else False if unpinned else None,
    )


def _answers() -> AnswerText:
    from gptcache_magics.generations import ANSWERS  # which imports LangChain

    return ANSWERS


def _ids(
    source: Source, ids: Sequence[str | Iterable[str]], cell: int | str | None, least: int
) -> Sequence[str] | None:
    """Return the ids that are named, and of these only those that a cell asked for; None for all entries."""
    asked = looked_up(source, cell) if cell is not None else None
    if not ids:
        return asked
    keys = named_keys(source.store, ids, least=least)
    return keys if asked is None else [key for key in keys if key[:16] in asked]


def change(
    verb: str,
    work: Callable[[Store, Selection], str],
    ids: Sequence[str | Iterable[str]],
    *,
    example: str,
    dry_run: bool,
    yes: bool,
    **selectors: Unpack[Selectors],
) -> pd.DataFrame | str:
    """Change the selected entries. Returns a sentence for the user, or the table of a dry run.

    Parameters
    ----------
    verb
        The word for it, as in "This pins 30 entries".
    """
    source, name = controller.source(), example.split()[1]
    if any_of(selectors):
        source = source.settled()
    selection = selected(source, ids, least=TO_CHANGE, **selectors)
    if not (selection.ids or any_of(selectors)):
        raise CommandError(f"{name}: say which entries: {NAMES}. {ALL} Example: {example}")
    nothing = f"Nothing to {name}: no entry fits."
    if dry_run:
        from gptcache_magics.tables import frames

        df = frames.entries(source.store, selection)
        return df if len(df) else or_sentence(df, nothing)
    number, _ = source.store.count(selection)
    if not number:
        return nothing
    if not ids and number > editing.MANY and not yes:
        raise CommandError(too_many(verb, counted(number, "entry")))
    return work(source.store, selection)


def too_many(verb: str, entries: str) -> str:
    """Return the sentence about a change of many entries that nobody has confirmed."""
    return f"This {verb} {entries}. Add --yes, or --dry-run to list them."
