"""A store and a bundle of version 0.1, with its tables of them: nothing is lost, nothing changes.

``tests/data/0.1`` was made by the code of commit 2c33be6: models, hits, misses and bypasses of every kind, labels,
tags, a pin, an edited answer, vectors, and an entry that was removed and can come back. The tables hold no money,
which follows the price list that is installed.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gptcache_magics import bundle
from gptcache_magics.explain.causes import explain
from gptcache_magics.semantic import tuning
from gptcache_magics.store.protocol import Period, Selection
from gptcache_magics.store.reasons import Kind
from gptcache_magics.store.sqlite.schema import MIGRATIONS
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.tables import frames

DATA = Path(__file__).parents[1] / "data" / "0.1"
# 0.1 showed a lone surrogate as it is, which pandas with pyarrow refuses.
SAID: dict[str, Any] = json.loads((DATA / "tables.json").read_text().replace("half \\ud83d, too", "half ?, too"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    """Return a copy of the store."""
    shutil.copy(DATA / "cache.db", tmp_path)
    store = SQLiteStore(tmp_path)
    yield store
    store.close()


def rows(df: pd.DataFrame, like: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table, with the columns that it had in 0.1."""
    return [{name: plain(row[name]) for name in like[0]} for row in df.reset_index().to_dict("records")]


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def test_every_entry_is_kept(store: SQLiteStore) -> None:
    assert rows(frames.entries(store).sort_index(), SAID["entries"]) == SAID["entries"]
    keys = [row.key for row in store.entries(Selection())]
    assert all(store.get(key) is not None for key in keys)
    assert sorted(len(store.history(key)) for key in keys) == SAID["histories"]
    assert list(store.notices) == []


def test_every_lookup_has_the_reason_that_it_had(store: SQLiteStore) -> None:
    lookups = frames.lookups(store)
    assert rows(lookups, SAID["lookups"]) == [
        lookup | {"reason": objection_first(lookup["reason"]), "cell": plain(cell)}
        for lookup, cell in zip(SAID["lookups"], lookups["cell"], strict=True)
    ]


def objection_first(reason: str) -> str:
    """Return a reason as it reads now: 0.1 named what objects to a similar question last."""
    similar, comma, objection = reason.partition(", ")
    return f"{objection}{comma}{similar}" if similar.startswith("similar ") else reason


def test_the_file_has_lookups_of_every_kind(store: SQLiteStore) -> None:
    kinds = {lookup.reason.kind for lookup in store.lookups(Period()) if lookup.reason is not None}

    assert kinds == {*Kind} - {
        Kind.OWN_STREAM,
        Kind.OWN_METHOD,
        Kind.SEVERAL,
        Kind.DAMAGED,
        Kind.UNREADABLE,
        Kind.RETRY,
        Kind.UNPARSED,
        Kind.LOCKED,
        Kind.FIRST,
        Kind.UNSTORED,
        Kind.MODE_BEFORE,
        Kind.EARLIER,
        Kind.SAMPLE,
        Kind.ANOTHER_MODEL,
        Kind.ANOTHER_ADDRESS,
        Kind.ANOTHER_PARAMETER,
        Kind.OTHER_TOOLS,
        Kind.FOLLOWS,
        Kind.VOLATILE,
        Kind.CONTEXT,
        Kind.WORDS,
        Kind.NOT_KEPT,
        Kind.NO_USAGE,
        Kind.TEAM,
        Kind.TEAM_AWAY,
        Kind.TEAM_ASKS,
        Kind.CACHE_AWAY,
        Kind.UNPROVED,
        Kind.DOUBT,
        Kind.IGNORED,
        Kind.DOUBT,
        Kind.NOT_CACHED,
        Kind.OTHER,
    }


def test_every_lookup_can_be_explained(store: SQLiteStore) -> None:
    causes = {explain(store, lookup).cause for lookup in store.lookups(Period())}

    assert causes >= {"hit", "guard", "below threshold", "called wrong", "shadow mode", "expired", "removed", "evicted"}
    assert causes >= {"mode", "cache=False", "not cached", "model unknown", "budget reached", "error"}


@pytest.mark.parametrize("by", SAID["stats"])
def test_stats_are_what_they_were(store: SQLiteStore, by: frames.By) -> None:
    table = frames.stats(store, by, wide=True).sort_index()
    table["saved_seconds"] = table["saved_seconds"].fillna(0.0)  # 0.1 called an unknown time 0

    assert rows(table, SAID["stats"][by]) == SAID["stats"][by]


def test_models_are_what_they_were(store: SQLiteStore) -> None:
    assert rows(frames.models(store), SAID["models"]) == SAID["models"]


def test_labels_and_vectors_are_what_they_were(store: SQLiteStore) -> None:
    assert rows(tuning.pairs(store), SAID["pairs"]) == SAID["pairs"]
    assert [list(each) for each in store.embedders()] == SAID["embedders"]


def test_removed_entries_can_come_back(store: SQLiteStore) -> None:
    assert store.undo() == SAID["removed"] > 0


def test_a_reason_of_no_kind_is_kept_as_it_was(tmp_path: Path) -> None:
    shutil.copy(DATA / "cache.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "cache.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] < len(MIGRATIONS)
        db.execute("UPDATE lookup SET reason='as no version says' WHERE number=1")
        db.commit()
    store = SQLiteStore(tmp_path)

    assert frames.lookups(store).loc[1, "reason"] == "as no version says"
    assert explain(store, store.lookups(Period(number=1))[0]).outcome == "miss"
    store.close()


def test_the_bundle_is_written_again_byte_by_byte(store: SQLiteStore, tmp_path: Path) -> None:
    read = bundle.opened(DATA / "bundle.jsonl")
    bundle.save(read, Selection(), tmp_path / "from the bundle.jsonl")
    bundle.save(store, Selection(), tmp_path / "from the store.jsonl")

    assert list(read.notices) == []
    for name in ("from the bundle.jsonl", "from the store.jsonl"):
        assert (tmp_path / name).read_bytes() == (DATA / "bundle.jsonl").read_bytes()


def test_secrets_that_0_1_stored_are_gone_from_the_file(tmp_path: Path) -> None:
    secret = "zq81xk77aa"
    parameters = {
        "databricks_token": secret,
        "default_headers": {"X-Token": secret, "X-Tenant": secret},
        "thing": ["tests.Thing", f"Thing({secret})", {"region": secret}],
        "does": ["tests", "outer.<locals>.f", ["97", [], []], [[secret], None, None]],
        "note": f"postgres://ada:{secret}@db.example/shop",
        "seed": 7,
    }
    shutil.copy(DATA / "cache.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "cache.db")) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(
            "UPDATE configuration SET parameters=?, label=?", (json.dumps(parameters), f"m · databricks_token {secret}")
        )
        db.execute("UPDATE lookup SET cell_line=?, reason=?", (f'API_KEY = "{secret}"', f"error: key={secret} token"))
        db.commit()
    store = SQLiteStore(tmp_path)

    found = store.configurations()[0]
    assert json.loads(found.parameters) == {
        "default_headers": {"X-Tenant": "•••"},
        "thing": "tests.Thing •••",
        "does": "tests.outer.<locals>.f •••",
        "note": "postgres://db.example/shop",
        "seed": 7,
    }
    assert found.label == "m · databricks_token •••"
    assert {lookup.cell_line for lookup in store.lookups(Period())} == {'API_KEY = "•••"'}
    store.close()
    assert secret.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
