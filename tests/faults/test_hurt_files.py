"""A file that is truncated while a kernel has it open, and a disk that cannot lock files: calls go on."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import gptcache_magics as gm
from tests.support.file_locks import can_refuse_locks
from tests.support.processes import output_of
from tests.support.shell import ask

pytestmark = pytest.mark.slow
OTHER_KERNEL = """
import sys
import gptcache_magics as gm
from tests.support.shell import ask
print(gm.on(sys.argv[1]))
ask("of another kernel")
print(len(gm.entries()), gm.off()[:10])
"""


def merge(folder: Path) -> None:
    """Bring everything from the journal to the file, which an open kernel keeps open."""
    with closing(sqlite3.connect(folder / "cache.db")) as db:
        assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


def outcomes() -> list[str]:
    return [each.outcome for each in gm.current().ledger.recent]


def aside(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("cache.db.damaged-*") if not path.name.endswith(("-wal", "-shm"))]


@pytest.mark.parametrize("again", [False, True], ids=["", "after another on"])
def test_a_file_truncated_to_nothing_is_set_aside_and_calls_go_on(on: Path, again: bool) -> None:
    for number in range(3):
        ask(f"before {number}")
    gm.stats()
    merge(on)
    if again:
        gm.off()
        gm.on(on)
        gm.stats()
    os.truncate(on / "cache.db", 0)
    answers = [ask(f"after {number}") for number in range(3)]
    assert [ask(f"after {number}") for number in range(3)] == answers
    assert outcomes()[-6:] == ["miss"] * 3 + ["hit"] * 3
    assert gm.off().startswith("Cache off.")
    assert "could not be written" not in str(gm.on(on))
    assert [ask(f"after {number}") for number in range(3)] == answers
    gm.off()
    assert len(aside(on)) == 1


def test_a_truncated_file_whose_journal_has_everything_loses_nothing(on: Path) -> None:
    before = [ask(f"before {number}") for number in range(3)]
    gm.stats()
    os.truncate(on / "cache.db", 0)
    after = [ask(f"after {number}") for number in range(3)]
    gm.off()
    gm.on(on)
    with gm.using(mode="replay"):
        assert [ask(f"before {number}") for number in range(3)] == before
        assert [ask(f"after {number}") for number in range(3)] == after
    gm.off()
    assert aside(on) == []


def test_a_kernel_that_comes_to_a_truncated_file_does_not_wait_for_the_one_that_has_it_open(on: Path) -> None:
    ask("before")
    gm.stats()
    merge(on)
    os.truncate(on / "cache.db", 0)
    said = output_of(OTHER_KERNEL, on, folder=on.parent)
    assert "was set aside as" in said
    assert said.endswith("1 Cache off.")
    ask("after")
    assert sorted(gm.entries()["question"]) == ["after", "of another kernel"]
    gm.off()


WITHOUT_LOCKS = """
import json, sys, time
import gptcache_magics as gm
from tests.support.file_locks import refuse_locks
from tests.support.shell import ask

gm.on(sys.argv[1])
ask("before")
gm.stats()
refuse_locks()
waits = []
for number in range(5):
    begun = time.monotonic()
    ask(f"during {number % 4}")
    waits.append(time.monotonic() - begun)
ledger = gm.current().ledger
print(json.dumps({
    "slow": sum(wait > 2 for wait in waits),
    "outcomes": [each.outcome for each in ledger.recent][-5:],
    "said": repr(gm.status()),
    "off": gm.off(),
}))
"""
NEVER_LOCKED = """
import sys
import gptcache_magics as gm
from tests.support.file_locks import refuse_locks
refuse_locks()
try:
    gm.on(sys.argv[1])
except gm.GPTCacheMagicsError as error:
    print(error, gm.current())
"""


@pytest.mark.skipif(not can_refuse_locks(), reason="this system's kernel takes no such filter")
def test_a_disk_that_stops_locking_files_costs_calls_one_wait(tmp_path: Path) -> None:
    found = json.loads(output_of(WITHOUT_LOCKS, tmp_path / "store", folder=tmp_path))
    assert found["slow"] <= 1  # SQLite alone decides how long it tries: ten seconds
    assert found["outcomes"] == ["miss"] * 4 + ["hit"]
    assert "cannot be locked now. It needs a disk whose files can be locked" in found["said"]
    assert "4 answers could not be written" in found["off"]


@pytest.mark.skipif(not can_refuse_locks(), reason="this system's kernel takes no such filter")
def test_on_says_that_a_disk_cannot_lock_files(tmp_path: Path) -> None:
    said = output_of(NEVER_LOCKED, tmp_path / "store", folder=tmp_path)
    assert "or its disk cannot lock files" in said
    assert said.endswith("None")
