"""A second run costs nothing, or the prompts hold what differs from run to run, and the reason says so.

Each pattern runs in three new kernels on three days against a server that counts. What was saved is replayed in a
fourth, and verified in a fifth. ``python -m tests.patterns`` prints the figures.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.patterns.runs import Runs, three_runs

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
    replays: bool = True
    """Whether what the third run saved answers every call of a fourth."""


BARS = [
    Bar("bookkeeping", (3, 0, 0)),
    Bar("cut_off", (2, 1, 1), causes=("cut off",), replays=False),
    Bar("cut_off", (2, 0, 0), "--keep-cut-off"),
    Bar("deep_files", (10, 0, 0)),
    Bar("judge_quotes", (8, 0, 0)),
    Bar("map_reduce", (11, 0, 0)),
    Bar("memory_patch", (6, 1, 1), causes=("id",), replays=False),
    Bar("rag_ids", (4, 3, 3), causes=("an id and another order",), replays=False),
    Bar("react_tools", (2, 2, 2), causes=("address", "follows"), replays=False),
    Bar("scratchpad", (3, 0, 0)),
    Bar("self_consistency", (12, 0, 0)),
    Bar("stream_events", (4, 0, 0)),
    Bar("supervisor", (7, 0, 0)),
    Bar("swarm_dates", (4, 2, 2), causes=("date",)),
    Bar("memory_patch", (6, 0, 0), "--ignore id"),
    Bar("rag_ids", (4, 0, 0), "--ignore id,order"),
    Bar("react_tools", (2, 0, 0), "--ignore address"),
    Bar("swarm_dates", (4, 0, 0), "--ignore date"),
]


def _named(bar: Bar) -> str:
    return f"{bar.pattern} {bar.options}".strip().replace(" ", "-")


@pytest.fixture(
    scope="session",
    params=[pytest.param(bar, id=_named(bar)) for bar in BARS],
)
def measured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bar, Runs]:
    """Run a pattern as often as it takes, once for all tests."""
    bar: Bar = request.param
    folder: Path = tmp_path_factory.mktemp(bar.pattern)
    return bar, three_runs(bar.pattern, folder, bar.options)


def test_cells_do_in_each_run_what_they_do_in_the_first(measured: tuple[Bar, Runs]) -> None:
    assert [run.failed for run in measured[1].runs] == [[], [], []]


def test_calls_of_later_runs_are_answered_unless_the_prompt_differs(measured: tuple[Bar, Runs]) -> None:
    bar, runs = measured
    assert runs.calls == bar.calls, [run.rows for run in runs.runs]


def test_figures_of_the_cache_are_those_of_the_server(measured: tuple[Bar, Runs]) -> None:
    for run in measured[1].runs:
        assert (run.misses + run.bypassed, run.errors) == (run.calls, 0)
        assert run.hits + run.misses == run.lookups
        assert len(run.rows) == run.lookups + run.bypassed


def test_causes_of_what_is_paid_again_are_named(measured: tuple[Bar, Runs]) -> None:
    bar, runs = measured
    named = re.compile(rf"\b({'|'.join(bar.causes)})\b" if bar.causes else "(?!)")
    assert [reason for run in runs.runs[1:] for reason in run.paid if not named.search(reason)] == []


def test_replay_asks_nobody(measured: tuple[Bar, Runs]) -> None:
    bar, runs = measured
    assert runs.replay.calls == 0
    assert (runs.replay.hits == runs.replay.lookups == runs.runs[-1].lookups) is bar.replays, runs.replay.rows


def test_verify_passes_if_every_call_is_answered(measured: tuple[Bar, Runs]) -> None:
    bar, runs = measured
    assert runs.report.ok is bar.replays, runs.report
