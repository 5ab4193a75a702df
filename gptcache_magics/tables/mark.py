"""Mark the frames that hold texts of a store, so that IPython shows them with care (``notebook.frame_display``).

The mark is in ``attrs``, which pandas hands on to what is made of a frame: ``df.head()``, ``df["answer"]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["is_marked", "marked"]

MARK: Final = "gptcache_magics"


def marked(df: pd.DataFrame) -> pd.DataFrame:
    """Mark a frame as one with texts of a store, and return it."""
    df.attrs[MARK] = True
    return df


def is_marked(data: pd.DataFrame | pd.Series) -> bool:
    """Return whether a frame or a column was made of a marked frame."""
    return bool(data.attrs.get(MARK))
