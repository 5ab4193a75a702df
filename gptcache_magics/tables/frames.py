"""Make DataFrames from a store: stable columns and dtypes, the same on pandas 2.2 and 3.

Text is ``string``, counts and tokens ``Int64``, seconds, milliseconds and US dollars ``float64`` (unknown is NaN),
times ``datetime64[us, UTC]``, ``outcome`` and ``match`` categories with fixed levels. An empty store gives empty frames
with the same columns and dtypes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import astuple, fields, replace
from datetime import datetime
from functools import cache
from typing import Any, cast

import numpy as np
import pandas as pd

from gptcache_magics import generations, pricing
from gptcache_magics.errors import CommandError
from gptcache_magics.identity.label import provider_shown
from gptcache_magics.store.protocol import (
    AuthorLog,
    Configuration,
    Content,
    EntryRow,
    LookupLog,
    LookupRow,
    Period,
    Selection,
    Store,
    Sum,
    Tally,
    Usage,
    with_authors,
)
from gptcache_magics.store.reasons import FAILURES, Kind, Reason, sentence
from gptcache_magics.store.records import parameters_of
from gptcache_magics.store.sums import FIGURES, INPUT, OUTPUT
from gptcache_magics.tables.columns import ENTRIES, LOOKUPS, MATCH, MODELS, OUTCOME, STATS, WIDE, typed
from gptcache_magics.tables.mark import marked
from gptcache_magics.tables.model_names import UNKNOWN, named
from gptcache_magics.tables.source import By

__all__ = [
    *("UNATTRIBUTED", "configurations", "differences", "entries", "faces", "lookups", "models", "names"),
    *("Read", "outcomes", "read_once", "stats", "sums", "tally"),
]


NEWEST = 110_000
"""Most lookups that are read one by one; the sums have all of them. As many are kept unless the user wants more."""
FEW = 2_000
"""Lookups that are added up one by one if all are kept: sums round each to a nanosecond."""
UNATTRIBUTED = "unattributed"
"""The name of a missing cell or notebook."""
_CONFIGURATION = [each.name for each in fields(Configuration)]
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


def stats(
    store: LookupLog,
    by: By = "model",
    *,
    period: Period = Period(),
    model: str | Collection[str] | None = None,
    outcome: str | None = None,
    execution_count: int | None = None,
    cause: str | None = None,
    face: str | None = None,
    tag: str | None = None,
    entry: str | None = None,
    wide: bool = False,
) -> pd.DataFrame:
    """Return hits, misses, money and time by ``by``: days and cells newest first, others with most lookups first.

    ``lookups`` are the hits, the misses, the calls that were bypassed and those whose lookup failed. ``errors`` are
    these, and the answers that could not be stored. ``hit_rate`` is hits / (hits + misses). *Saved* is what the stored
    answers cost when they were bought.
    """
    chosen: dict[str, Any] = {
        **{"period": period, "model": model, "outcome": outcome, "execution_count": execution_count},
        **{"cause": cause, "face": face, "tag": tag, "entry": entry},
    }
    table = tally(sums(store, by, **chosen), by, wide=wide)
    if wide:
        latencies = outcomes(store, **chosen)
        milliseconds = latencies["lookup_ms"].groupby(_keys(latencies, by), sort=False)
        table["median_lookup_ms"] = milliseconds.median().reindex(table.index)
        table["p95_lookup_ms"] = milliseconds.quantile(0.95).reindex(table.index)
    return marked(table)


def tally(df: pd.DataFrame, by: By = "model", *, wide: bool = False) -> pd.DataFrame:
    """Return the ``stats`` of a frame ``sums``, or ``outcomes``; without latencies, which sums do not tell."""
    keys = _keys(df, by)
    hit, miss = df["outcome"] == "hit", df["outcome"] == "miss"

    def number(which: pd.Series[bool]) -> pd.Series[int]:
        return df["lookups"].where(which, 0)

    parts = pd.DataFrame(
        {
            "lookups": df["lookups"],
            "hits": number(hit),
            "misses": number(miss),
            "saved_usd": df["saved_usd"],
            "paid_usd": df["paid_usd"],
            "saved_seconds": df["saved_seconds"],
            "paid_seconds": df["paid_seconds"],
            "errors": number((df["outcome"] == "error") | df["failed"]),
            "exact_hits": number(hit & (df["match"] == "exact")),
            "semantic_hits": number(hit & (df["match"] == "semantic")),
            "ignoring_hits": number(hit & (df["reason_kind"] == "ignored")),
            "bypassed": number(df["outcome"] == "bypass"),
            "not_stored": number(df["not_stored"]),
            **{f"saved_{name}": df[name].where(hit) for name in _TOKENS[:2]},
            **{f"paid_{name}": df[name].where(~hit) for name in _TOKENS[:2]},
            "unpriced_saved": number(df["saved_usd"].isna() & (df["saved_seconds"] > 0)),
            # A refused call took no time.
            "unpriced_paid": number(df["paid_usd"].isna() & ~hit & (df["paid_seconds"] != 0)),
        },
        index=df.index,
    )
    table = parts.groupby(keys, sort=False).sum(min_count=1)
    for money, happened in (("saved_usd", table["hits"]), ("paid_usd", table["lookups"] - table["hits"])):
        table[money] = table[money].where(happened > 0, 0.0)  # without lookups the amount is zero, not unknown
    # Of answers that LangChain's GPTCache stored the time is not known; a call that failed cost none.
    table["saved_seconds"] = table["saved_seconds"].where(table["hits"] > 0, 0.0)
    table["paid_seconds"] = table["paid_seconds"].fillna(0.0)
    decided = table["hits"] + table["misses"]
    table["hit_rate"] = (table["hits"] / decided.where(decided > 0)).astype("float64")
    table[["median_lookup_ms", "p95_lookup_ms"]] = float("nan")
    if by == "total" and table.empty:
        table.loc["total"] = 0
        table.loc["total", ["hit_rate", "median_lookup_ms", "p95_lookup_ms"]] = float("nan")
    if by not in ("cell", "day"):  # these are in the order of the lookups, which come newest first
        table = table.sort_values("lookups", ascending=False, kind="stable")
    table.index = pd.Index(table.index.astype("string"), name=by)
    columns = {**STATS, **WIDE} if wide else STATS
    return table[list(columns)].astype(columns)


def models(store: Store) -> pd.DataFrame:
    """Return one row for each model: its configurations and entries, and all its hits."""
    contents = pd.DataFrame(store.contents(), columns=list(Content._fields))
    tallies = pd.DataFrame(store.tallies(), columns=list(Tally._fields))
    known = configurations(store).merge(contents, on="key", how="left").merge(tallies, on="key", how="left")
    groups = known.groupby("model", sort=True)
    hits, misses = (pd.to_numeric(groups[name].sum()).astype("int64") for name in ("hits", "misses"))
    used = groups[["last_created", "last"]].max().astype("float64").max(axis=1)
    df = pd.DataFrame(
        {
            "provider": groups["provider"].first(),
            "configurations": groups.size(),
            "temperature": groups["temperature"].agg(lambda t: ", ".join(sorted({f"{x:g}" for x in t.dropna()}))),
            **{name: pd.to_numeric(groups[name].sum()) for name in ("entries", "bytes")},
            "first_used": groups["first_created"].min().astype("float64"),
        }
    )
    df["hits"] = hits
    df["hit_rate"] = hits / (hits + misses).where(hits + misses > 0)
    df["last_used"] = used
    df.index = pd.Index(df.index, name="model", dtype="object").astype("string")
    return marked(typed(df, MODELS))


def faces(store: LookupLog, period: Period = Period(), *, by: By = "total") -> pd.Series[str]:
    """Return the libraries that asked, those with most lookups first: ``langchain, openai`` for each row of ``by``."""
    df = sums(store, by, period=period)
    counts = df["lookups"].groupby([_keys(df, by), df["face"]]).sum().sort_values(ascending=False, kind="stable")
    asked = counts.reset_index(level=1)["face"].groupby(level=0, sort=False).agg(", ".join)
    return asked.astype("string").rename("face").rename_axis(by)


def differences(store: LookupLog, one: str, other: str) -> pd.DataFrame:
    """Return the parameters that differ between two configurations, one column each; an unset one is empty."""
    known = configurations(store).set_index("key")
    columns = {}
    for key in (one, other):
        row = known.loc[key]
        parameters = {"model": row["model"], "provider": row["provider"], **parameters_of(str(row["parameters"]))}
        columns[row["configuration"]] = pd.Series(
            {name: each if isinstance(each, str) else json.dumps(each) for name, each in parameters.items()},
            dtype="object",
        )
    df = pd.DataFrame(columns).astype("string").rename_axis("parameter")
    return marked(df[df.nunique(axis=1, dropna=False) > 1])


def entries(
    store: Store,
    selection: Selection = Selection(),
    *,
    model: str | Collection[str] | None = None,
    limit: int | None = None,
) -> pd.DataFrame:
    """Return the stored answers, newest first. Those that cannot be decoded are skipped, and the store counts them."""
    if model is not None:
        known = configurations(store)
        selection = replace(selection, configurations=list(known["key"][named(known, model)]))
    rows = store.entries(selection, limit)
    answers = {row.key: generations.text_if_readable(row.answer) for row in rows}
    store.skipped(key[:16] for key, answer in answers.items() if answer is None)
    df = pd.DataFrame.from_records(
        [row for row in rows if answers[row.key] is not None], columns=list(EntryRow._fields)
    )
    df = df.assign(**_model_columns(store, df))
    full = df["key"].astype("object").str[:16]
    short = full.str[:8]
    df.index = pd.Index(short.where(~short.duplicated(keep=False), full), name="id", dtype="object").astype("string")
    df["paid_seconds"] = df["seconds"]
    df["paid_usd"] = _usd(df)
    df["answer"] = df["key"].map(answers)
    df["tags"] = df["tags"].str.strip()
    df["author"] = df["author"].where(df["author"] != "", None)
    df[["pinned", "edited"]] = df[["pinned", "edited"]].astype("bool")
    return marked(typed(df, ENTRIES))


def lookups(
    store: LookupLog,
    *,
    period: Period = Period(),
    model: str | Collection[str] | None = None,
    outcome: str | None = None,
    execution_count: int | None = None,
    cause: str | None = None,
    face: str | None = None,
    tag: str | None = None,
    entry: str | None = None,
    limit: int | None = None,
    words: bool = True,
) -> pd.DataFrame:
    """Return every lookup, newest first; unless ``words``, a ``reason`` does not quote words of the questions.

    ``cause`` is the reason in a word, without what differs: the word by which ``stats`` counts causes. ``entry`` is the
    key of an entry: only its lookups are meant.
    """
    period = _of_entry(period, entry)
    filtered = any(each is not None for each in (model, outcome, execution_count, cause, face, tag))
    rows = store.lookups(period, None if filtered else limit)
    df = pd.DataFrame(rows, columns=list(LookupRow._fields), dtype="object")  # typed below, not guessed here
    df = df.assign(**_model_columns(store, df))
    df = df.assign(**_costs(df))
    said = cache(lambda kind, detail: sentence(Reason(Kind(kind), detail) if kind else None, words=words))
    df["reason"] = [
        sentence(row.reason, row.near, words=words) if row.near_entry else said(row.reason_kind, row.reason_detail)
        for row in rows
    ]
    df["cause"] = _keys(df, "cause")
    df["cell"] = _keys(df, "cell").where(df["execution_count"].notna(), None)
    df["lookup_ms"] = df["lookup_seconds"].astype("float64") * 1000
    df["outcome"] = _coded([row.outcome for row in rows], OUTCOME)
    df["match"] = _coded([row.match for row in rows], MATCH)
    df["entry"] = [row.entry and row.entry[:8] for row in rows]
    df["author"] = [row.author or None for row in rows]
    df.index = pd.Index(df["number"].astype("int64"), name="number")
    wanted = named(df, model) if model is not None else slice(None)
    df = typed(df, LOOKUPS)[wanted]
    if outcome is not None:
        df = df[df["outcome"] == outcome]
    if execution_count is not None:
        df = df[(df["execution_count"] == execution_count).fillna(False).astype("bool")]
    if cause is not None:
        df = df[df["cause"] == cause]
    if face is not None:
        df = df[df["face"] == face]
    if tag is not None:
        df = df[df.index.isin(_tagged(store, period, tag))]
    return marked(df if limit is None else df.head(limit))


def outcomes(
    store: LookupLog,
    *,
    period: Period = Period(),
    model: str | Collection[str] | None = None,
    outcome: str | None = None,
    execution_count: int | None = None,
    cause: str | None = None,
    face: str | None = None,
    tag: str | None = None,
    entry: str | None = None,
) -> pd.DataFrame:
    """Return the facts of the ``NEWEST`` lookups that are kept, one row for each, newest first."""
    period = _of_entry(period, entry)
    df = _read_once(store, period, "", lambda: _outcomes(store, period))
    if tag is not None:
        df = df[df["number"].isin(_tagged(store, period, tag))]
    return _chosen(df, model, outcome, execution_count, cause, face)


def sums(
    store: LookupLog,
    by: By,
    *,
    period: Period = Period(),
    model: str | Collection[str] | None = None,
    outcome: str | None = None,
    execution_count: int | None = None,
    cause: str | None = None,
    face: str | None = None,
    tag: str | None = None,
    entry: str | None = None,
) -> pd.DataFrame:
    """Return the facts that figures are made of, of all lookups whether they are kept or not.

    A row is ``lookups`` of them that no figure tells apart, by cell if ``by`` or ``execution_count`` needs that. Only
    the days of a cell, who asked in it, and the figures of a tag or an entry are those of the lookups that are kept.

    Raises
    ------
    CommandError
        If figures by author are asked of a store that does not know who asked.
    """
    cells = by in ("cell", "notebook") or execution_count is not None
    log = with_authors(store)
    if by == "author" and log is None:
        raise CommandError(
            "Only a team's store knows who asked: %gptcache stats --by author --at postgresql://USER@HOST/DATABASE"
        )
    if tag is not None or entry is not None or (cells and by in ("day", "author")):
        df = outcomes(store, period=period, tag=tag, entry=entry)
    else:
        if by == "author" and log is not None:
            df = _read_once(store, period, "authors", lambda: _sums_of_authors(log, period))
        else:
            df = _read_once(store, period, "cells" if cells else "days", lambda: _sums(store, period, cells=cells))
        number = df["lookups"].sum()
        if number <= FEW and len(kept := outcomes(store, period=period)) == number:
            df = kept
    return _chosen(df, model, outcome, execution_count, cause, face)


def _of_entry(period: Period, entry: str | None) -> Period:
    return period if entry is None else replace(period, key=entry)


def _chosen(
    df: pd.DataFrame,
    model: str | Collection[str] | None,
    outcome: str | None,
    execution_count: int | None,
    cause: str | None,
    face: str | None,
) -> pd.DataFrame:
    if model is not None:
        df = df[named(df, model)]
    if outcome is not None:
        df = df[df["outcome"] == outcome]
    if execution_count is not None:
        df = df[df["execution_count"] == execution_count]
    if face is not None:
        df = df[df["face"] == face]
    return df if cause is None else df[_keys(df, "cause") == cause]


def _tagged(store: LookupLog, period: Period, tag: str) -> pd.Series[int]:
    """Return the numbers of the ``NEWEST`` lookups whose entry has a tag: a lookup leaves its own on the entry."""
    return _read_once(store, period, f"tag {tag}", lambda: _numbers_tagged(store, period, tag))["number"]


def _numbers_tagged(store: LookupLog, period: Period, tag: str) -> pd.DataFrame:
    entries = {row.key[:16] for row in cast(Store, store).entries(Selection(tag=tag))}
    numbers = [row.number for row in store.lookups(period, NEWEST) if row.entry in entries] if entries else []
    return pd.DataFrame({"number": pd.Series(numbers, dtype="int64")})


def _read_once(store: LookupLog, period: Period, what: str, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    found = _read.get()
    if found is None:
        return read()
    key = (id(store), period, what)
    if key not in found:
        found[key] = read()
    return found[key]


Read = dict[tuple[int, Period, str], pd.DataFrame]


@contextmanager
def read_once(read: Read | None = None) -> Iterator[Read]:
    """Read lookups once in this block, however many tables use them; ``read`` holds those of an earlier block."""
    read = {} if read is None else read
    token = _read.set(read)
    try:
        yield read
    finally:
        _read.reset(token)


_read: ContextVar[Read | None] = ContextVar("gptcache_magics_read", default=None)


def _outcomes(store: LookupLog, period: Period) -> pd.DataFrame:
    """Read the newest lookups of a period, with as little work for each as possible."""
    found = store.outcomes(period, NEWEST)
    numbers = {"at", "lookup_seconds", "seconds", "execution_count", *_TOKENS}
    dtypes = {"failed": "bool", "not_stored": "bool", **dict.fromkeys(numbers, "float64")}
    columns = {each.name: getattr(found, each.name) for each in fields(found)}
    columns |= {"outcome": _coded(found.outcome, OUTCOME), "match": _coded(found.match, MATCH)}
    df = pd.DataFrame({name: pd.Series(values, dtype=dtypes.get(name)) for name, values in columns.items()})
    df = df.assign(**_model_columns(store, df))
    df["lookup_ms"], df["lookups"] = df["lookup_seconds"] * 1000, 1
    return df.assign(**_costs(df))


def _sums(store: LookupLog, period: Period, *, cells: bool) -> pd.DataFrame:
    return _frame_of(store, store.sums(period, cells=cells))


def _sums_of_authors(store: AuthorLog, period: Period) -> pd.DataFrame:
    found = store.sums_of_authors(period)
    return _frame_of(store, [each for _, each in found]).assign(author=[author for author, _ in found])


def _frame_of(store: LookupLog, found: Sequence[Sum]) -> pd.DataFrame:
    df = pd.DataFrame(found, columns=list(Sum._fields)).astype(dict.fromkeys(FIGURES, "int64"))
    for name, known in zip(_TOKENS, (INPUT, OUTPUT, INPUT, INPUT), strict=True):
        of = df[name.removesuffix("_tokens")]
        df[name] = of.astype("float64").where((df["known"].astype("int64") & known) > 0)
    df["seconds"] = pd.Series([each.seconds for each in found], df.index, dtype="float64")
    df["execution_count"] = df["execution_count"].astype("float64")
    df["failed"] = df["reason_kind"].isin(FAILURES)
    df["not_stored"] = df["reason_kind"] == Kind.NOT_STORED
    df["outcome"], df["match"] = _coded(df["outcome"], OUTCOME), _coded(df["match"], MATCH)
    df = df.assign(**_model_columns(store, df))
    return df.assign(**_costs(df))


def _coded(values: Iterable[str | None], levels: pd.CategoricalDtype) -> pd.Categorical:
    """Return texts as a category, faster than pandas, which compares each text with the levels."""
    codes = {level: code for code, level in enumerate(levels.categories)}
    return pd.Categorical.from_codes([codes.get(each, -1) for each in values], dtype=levels)


def configurations(store: LookupLog, more: Iterable[Configuration] = ()) -> pd.DataFrame:
    """Return the configurations of a store: ``key``, ``provider``, ``raw_model``, ``configuration`` (label) and more.

    ``model`` is the model's name, with its provider if two providers have a model of that name.
    """
    known = [replace(each, provider=provider_shown(each)) for each in (*store.configurations(), *more)]
    df = pd.DataFrame.from_records(list(map(astuple, known)), columns=_CONFIGURATION)
    df = df.drop_duplicates("key", ignore_index=True)
    df = df.rename(columns={"model": "raw_model", "label": "configuration"})
    pairs = df[["provider", "raw_model"]].drop_duplicates()
    twice = df["raw_model"].isin(pairs["raw_model"][pairs["raw_model"].duplicated()])
    provider = df["provider"].where(df["provider"] != "", "?")
    df["model"] = df["raw_model"].where(~twice, df["raw_model"] + " (" + provider + ")")
    return df


def names(df: pd.DataFrame, by: By) -> pd.Series[str]:
    """Return the row of ``tally`` that counts each lookup of ``outcomes``, by the lookup's number."""
    return pd.Series(_keys(df, by).to_numpy(), pd.Index(df["number"].astype("int64")), dtype="string", name=by)


def _model_columns(store: LookupLog, df: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """Return model and configuration of each row, by the key of its configuration."""
    known = configurations(store)
    codes = pd.Index(known["key"]).get_indexer(df["configuration"])
    at = pd.Series(pd.Categorical.from_codes(codes, known.index).astype("object"), index=df.index)
    return {name: at.map(known[name]) for name in ("provider", "raw_model", "model", "configuration")}


def _costs(df: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """Return money and time, saved by a hit or paid for anything else."""
    hit = df["outcome"] == "hit"
    dollars, seconds = _usd(df), df["seconds"].astype("float64")
    return {
        **{"saved_usd": dollars.where(hit), "saved_seconds": seconds.where(hit)},
        **{"paid_usd": dollars.where(~hit), "paid_seconds": seconds.where(~hit)},
    }


def _keys(df: pd.DataFrame, by: By) -> pd.Series[str]:
    if by == "total":
        return pd.Series("total", index=df.index, dtype="object")
    if by == "day" and "day" in df:
        return df["day"].astype("object")
    if by == "day":
        here = datetime.now().astimezone().tzinfo  # as --since today
        return pd.to_datetime(df["at"], unit="s", utc=True).dt.tz_convert(here).dt.strftime("%Y-%m-%d").astype("object")
    if by == "cause":  # of what is no hit; a mode, a similar question and what is gone are causes, too
        kinds = df["reason_kind"].astype("object").where(df["outcome"] != "hit", "")
        return kinds.where(kinds != "", df["outcome"].astype("object"))
    if by == "cell":
        count = "[" + df["execution_count"].astype("Int64").astype("string") + "]"
        label = (df["notebook"].astype("string") + " " + count + " " + df["cell_line"].astype("string")).str.strip()
        return label.astype("object").where(df["execution_count"].notna(), UNATTRIBUTED)
    known = df[by].notna() & (df[by] != "")
    return df[by].astype("object").where(known, UNATTRIBUTED if by == "notebook" else UNKNOWN)


def _usd(df: pd.DataFrame) -> pd.Series[float]:
    """Return the cost of each row's tokens in US dollars."""
    tokens = df[list(_TOKENS)].astype("float64")
    answers = df["lookups"].to_numpy("float64") if "lookups" in df else np.ones(len(df))
    known = tokens[["input_tokens", "output_tokens"]].notna().all(axis=1)
    tokens = tokens.fillna(0.0)
    plain = tokens["input_tokens"] - tokens["cache_read_tokens"] - tokens["cache_write_tokens"]
    parts = np.stack([plain, *(tokens[name] for name in _TOKENS[1:])])
    dollars = np.full(len(df), np.nan)
    for pair, where in df.groupby(["provider", "raw_model"]).indices.items():
        fee, *rates = pricing.rates(*cast(tuple[str, str], pair))
        dollars[where] = fee * answers[where] + np.array(rates, dtype="float64") @ parts[:, where]
    large = tokens["input_tokens"] >= pricing.TIER_TOKENS * answers
    for at in np.flatnonzero(large).tolist():  # few, and priced by tiers
        row, each = df.iloc[at], tokens.iloc[at] / answers[at]
        dollars[at] = answers[at] * pricing.usd(row["provider"], row["raw_model"], Usage(*map(round, each)))
    return pd.Series(dollars, index=df.index).where(known)
