"""A store that others keep busy: calls go on, nothing is lost, and what waits is said."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import gptcache_magics as gm
from gptcache_magics.errors import StoreLockedError
from gptcache_magics.store.patience import Patience, waiting
from gptcache_magics.store.sqlite import connections, database
from gptcache_magics.store.sqlite.recent import CHECK_SECONDS
from gptcache_magics.store.sqlite.store import SQLiteStore
from tests.support.shell import ask
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
FOREVER = 10_000.0


@contextmanager
def locked(folder: Path, begin: str = "BEGIN IMMEDIATE") -> Iterator[Callable[[], None]]:
    """Lock the file of a store. Yields how to release it before the end."""
    with closing(sqlite3.connect(folder / "cache.db", isolation_level=None, check_same_thread=False)) as other:
        other.execute(begin)
        yield other.rollback


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let calls wait for a moment, and commands for as long as it takes."""
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.05)
    monkeypatch.setattr(connections, "BUSY_SECONDS", FOREVER)


def in_background(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Run ``work`` in a thread. Returns the thread, and the list that gets the result."""
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    return thread, results


@pytest.mark.parametrize("command", ["pin", "tag", "remove", "clear"])
def test_calls_go_on_while_a_command_waits_for_the_file(on: Path, short: None, command: str) -> None:
    ask("before")
    (id,) = gm.entries().index
    commands = {
        "pin": lambda: gm.pin(id),
        "tag": lambda: gm.tag("kept", id),
        "remove": lambda: gm.remove(id),
        "clear": lambda: gm.clear(yes=True),
    }
    with locked(on) as release:
        waits, results = in_background(commands[command])
        assert [ask(f"during {number}")[:6] for number in range(5)] == ["answer"] * 5
        assert waits.is_alive()
        release()
        waits.join()
    assert len(results) == 1
    wait_until(lambda: len(gm.lookups()) == 6)


def test_a_call_that_has_waited_its_time_does_not_wait_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CALL_SECONDS", FOREVER)
    store = SQLiteStore(tmp_path)
    store.open()
    with locked(tmp_path), waiting(Patience(waited=FOREVER)), pytest.raises(StoreLockedError):
        store.choose_threshold("embedder", 0.9)
    store.choose_threshold("embedder", 0.9)
    store.close()


def test_a_call_waits_no_longer_for_this_kernel_than_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.05)
    store = SQLiteStore(tmp_path)
    store.open()
    begun, end = threading.Event(), threading.Event()

    def long_work(db: sqlite3.Connection) -> bool:
        begun.set()
        return end.wait()

    writer, _ = in_background(lambda: store._connections.write(long_work))
    assert begun.wait(60)
    with waiting(Patience()), pytest.raises(StoreLockedError, match="busy"):
        store.choose_threshold("embedder", 0.9)
    end.set()
    writer.join()
    store.close()


def test_a_call_does_not_wait_for_a_thread_that_opens_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.05)
    store = SQLiteStore(tmp_path)
    begun, end = threading.Event(), threading.Event()

    def open_at_last() -> None:
        begun.set()
        end.wait()

    monkeypatch.setattr(store._connections, "_close_unused", open_at_last)
    opener, _ = in_background(store.open)
    assert begun.wait(60)
    with waiting(Patience()), pytest.raises(StoreLockedError, match="busy"):
        store.count()
    end.set()
    opener.join()
    store.close()


def test_the_time_of_all_that_a_call_does_in_the_store_adds_up(tmp_path: Path) -> None:
    store, patience = SQLiteStore(tmp_path), Patience()
    with waiting(patience):
        store.count()
        opened = patience.waited
        assert opened > 0
        store.choose_threshold("embedder", 0.9)
    assert patience.waited > opened
    store.close()


def test_a_hit_in_memory_waits_for_nobody(on: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gm.off()
    with closing(sqlite3.connect(on / "cache.db")) as db:
        assert db.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    monkeypatch.setattr(database, "_use_wal", lambda db, where: False)
    gm.on(on)
    before = ask("before")
    gm.stats()
    with locked(on, "BEGIN EXCLUSIVE"):  # nobody can read the file
        monkeypatch.setattr(connections, "CALL_SECONDS", FOREVER)
        time.sleep(2 * CHECK_SECONDS)
        assert ask("before") == before
        monkeypatch.setattr(connections, "CALL_SECONDS", 0.05)
    gm.off()
