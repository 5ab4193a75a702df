"""``%gptcache tag``: add a word to entries."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from gptcache_magics import editing
from gptcache_magics.commands._parser import Option, Word, checked
from gptcache_magics.commands._selection import entry_ids, known_tags, named
from gptcache_magics.controller import controller
from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection

EXAMPLE = "%gptcache tag lesson-1 a41f 77c2"


def _tags_and_ids() -> list[str]:
    return [*known_tags(), *entry_ids()]


def _is_id(word: str) -> bool:
    """Return whether a word is the id of an entry, as tables show it."""
    if not re.fullmatch(r"[0-9a-f]{8,}", word):
        return False
    return bool(controller.source().store.entries(Selection(ids=[word]), limit=1))


@checked
def tag(
    *words: Annotated[
        str | Iterable[str],
        Word("TAG ID", help="a tag, then ids of entries; with --clear only ids", suggest=_tags_and_ids, required=True),
    ],
    clear: Annotated[bool, Option(help="remove all tags of these entries")] = False,
) -> str:
    """Add a tag to entries, or remove all their tags with --clear."""
    if clear:
        return editing.untag(*named(words))
    word, *ids = words or ("",)
    if not ids:
        raise CommandError(f"tag: no entry is named for the tag '{word}'. Example: {EXAMPLE}")
    checked_word = editing.check_tag(word)
    if _is_id(checked_word):
        others = " ".join(str(each) for each in ids if isinstance(each, str) and not _is_id(each)) or "lesson-1"
        raise CommandError(
            f"tag: '{word}' is the id of an entry, and the tag comes first. Example: %gptcache tag {others} {word}"
        )
    return editing.tag(*named(ids), checked_word)
