"""Signs in place of prompts and answers, for a panel that others see or that is saved with its notebook."""

from __future__ import annotations

from typing import Final

import pandas as pd

from gptcache_magics.text.amounts import counted

__all__ = ["hidden", "redacted", "without_line"]

TEXTS: Final = ("question", "answer", "answer_a", "answer_b", "asked", "stored")
"""Columns that hold words of a person or a model, in any table."""


def hidden(text: str) -> str:
    """Return the sign for a text: ``••• 1,204 characters``."""
    return f"••• {counted(len(text), 'character')}" if text else ""


def without_line(cell: str) -> str:
    """Return notebook and number of a cell without its first line, which may hold a prompt."""
    return cell.partition("]")[0] + "]" * ("]" in cell)


def redacted(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with signs for its prompts and answers."""
    signs = {name: frame[name].map(hidden, na_action="ignore") for name in TEXTS if name in frame.columns}
    if "cell" in frame.columns:
        signs["cell"] = frame["cell"].map(without_line, na_action="ignore")
    return frame.assign(**{name: column.astype("string") for name, column in signs.items()})
