"""Run a pattern three times, each time in a new kernel and on another day, then replay what was saved, and verify it.

A pattern is a notebook as the public ones of LangChain and LangGraph are written. Its cells lie in ``notebooks/``, and
:mod:`tests.patterns.minds` says what its model answers.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

import gptcache_magics as gm
from gptcache_magics.replay.report import Report
from tests.patterns.minds import MINDS
from tests.support.kernel import Kernel
from tests.support.provider_server import KEY, ProviderServer

__all__ = ["Run", "Runs", "cells_of", "three_runs"]

NOTEBOOKS: Final = Path(__file__).parent / "notebooks"
RUNS: Final = 3
BUNDLE: Final = "lesson.jsonl"
FIGURES: Final = """
import json as _json
import gptcache_magics as _gm
_total, _lookups = _gm.stats(by="total", wide=True).iloc[0], _gm.lookups(limit=1_000)
_rows = _lookups[["outcome", "reason", "question"]][::-1].to_dict("records")
print(_json.dumps({"lookups": int(_total["lookups"]), "hits": int(_total["hits"]), "misses": int(_total["misses"]),
             "bypassed": int(_total["bypassed"]), "errors": int(_total["errors"]), "rows": _rows}))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one run: those of the server, and those of the cache."""

    calls: int
    """Number of calls that reached the server."""
    lookups: int
    hits: int
    misses: int
    bypassed: int
    errors: int
    rows: list[dict[str, str]]
    """Outcome, reason and question of each lookup, in their order."""
    failed: list[str] = field(default_factory=list)
    """The last lines of the tracebacks of cells that failed."""

    @property
    def paid(self) -> list[str]:
        """The reasons of the calls that were not answered by the cache."""
        return [row["reason"] for row in self.rows if row["outcome"] != "hit"]


@dataclass(frozen=True, slots=True)
class Runs:
    """All runs of a pattern."""

    runs: list[Run]
    replay: Run
    report: Report

    @property
    def calls(self) -> tuple[int, ...]:
        return tuple(run.calls for run in self.runs)


def three_runs(pattern: str, folder: Path, options: str = "") -> Runs:
    """Run a pattern with options of ``%gptcache on``; the kernels share the folder and the server, and nothing else."""
    on = f"%load_ext gptcache_magics\n%gptcache on {options}".rstrip()
    today = date.today()
    with ProviderServer() as server:
        server.mind = MINDS[pattern]
        days = [today - timedelta(days=RUNS - number) for number in range(1, RUNS + 1)]
        runs = [_ran(pattern, server, folder, on, day, last=day == days[-1]) for day in days]
        replay = _ran(pattern, server, folder, f"%load_ext gptcache_magics\n%gptcache on {BUNDLE}", today)
        report = _verified(pattern, folder, on, today)
    return Runs(runs, replay, report)


def cells_of(pattern: str) -> list[str]:
    """Return the cells of a pattern."""
    text = (NOTEBOOKS / f"{pattern}.py").read_text()
    return [cell.strip() for cell in re.split(r"^# %%$", text, flags=re.M)[1:]]


def _environment(url: str, day: date) -> dict[str, str]:
    urls = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_BASE": f"{url}/v1", "ANTHROPIC_BASE_URL": url}
    return {**urls, "OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY, "LESSON_DAY": day.isoformat()}


def _ran(pattern: str, server: ProviderServer, folder: Path, on: str, day: date, *, last: bool = False) -> Run:
    before, failed = server.calls, []
    with Kernel(folder, on, **_environment(server.url, day)) as kernel:
        for source in cells_of(pattern):
            failed += [lines[-1] for lines in kernel.run(source).tracebacks]
        if last:
            kernel.run(f"%gptcache save {BUNDLE}")
        shown = kernel.run(FIGURES).text
    return Run(server.calls - before, failed=failed, **json.loads(shown))


def _verified(pattern: str, folder: Path, on: str, day: date) -> Report:
    sources = [on, f"import os\nos.environ['LESSON_DAY'] = '{day}'", *cells_of(pattern)]
    path = folder / f"{pattern}.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
    return gm.verify(path, folder / BUNDLE)
