"""Tables: columns and dtypes, figures that add up, money against the price list."""

import json
import math
import time
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from genai_prices import Usage as Tokens
from genai_prices import calc_price

import gptcache_magics as gm
from gptcache_magics.store.protocol import Configuration, Lookup, Period, Selection, Usage
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.tables import columns, frames
from gptcache_magics.tables.source import Source
from gptcache_magics.tables.totals import run_totals
from gptcache_magics.widgets.entry.conversation import facts_html
from gptcache_magics.widgets.entry.stored import stored_entry
from tests.support.filled_store import CLAUDE, LLAMA, MINI, MINI_HOT, NOON, USAGE, FilledStore, configuration, dtypes_of
from tests.support.provider_server import ProviderServer
from tests.support.shell import NumberedModel, ask

BYS = ("model", "configuration", "face", "cell", "notebook", "day", "cause", "total")
COLUMNS = {
    "stats": "lookups=Int64 hits=Int64 misses=Int64 bypassed=Int64 hit_rate=float64 saved_usd=float64 paid_usd=float64"
    " saved_seconds=float64 errors=Int64",
    "wide": "exact_hits=Int64 semantic_hits=Int64 ignoring_hits=Int64 not_stored=Int64"
    " median_lookup_ms=float64 p95_lookup_ms=float64"
    " paid_seconds=float64 saved_input_tokens=Int64 saved_output_tokens=Int64 paid_input_tokens=Int64"
    " paid_output_tokens=Int64 unpriced_saved=Int64 unpriced_paid=Int64",
    "models": "provider=string configurations=Int64 temperature=string entries=Int64 bytes=Int64 hits=Int64"
    " hit_rate=float64 first_used=time last_used=time",
    "entries": "model=string configuration=string question=string answer=string hits=Int64 created=time accessed=time"
    " expires=time paid_seconds=float64 input_tokens=Int64 output_tokens=Int64 cache_read_tokens=Int64"
    " cache_write_tokens=Int64 paid_usd=float64 finish_reason=string"
    " bytes=Int64 pinned=boolean edited=boolean tags=string author=string",
    "lookups": "at=time notebook=string run=string cell=string execution_count=Int64 model=string configuration=string"
    " face=string mode=string question=string outcome=category cause=string reason=string match=category"
    " similarity=float64 lookup_ms=float64 input_tokens=Int64 output_tokens=Int64 cache_read_tokens=Int64"
    " cache_write_tokens=Int64 saved_seconds=float64 saved_usd=float64"
    " paid_seconds=float64 paid_usd=float64 entry=string author=string",
}


def usd(of: Configuration, usage: Usage) -> float:
    """Return the price of the price list."""
    tokens = Tokens(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens or None,
        cache_write_tokens=usage.cache_write_tokens or None,
    )
    return float(calc_price(tokens, model_ref=of.model, provider_id=of.provider).total_price)


@pytest.fixture
def filled(store: FilledStore) -> FilledStore:
    """Return a store with three models, two configurations of one, every outcome, two cells, notebooks and days."""
    store.keep(MINI)
    store.keep(CLAUDE, key="63" * 16, created=NOON + 60)
    store.look("miss", MINI, usage=USAGE, seconds=2.0, cell=3, line="ask(1)", notebook="a.ipynb")
    for _ in range(2):
        store.look("hit", MINI, usage=USAGE, seconds=2.0, cell=4, line="ask(1)", notebook="a.ipynb", at=NOON + 60)
    store.look("hit", MINI_HOT, match="semantic", usage=USAGE, seconds=1.0, cell=4, line="ask(1)", notebook="b.ipynb")
    store.look("miss", CLAUDE, usage=Usage(2_000, 100, 500, 300), seconds=3.0, at=NOON + 86_400)
    store.look("miss", LLAMA, usage=Usage(10, 5), seconds=4.0, reason=Reason(Kind.NOT_STORED, "cut off"))
    store.look(
        "error", CLAUDE, reason=Reason(Kind.ERROR, "OSError while looking up an answer: disk"), lookup_seconds=0.009
    )
    store.look("miss", CLAUDE, reason=Reason(Kind.ERROR, "OSError while storing an answer: disk"))
    store.look("bypass", MINI, cell=5, line="ask(2)")
    store.look("error", None, reason=Reason(Kind.ERROR, "TypeError while reading the model's parameters: x"), key="")
    return store


def table(store: SQLiteStore, name: str) -> pd.DataFrame:
    """Return the frame that a person sees under this name."""
    if name in BYS:
        return frames.stats(store, name)  # type: ignore[arg-type]
    if name == "wide":
        return frames.stats(store, wide=True)
    frame: pd.DataFrame = getattr(frames, name)(store)
    return frame


def expected_dtypes(name: str) -> str:
    if name in BYS:
        return COLUMNS["stats"]
    return f"{COLUMNS['stats']} {COLUMNS['wide']}" if name == "wide" else COLUMNS[name]


INDEXES = {name: (name, "string") for name in BYS} | {
    "wide": ("model", "string"),
    "models": ("model", "string"),
    "entries": ("id", "string"),
    "lookups": ("number", "int64"),
}


@pytest.mark.parametrize("name", INDEXES)
@pytest.mark.parametrize("content", ["empty", "filled"])
def test_columns_dtypes_and_index_are_the_same_empty_or_filled(
    name: str, content: str, request: pytest.FixtureRequest
) -> None:
    df = table(request.getfixturevalue("store" if content == "empty" else content), name)

    assert dtypes_of(df) == expected_dtypes(name)
    assert (df.index.name, str(df.index.dtype)) == INDEXES[name]
    assert len(df) == 0 or content == "filled" or name == "total"
    assert df.index.is_unique


def test_the_categories_are_fixed(store: FilledStore, filled: FilledStore) -> None:
    for df in (frames.lookups(store, outcome="bypass"), frames.lookups(filled)):
        assert list(df["outcome"].cat.categories) == ["hit", "miss", "bypass", "error"]
        assert list(df["match"].cat.categories) == ["exact", "semantic"]


def test_the_columns_are_documented() -> None:
    for name, of_frame in (
        ("stats", columns.STATS),
        ("wide", columns.WIDE),
        ("models", columns.MODELS),
        ("entries", columns.ENTRIES),
        ("lookups", columns.LOOKUPS),
    ):
        assert list(of_frame) == [each.split("=")[0] for each in COLUMNS[name].split()]


def test_stats_count_add_and_sort(filled: FilledStore) -> None:
    df = frames.stats(filled, wide=True)

    assert df.index.tolist()[:2] == ["gpt-4o-mini", "claude-sonnet-4-0"]
    df = df.loc[["gpt-4o-mini", "claude-sonnet-4-0", "llama3", "unknown"]]
    counts = ["lookups", "hits", "misses", "errors", "exact_hits", "semantic_hits", "bypassed"]
    assert df.loc["gpt-4o-mini", counts].tolist() == [5, 3, 1, 0, 2, 1, 1]
    assert df.loc["claude-sonnet-4-0", counts].tolist() == [3, 0, 2, 2, 0, 0, 0]
    assert df.loc["unknown", counts].tolist() == [1, 0, 0, 1, 0, 0, 0]
    assert df["hit_rate"].round(2).tolist()[:3] == [0.75, 0, 0]
    assert math.isnan(df["hit_rate"]["unknown"])
    assert df["saved_seconds"].tolist() == [5.0, 0, 0, 0]
    assert df["paid_seconds"].tolist() == [2.0, 3.0, 4.0, 0]
    tokens = ["saved_input_tokens", "saved_output_tokens", "paid_input_tokens", "paid_output_tokens"]
    assert df.loc["gpt-4o-mini", tokens].tolist() == [3_000, 1_500, 1_000, 500]
    assert df.loc["llama3", tokens[2:]].tolist() == [10, 5]
    assert df["median_lookup_ms"].round(3).tolist()[:2] == [1.0, 1.0]
    assert df["p95_lookup_ms"].round(1).tolist()[:2] == [1.0, 8.2]


def test_money_is_what_the_price_list_says(filled: FilledStore) -> None:
    df = frames.stats(filled)

    assert df["saved_usd"]["gpt-4o-mini"] == pytest.approx(3 * usd(MINI, USAGE))
    assert df["paid_usd"]["gpt-4o-mini"] == pytest.approx(usd(MINI, USAGE))
    assert df["paid_usd"]["claude-sonnet-4-0"] == pytest.approx(usd(CLAUDE, Usage(2_000, 100, 500, 300)))
    lookups = frames.lookups(filled)
    assert lookups["saved_usd"].sum() == pytest.approx(3 * usd(MINI, USAGE))
    assert frames.entries(filled)["paid_usd"].tolist() == pytest.approx([usd(CLAUDE, USAGE), usd(MINI, USAGE)])


@pytest.mark.parametrize("tokens", [100, 31_999, 32_000, 150_000, 250_000])
@pytest.mark.parametrize("of", [MINI, CLAUDE, configuration("google_genai", "gemini-2.5-pro")], ids=lambda of: of.model)
def test_money_is_right_in_every_tier_of_a_price(store: FilledStore, of: Configuration, tokens: int) -> None:
    usage = Usage(tokens, 50, tokens // 2)
    store.look("miss", of, usage=usage)

    listed = configuration(of.provider.removesuffix("_genai"), of.model)
    assert frames.stats(store)["paid_usd"].tolist() == pytest.approx([usd(listed, usage)])


@pytest.mark.parametrize(("of", "usage"), [(LLAMA, USAGE), (MINI, Usage()), (MINI, Usage(None, 7)), (None, USAGE)])
def test_an_unknown_price_is_unknown_and_nothing_happened_is_nothing(
    store: FilledStore, of: Configuration | None, usage: Usage
) -> None:
    store.look("miss", of, usage=usage)

    df = frames.stats(store)
    assert math.isnan(df["paid_usd"].item())
    assert df["saved_usd"].item() == 0.0
    assert math.isnan(frames.lookups(store)["paid_usd"].item())
    store.look("hit", of, usage=usage)
    df = frames.stats(store)
    assert math.isnan(df["saved_usd"].item())
    assert math.isnan(frames.lookups(store)["saved_usd"].iloc[0])


def test_a_total_says_how_many_answers_have_no_known_price(store: FilledStore) -> None:
    for of in (MINI, LLAMA, LLAMA):
        store.look("miss", of, usage=USAGE, seconds=1.0)
    store.look("hit", LLAMA, usage=USAGE, seconds=1.0)
    store.look("miss", LLAMA, usage=Usage(0, 0), seconds=0.0)  # refused

    total = frames.stats(store, "total", wide=True).iloc[0]
    assert total[["unpriced_saved", "unpriced_paid"]].tolist() == [1, 2]
    assert total["paid_usd"] == pytest.approx(usd(MINI, USAGE))
    assert pd.isna(total["saved_usd"])
    assert run_totals(Source(store)).endswith("saved 1.0 s · paid $0.0004 and 2 calls of unknown price, 3.0 s")


def test_the_total_of_nothing_is_nothing(store: FilledStore) -> None:
    row = frames.stats(store, "total", wide=True).loc["total"]

    money = ["lookups", "hits", "misses", "saved_usd", "paid_usd", "saved_seconds", "errors", "paid_input_tokens"]
    assert row[money].tolist() == [0] * len(money)
    assert row[["hit_rate", "median_lookup_ms"]].isna().all()


def test_two_providers_with_one_model_name_are_told_apart(store: FilledStore) -> None:
    groq, together = configuration("groq", "llama-3.1-8b-instant"), configuration("somebody", "llama-3.1-8b-instant")
    store.keep(groq)
    store.keep(together, key="74" * 16)
    store.look("miss", groq, usage=USAGE)
    store.look("miss", together, usage=USAGE)
    store.look("hit", together, usage=USAGE)
    names = ["llama-3.1-8b-instant (groq)", "llama-3.1-8b-instant (somebody)"]

    df = frames.stats(store)
    assert sorted(df.index) == sorted(frames.models(store).index) == names
    assert df["lookups"][names].tolist() == [1, 2]
    assert df["paid_usd"][names[0]] == pytest.approx(usd(groq, Usage(1_000, 500)), rel=0.5)
    assert math.isnan(df["paid_usd"][names[1]])
    assert set(frames.entries(store)["model"]) == set(frames.lookups(store)["model"]) == set(names)
    assert frames.models(store)["hits"][names].tolist() == [0, 1]


@pytest.mark.parametrize("by", BYS)
def test_lookups_rebuild_stats_by_groupby(filled: FilledStore, by: str) -> None:
    lookups = frames.lookups(filled)
    keys = {
        "model": lookups["model"].fillna("unknown"),
        "configuration": lookups["configuration"].fillna("unknown"),
        "notebook": lookups["notebook"].replace("", "unattributed"),
        "day": lookups["at"].dt.strftime("%Y-%m-%d"),
        "cause": lookups["cause"],
        "cell": lookups["execution_count"].map(lambda n: "unattributed" if pd.isna(n) else f"[{int(n)}]"),
        "face": lookups["face"],
        "total": pd.Series("total", index=lookups.index),
    }[by]
    groups = lookups.assign(
        hits=lookups["outcome"] == "hit",
        misses=lookups["outcome"] == "miss",
        bypassed=lookups["outcome"] == "bypass",
        failed=lookups["outcome"] == "error",
        errors=lookups["reason"].str.startswith("error"),
    ).groupby(keys.astype("string"))
    money = ["saved_usd", "paid_usd", "saved_seconds"]
    rebuilt = groups[["hits", "misses", "bypassed", "failed", "errors"]].sum().assign(lookups=groups.size())
    assert (rebuilt["lookups"] == rebuilt[["hits", "misses", "bypassed", "failed"]].sum(axis=1)).all()

    df = table(filled, by)
    if by == "cell":
        df.index = df.index.str.extract(r"(\[\d+\]|unattributed)", expand=False)
        df = df.groupby(level=0).sum()
    for column in ("lookups", "hits", "misses", "bypassed", "errors"):
        assert rebuilt[column].to_dict() == df[column].to_dict()
    assert groups[money].sum().to_dict() == {
        column: pytest.approx(df[column].fillna(0.0).to_dict()) for column in money
    }


def test_a_cell_is_named_by_notebook_number_and_first_line(filled: FilledStore) -> None:
    df = frames.stats(filled, "cell")

    assert df["hits"].drop("unattributed").to_dict() == {
        "a.ipynb [3] ask(1)": 0,
        "a.ipynb [4] ask(1)": 2,
        "b.ipynb [4] ask(1)": 1,
        "[5] ask(2)": 0,
    }
    newest = frames.lookups(filled).groupby(["notebook", "execution_count"], sort=False, dropna=False).size()
    assert list(df["lookups"]) == list(newest)


def test_hits_of_a_removed_entry_are_still_counted(store: FilledStore) -> None:
    store.keep()
    store.look("miss", usage=USAGE)
    store.look("hit", usage=USAGE)
    before = frames.stats(store)
    store.clear()

    pd.testing.assert_frame_equal(frames.stats(store), before)
    assert frames.models(store)[["entries", "bytes", "hits", "hit_rate"]].loc["gpt-4o-mini"].tolist() == [0, 0, 1, 0.5]


def test_models_tell_configurations_sizes_and_times(filled: FilledStore) -> None:
    df = frames.models(filled)

    assert df.index.tolist() == ["claude-sonnet-4-0", "gpt-4o-mini", "llama3"]
    assert df["provider"].tolist() == ["anthropic", "openai", "ollama"]
    assert df["configurations"].tolist() == [1, 2, 1]
    assert df["temperature"].tolist() == ["", "0, 0.7", ""]
    assert df["entries"].tolist() == [1, 1, 0]
    assert df["bytes"].sum() == frames.entries(filled)["bytes"].sum() > 0
    assert df["hits"].tolist() == [0, 3, 0]
    assert df["first_used"]["gpt-4o-mini"] == pd.Timestamp(NOON, unit="s", tz="UTC")
    assert df["last_used"]["gpt-4o-mini"] == pd.Timestamp(NOON + 60, unit="s", tz="UTC")
    assert df["first_used"].isna().tolist() == [False, False, True]


def test_entries_are_listed_newest_first_with_what_they_cost(filled: FilledStore) -> None:
    df = frames.entries(filled)

    assert df["model"].tolist() == ["claude-sonnet-4-0", "gpt-4o-mini"]
    newest = df.iloc[0]
    assert newest[["question", "answer", "finish_reason", "tags"]].tolist() == ["question", "the answer", "stop", ""]
    assert newest[["paid_seconds", "input_tokens", "output_tokens", "hits"]].tolist() == [1.5, 1_000, 500, 0]
    assert newest["created"] == pd.Timestamp(NOON + 60, unit="s", tz="UTC")
    assert df["accessed"].isna().tolist() == [True, False]
    assert len(frames.entries(filled, limit=1)) == 1
    assert frames.entries(filled, Selection(pinned=True)).empty


def test_ids_are_short_unless_two_begin_alike(store: FilledStore) -> None:
    store.keep(key="01" * 16)
    assert frames.entries(store).index.tolist() == ["01010101"]
    store.keep(key="01" * 4 + "02" * 12)
    store.keep(key="ff" * 16)

    assert sorted(frames.entries(store).index) == ["0101010101010101", "0101010102020202", "ffffffff"]


def test_lookups_name_their_entry_as_the_entries_table_does(store: FilledStore) -> None:
    store.keep(key="ff" * 16)
    store.look("hit", key="ff" * 16)
    joined = frames.lookups(store).join(frames.entries(store), on="entry", rsuffix="_of_entry")

    assert joined["answer"].tolist() == ["the answer"]


def test_lookups_are_listed_newest_first_and_filtered(filled: FilledStore) -> None:
    df = frames.lookups(filled)

    assert df.index.tolist() == list(range(10, 0, -1))
    assert frames.lookups(filled, limit=3).index.tolist() == [10, 9, 8]
    assert frames.lookups(filled, outcome="hit", limit=2).index.tolist() == [4, 3]
    assert frames.lookups(filled, execution_count=4).index.tolist() == [4, 3, 2]
    assert frames.lookups(filled, model="gpt-4o-mini").index.tolist() == [9, 4, 3, 2, 1]
    assert frames.lookups(filled, model=MINI_HOT.label).index.tolist() == [4]
    assert frames.lookups(filled, model="anthropic/claude-sonnet-4-0", outcome="error").index.tolist() == [7]
    assert df["lookup_ms"].round(3)[7] == 9.0
    assert df["entry"].isna().sum() == 1


@pytest.mark.parametrize(
    ("period", "lookups"),
    [
        (Period(), 3),
        (Period(run="second"), 2),
        (Period(run="no such run"), 0),
        (Period(after=NOON), 2),
        (Period(after=NOON + 0.001), 1),
        (Period(run="first", after=NOON), 0),
    ],
    ids=str,
)
def test_a_period_is_a_run_or_what_came_after_a_moment(store: FilledStore, period: Period, lookups: int) -> None:
    store.look(run="first", at=NOON - 1)
    store.look(run="second", at=NOON)
    store.look(run="second", at=NOON + 1)

    assert frames.stats(store, "total", period=period)["lookups"].item() == lookups
    assert len(frames.lookups(store, period=period)) == lookups


def test_today_begins_at_midnight(tmp_path: Path) -> None:
    store = FilledStore(tmp_path)
    midnight = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    for at in (midnight - 1, midnight, midnight + 1):
        store.look(at=at)
    store.close()

    assert len(gm.lookups(since="today", at=tmp_path)) == 2


@pytest.mark.parametrize(("since", "lookups"), [("1m", 1), ("1h", 2), ("7d", 4), ("2w", 5), ("all", 5)])
def test_a_time_is_counted_back_from_now(tmp_path: Path, since: str, lookups: int) -> None:
    store = FilledStore(tmp_path)
    for age in (30, 3_500, 3_700, 6 * 86_400, 8 * 86_400):
        store.look(at=time.time() - age)
    store.close()

    assert len(gm.lookups(since=since, at=tmp_path)) == lookups
    assert gm.stats("total", since=since, at=tmp_path)["lookups"].item() == lookups


def test_tokens_of_a_batch_are_those_of_each_answer(server: ProviderServer, cache: gm.GPTCache) -> None:
    model = server.model("ChatOpenAI")
    answers = model.batch([f"question {n}" for n in range(4)])
    model.batch([f"question {n}" for n in range(4)])
    cache.ledger.flush()

    row = frames.stats(cache.store, wide=True).loc["gpt-4o-mini"]
    paid = [answer.usage_metadata for answer in answers]
    for way in ("paid", "saved"):
        assert row[f"{way}_input_tokens"] == sum(usage["input_tokens"] for usage in paid) > 0
        assert row[f"{way}_output_tokens"] == sum(usage["output_tokens"] for usage in paid) > 0
        costs = [usd(MINI, Usage(usage["input_tokens"], usage["output_tokens"])) for usage in paid]
        assert row[f"{way}_usd"] == pytest.approx(sum(costs))
    assert row["paid_seconds"] >= row["saved_seconds"] > 0
    assert frames.entries(cache.store)["hits"].tolist() == [1] * 4


def test_a_model_without_token_counts_has_unknown_money_and_known_time(cache: gm.GPTCache) -> None:
    NumberedModel(model="gpt-4o-mini", seconds=0.05).invoke("question")
    for _ in range(2):
        NumberedModel(model="gpt-4o-mini", seconds=0.05).invoke("question")
    ask("another")
    cache.ledger.flush()

    df = frames.stats(cache.store)
    assert df["hits"]["gpt-4o-mini"] == 2
    assert df["saved_seconds"]["gpt-4o-mini"] >= 0.1
    assert math.isnan(df["saved_usd"]["gpt-4o-mini"])
    assert math.isnan(df["paid_usd"]["gpt-4o-mini"])


def test_two_configurations_differ_in_the_parameters_that_are_shown(store: FilledStore) -> None:
    warm = Configuration("77" * 16, "openai", "gpt-4o-mini", "gpt-4o-mini · T 0.9", 0.9, '{"temperature":0.9,"n":2}')
    plain = Configuration("70" * 16, "openai", "gpt-4o-mini", "gpt-4o-mini", 0.2, '{"n":2,"stop":["."]}')
    store.record([], [warm, plain], 10)

    df = frames.differences(store, plain.key, warm.key)
    assert list(df.columns) == ["gpt-4o-mini", "gpt-4o-mini · T 0.9"]
    assert df.index.name == "parameter"
    assert df["gpt-4o-mini"].dropna().to_dict() == {"stop": '["."]'}
    assert df["gpt-4o-mini · T 0.9"].dropna().to_dict() == {"temperature": "0.9"}


def test_a_server_that_this_machine_started_is_the_provider_local(store: FilledStore) -> None:
    for key, url in (("6a" * 16, "local:b179c9523d0e6a0f"), ("6b" * 16, "https://api.example.com/v1")):
        parameters = json.dumps({"openai_api_base": url, "stop": "local:"})
        store.keep(Configuration(key, "openai", "SmolLM2", "SmolLM2", None, parameters), key=key)

    assert frames.models(store)["provider"].to_dict() == {"SmolLM2 (local)": "local", "SmolLM2 (openai)": "openai"}
    assert frames.entries(store, model="local/SmolLM2").index.tolist() == ["6a6a6a6a"]
    shown = facts_html(stored_entry(store, "6a6a6a6a"))
    assert "local · SmolLM2" in shown
    assert "openai" not in shown


@pytest.mark.parametrize("by", BYS)
def test_figures_stay_right_when_the_log_is_cut(store: FilledStore, by: str) -> None:
    kept = FilledStore()
    for keep, each in ((10, store), (10_000, kept)):
        for start in range(0, 400, 20):
            each.record([_one_of_many(n) for n in range(start, start + 20)], [MINI, CLAUDE], keep)

    assert len(frames.lookups(store)) < 40
    pd.testing.assert_frame_equal(frames.stats(store, by), frames.stats(kept, by))
    assert frames.models(store)["hits"].tolist() == frames.models(kept)["hits"].tolist()
    for rest in (store, kept):
        assert rest.forget_lookups()
        assert frames.stats(rest, "total")["lookups"].tolist() == [0]


def test_a_lookup_that_is_written_again_counts_once(store: FilledStore) -> None:
    asked = _one_of_many(0)
    asked.seconds, asked.usage = None, Usage()
    store.record([asked], [MINI, CLAUDE], 10)
    asked.seconds, asked.usage, asked.reason = 2.5, USAGE, Reason(Kind.FIRST)
    store.record([asked], [], 10)
    store.record([_one_of_many(n) for n in range(1, 100)], [], 10)
    assert len(frames.lookups(store)) == 10
    asked.seconds = 3.5  # the log was cut meanwhile
    store.record([asked], [], 10)

    total = frames.stats(store, "total", wide=True).iloc[0]
    assert (total["lookups"], total["misses"], len(frames.lookups(store))) == (100, 25, 10)
    others = sum(1.0 + n % 7 for n in range(4, 100, 4))
    assert total["paid_seconds"] == pytest.approx(others + 3.5)
    assert frames.stats(store, "cause")["lookups"].to_dict() == {"hit": 75, "first time": 1, "expired": 24}


def _one_of_many(number: int) -> Lookup:
    """Return one of many lookups: every fourth is a miss, some prompts are large, some costs are unknown."""
    hit, of = number % 4 > 0, (MINI, CLAUDE)[number % 2]
    return Lookup(
        at=NOON + 3_600 * number,
        run=f"run {number // 150}",
        number_in_run=number,
        outcome="hit" if hit else "miss",
        reason=None if hit else Reason(Kind.EXPIRED),
        match="exact" if hit else None,
        configuration=of.key if number % 9 else None,
        key=f"{number % 20:032x}",
        question="q",
        lookup_seconds=0.001,
        seconds=1.0 + number % 7 if number % 5 or not hit else None,
        usage=Usage(31_500 + 60_000 * (number % 3), 10, 5, None) if number % 11 else Usage(),
        notebook="a.ipynb" if number % 6 else "",
        cell_line=f"ask({number % 8})",
        execution_count=number % 8 or None,
    )
