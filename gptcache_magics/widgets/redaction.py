"""Signs in the place of prompts and answers, for a panel that is shown to others or saved with its notebook."""

from __future__ import annotations

from typing import Final

import pandas as pd

from gptcache_magics.text.amounts import counted

__all__ = ["hidden", "redacted"]

TEXTS: Final = ("question", "answer", "asked", "stored")
"""The columns of any table that hold what a person or a model wrote."""


def hidden(text: str) -> str:
    """The sign for a text: ``••• 1,204 characters``."""
    return f"••• {counted(len(text), 'character')}" if text else ""


def redacted(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with signs for its prompts and answers."""
    signs = {name: frame[name].map(hidden, na_action="ignore") for name in TEXTS if name in frame.columns}
    return frame.assign(**{name: column.astype("string") for name, column in signs.items()})
