"""A second run costs nothing, or the prompts hold what differs from run to run, and the reason says so.

Each pattern runs in three new kernels on three days against a server that counts. What was saved with the last of its
options, with which later runs are free, is verified in a fourth. ``python -m tests.patterns`` prints the figures.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from anthropic.resources import Messages

from tests.patterns.minds import MINDS
from tests.patterns.runs import Run, three_runs

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@dataclass(frozen=True, slots=True)
class Bar:
    """What a pattern may cost."""

    pattern: str
    calls: tuple[int, int, int]
    """Number of calls that reach the server in each run."""
    options: str = ""
    """Options of ``%gptcache on``."""
    causes: tuple[str, ...] = ()
    """The reason of each call that a later run pays for holds one of these words."""


BARS = [
    Bar("bookkeeping", (3, 0, 0)),
    Bar("compare_sdks", (13, 0, 0)),
    Bar("cut_off", (2, 1, 1), causes=("cut off",)),
    Bar("cut_off", (2, 0, 0), "--keep-cut-off"),
    Bar("deep_files", (10, 0, 0)),
    Bar("judge_quotes", (8, 0, 0)),
    Bar("map_reduce", (11, 0, 0)),
    Bar("memory_patch", (6, 1, 1), causes=("id",)),
    Bar("rag_ids", (5, 4, 4), causes=("an id and another order",)),
    Bar("rag_openai", (8, 5, 5)),
    Bar("rag_openai", (8, 0, 0), "--embeddings"),
    Bar("react_tools", (2, 2, 2), causes=("address", "follows")),
    Bar("scratchpad", (3, 0, 0)),
    Bar("self_consistency", (12, 0, 0)),
    Bar("stream_events", (4, 0, 0)),
    Bar("structured_claude", (9, 0, 0)),
    Bar("supervisor", (7, 0, 0)),
    Bar("swarm_dates", (4, 2, 2), causes=("date",)),
    Bar("memory_patch", (6, 0, 0), "--ignore id"),
    Bar("rag_ids", (5, 0, 0), "--ignore id,order"),
    Bar("react_tools", (2, 0, 0), "--ignore address"),
    Bar("swarm_dates", (4, 0, 0), "--ignore date"),
]


@pytest.mark.parametrize("pattern", MINDS)
def test_later_runs_pay_only_for_what_differs_and_say_so(pattern: str, tmp_path: Path) -> None:
    if pattern == "structured_claude" and not hasattr(Messages, "parse"):
        pytest.skip("anthropic has messages.parse since 0.77")
    bars = [bar for bar in BARS if bar.pattern == pattern]
    assert bars
    ran = three_runs(pattern, tmp_path, *(bar.options for bar in bars))
    for bar, runs in zip(bars, ran.of_options, strict=True):
        assert [run.failed for run in runs] == [[], [], []]
        assert tuple(run.calls for run in runs) == bar.calls, [run.rows for run in runs]
        for run in runs:
            _agree_with_the_server(run)
        _name_the_causes(bar, runs)
    assert ran.report.ok, ran.report
    assert (ran.report.hits, ran.asked) == (ran.of_options[-1][-1].lookups, 0)


def _agree_with_the_server(run: Run) -> None:
    assert (run.misses + run.bypassed, run.errors) == (run.calls - run.embedded, 0)
    assert run.hits + run.misses == run.lookups
    assert len(run.rows) == run.lookups + run.bypassed


def _name_the_causes(bar: Bar, runs: list[Run]) -> None:
    named = re.compile(rf"\b({'|'.join(bar.causes)})\b" if bar.causes else "(?!)")
    assert [reason for run in runs[1:] for reason in run.paid if not named.search(reason)] == []
