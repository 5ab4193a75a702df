"""Whatever happens to the store: calls go through, ``status`` and ``doctor`` answer, and ``off`` turns off."""

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from langchain_core.globals import get_llm_cache

import gptcache_magics as gm
from gptcache_magics.controller import Controller
from gptcache_magics.langchain import hooks
from gptcache_magics.store.sqlite import connections, database, file_system
from tests.support.processes import output_of
from tests.support.shell import ask
from tests.support.unusable_stores import full_of_noise, replaced_by_a_file, replaced_by_folders

pytestmark = pytest.mark.slow


@contextmanager
def vanished(folder: Path) -> Iterator[None]:
    shutil.rmtree(folder)
    yield


@contextmanager
def replaced_by_a_foreign_database(folder: Path) -> Iterator[None]:
    shutil.rmtree(folder)
    folder.mkdir()
    with sqlite3.connect(folder / "cache.db") as db:
        db.execute("CREATE TABLE theirs (a)")
    db.close()
    yield


@contextmanager
def locked_for_hours(folder: Path) -> Iterator[Callable[[], None]]:
    """Lock the file. Yields how to release it before the end."""
    other = sqlite3.connect(folder / "cache.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    yield other.rollback
    other.close()


@contextmanager
def locked_with_a_rollback_journal(folder: Path) -> Iterator[None]:
    """Lock a file that cannot even be read meanwhile, as on a file system without shared memory."""
    gm.off()
    other = sqlite3.connect(folder / "cache.db", isolation_level=None)
    other.execute("PRAGMA journal_mode=DELETE")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_use_wal", lambda db, where: False)
        gm.on(folder)
        ask("before")
        gm.stats()
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.close()


TROUBLES = (
    vanished,
    replaced_by_a_file,
    replaced_by_a_foreign_database,
    replaced_by_folders,
    locked_for_hours,
    locked_with_a_rollback_journal,
    full_of_noise,
)


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_every_command_answers_and_off_turns_off(
    on: Path, tmp_path: Path, trouble: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.2)
    ask("before")
    gm.stats()
    with trouble(on):  # type: ignore[attr-defined]
        assert ask("during")
        assert ask("before")
        assert "Cache " in repr(gm.status())
        assert repr(gm.doctor())
        for command in (gm.stats, gm.entries, gm.lookups, gm.models, lambda: gm.clear(yes=True)):
            with suppress(gm.GPTCacheMagicsError):
                command()
        assert gm.off().startswith("Cache off.")
        assert get_llm_cache() is None
        assert hooks.installed() == []
        assert "off" in repr(gm.status())
        assert gm.on(tmp_path / "elsewhere").startswith("Cache on")
        assert ask("again") == ask("again")
        gm.off()


def test_a_locked_store_costs_calls_a_second_in_all(on: Path) -> None:
    ask("before")
    gm.stats()
    with locked_for_hours(on):
        waits = []
        for number in range(5):
            begun = time.monotonic()
            ask(f"during {number}")
            waits.append(time.monotonic() - begun)
        assert "is locked by another process" in repr(gm.status())
    assert sum(waits) < 4 * connections.CALL_SECONDS, waits
    gm.off()
    gm.on(on)
    assert len(gm.entries()) == 6, "the answers were written when the file was free"
    gm.off()


def test_a_locked_file_that_took_the_place_of_the_store_costs_calls_a_second_in_all(on: Path) -> None:
    ask("before")
    (on / "cache.db").rename(on / "moved")
    with closing(sqlite3.connect(on / "cache.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waits = []
        for number in range(3):
            begun = time.monotonic()
            ask(f"during {number}")
            waits.append(time.monotonic() - begun)
    assert sum(waits) < 4 * connections.CALL_SECONDS, waits
    assert ask("during 2") == ask("during 2")
    gm.off()


def test_off_waits_for_a_file_that_becomes_free(on: Path) -> None:
    with locked_for_hours(on) as release:
        ask("late")
        threading.Timer(2 * connections.CALL_SECONDS, release).start()
        assert "This run: 1 miss" in gm.off()
    assert gm.entries(at=on)["question"].tolist() == ["late"]
    assert len(gm.lookups(at=on)) == 1


def test_off_tells_what_it_could_not_write(on: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.1)
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.2)
    with locked_for_hours(on):
        ask("late")
        ask("later")
        said = gm.off()
    assert "This run: 2 misses" in said
    assert said.count("2 answers could not be written. The store") == 1
    assert said.count("is locked by another process") == 1


EXITS = """
import sqlite3, sys, threading
import gptcache_magics as gm
from tests.support.shell import ask
gm.on("store")
ask("first")
lock = sqlite3.connect("store/cache.db", isolation_level=None, check_same_thread=False)
lock.execute("BEGIN IMMEDIATE")
ask("late")
release = threading.Timer(3, lock.rollback)
release.daemon = True  # exit does not wait for it
release.start()
"""


def test_exit_waits_for_a_file_that_becomes_free(tmp_path: Path) -> None:
    output_of(EXITS, folder=tmp_path)
    assert set(gm.entries(at=tmp_path / "store")["question"]) == {"first", "late"}


FAILING = (
    'open("where", "w").close(); on("where")',
    'os.makedirs("where/cache.db/x"); on("where")',
    'on("where", mode="nonsense")',
    'on("where", match="semantic", embedder=5)',
    'on("where", budget="a lot")',
    'on("where.jsonl")',
    'monkey(); on("where")',
)
SCRIPT = """
import os, sys
import gptcache_magics as gm
from gptcache_magics import controller
from gptcache_magics.langchain import hooks
from langchain_core.globals import get_llm_cache

def on(where, **options):
    gm.on(where, **options)

def monkey():
    import sqlite3
    os.mkdir("where")
    with sqlite3.connect("where/cache.db") as db:
        db.execute("CREATE TABLE theirs (a)")

try:
    exec(sys.argv[1])
except gm.GPTCacheMagicsError as error:
    print("one sentence")
print(get_llm_cache(), controller.controller.cache, hooks.installed(), gm.off())
"""


@pytest.mark.parametrize("failing", FAILING)
def test_an_on_that_fails_leaves_nothing_on(failing: str, tmp_path: Path) -> None:
    said = output_of(SCRIPT, failing, folder=tmp_path)
    assert said.splitlines() == ["one sentence", "None None [] The cache is off already."]


@pytest.mark.parametrize("place", ["_install", "set_mode"])
def test_an_on_that_is_interrupted_leaves_nothing_on(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Controller, place, interrupted)
        with pytest.raises(KeyboardInterrupt) as kept:  # with its frames, as IPython keeps them
            gm.on(tmp_path / "store", mode="replay")
    assert (kept.type, get_llm_cache(), gm.current(), hooks.installed()) == (KeyboardInterrupt, None, None, [])


NO_SHARED_MEMORY = """
import ctypes, ctypes.util, sys
sqlite = ctypes.CDLL(ctypes.util.find_library("sqlite3") or "libsqlite3.so.0")
sqlite.sqlite3_vfs_find.restype = ctypes.c_void_p
sqlite.sqlite3_vfs_register.argtypes = [ctypes.c_void_p, ctypes.c_int]
chosen = sqlite.sqlite3_vfs_find(sys.argv[1].encode())
if not chosen or sqlite.sqlite3_vfs_register(chosen, 1):
    print("skip")
    sys.exit()
import gptcache_magics as gm
from tests.support.shell import ask
print(gm.on("store"))
print(ask("q") == ask("q"), "has no shared memory" in repr(gm.status()))
print(gm.off())
gm.on("store")
before = ask("q")
print(ask("q") == before, len(gm.entries()))
"""
WITH_WAL = """
import os
import gptcache_magics as gm
from tests.support.shell import ask
gm.on("store")
ask("q")
os._exit(0)
"""


@pytest.mark.parametrize("left_in_wal", [False, True])
@pytest.mark.parametrize("vfs", ["unix-dotfile", "unix-none"])
def test_a_file_system_without_shared_memory_gets_a_rollback_journal(
    vfs: str, left_in_wal: bool, tmp_path: Path
) -> None:
    if left_in_wal:
        output_of(WITH_WAL, folder=tmp_path)
    said = output_of(NO_SHARED_MEMORY, vfs, folder=tmp_path).splitlines()
    if said == ["skip"]:
        pytest.skip("this SQLite has no such file system to choose")
    assert "has no shared memory" in said[0]
    assert said[1] == "True True"
    assert said[-1] == "True 1"


def test_a_second_process_shares_a_file_without_shared_memory(tmp_path: Path) -> None:
    output_of(NO_SHARED_MEMORY, "unix-none", folder=tmp_path)
    assert output_of(WITH_WAL, folder=tmp_path) == ""
    assert output_of("import gptcache_magics as gm; gm.on('store'); print(len(gm.entries()))", folder=tmp_path) == "1"


@pytest.mark.parametrize("left_in_wal", [False, True])
def test_a_network_file_system_gets_a_rollback_journal(
    left_in_wal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if left_in_wal:  # by another version, or before the folder was mounted from there
        output_of(WITH_WAL, folder=tmp_path)
        assert (tmp_path / "store" / "cache.db-wal").stat().st_size
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/home {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr(file_system, "MOUNTS", mounts)
    said = gm.on(tmp_path / "store")
    ask("q")

    assert said.count("(nfs4) is open to other machines") == 1
    assert len(gm.entries()) == 1
    with closing(sqlite3.connect(tmp_path / "store" / "cache.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert gm.off().startswith("Cache off")
