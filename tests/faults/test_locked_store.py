"""A store that others keep busy: calls go on, nothing is lost, and what waits is said."""

import _thread
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import gptcache_magics as gm
from gptcache_magics.errors import StoreLockedError
from gptcache_magics.store.patience import Patience, waiting
from gptcache_magics.store.protocol import Usage
from gptcache_magics.store.sqlite import connections, database
from gptcache_magics.store.sqlite.recent import CHECK_SECONDS
from gptcache_magics.store.sqlite.store import SQLiteStore
from tests.support.shell import Typist, ask
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


# What waits is not lost, and is said once


def stored_in(folder: Path) -> list[str]:
    """Return the questions in the file, as another process sees them."""
    with closing(sqlite3.connect(folder / "cache.db")) as db:
        return [row[0] for row in db.execute("SELECT question FROM entry ORDER BY created")]


@pytest.mark.usefixtures("short")
def test_a_miss_under_a_lock_is_a_miss_that_is_not_written_yet(on: Path) -> None:
    ledger = gm.current().ledger
    with locked(on) as release:
        bought = ask("late")
        (lookup,) = ledger.recent
        assert (lookup.outcome, str(lookup.reason.detail)) == ("miss", "not written yet: the store is locked")
        assert ask("late") == bought
        assert "The store is locked by another process: 1 answer and " in gm.status().warnings
        assert ledger.failures == 0
        assert stored_in(on) == []
        release()
        assert gm.lookups()["reason"].tolist() == ["", "asked for the first time"]
    assert stored_in(on) == ["late"]
    assert gm.status().warnings == "none"
    assert gm.stats().iloc[0][["lookups", "hits", "misses", "errors"]].tolist() == [2, 1, 1, 0]


@pytest.mark.usefixtures("short")
def test_a_badge_says_once_that_the_store_is_locked(magic: Typist, tmp_path: Path) -> None:
    magic.ip.run_cell("from tests.support.shell import ask")
    magic.told("on store")
    said = "the store is locked"
    assert said not in magic.cell("_ = ask('before')")
    with locked(tmp_path / "store") as release:
        assert said in magic.cell("_ = ask('one')")
        assert said not in magic.cell("_ = ask('two')")
        release()
    gm.stats()
    assert said not in magic.cell("_ = ask('three')")


def test_a_lookup_that_cannot_read_a_locked_file_is_a_miss(on: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gm.off()
    with closing(sqlite3.connect(on / "cache.db")) as db:
        db.execute("PRAGMA journal_mode=DELETE")
    monkeypatch.setattr(database, "_use_wal", lambda db, where: False)
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.05)
    gm.on(on)
    gm.stats()
    with locked(on, "BEGIN EXCLUSIVE"):
        assert ask("question").startswith("answer")
        (lookup,) = gm.current().ledger.recent
        assert (lookup.outcome, lookup.reason.kind) == ("miss", "locked")
    assert gm.stats().iloc[0]["errors"] == 0
    gm.on(mode="replay")
    refusal = pytest.raises(gm.CacheMiss, match="not looked up: the store is locked")
    with locked(on, "BEGIN EXCLUSIVE"), refusal:
        ask("another question")
    gm.off()


@pytest.mark.usefixtures("short")
def test_tables_and_bundles_wait_until_what_is_late_is_written(on: Path, tmp_path: Path) -> None:
    with locked(on) as release:
        ask("late")
        tables, results = in_background(lambda: (len(gm.lookups()), gm.stats()["lookups"].sum(), len(gm.entries())))
        assert tables.is_alive()
        release()
        tables.join()
    assert results == [(1, 1, 1)]
    with locked(on) as release:
        ask("later")
        saves, saved = in_background(lambda: gm.save(tmp_path / "late.jsonl"))
        release()
        saves.join()
    assert "Saved 2 entries" in str(saved)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let calls and commands wait for a moment."""
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.05)
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.1)


@pytest.mark.usefixtures("impatient")
def test_what_cannot_be_written_is_in_tables_and_bundles_all_the_same(on: Path, tmp_path: Path) -> None:
    ask("before")
    with gm.using(mode="refresh"):
        ask("refreshed")
    gm.stats()
    with locked(on):
        ask("before")
        ask("late", model="large-model")
        with gm.using(mode="refresh"):
            ask("refreshed")
        ask("late", model="large-model")
        df = gm.lookups()
        assert df.index.tolist() == [6, 5, 4, 3, 2, 1]
        assert df["question"].tolist() == ["late", "refreshed", "late", "before", "refreshed", "before"]
        assert df["outcome"].tolist() == ["hit", "bypass", "miss", "hit", "bypass", "miss"]
        assert df["model"].tolist()[0] == "large-model"
        assert len(gm.lookups(limit=2)) == 2
        stats = gm.stats("total", wide=True).iloc[0]
        assert stats[["lookups", "hits", "misses", "bypassed", "errors"]].tolist() == [6, 2, 2, 2, 0]
        assert sorted(gm.entries()["question"]) == ["before", "late", "refreshed"]
        assert "Lookup 4" in repr(gm.why(4))
        assert "Saved 3 entries" in gm.save(tmp_path / "all.jsonl")
        late = ask("late", model="large-model")
    assert gm.lookups().index.tolist() == [7, 6, 5, 4, 3, 2, 1]
    gm.off()
    gm.on(tmp_path / "all.jsonl")
    assert ask("late", model="large-model") == late
    gm.off()


@pytest.mark.usefixtures("impatient")
def test_a_miss_that_is_paid_while_the_file_is_locked_is_counted_once(on: Path) -> None:
    ledger = gm.current().ledger
    miss = ledger.note("miss", None, 0.001, key="6b" * 16, question="slow")
    ledger.flush()
    with locked(on):
        ledger.paid(miss, 1.5, Usage(10, 5), None)
        df = gm.lookups()
        assert (len(df), df["paid_seconds"].tolist(), df.index.tolist()) == (1, [1.5], [1])
        assert gm.stats("total").iloc[0]["lookups"] == 1


@pytest.mark.usefixtures("short")
def test_an_interrupt_of_the_wait_for_the_file_loses_no_answer(on: Path) -> None:
    store = gm.current().store
    main = threading.get_ident()

    def waits() -> bool:
        frame = sys._current_frames()[main]
        while frame is not None and frame.f_code is not SQLiteStore.settle.__code__:
            frame = frame.f_back
        return frame is not None

    def interrupt() -> None:
        wait_until(waits)
        _thread.interrupt_main()

    with locked(on) as release:
        ask("late")
        interrupts, _ = in_background(interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.settle()
        interrupts.join()
        release()
    store.settle()
    assert stored_in(on) == ["late"]


@pytest.mark.usefixtures("impatient")
def test_totals_are_summed_up_while_calls_go_on(on: Path) -> None:
    ledger, ended = gm.current().ledger, threading.Event()

    def note() -> None:
        while not ended.is_set():
            ledger.note("hit", None, 0.001, key="6b" * 16, question="again")

    with locked(on):
        for _ in range(3_000):
            ledger.note("hit", None, 0.001, key="6b" * 16, question="again")
        calls, _ = in_background(note)
        try:
            assert all(" hits · saved " in gm.status().run for _ in range(10))
        finally:
            ended.set()
            calls.join()
