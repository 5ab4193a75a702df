"""What is removed for good gives its space back, in steps that a killed kernel may leave to the next one."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gptcache_magics.store.protocol import Selection
from gptcache_magics.store.sqlite import sweeper
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import EVERYTHING, GPT, eventually, key, make_entry

OF_0_1 = Path(__file__).parents[1] / "data" / "0.1"
MANY = 2_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    """Yield a store of many entries of 2 kB."""
    store = SQLiteStore(tmp_path / "store")
    store.put_all([make_entry(number, b"x" * 1_900) for number in range(MANY)], [GPT], replace=False)
    yield store
    store.close()


def rows(store: SQLiteStore, table: str = "entry") -> int:
    with closing(sqlite3.connect(Path(store.where) / "cache.db", timeout=10)) as db:
        number: int = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return number


def size(store: SQLiteStore) -> int:
    return (Path(store.where) / "cache.db").stat().st_size


def test_an_entry_of_2_kb_takes_less_than_3_000_bytes(store: SQLiteStore) -> None:
    store.close()
    empty = SQLiteStore(Path(store.where).parent / "empty")
    empty.put(make_entry("a"), GPT)
    empty.close()

    assert (size(store) - size(empty)) / MANY < 3_000


def test_a_final_removal_gives_the_space_back(store: SQLiteStore) -> None:
    store.close()
    before = size(store)
    store.clear()
    store.put(make_entry("new"), GPT)
    assert rows(store) == MANY + 1
    store.forget_removed()
    store.close()

    assert eventually(lambda: rows(store) == 1)
    assert eventually(lambda: size(store) < before / 2)
    assert store.count()[0] == 1


def test_many_are_removed_and_come_back_in_several_transactions(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gptcache_magics.store.sqlite.removal.CHECKED", 400)
    chosen = [key(number) for number in range(1_500)]
    assert store.remove(Selection(ids=chosen)) == 1_500
    assert (store.count()[0], store.removed()) == (500, 1_500)
    assert store.undo() == 1_500
    assert (store.count()[0], store.removed()) == (MANY, 0)


def test_a_removal_can_be_undone_until_the_next_one(store: SQLiteStore) -> None:
    first = Selection(ids=[key(number) for number in range(1_500)])
    assert store.remove(first) == store.undo() == 1_500
    assert store.remove(first) == 1_500
    assert store.remove(Selection(ids=[key(1_999)])) == 1

    assert eventually(lambda: rows(store) == MANY - 1_500)
    assert store.undo() == 1
    assert store.count()[0] == MANY - 1_500
    assert rows(store, "removed") == 0


def test_what_a_killed_kernel_left_over_goes_when_the_file_is_opened(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(sweeper.Sweeper, "start", lambda self: None)
        store.clear()
        store.put(make_entry("a"), GPT)
        store.clear()
        store.close()
    assert rows(store) == MANY + 1

    store.open()
    assert eventually(lambda: rows(store) == 1)
    assert store.undo() == 1


def test_a_thread_that_an_interrupt_kept_from_beginning_begins_with_the_next_removal(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    sweeping = store._sweeper
    sweeping.wait(10)
    with monkeypatch.context() as pressed:
        pressed.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sweeping.start()
    sweeping.stop()
    store.clear()
    store.put(make_entry("new"), GPT)
    store.forget_removed()
    assert eventually(lambda: rows(store) == 1)


def test_a_folder_that_was_deleted_is_not_made_again(store: SQLiteStore) -> None:
    path = Path(store.where)
    store.clear()
    store.close()
    for file in path.iterdir():
        file.unlink()
    path.rmdir()

    sweeping = sweeper.Sweeper(path, store._connections)
    sweeping.start()
    sweeping.wait(10)
    assert not path.exists()


def test_other_kernels_forget_more_entries_than_are_named(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptcache_magics.store.sqlite.removal.DROPPED_KEPT", 5)
    monkeypatch.setattr("gptcache_magics.store.sqlite.recent.CHECK_SECONDS", -1.0)
    other = SQLiteStore(store.where)
    assert all(other.get(key(number)) for number in range(20))
    store.remove(Selection(ids=[key(number) for number in range(20)]))

    assert [number for number in range(20) if other.recall(key(number)) is not None] == []
    other.close()


def test_vectors_of_many_entries_come_back(store: SQLiteStore) -> None:
    context = "c0" * 16
    store.put_vectors("e/2", [(key(number), context, b"vector") for number in range(MANY)])
    last = store.vectors("e/2", context, 0)[-1].sequence
    store.clear()
    assert store.vectors("e/2", context, 0) == []

    assert store.undo() == MANY
    again = store.vectors("e/2", context, last)
    assert len(again) == MANY
    assert store.vectors("e/2", context, again[-1].sequence) == []
    store.put_vectors("e/2", [(key(0), context, b"new")])
    assert [row.vector for row in store.vectors("e/2", context, again[-1].sequence)] == [b"new"]
    store.remove(EVERYTHING)


def test_a_small_file_of_0_1_can_give_space_back(tmp_path: Path) -> None:
    shutil.copy(OF_0_1 / "cache.db", tmp_path)
    store = SQLiteStore(tmp_path)
    store.open()
    store.close()

    with closing(sqlite3.connect(tmp_path / "cache.db")) as db:
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)
