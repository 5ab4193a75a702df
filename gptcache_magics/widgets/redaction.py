"""Signs in the place of prompts and answers, for a panel that is shown to others or saved with its notebook."""

from __future__ import annotations

from typing import Final

import pandas as pd

from gptcache_magics.semantic.guards import GUARDS
from gptcache_magics.store.reasons import SIMILAR
from gptcache_magics.text.amounts import counted

__all__ = ["hidden", "redacted", "without_words"]

TEXTS: Final = ("question", "answer", "asked", "stored")
"""The columns of any table that hold what a person or a model wrote."""
REASONS: Final = ("blocked", "reason")
"""The columns that may say in which words two questions differ."""


def hidden(text: str) -> str:
    """The sign for a text: ``••• 1,204 characters``."""
    return f"••• {counted(len(text), 'character')}" if text else ""


def without_words(reason: str) -> str:
    """What a guard objects, or a lookup's reason that says so, without words of the questions: ``number``."""
    guard, _, _ = reason.partition(": ")
    return guard if guard in GUARDS or guard.startswith(SIMILAR) else reason


def redacted(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with signs for its prompts and answers."""
    signs = {
        **{name: frame[name].map(hidden, na_action="ignore") for name in TEXTS if name in frame.columns},
        **{name: frame[name].map(without_words, na_action="ignore") for name in REASONS if name in frame.columns},
    }
    return frame.assign(**{name: column.astype("string") for name, column in signs.items()})
