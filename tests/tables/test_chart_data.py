"""Figures of the charts: buckets of time, money by model, latencies, each as the tables have it."""

import math
import os
import time
from collections.abc import Iterator
from datetime import datetime

import pandas as pd
import pytest

from gptcache_magics.store.protocol import Period, Usage
from gptcache_magics.tables import chart_data, frames
from gptcache_magics.tables.chart_data import Series
from tests.support.filled_store import (
    CLAUDE,
    LLAMA,
    MINI,
    MINI_HOT,
    NOON,
    USAGE,
    FilledStore,
    dtypes_of,
    week_of_lookups,
)

MINUTE, HOUR, DAY = 60, 3_600, 86_400
FRAMES = {
    "hit_rates": "start=time end=time hits=Int64 misses=Int64 hit_rate=float64",
    "few_hit_rates": "start=time end=time hits=Int64 misses=Int64 hit_rate=float64",
    "costs": "lookups=Int64 saved_usd=float64 paid_usd=float64 saved_seconds=float64 paid_seconds=float64 priced=bool",
    "latencies": "from_ms=float64 to_ms=float64 hits=Int64 misses=Int64",
    "quantiles": "lookups=Int64 median_ms=float64 p95_ms=float64",
}


@pytest.fixture(autouse=True, params=["UTC", "Asia/Kolkata"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Live in Greenwich, then where a day begins half past the hour of others."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield os.environ["TZ"]
    monkeypatch.undo()
    time.tzset()


def lengths(df: pd.DataFrame) -> set[float]:
    return set((df["end"] - df["start"]).dt.total_seconds())


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("lookups", [0, 1, 3])
def test_columns_and_dtypes_are_the_same_empty_or_filled(store: FilledStore, name: str, lookups: int) -> None:
    for _ in range(lookups):
        store.look("hit")

    df = getattr(Series.read(store), name)
    assert dtypes_of(df) == FRAMES[name]
    assert len(df) == (2 if name == "quantiles" else bool(lookups))


@pytest.mark.parametrize(
    ("span", "length"),
    [
        *((0, 1), (40, 1), (60, 2), (300, 10), (HOUR, 2 * MINUTE), (8 * HOUR, 30 * MINUTE), (DAY, HOUR)),
        *((3 * DAY, 3 * HOUR), (30 * DAY, DAY), (300 * DAY, 7 * DAY), (3 * 365 * DAY, 28 * DAY)),
        *((200 * 365 * DAY, 8 * 364 * DAY),),
    ],
)
def test_a_bucket_is_as_long_as_the_span_needs(store: FilledStore, span: float, length: float) -> None:
    for at in (NOON, NOON + span):
        store.look(at=at)

    df = chart_data.hit_rates(frames.outcomes(store))
    assert lengths(df) == {length}
    assert len(df) <= chart_data.BUCKETS
    assert df["start"].iloc[0].timestamp() <= NOON < df["end"].iloc[0].timestamp()
    assert (df["start"].iloc[1:].reset_index(drop=True) == df["end"].iloc[:-1]).all()
    assert df["misses"].sum() == 2


def test_days_begin_at_midnight_and_weeks_on_monday_here(store: FilledStore) -> None:
    here = datetime.now().astimezone().tzinfo
    for span, weekdays in ((40 * DAY, set(range(7))), (300 * DAY, {0})):
        store.look(at=NOON + span)
        store.look(at=NOON)
        start = chart_data.hit_rates(frames.outcomes(store))["start"].dt.tz_convert(here)
        assert set(start.dt.strftime("%H:%M:%S")) == {"00:00:00"}
        assert set(start.dt.day_of_week) == weekdays


def test_a_hit_rate_is_hits_among_hits_and_misses_and_unknown_where_there_is_neither(store: FilledStore) -> None:
    for outcome, at in (("hit", 0), ("hit", 1), ("miss", 2), ("bypass", 61), ("error", 62), ("miss", 121)):
        store.look(outcome, at=NOON + at)  # type: ignore[arg-type]
    store.look("hit", at=NOON + 11 * MINUTE)

    df = chart_data.hit_rates(frames.outcomes(store), 12)
    assert lengths(df) == {MINUTE}
    assert df["hits"].tolist()[:3] == [2, 0, 0]
    assert df["misses"].tolist()[:3] == [1, 0, 1]
    assert df["hit_rate"].iloc[0] == pytest.approx(2 / 3)
    assert math.isnan(df["hit_rate"].iloc[1])
    assert df["hit_rate"].iloc[[2, -1]].tolist() == [0.0, 1.0]


def test_models_are_drawn_over_the_same_time_with_gaps_where_they_were_not_asked(store: FilledStore) -> None:
    for outcome, model, at in (("hit", MINI, 0), ("miss", MINI, 1), ("bypass", CLAUDE, 2), ("hit", CLAUDE, 61)):
        store.look(outcome, model, at=NOON + at)  # type: ignore[arg-type]
    store.look("miss", MINI, at=NOON + 11 * MINUTE)
    over_time = chart_data.hits_over_time(frames.outcomes(store))
    assert over_time.to_dict() == {
        "gpt-4o-mini": (0.5, *[None] * 10, 0.0),
        "claude-sonnet-4-0": (None, 1.0, *[None] * 10),
    }
    store.look("hit", LLAMA, at=NOON + 400 * DAY)
    assert {len(each) for each in chart_data.hits_over_time(frames.outcomes(store))} <= {*range(2, 13)}


def test_costs_are_those_of_the_stats_table_the_dearest_model_first(store: FilledStore) -> None:
    store.look("miss", MINI, usage=USAGE, seconds=2.0)
    store.look("hit", MINI_HOT, usage=USAGE, seconds=2.0)
    store.look("miss", CLAUDE, usage=USAGE, seconds=3.0)
    store.look("hit", LLAMA, usage=USAGE, seconds=400.0)
    store.look("bypass", LLAMA, usage=USAGE, seconds=10.0)

    df = Series.read(store).costs
    assert df.index.tolist() == ["claude-sonnet-4-0", "gpt-4o-mini", "llama3"]
    assert df["priced"].tolist() == [True, True, False]
    columns = [column for column in df if column != "priced"]
    pd.testing.assert_frame_equal(df[columns], frames.stats(store, wide=True).loc[df.index, columns])


def test_a_model_is_priced_when_dollars_are_known_of_anything(store: FilledStore) -> None:
    store.look("miss", MINI, usage=Usage())
    store.look("hit", MINI, usage=USAGE)
    store.look("miss", CLAUDE, usage=Usage())

    df = Series.read(store).costs
    assert df["priced"].to_dict() == {"gpt-4o-mini": True, "claude-sonnet-4-0": False}
    assert math.isnan(df["paid_usd"]["gpt-4o-mini"])


def test_latencies_are_counted_in_bins_of_a_log_scale(store: FilledStore) -> None:
    for seconds, outcome in ((0.0001, "hit"), (0.00011, "hit"), (0.001, "miss"), (0.5, "bypass")):
        store.look(outcome, lookup_seconds=seconds)  # type: ignore[arg-type]

    df = Series.read(store).latencies
    assert df["hits"].tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0]
    assert df["misses"].tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert df["from_ms"].iloc[[0, -1]].tolist() == pytest.approx([0.1, 1.0])
    assert (df["to_ms"] / df["from_ms"]).tolist() == pytest.approx([10 ** (1 / 8)] * 9)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-12, 1e9])
def test_a_latency_that_no_clock_measures_is_still_counted(store: FilledStore, seconds: float) -> None:
    store.look("hit", lookup_seconds=seconds)
    assert Series.read(store).latencies["hits"].tolist() == [1]


def test_quantiles_are_those_of_the_stats_table(store: FilledStore) -> None:
    for n in range(1, 41):
        store.look("hit", lookup_seconds=n / 1000)
    before = frames.stats(store, "total", wide=True).loc["total"]
    store.look("miss", lookup_seconds=9.0)

    df = Series.read(store).quantiles
    assert df["lookups"].to_dict() == {"hit": 40, "miss": 1}
    assert df.loc["hit", "median_ms"] == pytest.approx(before["median_lookup_ms"])
    assert df.loc["hit", "p95_ms"] == pytest.approx(before["p95_lookup_ms"])
    assert df.loc["miss", ["median_ms", "p95_ms"]].tolist() == [9_000, 9_000]
    assert Series.read(store, model="none").quantiles["median_ms"].isna().all()


def test_the_period_the_model_and_the_cell_filter_every_frame(store: FilledStore) -> None:
    store.look("hit", MINI, run="old", cell=1)
    store.look("hit", MINI, cell=1)
    store.look("miss", CLAUDE, cell=1)
    store.look("miss", MINI, cell=2)

    for filters, lookups in (
        ({}, 4),
        ({"period": Period(run="run")}, 3),
        ({"model": "gpt-4o-mini"}, 3),
        ({"execution_count": 1}, 3),
        ({"period": Period(run="run"), "model": "gpt-4o-mini", "execution_count": 1}, 1),
    ):
        read = Series.read(store, **filters)  # type: ignore[arg-type]
        assert read.costs["lookups"].sum() == read.quantiles["lookups"].sum() == lookups
        for df in (read.hit_rates, read.few_hit_rates, read.latencies):
            assert df["hits"].sum() + df["misses"].sum() == lookups


@pytest.mark.slow
def test_a_hundred_thousand_lookups_are_read_once_and_counted(zone: str) -> None:
    store = week_of_lookups(100_000)
    df = frames.outcomes(store)
    read = Series.of(df, df)

    assert read.hit_rates["hits"].sum() == read.latencies["hits"].sum() == read.quantiles["lookups"]["hit"] == 70_000
    assert read.costs["lookups"].sum() == 100_000
    assert len(read.hit_rates) <= chart_data.BUCKETS
    assert len(read.few_hit_rates) <= chart_data.FEW_BUCKETS
    store.close()
