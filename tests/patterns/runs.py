"""Run a pattern three times, each time in a new kernel and on another day, and verify what the last run saved.

A pattern is a notebook as the public ones of LangChain, LangGraph and the SDKs are written. Its cells lie in
``notebooks/``, and :mod:`tests.patterns.minds` says what its model answers.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import nbformat
import pandas as pd
from nbformat.v4 import new_code_cell, new_notebook

import gptcache_magics as gm
from gptcache_magics.replay.report import Report
from tests.patterns.minds import MINDS
from tests.support.kernel import Kernel
from tests.support.provider_server import KEY, ProviderServer

__all__ = ["Run", "Runs", "cells_of", "three_runs"]

NOTEBOOKS: Final = Path(__file__).parent / "notebooks"
RUNS: Final = 3
FIGURES: Final = ["lookups", "hits", "misses", "bypassed", "errors"]
ROW: Final = ["outcome", "reason", "question"]
LOAD: Final = "%load_ext gptcache_magics"


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one run: those of the server, and those of the cache."""

    calls: int
    """Number of calls that reached the server."""
    embedded: int
    """Number of them that asked for embeddings."""
    lookups: int
    hits: int
    misses: int
    bypassed: int
    errors: int
    rows: list[dict[str, str]]
    """Outcome, reason and question of each lookup, in their order."""
    failed: list[str]
    """The last lines of the tracebacks of cells that failed."""

    @property
    def paid(self) -> list[str]:
        """The reasons of the calls that were not answered by the cache."""
        return [row["reason"] for row in self.rows if row["outcome"] != "hit"]


@dataclass(frozen=True, slots=True)
class Runs:
    """All runs of a pattern."""

    of_options: list[list[Run]]
    """The three runs with each of some options."""
    report: Report
    """The report on the notebook, verified with what the last of all runs saved."""
    asked: int
    """Number of calls that reached the server while the notebook was verified."""


def three_runs(pattern: str, folder: Path, *options: str) -> Runs:
    """Run a pattern with each of some options of ``%gptcache on``.

    The three kernels share the server and the folder, and nothing else. In each of them the cells run once for each
    options, each time with a store of their own.
    """
    today = date.today()
    runs: list[list[Run]] = [[] for _ in options]
    stores = [folder / f"store-{number}" for number, _ in enumerate(options)]
    with ProviderServer() as server:
        server.mind = MINDS[pattern]
        for day in (today - timedelta(days=RUNS - number) for number in range(1, RUNS + 1)):
            with Kernel(folder, LOAD, **_environment(server.url, day)) as kernel:
                for ran, store, each in zip(runs, stores, options, strict=True):
                    ran.append(_ran(kernel, pattern, server, store, each))
        before = server.calls
        report = _verified(pattern, stores[-1], f"{LOAD}\n%gptcache on {options[-1]}", today)
        return Runs(runs, report, server.calls - before)


def cells_of(pattern: str) -> list[str]:
    """Return the cells of a pattern."""
    text = (NOTEBOOKS / f"{pattern}.py").read_text()
    return [cell.strip() for cell in re.split(r"^# %%$", text, flags=re.M)[1:]]


def _environment(url: str, day: date) -> dict[str, str]:
    openai = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_BASE": f"{url}/v1"}
    urls = {**openai, "ANTHROPIC_BASE_URL": url, "GOOGLE_GEMINI_BASE_URL": url}
    keys = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"), KEY)
    return {**urls, **keys, "LESSON_DAY": day.isoformat()}


def _ran(kernel: Kernel, pattern: str, server: ProviderServer, store: Path, options: str) -> Run:
    calls, before = len(server.requests), _figures(store)
    kernel.run(f"%gptcache on {store} {options}")
    failed = [lines[-1] for source in cells_of(pattern) for lines in kernel.run(source).tracebacks]
    embeddings = "--embeddings " if "--embeddings" in options else ""
    kernel.run(f"%gptcache save {embeddings}{store}.jsonl\n%gptcache off")
    asked = server.requests[calls:]
    embedded = sum(str(body.get("model")).startswith("text-embedding") for body in asked)
    figures = (_figures(store) - before).to_dict()
    rows = gm.lookups(at=store)[: figures["lookups"] + figures["bypassed"]][::-1]
    return Run(len(asked), embedded, **figures, rows=rows[ROW].to_dict("records"), failed=failed)


def _figures(store: Path) -> "pd.Series[int]":
    """Return the figures of a store, as another process reads them."""
    if not store.exists():
        return pd.Series(0, FIGURES)
    return gm.stats("total", at=store, wide=True).iloc[0][FIGURES].astype(int)


def _verified(pattern: str, store: Path, on: str, day: date) -> Report:
    sources = [on, f"import os\nos.environ['LESSON_DAY'] = '{day}'", *cells_of(pattern)]
    path = store.with_name(f"{pattern}.ipynb")
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
    return gm.verify(path, f"{store}.jsonl")
