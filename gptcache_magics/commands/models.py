"""``%gptcache models``: what is in the store, model by model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gptcache_magics.commands.parser import Parser, place
from gptcache_magics.controller import controller

if TYPE_CHECKING:
    import pandas as pd

HELP = "One row a model: configurations, entries, size, hits."
EXAMPLE = "%gptcache models"


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    place(parser)


def models(*, at: str | Path | None = None) -> pd.DataFrame:
    """One row a model as a DataFrame; ``gptcache_magics.frames.MODELS`` lists its columns."""
    from gptcache_magics import frames

    source = controller.source(at)
    source.flush()
    return frames.models(source.store)
