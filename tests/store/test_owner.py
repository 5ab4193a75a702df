"""A store of somebody else is refused until the user takes it; the user's own is taken as ever."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import gptcache_magics as gm
from gptcache_magics.store.sqlite import owner
from tests.support.shell import Typist, ask

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such owners and modes")
OTHER = 54321


@pytest.fixture(autouse=True)
def nothing_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "_accepted", set())


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a store with an answer."""
    gm.on(tmp_path / "store")
    ask("stored")
    gm.off()
    yield tmp_path / "store"
    gm.off()


def writable(mode: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        if mode & 0o020 and os.geteuid() == 0:
            os.chown(path, -1, OTHER)
        path.chmod(mode)

    return change


def of_another_user(path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root gives files away")
    os.chown(path, OTHER, OTHER)


def linked(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere.db")
    path.symlink_to(path.parent.parent / "elsewhere.db")


def hard_linked(path: Path) -> None:
    os.link(path, path.parent.parent / "elsewhere.db")


def with_the_journal_of_another_user(path: Path) -> None:
    Path(f"{path}-wal").write_bytes(b"")
    of_another_user(Path(f"{path}-wal"))


def link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent.parent / "not-yet.db")


THEIRS: dict[str, tuple[Callable[[Path], None], str]] = {
    "0666": (writable(0o666), "can be written by other users"),
    "0662": (writable(0o602), "can be written by other users"),
    "0660 of another group": (writable(0o660), "can be written by other users"),
    "another user": (of_another_user, "belongs to another user"),
    "journal of another user": (with_the_journal_of_another_user, "-wal belongs to another user"),
    "link": (linked, "is a link to another file"),
    "link to nowhere": (link_to_nowhere, "is a link to another file"),
    "hard link": (hard_linked, "has another name elsewhere"),
}
changes = pytest.mark.parametrize(("change", "said"), THEIRS.values(), ids=THEIRS)


@changes
def test_a_store_of_others_is_refused_in_one_sentence_and_left_as_it_is(
    folder: Path, change: Callable[[Path], None], said: str
) -> None:
    change(folder / "cache.db")
    listed = sorted(os.listdir(folder))
    with pytest.raises(gm.GPTCacheMagicsError, match=said) as refusal:
        gm.on(folder)
    assert f"%gptcache on {folder} --shared" in str(refusal.value)
    assert gm.current() is None
    assert sorted(os.listdir(folder)) == listed


@changes
def test_shared_takes_the_store_of_others(folder: Path, change: Callable[[Path], None], said: str) -> None:
    if change is link_to_nowhere:
        return
    change(folder / "cache.db")
    assert gm.on(folder, shared=True).startswith("Cache on")
    answer = ask("new")
    gm.off()
    gm.on(folder)
    assert ask("new") == answer


@changes
def test_tables_of_it_can_be_read(folder: Path, change: Callable[[Path], None], said: str) -> None:
    if change is link_to_nowhere:
        return
    change(folder / "cache.db")
    assert len(gm.entries(at=folder)) == 1


def test_every_way_to_name_a_store_follows_the_rule(
    folder: Path, magic: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "cache.db").chmod(0o666)
    assert "--shared" in magic.refused(f"on {folder}")
    cache = gm.GPTCache(store=folder)
    with pytest.raises(gm.GPTCacheMagicsError, match="--shared"):
        cache.store.count()
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", str(folder))
    assert "--shared" in magic.refused("on")
    magic.told(f"on {folder} --shared")


def test_a_store_that_takes_the_place_of_an_open_one_is_not_written(folder: Path, tmp_path: Path) -> None:
    gm.on(folder)
    ask("before")
    shutil.copytree(folder, tmp_path / "theirs")
    (tmp_path / "theirs" / "cache.db").chmod(0o666)
    (tmp_path / "theirs" / "cache.db").replace(folder / "cache.db")
    assert ask("question").startswith("answer")
    assert gm.current().ledger.recent[-1].outcome != "hit"
    assert "can be written by other users" in gm.current().ledger.last_error


def test_the_own_store_is_private_and_taken_in_a_folder_that_others_may_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    gm.on(tmp_path / "own")
    ask("question")
    assert (tmp_path / "own" / "cache.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700
    gm.off()
    (tmp_path / "own" / "cache.db").chmod(0o664)  # a copy of a user with a group of their own
    if os.getegid() == os.geteuid():
        assert gm.on(tmp_path / "own").startswith("Cache on")
        gm.off()


def test_root_takes_the_store_of_the_user_whose_folder_it_is(folder: Path) -> None:
    for path in (folder, *folder.iterdir()):
        of_another_user(path)
    assert gm.on(folder).startswith("Cache on")


def test_shared_is_about_a_folder() -> None:
    with pytest.raises(gm.GPTCacheMagicsError, match="--shared is about a folder"):
        gm.on(":memory:", shared=True)
