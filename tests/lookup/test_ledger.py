"""Lookups reach the store without being asked for, survive a failing store, and are counted once."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import gptcache_magics as gm
from gptcache_magics.lookup.ledger import RECENT_LOOKUPS, Ledger
from gptcache_magics.settings import CELL, Cell, Settings
from gptcache_magics.store.protocol import Configuration, Entry, Lookup, Period, Selection, Store, Usage
from gptcache_magics.store.reasons import Kind, Reason
from gptcache_magics.store.sqlite.store import SQLiteStore
from tests.support.processes import run
from tests.support.waiting import wait_until

MINI = Configuration("6d" * 16, "openai", "gpt-4o-mini", "gpt-4o-mini", None, "{}")
KEY = "6b" * 16


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path)
    store.put(Entry(KEY, MINI.key, "prompt", "question", b"answer", time.time()), MINI)
    yield store
    store.close()


@pytest.fixture
def ledger(store: SQLiteStore) -> Iterator[Ledger]:
    ledger = Ledger(store, Settings())
    yield ledger
    ledger.close()


def note(ledger: Ledger, question: str = "question", hit: bool = False) -> Lookup:
    """Note one lookup."""
    return ledger.note("hit" if hit else "miss", None, 0.001, key=KEY, question=question, configuration=MINI)


def hits(store: SQLiteStore) -> int:
    """Return the hits of the only entry."""
    (row,) = store.entries(Selection())
    return row.hits


def written(folder: str | Path) -> int:
    """Return the number of lookups in the file, as another process sees it."""
    db = sqlite3.connect(Path(folder) / "cache.db")
    try:
        number: int = db.execute("SELECT count(*) FROM lookup").fetchone()[0]
        return number
    finally:
        db.close()


@pytest.mark.slow
def test_a_lookup_is_written_soon_without_being_asked_for(ledger: Ledger, tmp_path: Path) -> None:
    note(ledger)
    assert written(tmp_path) == 0

    wait_until(lambda: written(tmp_path) == 1)
    note(ledger)
    wait_until(lambda: written(tmp_path) == 2)


@pytest.mark.parametrize("end", [Ledger.flush, Ledger.close], ids=["flush", "close"])
def test_flushing_and_closing_write_what_is_pending(
    ledger: Ledger, tmp_path: Path, end: Callable[[Ledger], None]
) -> None:
    for _ in range(3):
        note(ledger)

    end(ledger)
    end(ledger)

    assert written(tmp_path) == 3


@pytest.mark.slow
def test_closing_ends_the_thread(ledger: Ledger) -> None:
    note(ledger)
    (thread,) = [each for each in threading.enumerate() if each is ledger._thread]
    ledger.close()

    thread.join(20)
    assert not thread.is_alive()


def test_a_miss_is_completed_when_its_answer_comes(ledger: Ledger, store: SQLiteStore) -> None:
    miss = ledger.note("miss", None, 0.001, key=KEY, configuration=MINI)
    ledger.flush()
    ledger.paid(miss, 1.5, Usage(10, 5), Reason(Kind.NOT_STORED, "cut off"))
    ledger.flush()

    (row,) = store.lookups(Period())
    assert (row.seconds, row.input_tokens, row.output_tokens) == (1.5, 10, 5)
    assert row.reason == Reason(Kind.NOT_STORED, "cut off")


def test_hits_are_counted_on_their_entry_once(ledger: Ledger, store: SQLiteStore) -> None:
    for _ in range(2):
        note(ledger, hit=True)
        ledger.flush()
    ledger.flush()

    assert hits(store) == 2


def test_a_lookup_carries_the_running_cell(ledger: Ledger, store: SQLiteStore) -> None:
    token = CELL.set(Cell("analysis.ipynb", "cell-1", 12, "first line"))
    note(ledger)
    CELL.reset(token)
    note(ledger)
    ledger.flush()

    cells = [[row.notebook, row.cell, row.execution_count, row.cell_line] for row in store.lookups(Period())]
    assert cells == [["", "", None, ""], ["analysis.ipynb", "cell-1", 12, "first line"]]


def note_too_large(ledger: Ledger) -> Lookup:
    """Note a hit with a number that SQLite refuses. Nothing is written until it has another."""
    token = CELL.set(Cell("analysis.ipynb", "cell-1", 2**70, "first line"))
    lookup = note(ledger, hit=True)
    CELL.reset(token)
    return lookup


@pytest.mark.slow
def test_a_store_that_fails_loses_no_lookup_and_the_failure_is_counted(
    ledger: Ledger, store: SQLiteStore, tmp_path: Path
) -> None:
    note(ledger, hit=True)
    refused = note_too_large(ledger)
    ledger.flush()
    assert ledger.failures >= 1
    assert "writing lookups" in ledger.last_error
    assert "too large" in ledger.last_error
    note(ledger, hit=True)
    ledger.flush()
    assert written(tmp_path) == 0

    refused.execution_count = 7
    note(ledger, hit=True)
    wait_until(lambda: written(tmp_path) == 4)

    assert hits(store) == 4


def counted(store: Store, *, cells: bool) -> int:
    """Return the number of lookups in all figures."""
    return sum(each.lookups for each in store.sums(Period(), cells=cells))


@pytest.mark.parametrize("locked", [False, True])
def test_the_pending_lookups_of_a_failing_store_are_bounded_and_all_are_counted(
    ledger: Ledger, store: SQLiteStore, tmp_path: Path, locked: bool
) -> None:
    note(ledger)
    wait_until(lambda: written(tmp_path) == 1)
    refused = None
    with closing(sqlite3.connect(tmp_path / "cache.db", isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")  # nothing is written meanwhile
        for _ in range(2):
            for _ in range(RECENT_LOOKUPS - 50):
                note(ledger)
            if refused is None and not locked:
                refused = note_too_large(ledger)
                other.rollback()
            ledger.flush()
        if refused is None:
            with_those_that_wait = ledger.settled()
            assert [counted(with_those_that_wait, cells=cells) for cells in (True, False)] == [
                2 * RECENT_LOOKUPS - 99
            ] * 2
            other.rollback()
        else:
            refused.execution_count = 7
            note(ledger)
    every = 2 * RECENT_LOOKUPS - 99 + 2 * (not locked)
    wait_until(lambda: counted(store, cells=True) == every)
    assert counted(store, cells=False) == every
    # One fewer where a write that was bound to fail was still under way when the last lookup was noted.
    assert written(tmp_path) in (RECENT_LOOKUPS + 1, RECENT_LOOKUPS + 1 + (not locked))


def test_a_new_run_starts_at_nothing_and_keeps_what_was_written(ledger: Ledger, store: SQLiteStore) -> None:
    note(ledger)
    ledger.failed(OSError("disk"), "writing")
    before = ledger.run
    ledger.flush()
    ledger.start_run()

    assert ledger.run != before
    assert (len(ledger.recent), ledger.failures, ledger.last_error) == (0, 0, "")
    note(ledger)
    note(ledger)
    ledger.flush()
    assert [len(store.lookups(Period(run=run))) for run in (before, ledger.run)] == [1, 2]


def test_an_answer_that_comes_after_a_new_run_began_pushes_no_lookup_out(ledger: Ledger, store: SQLiteStore) -> None:
    miss = ledger.note("miss", None, 0.001, key=KEY, configuration=MINI)
    before = ledger.run
    ledger.flush()
    ledger.start_run()
    note(ledger)
    ledger.paid(miss, 1.5, Usage(10, 5), None)
    ledger.flush()

    assert [len(store.lookups(Period(run=run))) for run in (before, ledger.run)] == [1, 1]
    assert store.lookups(Period(run=before))[0].seconds == 1.5


def test_listeners_hear_of_each_lookup_and_answer_until_they_leave(ledger: Ledger) -> None:
    heard: list[str] = []
    leave = ledger.subscribe(lambda: heard.append("first"))
    ledger.subscribe(lambda: heard.append("second"))
    miss = ledger.note("miss", None, 0.001)
    ledger.paid(miss, 1.0, Usage(), None)
    assert heard == ["first", "second"] * 2

    leave()
    leave()
    note(ledger)
    assert heard == ["first", "second"] * 2 + ["second"]


def test_a_listener_that_fails_does_not_stop_a_lookup_nor_the_others(ledger: Ledger, tmp_path: Path) -> None:
    heard: list[str] = []
    ledger.subscribe(lambda: [][1])
    ledger.subscribe(lambda: heard.append("second"))
    note(ledger)
    ledger.flush()

    assert heard == ["second"]
    assert written(tmp_path) == 1
    assert "IndexError" in ledger.last_error


def test_threads_note_without_losing_one(ledger: Ledger, tmp_path: Path) -> None:
    def work() -> None:
        for _ in range(50):
            note(ledger)
            ledger.flush()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.flush()

    assert ledger.noted == 400
    assert written(tmp_path) == 400


SCRIPT = """
import os, sys
from tests.support.shell import ask
import gptcache_magics as gm
from langchain_core.globals import set_llm_cache
{start}
for question in ("a", "b", "a"):
    ask(question)
{end}
"""
ENDS = {
    "its end": "",
    "sys.exit": "sys.exit(3)",
    "an error": "1 / 0",
    "a pending task": "import threading; threading.Thread(target=lambda: ask('c')).start()",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "end"), [("set_llm_cache(gm.GPTCache())", "its end"), *(("gm.on()", end) for end in ENDS)]
)
def test_a_process_that_ends_has_written_its_lookups(tmp_path: Path, start: str, end: str) -> None:
    run("-c", SCRIPT.format(start=start, end=ENDS[end]), folder=tmp_path)

    assert written(tmp_path / ".gptcache") == (4 if end == "a pending task" else 3)
    assert len(gm.entries(at=tmp_path / ".gptcache")) == (3 if end == "a pending task" else 2)


FORK = """
import os, sqlite3, sys, time
from tests.support.shell import ask
import gptcache_magics as gm
gm.on()

def written():
    db = sqlite3.connect(".gptcache/cache.db")
    return db.execute("SELECT count(*) FROM lookup").fetchone()[0]

def wait(number):
    deadline = time.monotonic() + 20
    while written() < number and time.monotonic() < deadline:
        time.sleep(0.05)

ask("a"); ask("a")
child = os.fork()
{child}
else:
    os.waitpid(child, 0)
    ask("a")
    gm.off()
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize(
    ("child", "lookups", "hits"),
    [
        ("if child == 0:\n    ask('a'); ask('b'); wait(4); os._exit(0)", 5, 3),
        ("if child == 0:\n    ask('a'); gm.stats(); os._exit(0)", 4, 3),
        ("if child == 0:\n    gm.stats(); os._exit(0)", 3, 2),
        ("if child == 0:\n    sys.exit()", 3, 2),
    ],
    ids=["its own thread writes", "a table writes", "only looks", "only exits"],
)
def test_a_forked_child_writes_its_own_lookups_and_no_other(
    tmp_path: Path, child: str, lookups: int, hits: int
) -> None:
    run("-c", FORK.format(child=child), folder=tmp_path)

    df = gm.lookups(at=tmp_path / ".gptcache")
    assert len(df) == lookups
    assert (df["outcome"] == "hit").sum() == hits
    assert gm.entries(at=tmp_path / ".gptcache")["hits"].sum() == hits
