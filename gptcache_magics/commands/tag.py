"""``%gptcache tag``: add a word to entries."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, Literal, Unpack, overload

from gptcache_magics import editing
from gptcache_magics.commands._parser import Option, Word, checked
from gptcache_magics.commands._selection import entry_ids, is_id, known_tags
from gptcache_magics.commands._selectors import DryRun, Selectors, Yes, any_of, change
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError

if TYPE_CHECKING:
    import pandas as pd

SHOWN: Final = 8
"""Number of digits of an id in tables."""
EXAMPLE = "%gptcache tag lesson-1 a41f 77c2"


def _tags_and_ids() -> list[str]:
    return [*known_tags(), *entry_ids()]


@overload
def tag(
    *words: str | Iterable[str],
    clear: bool = ...,
    dry_run: Literal[False] = ...,
    yes: bool = ...,
    **selectors: Unpack[Selectors],
) -> str: ...


@overload
def tag(
    *words: str | Iterable[str],
    clear: bool = ...,
    dry_run: Literal[True],
    yes: bool = ...,
    **selectors: Unpack[Selectors],
) -> pd.DataFrame: ...


@overload
def tag(
    *words: str | Iterable[str], clear: bool = ..., dry_run: bool, yes: bool = ..., **selectors: Unpack[Selectors]
) -> pd.DataFrame | str: ...


@checked
def tag(
    *words: Annotated[
        str | Iterable[str],
        Word("TAG ID", help="a tag, then ids of entries; with --clear only ids", suggest=_tags_and_ids),
    ],
    clear: Annotated[bool, Option(help="remove all tags of these entries")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    **selectors: Unpack[Selectors],
) -> pd.DataFrame | str:
    """Add a tag to entries, or remove all their tags with --clear."""
    if clear:
        return change(
            "takes the tags off",
            editing.untag,
            words,
            example="%gptcache tag --clear a41f",
            dry_run=dry_run,
            yes=yes,
            **selectors,
        )
    if not words:
        raise CommandError(f"tag: missing: TAG, and then ids or options that select entries. Example: {EXAMPLE}")
    word, *ids = words
    if not ids and not any_of(selectors):
        raise CommandError(f"tag: no entry is named for the tag '{word}'. Example: {EXAMPLE}")
    checked_word = editing.check_tag(word)
    store = controller.source().store
    if is_id(store, checked_word, least=SHOWN):
        tags = (each for each in ids if isinstance(each, str) and not is_id(store, each, least=SHOWN))
        others = " ".join(tags) or "lesson-1"
        raise CommandError(
            f"tag: '{word}' is the id of an entry, and the tag comes first. Example: %gptcache tag {others} {word}"
        )
    return change(
        "tags", partial(editing.tag, word=checked_word), ids, example=EXAMPLE, dry_run=dry_run, yes=yes, **selectors
    )
