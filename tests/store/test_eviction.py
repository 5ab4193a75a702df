"""A limit holds for everything that is kept, and the space of what it removes is used again."""

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gptcache_magics.errors import StoreError
from gptcache_magics.store.protocol import Period, Selection
from gptcache_magics.store.sqlite import outbox
from gptcache_magics.store.sqlite.statements import id_number
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import EVERYTHING, GPT, eventually, key, keys, lookup, make_entry


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    """Yield a new store."""
    store = SQLiteStore(tmp_path / "store")
    yield store
    store.close()


def size(store: SQLiteStore) -> int:
    store.close()
    return (Path(store.where) / "cache.db").stat().st_size


def test_earlier_answers_count_and_go_first(store: SQLiteStore) -> None:
    for number in range(5):
        store.put(make_entry("a", f"{number}".encode() * 100, created=1e9 + number), GPT)
    store.put(make_entry("b", b"b" * 100), GPT)

    assert store.evict(400) == 0
    assert [row.answer[:1] for row in store.history(key("a"))] == [b"3", b"2"]
    assert store.evict(200) == 0
    assert store.history(key("a")) == []
    assert store.count() == (2, 200)


def test_removed_entries_count_and_go_before_live_ones(store: SQLiteStore) -> None:
    for name in "abcd":
        store.put(make_entry(name, b"x" * 100), GPT)
    store.remove(Selection(ids=[key("a"), key("b")]))

    assert store.evict(400) == 0
    assert store.removed() == 2
    assert store.evict(200) == 0
    assert (store.removed(), store.count()[0]) == (0, 2)


def test_an_answer_of_a_fast_clock_is_evicted(store: SQLiteStore) -> None:
    now = time.time()
    store.put(make_entry("early", b"x" * 100, created=now - 100), GPT)
    store.put(make_entry("future", b"x" * 100, created=now + 1e6), GPT)
    store.put(make_entry("future, but hit", b"x" * 100, created=now + 1e6), GPT)
    store.put(make_entry("late", b"x" * 100, created=now - 10), GPT)
    store.record([lookup(1, "hit", "future, but hit", at=now - 50)], [GPT], 1_000)
    order: list[str] = []
    for limit in (300, 200, 100):
        before = keys(store.entries(EVERYTHING))
        assert store.evict(limit) == 1
        order += before - keys(store.entries(EVERYTHING))

    assert order == [key("future"), key("early"), key("future, but hit")]


def test_prompts_and_vectors_count_where_they_make_the_file_large(store: SQLiteStore) -> None:
    limit = 3_000_000
    for start in range(0, 2_000, 100):
        entries = [
            make_entry(number, b"x" * 50, prompt=f"{number} " + "p" * 8_000, created=1e9 + number)
            for number in range(start, start + 100)
        ]
        store.put_all(entries, [GPT], replace=False)
        store.evict(limit)

    assert 100 < store.count()[0] < 500
    assert store.get(key(1_999)) is not None
    assert eventually(lambda: size(store) < 2.5 * limit)


def test_a_million_bytes_over_the_limit_go_in_short_steps(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put_all([make_entry(n, b"x" * 1_000, created=1e9 + n) for n in range(1_500)], [GPT], replace=False)
    store.change(Selection(ids=[key(0)]), pinned=True)
    transactions: list[int] = []
    write = store._write
    monkeypatch.setattr(store, "_write", lambda work, **how: transactions.append(1) or write(work, **how))

    evicted = store.evict(100_000)
    assert evicted >= 1_400
    assert len(transactions) > 2
    assert keys(store.entries(EVERYTHING)) == {key(0), *(key(number) for number in range(evicted + 1, 1_500))}


def test_lookups_are_forgotten_with_all_that_tells_of_the_past(store: SQLiteStore) -> None:
    for number in range(1_000):
        store.put(make_entry("a", b"%d" % number * 2_000), GPT)
    store.record([lookup(1, "hit")], [GPT], 1_000)
    before = size(store)

    assert store.forget_lookups() == 1
    assert store.history(key("a")) == []
    assert store.get(key("a")) is not None
    assert eventually(lambda: size(store) < before / 3)


def test_lookups_that_are_far_too_many_are_forgotten_in_steps(store: SQLiteStore) -> None:
    store.put(make_entry(0), GPT)
    store.record([lookup(number, "miss", number) for number in range(9_000)], [GPT], 1_000_000)

    store.record([lookup(9_000)], [GPT], 1_000)  # keep_lookups is smaller now
    assert len(store.lookups(Period())) == 7_001
    for number in range(9_001, 9_010):
        store.record([lookup(number)], [GPT], 1_000)
    assert 1_000 <= len(store.lookups(Period())) <= 1_100
    asked = {each.question for each in store.questions_of([key(number) for number in (0, 1, 7_000, 8_999)])}
    assert asked == {"question 0", "question 8999"}  # that of an entry, and that of a lookup which is kept


def test_questions_of_removed_entries_go_with_them(store: SQLiteStore) -> None:
    for name in "abc":
        store.put(make_entry(name), GPT)
    store.record([lookup(1, "hit", "b"), lookup(2, "miss", "d")], [GPT], 1_000)
    store.remove(Selection(ids=[key("a"), key("b")]))
    assert len(store.questions_of([key(name) for name in "abcd"])) == 4
    store.forget_removed()

    assert eventually(lambda: len(store.questions_of([key("a")])) == 0)
    assert len(store.questions_of([key(name) for name in "abcd"])) == 3


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with a disk of 24 MB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill_up(disk: Path, store: SQLiteStore, left: int) -> None:
    """Leave room for a few entries on a disk, and let the store notice that."""
    (disk / "ballast").write_bytes(bytes(max(0, shutil.disk_usage(disk).free - left)))
    with pytest.raises(StoreError, match=r"full\. Make room on its disk"):
        store.put(make_entry("large", b"x" * 8_000_000), GPT)


def test_entries_are_evicted_on_a_full_disk(small_disk: Path) -> None:
    store = SQLiteStore(small_disk)
    for number in range(1_000):
        store.put(make_entry(number, b"x" * 2_000, created=1e9 + number), GPT)
    fill_up(small_disk, store, 400_000)
    count, held = store.count()

    assert store.evict(held // 2) >= count // 3
    store.put(make_entry("new", b"x" * 4_000), GPT)
    assert store.get(key("new")) is not None
    store.close()


def test_a_full_disk_can_be_cleared(small_disk: Path) -> None:
    store = SQLiteStore(small_disk)
    store.put_all((make_entry(number, b"x" * 200) for number in range(12_000)), [GPT], replace=True)
    with closing(sqlite3.connect(small_disk / "cache.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    fill_up(small_disk, store, 200_000)

    assert store.clear() == 12_000
    assert store.count() == (0, 0)
    store.close()


def test_an_answer_that_waits_to_be_sent_to_a_team_is_not_evicted(store: SQLiteStore) -> None:
    for number, name in enumerate("abc"):
        store.put(make_entry(name, b"x" * 100, created=1e9 + number), GPT)
    with closing(sqlite3.connect(Path(store.where) / "cache.db")) as db, db:
        numbers = [id_number(key(name)) for name in "ab"]
        db.executemany("UPDATE entry SET team=1 WHERE id=?", [(number,) for number in numbers])
        outbox.queue(db, 1, outbox.ENTRY, [(numbers[0],)])

    assert store.evict(0) == 2
    assert keys(store.entries(EVERYTHING)) == {key("a")}
    with closing(sqlite3.connect(Path(store.where) / "cache.db")) as db, db:
        outbox.sent(db, outbox.next_to_send(db, 1, 50))
    assert store.evict(0) == 1
