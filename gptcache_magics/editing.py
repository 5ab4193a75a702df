"""Change stored entries, for a command and for a button of the panel: each function returns a sentence for the user."""

from __future__ import annotations

from typing import Final

from gptcache_magics.errors import CommandError
from gptcache_magics.store.protocol import Selection, Store, team_behind
from gptcache_magics.text.amounts import byte_size, counted

__all__ = ["MANY", "check_tag", "pin", "remove", "tag", "undo", "untag"]

MANY: Final = 20
"""The largest removal that needs no confirmation: ``--yes`` of the command, a second click in the panel."""


def check_tag(word: object) -> str:
    """Return a tag. Raises ``CommandError`` unless it is one word."""
    if not isinstance(word, str):
        raise CommandError(f"A tag is a text of one word, such as 'lesson-1'. Got {repr(word)[:40]}.")
    if not word.strip() or any(character.isspace() for character in word):
        raise CommandError(f"A tag is one word, such as lesson-1. Got '{word}'.")
    return word


def pin(store: Store, entries: Selection, *, pinned: bool = True) -> str:
    """Pin entries, or unpin them."""
    return f"{counted(store.change(entries, pinned=pinned), 'entry')} {'pinned' if pinned else 'unpinned'}."


def tag(store: Store, entries: Selection, word: str) -> str:
    """Add a tag to entries."""
    return f"{counted(store.change(entries, tag=check_tag(word)), 'entry')} tagged {word}."


def untag(store: Store, entries: Selection) -> str:
    """Take every tag off entries."""
    return f"{counted(store.change(entries, tag=''), 'entry')} without tags now."


def remove(store: Store, entries: Selection) -> tuple[int, str]:
    """Remove entries so that ``undo`` can bring them back. Also returns their number."""
    _, size = store.count(entries)
    number = store.remove(entries)
    return number, f"{counted(number, 'entry')} removed, {byte_size(size)}.{_removed_there(store, entries)}"


def _removed_there(store: Store, entries: Selection) -> str:
    """Return what a removal has removed at the team, beside what was here."""
    team = team_behind(store)
    if team is None or entries == Selection():
        return ""
    number, only = team.removed_there
    if not number:
        return " The team had none of them."
    lost = f", {only:,} of them not here, which do not come back" if only else ""
    return f" At the team, for everybody: {counted(number, 'entry')}{lost}."


def undo(store: Store) -> str:
    """Bring the last removal back."""
    number = store.undo()
    return f"{counted(number, 'entry')} came back." if number else "Nothing to bring back."
