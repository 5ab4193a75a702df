"""What another program may do to the files of a store while a kernel has it open: no call fails, and none is wrong."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import gptcache_magics as gm
from tests.support.shell import ask

pytestmark = pytest.mark.slow
Change = Callable[[Path], object]


def sized(name: str, share: float) -> Change:
    """Return a change that truncates a file to a share of its size."""
    return lambda folder: os.truncate(folder / name, round((folder / name).stat().st_size * share))


def overwritten(name: str, at: int, what: bytes) -> Change:
    """Return a change that overwrites a part of a file."""

    def change(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            file.seek(at)
            file.write(what)

    return change


def replaced(make: Callable[[Path], object]) -> Change:
    """Return a change that puts what ``make`` makes in place of the file, whose journal goes."""

    def change(folder: Path) -> None:
        for path in folder.glob("cache.db*"):
            path.unlink()
        make(folder / "cache.db")

    return change


def other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE theirs (a)")


def copied_back(folder: Path) -> None:
    """Put an earlier copy of the file in its place, as a backup does."""
    shutil.copy(folder / "cache.db", folder / "earlier")
    ask("after the copy")
    os.replace(folder / "earlier", folder / "cache.db")


def moved(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def linked(folder: Path) -> None:
    (folder / "cache.db").rename(folder / "real.db")
    (folder / "cache.db").symlink_to(folder / "real.db")


CHANGES: dict[str, Change] = {
    "the file is deleted": lambda folder: (folder / "cache.db").unlink(),
    "the journal is deleted": lambda folder: (folder / "cache.db-wal").unlink(),
    "the index of the journal is deleted": lambda folder: (folder / "cache.db-shm").unlink(),
    "all files are deleted": lambda folder: [path.unlink() for path in folder.iterdir()],
    "the folder is deleted": lambda folder: shutil.rmtree(folder),
    "the folder is moved": moved,
    "the file is moved": lambda folder: (folder / "cache.db").rename(folder / "moved.db"),
    "the file is truncated to nothing": sized("cache.db", 0),
    "the file is cut in half": sized("cache.db", 0.5),
    "the file is cut at its end": sized("cache.db", 0.99),
    "the journal is truncated to nothing": sized("cache.db-wal", 0),
    "the journal is cut in half": sized("cache.db-wal", 0.5),
    "the header is overwritten": overwritten("cache.db", 0, bytes(100)),
    "a page is overwritten": overwritten("cache.db", 16_384, os.urandom(16_384)),
    "the header of the journal is overwritten": overwritten("cache.db-wal", 0, bytes(32)),
    "the index of the journal is overwritten": overwritten("cache.db-shm", 0, bytes(136)),
    "the file grows": lambda folder: (folder / "cache.db").open("ab").write(bytes(5_000)),
    "an empty file takes its place": replaced(lambda path: path.touch()),
    "a text takes its place": replaced(lambda path: path.write_text("notes\n" * 100)),
    "another database takes its place": replaced(other_database),
    "a folder takes its place": replaced(lambda path: path.mkdir()),
    "a pipe takes its place": replaced(os.mkfifo),
    "a link to nothing takes its place": replaced(lambda path: path.symlink_to("nowhere")),
    "a link to itself takes its place": replaced(lambda path: path.symlink_to(path)),
    "a link to the file takes its place": linked,
    "an earlier copy takes its place": copied_back,
}


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced there")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("merged", [False, True], ids=["in the journal", "in the file"])
@pytest.mark.parametrize("change", CHANGES)
def test_calls_go_on_whatever_is_done_to_an_open_store(tmp_path: Path, change: str, merged: bool) -> None:
    folder, answered = tmp_path / "store", dict[str, str]()
    gm.on(folder)
    try:
        for question in "ab":
            answered[ask(question)] = question
        gm.stats()
        if merged:
            with closing(sqlite3.connect(folder / "cache.db")) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        CHANGES[change](folder)

        for question in "abcabc":  # it may be asked again, and each answer of the model is another
            assert answered.setdefault(ask(question), question) == question
        assert repr(gm.status())
    finally:
        assert gm.off().startswith("Cache off.")
