"""The SQL of a hostile file never runs: a file with any program but ours is set aside, and nothing of it is deleted."""

import os
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import gptcache_magics as gm
from gptcache_magics.bundle.langchain_sqlite import answered
from gptcache_magics.errors import StoreError
from gptcache_magics.store.sqlite.foreign import is_same_schema, schema_of
from gptcache_magics.store.sqlite.snapshot import damage, snapshot
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import GPT, make_entry
from tests.support.shell import ask

OF_0_1 = Path(__file__).parents[1] / "data" / "0.1"
ENDLESS = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n)"


def _in_schema(old: str, new: str) -> Callable[[sqlite3.Connection], None]:
    def change(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA writable_schema=ON")
        changed = db.execute("UPDATE sqlite_master SET sql=replace(sql, ?, ?) WHERE name='entry'", (old, new)).rowcount
        assert changed == 1

    return change


def _sql(*statements: str) -> Callable[[sqlite3.Connection], None]:
    def change(db: sqlite3.Connection) -> None:
        for statement in statements:
            db.execute(statement)

    return change


HOSTILE: dict[str, Callable[[sqlite3.Connection], None]] = {
    "a trigger that deletes each answer": _sql(
        "CREATE TRIGGER t AFTER INSERT ON entry BEGIN DELETE FROM entry WHERE id=new.id; END"
    ),
    "an endless trigger": _sql(f"CREATE TRIGGER t BEFORE INSERT ON lookup BEGIN SELECT {ENDLESS}; END"),
    "a trigger in place of ours": _sql(
        "DROP TRIGGER entry_deleted", f"CREATE TRIGGER entry_deleted AFTER DELETE ON entry BEGIN SELECT {ENDLESS}; END"
    ),
    "an endless view": _sql(
        "ALTER TABLE generation RENAME TO g", f"CREATE VIEW generation AS SELECT {ENDLESS} AS number"
    ),
    "a view with the name of a function": _sql(f"CREATE VIEW pragma_user_version AS SELECT {ENDLESS} AS user_version"),
    "a generated column": _sql("ALTER TABLE entry ADD COLUMN more GENERATED ALWAYS AS (zeroblob(99999999)) VIRTUAL"),
    "a generated column of ours": _in_schema(
        "finish_reason TEXT NOT NULL DEFAULT ''", "finish_reason TEXT AS (hex(zeroblob(99999999)))"
    ),
    "a check": _in_schema("bytes INTEGER NOT NULL", "bytes INTEGER NOT NULL CHECK (length(zeroblob(99999999)))"),
    "a default": _in_schema("hits INTEGER NOT NULL DEFAULT 0", "hits INTEGER NOT NULL DEFAULT (abs(random()))"),
    "a collation": _in_schema("question TEXT NOT NULL", "question TEXT NOT NULL COLLATE NOCASE"),
    "an index on an expression": _sql("CREATE INDEX i ON entry (hex(answer))"),
    "a partial index": _sql("CREATE UNIQUE INDEX i ON entry (bytes) WHERE length(answer) > 0"),
    "a foreign key": _sql("CREATE TABLE more (id INTEGER PRIMARY KEY REFERENCES entry ON DELETE CASCADE)"),
    "a virtual table": _sql("CREATE VIRTUAL TABLE more USING rtree(a, b, c)"),
    "two tables in one place": _sql(
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET rootpage=(SELECT rootpage FROM sqlite_master WHERE name='history')"
        " WHERE name='generation'",
    ),
    "no index": _sql("DROP INDEX entry_by_created"),
}


def spoil(path: Path, change: Callable[[sqlite3.Connection], None]) -> bytes:
    """Change the schema of a file. Return its bytes."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        change(db)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a store with an answer."""
    gm.on(tmp_path / "store")
    ask("stored")
    gm.off()
    return tmp_path / "store"


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_file_with_foreign_sql_is_set_aside_before_it_runs(
    folder: Path, change: Callable[[sqlite3.Connection], None]
) -> None:
    before = spoil(folder / "cache.db", change)

    assert "was set aside as" in gm.on(folder)
    assert ask("stored") == ask("stored")
    (aside,) = [path for path in folder.glob("cache.db.*-*") if not path.name.endswith(("-wal", "-shm"))]
    assert aside.read_bytes() == before
    assert repr(gm.doctor())
    gm.off()


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_what_only_reads_refuses_foreign_sql_and_leaves_the_file(
    folder: Path, change: Callable[[sqlite3.Connection], None]
) -> None:
    before = spoil(folder / "cache.db", change)

    with pytest.raises(StoreError, match="is left as it is"):
        gm.entries(at=folder)
    with pytest.raises(StoreError, match="of gptcache-magics"):
        snapshot(folder)
    assert "of gptcache-magics" in damage(folder / "cache.db", 10)
    assert (folder / "cache.db").read_bytes() == before


def test_a_hostile_file_that_takes_the_place_of_an_open_one_does_not_run(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "hostile")
    spoil(tmp_path / "hostile" / "cache.db", HOSTILE["a trigger that deletes each answer"])
    gm.on(folder)
    (tmp_path / "hostile" / "cache.db").replace(folder / "cache.db")

    assert ask("new") == ask("new")
    assert list(folder.glob("cache.db.foreign-*"))
    gm.off()


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.startswith(("a trigger", "an endless"))])
def test_what_comes_while_the_file_is_open_does_not_run(folder: Path, name: str) -> None:
    gm.on(folder)
    ask("stored")
    spoil(folder / "cache.db", HOSTILE[name])

    ask("new")  # at once: no look at the file is between
    with gm.using(mode="replay"):
        ask("new")
    [aside] = [path for path in folder.glob("cache.db.*-*") if not path.name.endswith(("-wal", "-shm"))]
    with closing(sqlite3.connect(aside)) as db:
        assert db.execute("SELECT count(*) FROM entry").fetchone() == (1,)
    gm.off()


def test_the_schema_of_an_earlier_version_is_compared_with_its_own(tmp_path: Path) -> None:
    shutil.copy(OF_0_1 / "cache.db", tmp_path)
    spoil(
        tmp_path / "cache.db",
        _sql(f"CREATE TRIGGER t BEFORE UPDATE ON lookup BEGIN SELECT {ENDLESS}; END"),
    )
    store = SQLiteStore(tmp_path)

    store.put(make_entry("a"), GPT)
    assert "are not of gptcache-magics. It was set aside" in store.notices[0]
    assert store.count()[0] == 1
    store.close()


def test_statistics_and_other_spaces_are_not_foreign(folder: Path) -> None:
    def change(db: sqlite3.Connection) -> None:
        db.execute("ANALYZE")
        db.execute("PRAGMA writable_schema=ON")
        db.execute("""UPDATE sqlite_master SET sql=replace(sql, 'bytes INTEGER', '"bytes"  /* of all */ integer')""")

    spoil(folder / "cache.db", change)
    gm.on(folder)
    assert len(gm.entries()) == 1
    assert gm.current().store.notices == []
    gm.off()


def test_a_table_that_another_sqlite_has_written_in_other_words_is_ours() -> None:
    with closing(sqlite3.connect(":memory:")) as one, closing(sqlite3.connect(":memory:")) as other:
        one.execute("CREATE TABLE damaged(\n  at,\n  id INT,\n  seconds REAL\n)")
        other.execute('CREATE TABLE "damaged"(at REAL,"id" INT, seconds NUM)')
        assert is_same_schema(schema_of(one), schema_of(other))


# An interrupt ends any statement


def test_an_interrupt_ends_a_statement_that_runs_for_ever(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path)
    store.open()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        store._connections.write(lambda db: db.execute(f"SELECT {ENDLESS}").fetchone())
    timer.join()
    store.put(make_entry("a"), GPT)
    assert (store.count()[0], store.notices) == (1, [])
    store.close()


def test_what_the_handler_of_a_signal_raises_comes_out_of_a_statement(tmp_path: Path) -> None:
    class OwnError(BaseException):
        """Raised by a handler of the user."""

    def too_late(*_: object) -> None:
        raise OwnError

    store = SQLiteStore(tmp_path)
    store.open()
    before = signal.signal(signal.SIGALRM, too_late)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(OwnError):
            store._connections.write(lambda db: db.execute(f"SELECT {ENDLESS}").fetchone())
    finally:
        signal.signal(signal.SIGALRM, before)
    store.put(make_entry("a"), GPT)
    store.close()


def test_a_check_for_damage_ends_in_time(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path)
    store.put_all([make_entry(str(number)) for number in range(2_000)], [GPT], replace=False)
    store.close()
    with pytest.raises(TimeoutError):
        damage(tmp_path / "cache.db", -1)


# The file of LangChain's SQLiteCache

PLAIN = "CREATE TABLE full_llm_cache (prompt VARCHAR, llm VARCHAR, idx INTEGER, response VARCHAR, PRIMARY KEY (prompt))"
FOREIGN = {
    "a view": f"CREATE VIEW full_llm_cache AS SELECT 'p' AS prompt, 'l' AS llm, 0 AS idx, {ENDLESS} AS response",
    "a generated column": PLAIN.replace("response VARCHAR", "response AS (hex(zeroblob(99999999)))"),
    "a virtual table": "CREATE VIRTUAL TABLE full_llm_cache USING fts5(prompt, llm, idx, response)",
}


@pytest.mark.parametrize("sql", FOREIGN.values(), ids=FOREIGN)
def test_a_table_of_langchain_that_is_a_program_is_refused(tmp_path: Path, sql: str) -> None:
    with closing(sqlite3.connect(tmp_path / "langchain.db")) as db:
        db.execute(sql)
        db.commit()
    with pytest.raises(StoreError, match="has no answers of LangChain's SQLiteCache"):
        answered(tmp_path / "langchain.db")


def test_triggers_and_views_in_a_file_of_langchain_do_not_run(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "langchain.db")) as db:
        db.execute(PLAIN)
        db.execute("INSERT INTO full_llm_cache VALUES ('p', 'l', 0, 'r')")
        db.execute(f"CREATE TRIGGER t AFTER INSERT ON full_llm_cache BEGIN SELECT {ENDLESS}; END")
        db.execute(f"CREATE VIEW pragma_table_xinfo AS SELECT {ENDLESS}")
        db.commit()
    begun = time.monotonic()
    assert [each.responses for each in answered(tmp_path / "langchain.db")] == [["r"]]
    assert time.monotonic() - begun < 60
