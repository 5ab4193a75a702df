"""``%gptcache verify``: check that a notebook runs without a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from gptcache_magics.commands._parser import Option, Word, checked

if TYPE_CHECKING:
    from gptcache_magics.replay.report import Report

EXAMPLE = "%gptcache verify lesson.ipynb --bundle lesson.jsonl"
CELL_SECONDS: Final = 120


@checked
def verify(
    path: Annotated[str | Path, Word("NOTEBOOK", help="a notebook that uses %gptcache")],
    bundle: Annotated[
        str | Path | None, Option(metavar="FILE", help="replay from this bundle, whatever place the notebook names")
    ] = None,
    *,
    timeout: Annotated[
        int, Option(metavar="SECONDS", help=f"how long one cell may take (default: {CELL_SECONDS})")
    ] = CELL_SECONDS,
) -> Report:
    """Run a copy of a notebook from recorded answers, without network and keys, and list what is missing.

    The kernel stays in mode ``replay`` whatever the notebook says. It has no keys, its Python reaches no network (not
    this machine either), and stores are read into memory: the notebook's own is left as it is. Programs that the
    notebook starts (``!curl``), libraries that open connections beneath Python, and files that it writes are its own
    affair: run only what you would run anyway.

    Parameters
    ----------
    path
        The notebook; the copy runs in the folder of it.
    bundle
        Replay from this bundle, whatever place the notebook names.
    timeout
        Seconds that one cell may take.
    """
    from gptcache_magics.replay.runner import verify_notebook

    return verify_notebook(path, bundle, timeout)
