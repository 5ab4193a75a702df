"""``%gptcache verify``: check that a notebook runs without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from gptcache_magics.commands._parser import Option, Word, checked
from gptcache_magics.controller import controller
from gptcache_magics.settings import BUNDLE
from gptcache_magics.text.web_address import is_web_address, shown_address

if TYPE_CHECKING:
    from gptcache_magics.replay.report import Report

EXAMPLE = "%gptcache verify lesson.ipynb --bundle lesson.jsonl"
CELL_SECONDS: Final = 120


@checked
def verify(
    path: Annotated[
        str | Path,
        Word(
            "NOTEBOOK",
            help="a notebook that uses %gptcache, any notebook with --bundle, or a script.py",
            place=True,
            ending=".ipynb",
        ),
    ],
    bundle: Annotated[
        str | Path | None,
        Option(
            metavar="FILE",
            help="replay from this bundle, whatever place the notebook names",
            place=True,
            ending=BUNDLE,
        ),
    ] = None,
    *,
    timeout: Annotated[
        int, Option(metavar="SECONDS", help=f"how long a cell, or a script, may take (default: {CELL_SECONDS})")
    ] = CELL_SECONDS,
    env: Annotated[
        str | Sequence[str], Option(metavar="NAMES", help="variables that the notebook gets, with commas between them")
    ] = (),
) -> Report:
    """Run a copy of a notebook, or a script, from recorded answers, without network and keys; list what is missing.

    The kernel stays in mode ``replay`` whatever the notebook says. Its Python reaches no network (not this machine
    either), and stores are read into memory: the notebook's own is left as it is. Of the environment it gets what a
    Python needs (``PATH``, ``HOME``, ``LANG``, ``PYTHON…``, ``JUPYTER…``), placeholders for keys, and what ``env``
    names. A script runs in this folder, as ``python -m gptcache_magics run`` runs it, whether or not it uses gptcache;
    its misses are listed with the numbers of its lines.

    The notebook replays if every model call is answered. Warnings name the keys that no call needs and that held a
    placeholder, and today's date in prompts. Kernels that the notebook wants to start are refused, and it cannot verify
    notebooks. Programs that it has started are ended with it.

    This finds mistakes and does not contain malice: programs that the notebook starts (``!curl``, a second Python),
    libraries that open connections beneath Python, and files that it writes are its own affair. Run only what you
    would run anyway.

    Parameters
    ----------
    path
        The notebook, whose copy runs in the folder of it, or a script that ends with ``.py``.
    bundle
        Replay from this bundle, whatever place the notebook names; one with an https://… address is fetched before. A
        notebook that does not use gptcache is replayed from it, too.
    timeout
        Seconds that one cell may take.
    env
        Names of further variables of the environment that the notebook gets.
    """
    if controller.verifying:
        return _not_within(str(path))
    passed = [name.strip() for name in (env.split(",") if isinstance(env, str) else env)]
    if not is_web_address(bundle):
        return _verified(path, bundle, timeout, passed)
    from gptcache_magics.bundle import as_file

    with as_file(bundle) as file:
        return replace(_verified(path, file, timeout, passed), bundle=shown_address(bundle))


def _verified(path: str | Path, bundle: str | Path | None, timeout: int, passed: Sequence[str]) -> Report:
    from gptcache_magics.replay.runner import verify_notebook

    if str(path).endswith(".py"):
        from gptcache_magics.replay.script import verify_script

        return verify_script(path, bundle, timeout, passed)
    return verify_notebook(path, bundle, timeout, passed)


def _not_within(path: str) -> Report:
    """Return a report that says that nothing was run: else a notebook that verifies itself would never end."""
    from gptcache_magics.replay.kernel import LockedController
    from gptcache_magics.replay.report import Problem, Report

    assert isinstance(controller, LockedController)
    controller.refused.append(path)
    told = f"{path} was not verified, because a notebook is being verified"
    return Report(path, "", 0, 0, (Problem(None, "", "verify", told, level="warning"),))
