"""The SQLite store: the shared contract, and what its file and its folder may suffer."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

import gptcache_magics
from gptcache_magics.errors import StoreError
from gptcache_magics.store import open_store
from gptcache_magics.store.protocol import Found, Period, Selection, Store, Usage
from gptcache_magics.store.sqlite import connections
from gptcache_magics.store.sqlite.recent import OVERHEAD_BYTES, Recent
from gptcache_magics.store.sqlite.schema import APPLICATION_ID, MIGRATIONS
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing import StoreContract
from gptcache_magics.testing.samples import (
    EVERYTHING,
    GPT,
    NOON,
    answer,
    column,
    eventually,
    key,
    lookup,
    make_entry,
)
from gptcache_magics.text import grep
from tests.support.interrupts import interrupted_after

STORES = {"folder": "store", "memory": ":memory:"}
OF_0_1 = Path(__file__).parents[1] / "data" / "0.1"
SAID_BY_0_1: dict[str, Any] = json.loads((OF_0_1 / "tables.json").read_text())
Damage = Callable[[Path], object]

START = """
import json, os, sqlite3, sys, threading
from gptcache_magics.testing.samples import GPT, NOON, answer, key, lookup, make_entry
from gptcache_magics.errors import StoreError
from gptcache_magics.store.protocol import Selection
from gptcache_magics.store.sqlite.store import SQLiteStore

folder, *arguments = sys.argv[1:]

def refused(work):
    try:
        work()
    except StoreError as error:
        return str(error)
    return ""
"""


class TestSQLiteStore(StoreContract):
    """The contract, in a folder and in memory."""

    @pytest.fixture(params=STORES)
    def where(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        return ":memory:" if request.param == "memory" else str(tmp_path / STORES[request.param])

    @pytest.fixture
    def store(self, where: str) -> Iterator[Store]:
        store = SQLiteStore(where)
        yield store
        store.close()

    @pytest.fixture
    def peer(self, where: str, store: Store) -> Iterator[Store]:
        peer = store if where == ":memory:" else SQLiteStore(where)
        yield peer
        peer.close()


@pytest.fixture
def store(folder: Path) -> Iterator[SQLiteStore]:
    """Return a store in that folder."""
    store = SQLiteStore(folder)
    yield store
    store.close()


@pytest.fixture
def filled(folder: Path) -> Path:
    """Return a folder with a closed store of 50 entries of 4 kB."""
    store = SQLiteStore(folder)
    for n in range(50):
        store.put(make_entry(n, b"x" * 4000), GPT)
    store.close()
    return folder


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """As ``folder``, in a place that every user may enter."""
    parent = Path(tempfile.mkdtemp())
    parent.chmod(0o755)
    yield parent / "store"
    for path in (parent / "store", *(parent / "store").glob("*")):
        path.chmod(0o700)
    shutil.rmtree(parent)


def start(script: str, folder: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start a script in a process of its own."""
    path = str(Path(gptcache_magics.__file__).parents[1])
    command = [sys.executable, "-c", START + script, str(folder), *map(str, arguments)]
    pipe, environment = subprocess.PIPE, {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a script to end well; what it printed."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output


def tell(script: str, folder: Path, *arguments: object) -> dict[str, Any]:
    """Run a script; the JSON it printed."""
    return dict(json.loads(finish(start(script, folder, *arguments))))


def files(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder with their bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def killed(folder: Path, count: int) -> list[int]:
    """Kill a process that keeps putting, once it has put ``count`` entries; those whose put had returned."""
    process = start(
        """
store = SQLiteStore(folder)
for n in range(100_000):
    store.put(make_entry(f"killed {n}"), GPT)
    print(n, flush=True)
""",
        folder,
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(count)]
    process.kill()
    return acknowledged + [int(line) for line in process.communicate()[0].splitlines(keepends=True) if line[-1] == "\n"]


# Files of earlier versions


@pytest.fixture
def first_schema(folder: Path) -> Path:
    """Return a folder with a file of the first schema, with an entry, a removed one and a lookup."""
    folder.mkdir()
    db = sqlite3.connect(folder / "cache.db")
    for statement in MIGRATIONS[0]:
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute("PRAGMA user_version = 1")
    db.execute(
        "INSERT INTO configuration VALUES (?,?,?,?,?,?)", (bytes.fromhex(GPT.key), "openai", "gpt", "gpt", 0.2, "{}")
    )
    columns = "(id, key, configuration, prompt, question, answer, bytes, created, hits, pinned, tags)"
    for table, name, question in (
        ("entry", "a", "ü" * 3_000),
        ("entry", "looked up", "question looked up"),
        ("removed", "removed", "question removed"),
    ):
        keys = bytes.fromhex(key(name)), bytes.fromhex(GPT.key)
        values = (number_of(name), *keys, f"prompt {name}", question, b"answer", 6, 12.5, 3, 1, " draft ")
        db.execute(f"INSERT INTO {table} {columns} VALUES (?,?,?,?,?,?,?,?,?,?,?)", values)
    db.execute("INSERT INTO question VALUES (?, 'question looked up')", (number_of("looked up"),))
    db.execute("INSERT INTO dropped (id) VALUES (?)", (number_of("removed"),))
    db.execute(
        "INSERT INTO lookup (run, number_in_run, at, outcome, reason, mode, entry, notebook, cell, cell_line)"
        " VALUES ('run', 1, 12.5, 'hit', '', 'auto', ?, '', '', '')",
        (number_of("looked up"),),
    )
    db.commit()
    db.close()
    return folder


def number_of(name: str) -> int:
    """Return the row number of ``key(name)``."""
    return int.from_bytes(bytes.fromhex(key(name)[:16]), "big", signed=True)


def test_a_file_of_the_first_schema_is_brought_forward(first_schema: Path) -> None:
    store = SQLiteStore(first_schema)

    assert answer(store, "a") == answer(store, "looked up") == b"answer"
    assert {*column(store.questions(None, 10), "question")} == {"ü" * 2_000, "question looked up"}
    assert column(store.entries(EVERYTHING), "hits") == [3, 3]
    assert column(store.entries(EVERYTHING), "pinned") == [1, 1]
    assert column(store.entries(EVERYTHING), "tags") == [" draft ", " draft "]
    assert column(store.entries(EVERYTHING), "prompt_digest") == ["", ""]
    assert column(store.entries(EVERYTHING), "sample") == [0, 0]
    assert column(store.configurations(), "portable") == [""]
    assert column(store.configurations(), "environment") == [""]
    assert column(store.configurations(), "call_parameters") == [None]
    assert column(store.lookups(Period()), "question") == ["question looked up"]
    assert store.gone(key("removed")) is None  # the first schema did not say why
    assert store.undo() == 1
    assert answer(store, "removed") == b"answer"
    store.put(make_entry("new", prompt_digest="1234567812345678", sample=1), GPT)
    assert store.count(Selection(prompt_digest="1234567812345678"))[0] == 1
    assert list(store.notices) == []
    store.close()

    with sqlite3.connect(first_schema / "cache.db") as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    db.close()
    again = SQLiteStore(first_schema)
    assert again.count()[0] == 4
    again.close()


def test_a_file_brought_forward_has_the_tables_of_a_new_one(first_schema: Path, tmp_path: Path) -> None:
    shapes = []
    for folder in (first_schema, tmp_path / "new"):
        store = SQLiteStore(folder)
        store.open()
        store.close()
        with sqlite3.connect(folder / "cache.db") as db:
            tables = db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'index')").fetchall()
            shapes.append({name: db.execute(f"PRAGMA table_info({name})").fetchall() for (name,) in tables})
        db.close()

    assert shapes[0] == shapes[1]


# The folder


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_the_file_is_private_and_no_repository_takes_it(store: SQLiteStore, folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store.put(make_entry("a"), GPT)
    finally:
        os.umask(before)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.glob("cache.db*")} == {
        "cache.db": 0o600,
        "cache.db-wal": 0o600,
        "cache.db-shm": 0o600,
    }
    assert (folder / ".gitignore").read_text() == "*\n"


def test_the_place_does_not_move_with_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore(".gptcache")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.put(make_entry("a"), GPT)
    store.close()

    assert store.where == str(tmp_path / ".gptcache")
    assert (tmp_path / ".gptcache" / "cache.db").exists()
    assert files(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize("where", ["postgresql://host/db", "redis://host", 7, None])
def test_a_place_that_no_store_is_for_is_named(where: object) -> None:
    with pytest.raises(StoreError, match="A store is a folder"):
        open_store(where)  # type: ignore[arg-type]


# Other processes


def test_stored_answers_survive_kill_9(folder: Path) -> None:
    acknowledged = killed(folder, 50)
    store = SQLiteStore(folder)

    assert acknowledged[:50] == list(range(50))
    assert [n for n in acknowledged if store.get(key(f"killed {n}"))] == acknowledged
    assert list(store.notices) == []
    store.put(make_entry("after"), GPT)
    store.close()


def test_two_processes_lose_nothing(folder: Path) -> None:
    script = """
store = SQLiteStore(folder)
for n in range(500):
    store.put(make_entry(f"{arguments[0]} {n}"), GPT)
"""
    for process in [start(script, folder, name) for name in ("one", "two")]:
        finish(process)

    store = SQLiteStore(folder)
    assert store.count()[0] == 1000
    assert all(store.get(key(f"{name} {n}")) for name in ("one", "two") for n in range(500))
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("exists", [False, True], ids=["new folder", "empty folder"])
def test_kernels_that_start_together_all_find_a_store(tmp_path: Path, exists: bool) -> None:
    script = """
for place in range(30):
    place = f"{folder}/{place}"
    if arguments == ["True"]:
        os.makedirs(place)
    wait, go = os.pipe()
    children = []
    for child in range(4):
        children.append(os.fork())
        if not children[-1]:
            os.close(go)
            os.read(wait, 1)
            error = refused(lambda: SQLiteStore(place).put(make_entry(child), GPT))
            print(error, end="", file=sys.stderr, flush=True)
            os._exit(bool(error))
    os.close(wait), os.close(go)
    failed = [os.waitpid(child, 0)[1] for child in children]
    assert not any(failed) and SQLiteStore(place).count()[0] == 4
"""
    finish(start(script, tmp_path, exists))


def test_parent_and_child_of_a_fork_both_read_and_write(folder: Path) -> None:
    script = """
store = SQLiteStore(folder)
for name in ("kept", "removed"):
    store.put(make_entry(name), GPT)
gone, removed = os.pipe()
child = os.fork()
side = "parent" if child else "child"
if child:
    store.remove(Selection(ids=[key("removed")]))
    os.write(removed, b"!")
else:
    os.read(gone, 1)
    assert answer(store, "removed") is None, "the parent removed it"
for n in range(100):
    store.put(make_entry(f"{side} {n}"), GPT)
    store.record([lookup(n, name="kept", run=side)], [], 1000)
assert all(answer(store, name) for name in ("kept", f"{side} 0", f"{side} 99"))
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert all(answer(store, f"child {n}") for n in range(100))
store.close()
"""
    finish(start(script, folder))
    store = SQLiteStore(folder)

    assert store.count()[0] == 201
    assert column(store.entries(EVERYTHING, 1000), "hits").count(200) == 1
    store.close()


@pytest.mark.slow
def test_a_child_does_not_continue_the_work_of_its_parent(folder: Path) -> None:
    script = """
import signal
store = SQLiteStore(folder)
store.put(make_entry("a"), GPT)

def fork_inside(db):
    db.execute("DELETE FROM entry")
    child = os.fork()
    if not child:
        os._exit(store.count() != (1, 6))
    return os.waitpid(child, 0)[1]

assert store._connections.write(fork_inside) == 0, "the child is in its parent's transaction"
store.put(make_entry("a"), GPT)

inside, forked = threading.Event(), threading.Event()
thread = threading.Thread(target=store._connections.write, args=(lambda db: (inside.set(), forked.wait(30)),))
thread.start()
inside.wait(30)
child = os.fork()
if not child:
    signal.alarm(30)
    try:
        store.put(make_entry("b"), GPT)
    except StoreError:  # SQLite itself believes that the parent's thread, which is not here, still writes
        os._exit(0)
    os._exit(answer(store, "b") != b"answer")
forked.set()
thread.join()
assert os.waitpid(child, 0)[1] == 0, "the child waits for a thread that it does not have"
assert store.count()[0] in (1, 2)
"""
    finish(start(script, folder))


@pytest.fixture
def locked(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Another process that writes to the store and does not finish; call it to let it finish. Calls wait briefly."""
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.1)
    process = start(
        """
db = sqlite3.connect(f"{folder}/cache.db", isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("LOCKED", flush=True)
sys.stdin.readline()
db.execute("ROLLBACK")
db.close()
""",
        filled,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "LOCKED\n"

    def release() -> None:
        finish(process)

    yield release
    process.kill()
    process.wait()


def test_a_file_locked_for_long_can_be_read_but_not_written(filled: Path, locked: Callable[[], None]) -> None:
    store = SQLiteStore(filled)
    with pytest.raises(StoreError, match="locked"):
        store.put(make_entry("late"), GPT)
    with pytest.raises(StoreError, match="locked"):
        store.record([lookup(1)], [], 1000)
    assert store.get(key(7))
    assert store.count()[0] == 50

    locked()
    store.record([], [], 1000)
    assert store.count()[0] == 51, "the next transaction wrote what had waited"
    assert list(store.notices) == []


def test_an_answer_that_waited_does_not_replace_a_newer_one(filled: Path, locked: Callable[[], None]) -> None:
    store, other = SQLiteStore(filled), SQLiteStore(filled)
    with pytest.raises(StoreError, match="locked"):
        store.put(make_entry("late", b"older"), GPT)

    locked()
    other.put(make_entry("late", b"newer", created=NOON + 1), GPT)
    store.record([], [], 1000)
    assert [each.get(key("late")).answer for each in (store, other)] == [b"newer"] * 2
    assert store.late == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_leaves_what_waits_to_its_parent(filled: Path, locked: Callable[[], None]) -> None:
    store = SQLiteStore(filled)
    with pytest.raises(StoreError, match="locked"):
        store.put(make_entry("late"), GPT)
    child = os.fork()
    if not child:
        os._exit(len(store.late))

    assert os.waitpid(child, 0)[1] == 0
    assert len(store.late) == 1
    locked()
    store.settle()
    store.close()


# Damage


def scribble(file: Path, first: int, last: int | None = None) -> None:
    """Overwrite a part of a file with noise."""
    noise = b"\xa5\x5a\x00\xff" * (((last or file.stat().st_size) - first) // 4)
    with file.open("r+b") as opened:
        opened.seek(first)
        opened.write(noise)


def rename_column(file: Path) -> None:
    """Damage the name of a column, in which SQLite's own check finds nothing."""
    file.write_bytes(file.read_bytes().replace(b"key BLOB NOT NULL", b"kez BLOB NOT NULL"))


KEPT = "id=(SELECT max(id) FROM entry)"


def empty_behind_a_text_that_is_none(file: Path) -> None:
    """Keep one row, whose question is no text, before the damage."""
    empty_behind_an_index(file, f"UPDATE entry SET question=CAST(x'ff' AS TEXT) WHERE {KEPT}", f"NOT {KEPT}")


def empty_behind_an_index(file: Path, first: str = "SELECT 1", rows: str = "1") -> None:
    """Remove the rows of a table, and leave them in an index, which SQLite's quick check does not see."""
    for statement in (
        "CREATE TABLE kept AS SELECT * FROM sqlite_master WHERE name='entry_by_created'",
        "DELETE FROM sqlite_master WHERE name='entry_by_created'",
        first,
        f"DELETE FROM entry WHERE {rows}",
        "INSERT INTO sqlite_master SELECT * FROM kept",
        "DROP TABLE kept",
    ):
        with closing(sqlite3.connect(file, isolation_level=None)) as db:
            db.execute("PRAGMA writable_schema=ON")
            db.execute(statement)
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA quick_check").fetchone()[0] == "ok"


DAMAGES: dict[str, Damage] = {
    "cut in half": lambda file: os.truncate(file, file.stat().st_size // 2),
    "noise in the first page": lambda file: scribble(file, 0, 4096),
    "noise after the first page": lambda file: scribble(file, 4096),
    "noise all over": lambda file: scribble(file, 0),
    "something else": lambda file: file.write_bytes(b"no database at all\n" * 1000),
    "a column of another name": rename_column,
    "rows in an index only": empty_behind_an_index,
    "rows in an index only, behind a text that is none": empty_behind_a_text_that_is_none,
}
NOTICING: dict[str, Callable[[Store], object]] = {
    "open": lambda store: store.open(),
    "get": lambda store: [store.get(key(n)) for n in range(50)],
    "put": lambda store: store.put(make_entry("first"), GPT),
    "record": lambda store: store.record([lookup(1)], [GPT], 1000),
    "count": lambda store: store.count(),
    "entries": lambda store: store.entries(Selection(), 10),
    "clear": lambda store: store.clear(),
}


def assert_started_afresh(store: Store, folder: Path, damaged: bytes) -> None:
    """Check that the damaged file is still there under another name, that this is said, and that all works again."""
    [aside] = [path for path in folder.glob("cache.db.damaged-*") if path.suffix[-4:] not in ("-wal", "-shm")]
    assert aside.read_bytes() == damaged
    [notice] = store.notices
    assert str(aside) in notice
    store.put(make_entry("afresh"), GPT)
    store.record([lookup(7, name="afresh")], [GPT], 1000)
    assert answer(store, "afresh") == b"answer"
    assert [answer(store, n) for n in range(50)] == [None] * 50
    assert column(store.configurations(), "label") == [GPT.label]
    assert not store.readonly


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside(filled: Path, damage: str) -> None:
    DAMAGES[damage](filled / "cache.db")
    damaged = (filled / "cache.db").read_bytes()
    store = SQLiteStore(filled)
    for use in NOTICING.values():
        use(store)

    assert_started_afresh(store, filled, damaged)
    store.close()


@pytest.mark.parametrize("use", NOTICING)
def test_a_file_damaged_while_it_is_open_is_set_aside(filled: Path, use: str) -> None:
    store = SQLiteStore(filled)
    store.open()
    scribble(filled / "cache.db", 0)
    damaged = (filled / "cache.db").read_bytes()
    NOTICING[use](store)
    NOTICING["get"](store)

    assert_started_afresh(store, filled, damaged)
    store.close()


def test_a_file_damaged_twice_is_kept_twice(folder: Path) -> None:
    for said in (b"one", b"two"):
        store = SQLiteStore(folder)
        store.put(make_entry("a"), GPT)
        store.close()
        (folder / "cache.db").write_bytes(said * 1000)
    store.open()
    store.close()

    kept = [content for name, content in files(folder).items() if "damaged" in name]
    assert sorted(kept) == [b"one" * 1000, b"two" * 1000]


def test_a_kernel_follows_when_another_kernel_set_the_file_aside(filled: Path) -> None:
    one, two = SQLiteStore(filled), SQLiteStore(filled)
    one.put(make_entry("from one"), GPT)
    with sqlite3.connect(filled / "cache.db") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    one.entries(EVERYTHING)  # now it holds the pages in memory and does not see the damage
    scribble(filled / "cache.db", 0)
    two.open()
    assert two.notices

    two.put(make_entry("a"), GPT)
    assert eventually(lambda: answer(one) == b"answer")
    one.put(make_entry("b"), GPT)
    assert eventually(lambda: answer(two, "b") == b"answer")
    for store in (one, two):
        store.close()


def test_a_folder_deleted_under_a_kernel_is_made_again(filled: Path) -> None:
    store = SQLiteStore(filled)
    assert store.get(key(7))
    shutil.rmtree(filled)

    assert eventually(lambda: store.get(key(7)) is None)
    store.put(make_entry("afresh"), GPT)
    other = SQLiteStore(filled)
    assert answer(other, "afresh") == b"answer"
    assert column(other.configurations(), "label") == [GPT.label]
    assert store.notices
    for each in (store, other):
        each.close()


LOSSES: dict[str, tuple[Damage, range]] = {
    "an empty file": (lambda folder: (folder / "cache.db").write_bytes(b""), range(0)),
    "a missing file": (lambda folder: (folder / "cache.db").unlink(), range(0)),
    "a missing journal": (lambda folder: (folder / "cache.db-wal").unlink(), range(50)),
    "a missing index of the journal": (lambda folder: (folder / "cache.db-shm").unlink(), range(60)),
    "noise in the index of the journal": (lambda folder: scribble(folder / "cache.db-shm", 0), range(60)),
    "noise in the journal": (lambda folder: scribble(folder / "cache.db-wal", 0), range(50)),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_whole_entries_are_found_after_a_loss(filled: Path, loss: str) -> None:
    process = start(
        """
store = SQLiteStore(folder)
for n in range(50, 60):
    store.put(make_entry(n), GPT)
os.kill(os.getpid(), 9)
""",
        filled,
    )
    process.communicate()
    assert (filled / "cache.db-wal").stat().st_size
    lose, expected = LOSSES[loss]
    lose(filled)

    store = SQLiteStore(filled)
    assert [n for n in range(60) if store.get(key(n))] == list(expected)
    store.put(make_entry("after"), GPT)
    store.close()
    assert answer(SQLiteStore(filled), "after") == b"answer"


# Places that belong to others, or cannot be used


def foreign(folder: Path, version: int = 0) -> None:
    """Make a database of something else."""
    folder.mkdir(exist_ok=True)
    db = sqlite3.connect(folder / "cache.db")
    db.execute("CREATE TABLE t (a)")
    db.execute(f"PRAGMA user_version = {version}")
    db.close()


def newer(folder: Path) -> None:
    """Make a store that a later version wrote."""
    store = SQLiteStore(folder)
    store.put(make_entry("a"), GPT)
    store.close()
    db = sqlite3.connect(folder / "cache.db")
    db.execute("PRAGMA user_version = 99")
    db.close()


def damaged(folder: Path) -> None:
    """Make a store and damage it."""
    store = SQLiteStore(folder)
    store.put(make_entry("a"), GPT)
    store.close()
    scribble(folder / "cache.db", 0)


NOT_OURS: dict[str, tuple[Damage, str]] = {
    "a database of something else": (foreign, "another program.*%gptcache on FOLDER"),
    "a database of something else, version 1": (lambda folder: foreign(folder, 1), "another program"),
    "a database of something else, version 7": (lambda folder: foreign(folder, 7), "another program"),
    "a newer store": (newer, "newer gptcache-magics.*%pip install -U gptcache-magics"),
}


@pytest.mark.parametrize("case", NOT_OURS)
def test_files_that_are_not_ours_are_not_touched(folder: Path, case: str) -> None:
    make, sentence = NOT_OURS[case]
    make(folder)
    before = files(folder)
    store = SQLiteStore(folder)
    for use in (store.open, *(lambda use=use: use(store) for use in NOTICING.values())):
        with pytest.raises(StoreError, match=sentence):
            use()
    store.close()

    assert {name: content for name, content in files(folder).items() if name[-4:] not in ("-wal", "-shm")} == before


def a_file(folder: Path) -> Path:
    """Make a file where the folder should be."""
    folder.write_text("notes")
    return folder


def a_folder_as_file(folder: Path) -> Path:
    """Make a folder where the file should be."""
    (folder / "cache.db").mkdir(parents=True)
    return folder


USELESS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a file": (a_file, "is a file, not a store"),
    "below a file": (lambda folder: a_file(folder) / "store", "No store can be made"),
    "a cache.db that is a folder": (a_folder_as_file, "cache.db"),
}


@pytest.mark.parametrize("case", USELESS)
def test_a_place_that_cannot_be_a_store_gets_one_sentence(folder: Path, case: str) -> None:
    make, sentence = USELESS[case]
    where = make(folder)
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(StoreError, match=sentence) as raised:
        SQLiteStore(where).open()

    assert "\n" not in str(raised.value)
    assert sorted(folder.parent.rglob("*")) == before


# Places that cannot be written

# Root loses its right to pass over the modes of files, and stays root: another user may not reach the interpreter.
UNPRIVILEGED = """
from tests.support.interrupts import interrupted_after
from tests.support.processes import obey_file_modes
obey_file_modes()
"""


def protect(folder: Path, folder_mode: int, file_mode: int) -> None:
    """Take rights away from the owner."""
    for path, mode in [(folder, folder_mode), *((file, file_mode) for file in folder.iterdir())]:
        path.chmod(mode)


@pytest.mark.parametrize(
    ("folder_mode", "file_mode"),
    [(0o500, 0o400), (0o500, 0o600), (0o700, 0o400)],
    ids=["folder and file", "the folder only", "the file only"],
)
def test_a_store_that_cannot_be_written_still_answers(open_folder: Path, folder_mode: int, file_mode: int) -> None:
    store = SQLiteStore(open_folder)
    store.put(make_entry("a"), GPT)
    store.close()
    protect(open_folder, folder_mode, file_mode)
    told = tell(
        UNPRIVILEGED
        + """
store = SQLiteStore(folder)
store.open()
writes = (lambda: store.put(make_entry("b"), GPT), lambda: store.record([lookup(1)], [], 9), store.clear, store.undo)
refusals = [refused(write) for write in writes]
threads = [threading.Thread(target=store.count) for _ in range(3)]
for thread in threads:
    thread.start()
    thread.join()
print(json.dumps({"answer": answer(store).decode(), "count": store.count()[0], "readonly": store.readonly,
                  "refusals": refusals, "notices": list(store.notices)}))
""",
        open_folder,
    )

    assert (told["answer"], told["count"], told["readonly"]) == ("answer", 1, True)
    assert all("read-only" in refusal for refusal in told["refusals"])
    [notice] = told["notices"]
    assert "read-only" in notice


def test_a_store_that_may_be_written_again_is_written(open_folder: Path) -> None:
    store = SQLiteStore(open_folder)
    store.put(make_entry("a"), GPT)
    store.close()
    protect(open_folder, 0o500, 0o400)
    told = tell(
        UNPRIVILEGED
        + """
store = SQLiteStore(folder)
told = {"before": [store.readonly or store.count()[0], store.readonly, len(store.notices)]}
os.chmod(folder, 0o700)
os.chmod(f"{folder}/cache.db", 0o600)
store.put(make_entry("b"), GPT)
print(json.dumps(told | {"after": [store.count()[0], store.readonly, len(store.notices)]}))
""",
        open_folder,
    )
    assert told == {"before": [1, True, 1], "after": [2, False, 0]}


@pytest.mark.slow
def test_a_store_of_0_1_that_cannot_be_written_is_served_and_shown(open_folder: Path) -> None:
    open_folder.mkdir()
    shutil.copy(OF_0_1 / "cache.db", open_folder)
    before = files(open_folder)
    protect(open_folder, 0o500, 0o400)
    told = tell(
        UNPRIVILEGED
        + """
import gptcache_magics as gm
tables = [getattr(gm, name) for name in ("entries", "lookups", "stats")]
gm.on(folder)
said = {}
store = gm.current().store
threads = [threading.Thread(target=store.count) for _ in range(3)]
for thread in threads:
    thread.start()
    thread.join()
rows = store.entries(Selection())
child = os.fork()
if not child:
    os._exit(store.count()[0] != len(rows))
said |= {"found": sum(store.get(row.key) is not None for row in rows), "child": os.waitpid(child, 0)[1]}
said |= {"readonly": store.readonly, "notices": list(store.notices), "mode": gm.status().mode}
said["refusal"] = refused(lambda: store.put(make_entry("b"), GPT))
store.close()
said["reopened"] = store.count()[0]
gm.off()
said["tables"] = [len(table(at=folder)) for table in tables]
print(json.dumps(said))
""",
        open_folder,
    )

    entries = len(SAID_BY_0_1["entries"])
    assert (told["found"], told["reopened"], told["child"]) == (entries, entries, 0)
    assert told["tables"] == [entries, len(SAID_BY_0_1["lookups"]), len(SAID_BY_0_1["stats"]["model"])]
    assert (told["readonly"], told["mode"]) == (True, "readonly")
    assert "read-only" in told["refusal"]
    [notice] = told["notices"]
    assert notice.endswith("is read-only: answers are served, nothing is stored or counted.")
    assert files(open_folder) == before


@pytest.mark.slow
def test_the_entries_of_a_killed_kernel_are_found_though_nothing_can_be_written(open_folder: Path) -> None:
    acknowledged = killed(open_folder, 20)
    protect(open_folder, 0o500, 0o400)
    script = """
store = SQLiteStore(folder)
found = [n for n in map(int, arguments) if answer(store, f"killed {n}")]
print(json.dumps({"found": found, "readonly": store.readonly}))
"""

    assert tell(UNPRIVILEGED + script, open_folder, *acknowledged) == {"found": acknowledged, "readonly": True}


@pytest.mark.parametrize(
    ("make", "folder_mode", "file_mode", "sentence"),
    [
        (foreign, 0o500, 0o400, "another program"),
        (newer, 0o500, 0o400, "newer gptcache-magics"),
        (damaged, 0o500, 0o400, "damaged"),
        (damaged, 0o500, 0o600, "damaged"),
        (newer, 0o000, 0o400, "store"),
        (newer, 0o700, 0o000, "cannot be opened"),
        (Path.mkdir, 0o500, 0o600, "No store can be made"),
    ],
    ids=[
        *("something else", "newer", "damaged", "damaged, the folder only", "no access to the folder"),
        *("no access to the file", "an empty folder"),
    ],
)
def test_a_file_that_can_be_neither_read_nor_written_gets_one_sentence(
    open_folder: Path, make: Damage, folder_mode: int, file_mode: int, sentence: str
) -> None:
    make(open_folder)
    protect(open_folder, folder_mode, file_mode)
    script = """
store = SQLiteStore(folder)
works = (store.open, lambda: store.get(key("a")), lambda: store.put(make_entry("b"), GPT), store.count)
print(json.dumps({"refusals": [refused(work) for work in works]}))
"""
    before = files(open_folder)
    told = tell(UNPRIVILEGED + script, open_folder)

    for refusal in told["refusals"]:
        assert sentence in refusal
        assert "\n" not in refusal
    assert files(open_folder) == before


def test_a_full_disk_refuses_the_new_and_keeps_the_old(folder: Path) -> None:
    told = tell(
        """
import resource
store = SQLiteStore(folder)
for n in range(5):
    store.put(make_entry(n), GPT)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
told = {"refusal": refused(lambda: store.put(make_entry("big", b"x" * 1_000_000), GPT)), "big": answer(store, "big")}
told["kept"] = [n for n in range(5) if answer(store, n)]
told["after a restart"] = [n for n in range(5) if answer(SQLiteStore(folder), n)]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
told["later"] = refused(lambda: store.put(make_entry("big", b"x" * 1_000_000), GPT))
print(json.dumps(told | {"size": store.count()[1], "notices": store.notices}))
""",
        folder,
    )

    assert told.pop("refusal")
    kept = {"kept": [0, 1, 2, 3, 4], "after a restart": [0, 1, 2, 3, 4]}
    assert told == {"big": None, **kept, "later": "", "size": 1_000_030, "notices": []}


# Entries in memory


def found(name: object, size: int = 100) -> Found:
    """Return an entry as ``get`` finds it."""
    return Found(key(name), b"x" * (size - OVERHEAD_BYTES), 0.0, None, Usage())


def test_memory_holds_the_answers_used_last_within_a_bound() -> None:
    recent = Recent(10_000)
    for name in range(10):
        recent.remember(found(name, 1_000), recent.forgotten)
    recent.get(key(0))
    recent.remember(found("another", 1_000), recent.forgotten)
    recent.remember(found("large", 5_000), recent.forgotten)

    assert [name for name in range(10) if key(name) not in recent] == [1]
    assert key("large") not in recent


def test_memory_never_brings_back_what_was_forgotten_on_the_way() -> None:
    recent = Recent()
    before = recent.forgotten
    recent.forget({key("a")[:16]})
    recent.remember(found("a"), before)

    assert recent.get(key("a")) is None


class SlowKey(str):
    """A key that a store compares with what it read, once a test lets it."""

    read, go_on = threading.Event(), threading.Event()

    def __ne__(self, other: object) -> bool:
        self.read.set()
        self.go_on.wait(30)
        return str(self) != other


def test_an_answer_replaced_while_it_was_read_is_not_remembered(store: SQLiteStore) -> None:
    store.put(make_entry("a", b"old"), GPT)
    store.close()  # nothing in memory any more
    slow = SlowKey(key("a"))
    reader = threading.Thread(target=store.get, args=(slow,))
    reader.start()
    assert slow.read.wait(30)
    store.put(make_entry("a", b"new"), GPT)
    slow.go_on.set()
    reader.join()

    assert answer(store) == b"new"


def test_a_folder_moved_while_a_thread_opens_its_file_is_noticed(tmp_path: Path) -> None:
    for attempt in range(60):  # the move comes at another moment of the opening each time
        folder = tmp_path / str(attempt)
        store = SQLiteStore(folder)
        store.put(make_entry("a"), GPT)

        def read_if_it_opens(store: SQLiteStore = store) -> None:
            with suppress(StoreError):
                store.count()

        reader = threading.Thread(target=read_if_it_opens)
        reader.start()
        time.sleep(attempt / 30_000)
        folder.rename(tmp_path / f"{attempt} moved")
        reader.join()

        assert store.count() == (0, 0)
        assert "was removed or replaced" in store.notices[0]
        store.close()


INTERRUPTED = """
import signal, time
store = SQLiteStore(folder)
store.put(make_entry("first"), GPT)
other = sqlite3.connect(folder + "/cache.db", isolation_level=None, check_same_thread=False)
other.execute("BEGIN IMMEDIATE")  # another kernel writes

def interrupt():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.3)
    other.execute("COMMIT")

threading.Thread(target=interrupt).start()
try:
    store.put(make_entry("interrupted"), GPT)
    interrupted = False
except KeyboardInterrupt:
    interrupted = True
other.execute("PRAGMA busy_timeout=100")
other.execute("BEGIN IMMEDIATE")
other.execute("COMMIT")
store.put(make_entry("after"), GPT)
print(json.dumps({"interrupted": interrupted, "after": answer(store, "after") is not None}))
"""


@pytest.mark.slow
def test_an_interrupt_while_another_kernel_writes_leaves_no_transaction_open(folder: Path) -> None:
    assert tell(INTERRUPTED, folder) == {"interrupted": True, "after": True}


@pytest.mark.parametrize("use", ["entries", "count", "remove"])
def test_an_interrupt_ends_a_search(tmp_path: Path, use: str) -> None:
    store = SQLiteStore(tmp_path)
    store.put_all([make_entry(str(n)) for n in range(200)], [GPT], replace=True)
    with interrupted_after(10**9, grep):
        store.count(Selection(grep="x"))  # Python 3.12 counts no instruction of code that was never traced
    with interrupted_after(300, grep), pytest.raises(KeyboardInterrupt):
        getattr(store, use)(Selection(grep=r"\d{9}"))
    assert store.count()[0] == 200
    store.close()


def test_thousands_of_beginnings_of_ids_select_entries(tmp_path: Path) -> None:
    with closing(SQLiteStore(tmp_path)) as store:
        store.put(make_entry("named"), GPT)
        store.put(make_entry("other"), GPT)
        beginnings = [key("named")[:8], *(f"{number:08x}" for number in range(2_000))]
        assert [row.key[:16] for row in store.entries(Selection(ids=beginnings))] == [key("named")[:16]]
