"""What holds for changing entries, whether by a command or by a button of the panel."""

from __future__ import annotations

from typing import Final

from gptcache_magics.errors import CommandError

__all__ = ["MANY", "check_tag"]

MANY: Final = 20
"""Above so many a removal is to be confirmed: ``%gptcache remove`` wants its ``--yes``, the panel a second click."""


def check_tag(tag: str) -> str:
    """Raise ``CommandError`` unless a tag is one word; the tag."""
    if not tag.strip() or any(character.isspace() for character in tag):
        raise CommandError(f"A tag is one word, such as lesson-1. Got '{tag}'.")
    return tag
