"""Show what a terminal or a browser would obey: control characters, and marks that hide or reorder text.

Prompts, answers and names of models and files are foreign text. The marks that join emoji and Persian words stay.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["printable"]

_UNPRINTABLE: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff"
    r"\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """Return a text with escapes for control characters and for those that change the direction of writing."""
    return _UNPRINTABLE.sub(lambda match: match.group().encode("unicode_escape").decode(), text)
