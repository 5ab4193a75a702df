"""Lookups of stores that did not say who asked: until then, only LangChain did.

``tests/data/before-faces`` was made by the code of 7d61794: two runs of 60 lookups, of which the newest are kept.
"""

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from itertools import chain
from pathlib import Path

import pytest

from gptcache_magics.store.protocol import Period, Sum
from gptcache_magics.store.sqlite.schema import APPLICATION_ID, MIGRATIONS
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.store.sqlite.stored_secrets import allow_hiding
from gptcache_magics.store.sums import FIGURES
from gptcache_magics.testing.samples import GPT, NOON, column, key, lookup

DATA = Path(__file__).parents[1] / "data" / "before-faces" / "cache.db"
KEPT, EVERY = 20, 120
"""Lookups of that file that are kept, and all that it counts."""
FIGURES_WERE = (EVERY, 114_000_000_000, 13_140, 13_680, 480, 180)


def figures(sums: list[Sum], face: str) -> tuple[int, ...]:
    """Return what the sums of a library add up to."""
    mine = [each.figures for each in sums if each.face == face]
    return tuple(map(sum, zip(*mine, strict=True))) if mine else (0,) * len(FIGURES)


def read(store: SQLiteStore, *, cells: bool) -> list[Sum]:
    return [*store.sums(Period(), cells=cells)]


def test_a_file_without_faces_keeps_its_figures(tmp_path: Path) -> None:
    shutil.copy(DATA, tmp_path)
    store = SQLiteStore(tmp_path)

    assert column(store.lookups(Period()), "face") == ["langchain"] * KEPT
    for cells in (True, False):
        assert figures(read(store, cells=cells), "langchain") == FIGURES_WERE
    store.record([lookup(1, "miss", run="new", face="openai"), lookup(2, "miss", run="new")], [GPT], 1000)
    for cells in (True, False):
        sums = read(store, cells=cells)
        assert figures(sums, "langchain")[0] == EVERY + 1
        assert figures(sums, "openai")[0] == 1
    assert list(store.notices) == []
    store.close()


def test_a_kernel_of_before_that_has_the_file_open_writes_on(tmp_path: Path) -> None:
    """Its statements name no face, and change or add sums of LangChain only."""
    shutil.copy(DATA, tmp_path)
    store = SQLiteStore(tmp_path)
    with closing(sqlite3.connect(DATA)) as before:  # closed before the file is copied again: it has no journal
        columns = {
            table: ", ".join(each[1] for each in before.execute(f"PRAGMA table_info({table})"))
            for table in ("lookup", "cell_sum", "day_sum")
        }
    store.record([lookup(1, "miss", face="openai")], [GPT], 1000)

    with closing(sqlite3.connect(tmp_path / "cache.db")) as kernel, kernel:
        for table in ("cell_sum", "day_sum"):
            chosen = columns[table].replace("newest", "newest + 1")
            values = kernel.execute(f"SELECT {chosen} FROM {table} WHERE face='langchain' LIMIT 2").fetchall()
            sql = f"INSERT INTO {table} ({columns[table]}) VALUES ({', '.join('?' * len(values[0]))})"
            kernel.executemany(f"{sql} ON CONFLICT DO UPDATE SET lookups=lookups+excluded.lookups", values)
        names = columns["lookup"].removeprefix("number, ")
        chosen = names.replace("number_in_run", "number_in_run + 100")
        kernel.execute(f"INSERT INTO lookup ({names}) SELECT {chosen} FROM lookup WHERE face='openai'")

    assert column(store.lookups(Period(), 2), "face") == ["langchain", "openai"]
    for cells in (True, False):
        counted = Counter(each.face for each in read(store, cells=cells))
        assert counted["openai"] == 1
        assert figures(read(store, cells=cells), "langchain")[0] > EVERY
    assert list(store.notices) == []
    store.close()


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_a_file_of_any_earlier_schema_gets_faces(tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(tmp_path / "cache.db", isolation_level=None)) as db:
        allow_hiding(db)
        for statement in chain.from_iterable(MIGRATIONS[:version]):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {version}")
        given = {
            **{"run": "then", "number_in_run": 1, "at": NOON, "outcome": "hit", "mode": "auto", "match": "exact"},
            **{"reason" if version < 5 else "reason_kind": "", "configuration": bytes.fromhex(GPT.key)},
            **{"entry": int.from_bytes(bytes.fromhex(key("a")[:16]), "big", signed=True)},
            **{"notebook": "", "cell": "", "cell_line": "", "input_tokens": 7},
        }
        db.execute(f"INSERT INTO lookup ({', '.join(given)}) VALUES ({', '.join('?' * len(given))})", [*given.values()])
    store = SQLiteStore(tmp_path)
    store.record([lookup(1, run="now", face="openai")], [GPT], 1000)

    assert column(store.lookups(Period()), "face") == ["openai", "langchain"]
    for cells in (True, False):
        sums = read(store, cells=cells)
        assert figures(sums, "openai")[0] == 1
        assert sum(each.input for each in sums if each.face == "langchain") == (7 if version < 9 else 0)
    assert list(store.notices) == []
    store.close()
