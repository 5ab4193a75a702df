"""Code as users write it: mypy and pyright must know the type of each value. ``make types`` checks this file."""

from datetime import date
from pathlib import Path
from typing import assert_type

import pandas as pd
from langchain_core.globals import set_llm_cache
from langchain_openai import ChatOpenAI

import gptcache_magics as gm
from gptcache_magics.widgets.charts import Plot
from gptcache_magics.widgets.threshold_report import Tuned


def turn_on(folder: Path) -> None:
    """Turn the cache on and off, and install one without any magic."""
    assert_type(gm.on(folder, mode="auto", match="semantic", threshold=0.95, ttl="7d", budget="2usd"), str)
    assert_type(gm.on(ignore=["id", "date"], keep_cut_off=True), str)
    assert_type(gm.on(ignore="none"), str)
    assert_type(gm.mode("readonly"), str)
    cache = gm.current()
    if cache is not None:
        set_llm_cache(cache)
    assert_type(gm.off(), str)
    set_llm_cache(gm.GPTCache())
    assert_type(gm.local_model(temperature=0.9), ChatOpenAI)
    with gm.GPTCache(store=folder, mode="readonly", ttl="7d", budget="2usd", ignore=["id"]) as mine:
        assert_type(mine, gm.GPTCache)
        assert_type(mine.stats("cell"), pd.DataFrame)


def read_tables(folder: Path, charts: bool) -> float:
    """Read tables as frames."""
    assert_type(gm.stats(), pd.DataFrame)
    assert_type(gm.stats("cell", wide=True, since="7d", at=folder), pd.DataFrame)
    assert_type(gm.stats(plot=True, model="gpt-4o-mini"), Plot)
    assert_type(gm.stats("cell", plot=True, since="all"), Plot)
    assert_type(gm.stats(reset=True), str)
    assert_type(gm.stats(plot=charts), pd.DataFrame | Plot | str)
    assert_type(gm.models(diff=["gpt-4o-mini", "gpt-4o"]), pd.DataFrame)
    assert_type(gm.entries(grep="sky", in_="answer", limit=5), pd.DataFrame)
    assert_type(gm.lookups(outcome="miss", cell="last"), pd.DataFrame)
    assert_type(gm.missed("anna.jsonl", at="lesson.jsonl"), pd.DataFrame)
    assert_type(gm.status().to_frame(), pd.DataFrame)
    print(gm.why(128), gm.show("a41f"), gm.doctor())  # noqa: T201
    return float(gm.stats(by="total")["hits"].sum())


def change_entries(folder: Path, dry: bool) -> None:
    """Mark, save and remove entries."""
    df = gm.entries(tag="draft")
    assert_type(gm.pin("a41f", "77c2"), str)
    assert_type(gm.pin(df.index), str)
    assert_type(gm.pin(unused="90d", dry_run=True), pd.DataFrame)
    assert_type(gm.unpin(pinned=True, dry_run=dry), pd.DataFrame | str)
    assert_type(gm.tag("lesson-1", *df.index), str)
    assert_type(gm.tag("lesson-1", cell="last"), str)
    assert_type(gm.edit(text="Blue.", grep="sky"), str)
    assert_type(gm.save(folder / "lesson.jsonl", all=True), str)
    assert_type(gm.load(folder / "lesson.jsonl", replace=True), str)
    assert_type(gm.remove(older="30d"), str)
    assert_type(gm.remove(df.index, dry_run=True), pd.DataFrame)
    assert_type(gm.remove("a41f", dry_run=dry), pd.DataFrame | str)
    assert_type(gm.clear(yes=True), str)
    assert_type(gm.clear(dry_run=True), pd.DataFrame)
    assert_type(gm.undo(), str)


def match_by_meaning(folder: Path) -> None:
    """Tune and label."""
    tuned = gm.tune(target=0.95, at=folder)
    assert_type(tuned, Tuned)
    assert_type(tuned.to_frame(), pd.DataFrame)
    assert_type(gm.tune(shadow="on"), str)
    assert_type(gm.label(128, "wrong"), str)


def catch_errors() -> str | None:
    """Read the fields of errors."""
    try:
        gm.mode("replay")
    except gm.CacheMiss as miss:
        assert_type(miss.prompt + miss.model + miss.reason, str)
        return miss.closest
    except gm.BudgetReached as reached:
        assert_type(reached.limit - reached.spent, float)
    return None


def verify(notebook: Path) -> bool:
    """Run a notebook from recorded answers."""
    report = gm.verify(notebook, "lesson.jsonl", timeout=60, env=["DATA"])
    assert_type(report.to_frame(), pd.DataFrame)
    return report.ok


async def use_blocks() -> None:
    """Use settings for a block of code."""
    with gm.frozen_date("2026-01-05"):
        pass
    assert_type(gm.frozen_date(date(2026, 1, 5)).stop(), None)
    with gm.using(mode="refresh", tag="draft"):
        pass
    async with gm.using(samples=3):
        pass
