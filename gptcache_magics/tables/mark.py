"""Mark the frames that hold texts of a store, so that IPython shows them with care (``notebook.frame_display``).

The mark is in ``attrs``, which pandas hands on to what is made of a frame: ``df.head()``, ``df["answer"]``. There a
frame without rows has its sentence, too, which holds for all that is made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["is_marked", "marked", "nothing_in"]

MARK: Final = "gptcache_magics"
NOTHING: Final = "gptcache_magics: nothing"


def marked(df: pd.DataFrame, nothing: str = "") -> pd.DataFrame:
    """Mark a frame as one with texts of a store, and return it.

    `nothing` is shown in place of a frame that has no rows, and says so.
    """
    df.attrs[MARK] = True
    if nothing and df.empty:
        df.attrs[NOTHING] = nothing
    return df


def is_marked(data: pd.DataFrame | pd.Series) -> bool:
    """Return whether a frame or a column was made of a marked frame."""
    return bool(data.attrs.get(MARK))


def nothing_in(data: pd.DataFrame | pd.Series) -> str:
    """Return the sentence of a frame or a column without rows; empty if it has none."""
    return str(data.attrs.get(NOTHING, "")) if data.empty else ""
