"""Write the rows of a table to a file beside the notebook."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import IO, Final

import pandas as pd

from gptcache_magics.text.amounts import counted
from gptcache_magics.text.masking import masked, scrubbed

__all__ = ["export"]

FORMS: Final = ("csv", "parquet")
_NO_PARQUET: Final = "Parquet needs pyarrow. Type: %pip install pyarrow, or export CSV."


def export(frame: pd.DataFrame, label: str, form: str, *, newest: bool = False) -> str:
    """Write a table to a new file in the working folder, and return a sentence about it, also if that fails.

    Texts are whole, but for what looks like a key.

    Parameters
    ----------
    label
        Name of the table, which becomes a part of the file's name.
    form
        ``csv`` or ``parquet``.
    newest
        Whether the rows are only the newest ones.
    """
    if form not in FORMS:
        return f"No export as {form!r}."
    path = Path(f"gptcache-{label.lower()}-{datetime.now():%Y-%m-%d-%H%M%S}.{form}")
    try:
        with path.open("xb") as file:  # never over another file
            _write(frame, file, form)
    except FileExistsError:
        return f"{path} exists already. Export again in a second."
    except ImportError:
        path.unlink(missing_ok=True)
        return _NO_PARQUET
    except Exception as error:  # such as a full disk
        path.unlink(missing_ok=True)
        return scrubbed(f"Not written: {type(error).__name__}: {error}")
    return f"{counted(len(frame), 'newest row' if newest else 'row')} in {path}"


def _write(frame: pd.DataFrame, file: IO[bytes], form: str) -> None:
    texts: pd.DataFrame = frame.select_dtypes("string")
    frame = frame.assign(**{str(name): column.map(masked, na_action="ignore") for name, column in texts.items()})
    if form == "csv":
        frame.to_csv(file, index=False, encoding="utf-8", errors="backslashreplace")
    else:
        frame.to_parquet(file, index=False)
