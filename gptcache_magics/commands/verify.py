"""``%gptcache verify``: whether a notebook gives its answers without asking a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from gptcache_magics.commands._parser import Parser, check_positive, positive

if TYPE_CHECKING:
    from gptcache_magics.replay.report import Report

HELP = "Run a copy of a notebook from recorded answers, without network and keys; list what it could not get."
EXAMPLE = "%gptcache verify lesson.ipynb --bundle lesson.jsonl"
CELL_SECONDS: Final = 120


def add_arguments(parser: Parser) -> None:
    """Words and options."""
    parser.add_argument("path", metavar="NOTEBOOK", help="a notebook that uses %%gptcache")
    parser.add_option("--bundle", metavar="FILE", help="replay from this bundle, whatever place the notebook names")
    parser.add_option(
        "--timeout",
        type=positive("--timeout"),
        default=CELL_SECONDS,
        metavar="SECONDS",
        help=f"how long one cell may take (default: {CELL_SECONDS})",
    )


def verify(path: str | Path, bundle: str | Path | None = None, *, timeout: int = CELL_SECONDS) -> Report:
    """Run a copy of a notebook in a fresh kernel and report what recorded answers could not give it.

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
    check_positive("timeout", timeout)
    from gptcache_magics.replay.runner import verify_notebook

    return verify_notebook(path, bundle, timeout)
