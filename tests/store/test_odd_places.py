"""Pipes, devices, loops, names that no file can have: one sentence, no wait, and nothing is touched."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import gptcache_magics as gm
from gptcache_magics.bundle.langchain_sqlite import answered
from gptcache_magics.store.sqlite.snapshot import snapshot
from tests.support.processes import output_of
from tests.support.shell import ask

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path)


def folder(path: Path) -> None:
    path.mkdir()


KINDS: tuple[Callable[[Path], None], ...] = (pipe, device, loop, folder)
NAMES = ("cache.db", "cache.db-wal", "cache.db-journal")


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(gm.GPTCacheMagicsError) as refusal:
        work()
    assert gm.current() is None
    return str(refusal.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_store_with_something_else_in_place_of_a_file_is_refused(
    tmp_path: Path, name: str, kind: Callable[[Path], None]
) -> None:
    gm.on(tmp_path / "store")
    ask("stored")
    gm.off()
    path = tmp_path / "store" / name
    path.unlink(missing_ok=True)
    kind(path)
    before = path.lstat()
    for shared in (False, True):
        said = refused(lambda shared=shared: gm.on(tmp_path / "store", shared=shared))
        assert "Choose another place: %gptcache on FOLDER" in said
    assert "Choose another place" in refused(lambda: gm.GPTCache(store=tmp_path / "store").store.count())
    refused(lambda: gm.entries(at=tmp_path / "store"))
    if name != "cache.db":
        refused(lambda: snapshot(tmp_path / "store"))
    assert path.lstat()[:4] == before[:4]


@pytest.mark.parametrize("kind", KINDS)
def test_no_command_waits_for_a_place_that_is_no_file(tmp_path: Path, kind: Callable[[Path], None]) -> None:
    kind(tmp_path / "odd")
    kind(tmp_path / "odd.jsonl")
    gm.on(tmp_path / "own")
    answer = ask("question")
    for name in ("odd.jsonl", "odd"):
        for command in (gm.save, gm.load):
            with pytest.raises(gm.GPTCacheMagicsError):
                command(tmp_path / name)
    assert ask("question") == answer
    gm.off()
    for name in ("odd.jsonl", "odd") if kind is not folder else ("odd.jsonl",):
        refused(lambda name=name: gm.on(tmp_path / name))
        refused(lambda name=name: gm.entries(at=tmp_path / name))
        refused(lambda name=name: gm.GPTCache(store=tmp_path / name).store.count())
    refused(lambda: answered(tmp_path / "odd"))


@pytest.mark.parametrize("where", ["a\0b", "n" * 300, "/dev/null", "/dev/null/below", "file/below"])
def test_a_place_that_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("not a folder")
    assert "%gptcache on FOLDER" in refused(lambda: gm.on(where)) or where == "/dev/null"
    refused(lambda: gm.GPTCache(store=where).store.count())
    refused(lambda: gm.entries(at=where))


READ_ONLY = """
import sys
import gptcache_magics as gm
from tests.support.processes import obey_file_modes
from tests.support.shell import ask
obey_file_modes()
print(gm.on("input/lesson.jsonl"), ask("q"))
print([each.check for each in gm.doctor().checks if not each.ok])
gm.off()
print(gm.on("working"), gm.load("input/lesson.jsonl"), ask("q"), ask("other") == ask("other"), gm.off())
try:
    gm.stats(at="closed")
except gm.GPTCacheMagicsError as error:
    print(error)
"""


def test_a_folder_that_can_only_be_read_serves_its_bundle(tmp_path: Path) -> None:
    gm.on(tmp_path / "closed")
    answer = ask("q")
    (tmp_path / "input").mkdir()
    gm.save(tmp_path / "input" / "lesson.jsonl")
    gm.off()
    (tmp_path / "input").chmod(0o500)
    (tmp_path / "closed").chmod(0o000)
    replayed, unwell, taken, closed = output_of(READ_ONLY, folder=tmp_path).splitlines()

    assert replayed.endswith(f"mode replay. {answer}")
    assert unwell == "[]"
    assert f"1 entry added. {answer} True Cache off" in taken
    assert closed.endswith(
        "closed/cache.db cannot be opened: Permission denied. Choose another place: %gptcache on FOLDER"
    )


def test_a_name_that_is_not_utf_8_is_a_name(tmp_path: Path) -> None:
    where = os.fsdecode(bytes(tmp_path) + b"/\xff")
    try:
        os.mkdir(where)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    gm.on(where)
    answer = ask("question")
    gm.save(f"{where}/all.jsonl")
    gm.off()
    gm.on(where)
    assert ask("question") == answer
    gm.off()
    shutil.rmtree(where)
