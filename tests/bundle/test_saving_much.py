"""A bundle of any size appears whole or not at all, in little memory, and a killed process leaves nothing behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration

from gptcache_magics import bundle, generations
from gptcache_magics.bundle import sorting
from gptcache_magics.errors import StoreError
from gptcache_magics.identity.key import identify_by_llm_string, key_of
from gptcache_magics.store.protocol import Configuration, Entry
from gptcache_magics.store.sqlite import tables
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import EVERYTHING
from tests.support.kernel import Kernel

GPT = Configuration("67" * 16, "openai", "gpt-4o-mini", "gpt-4o-mini · T 0", 0.0, "{}")
CLAUDE = Configuration("68" * 16, "anthropic", "claude", "claude", None, "{}")
PROMPTS = ["", "half \ud83d of a pair", "\uffff", "👩‍💻", "Use sk-proj-0123456789abcdef", *map(str, range(200))]


def make_entry(prompt: str, configuration: Configuration) -> Entry:
    """Return an entry as the cache stores it."""
    who = identify_by_llm_string(prompt, configuration.model)
    answer = generations.encode([ChatGeneration(message=AIMessage(f"answer to {len(prompt)}" * 20))])
    return Entry(
        key=key_of(configuration.key, who.seen),
        configuration=configuration.key,
        prompt=prompt,
        question=prompt,
        answer=answer,
        created=1_767_225_600.25,
        prompt_digest=who.prompt_digest,
    )


@pytest.fixture
def many(tmp_path: Path) -> SQLiteStore:
    """Return a store with some hundred entries of two configurations."""
    store = SQLiteStore(tmp_path / "store")
    entries = [make_entry(prompt, each) for prompt in PROMPTS for each in (GPT, CLAUDE)]
    store.put_all(entries, [GPT, CLAUDE], replace=False)
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the empty folder in which bundles are saved."""
    folder = tmp_path / "bundles"
    folder.mkdir()
    return folder


def names(folder: Path) -> set[str]:
    """Return the names of all files in a folder."""
    return {*os.listdir(folder)}


def test_many_parts_give_the_bytes_of_one(many: SQLiteStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = bundle.save(many, EVERYTHING, folder / "one.jsonl")
    for name, size in (("PART_BYTES", 5_000), ("BLOCK_BYTES", 1_500)):
        monkeypatch.setattr(sorting, name, size)
    monkeypatch.setattr(tables, "PAGE_BYTES", 3_000)
    parts = bundle.save(many, EVERYTHING, folder / "parts.jsonl")

    assert parts == one
    assert (one.entries, one.masked_prompts) == (2 * len(PROMPTS), 2)
    assert (folder / "parts.jsonl").read_bytes() == (folder / "one.jsonl").read_bytes()
    assert len(bundle.read(folder / "parts.jsonl").entries) == one.entries
    assert names(folder) == {"one.jsonl", "parts.jsonl"}


@pytest.mark.parametrize("page", [1, 2, 7])
def test_pages_of_any_size_give_every_entry_once(many: SQLiteStore, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PAGE_ENTRIES", page)

    assert sorted(filter(None, many.each_entry(EVERYTHING))) == sorted(many.entries(EVERYTHING))


@pytest.mark.parametrize("when", ["read", "written"])
@pytest.mark.parametrize("earlier", [False, True], ids=["new", "replaced"])
def test_a_killed_save_leaves_only_what_was_there(many: SQLiteStore, folder: Path, when: str, earlier: bool) -> None:
    target = folder / "lesson.jsonl"
    before = b'{"gptcache_magics":"bundle","schema":1}\n' if earlier else b""
    if earlier:
        target.write_bytes(before)
    many.close()
    code = f"""
import os, signal
from gptcache_magics import bundle
from gptcache_magics.bundle import files, sorting
from gptcache_magics.store.protocol import Selection
from gptcache_magics.store.sqlite.store import SQLiteStore
files.STEP, sorting.PART_BYTES = 50, 5_000

def kill(done, number, total):
    if done == {when!r} and number:
        os.kill(os.getpid(), signal.SIGKILL)

bundle.save(SQLiteStore({many.where!r}), Selection(), {str(target)!r}, kill)
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False)

    assert ended.returncode == -9
    assert names(folder) == ({"lesson.jsonl"} if earlier else set())
    assert not earlier or target.read_bytes() == before


@pytest.mark.parametrize("when", ["read", "written"])
@pytest.mark.parametrize("nameless", [True, False])
def test_an_interrupt_leaves_the_earlier_file(
    many: SQLiteStore, folder: Path, when: str, nameless: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    target = folder / "lesson.jsonl"
    target.write_text('{"gptcache_magics":"bundle","schema":1}\n')
    target.chmod(0o640)

    def interrupt(done: str, number: int, total: int) -> None:
        if done == when:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bundle.save(many, EVERYTHING, target, interrupt)
    assert target.read_text() == '{"gptcache_magics":"bundle","schema":1}\n'
    assert names(folder) == {"lesson.jsonl"}
    bundle.save(many, EVERYTHING, target)
    assert len(bundle.read(target).entries) == 2 * len(PROMPTS)
    assert target.stat().st_mode & 0o777 == 0o640
    assert names(folder) == {"lesson.jsonl"}


def test_what_an_earlier_version_left_is_deleted(many: SQLiteStore, folder: Path) -> None:
    old, new = folder / f".gptcache-{'a' * 32}.tmp", folder / f".gptcache-{'b' * 32}.tmp"
    for each in (old, new):
        each.touch()
    os.utime(old, (time.time() - 86_400,) * 2)

    bundle.save(many, EVERYTHING, folder / "lesson.jsonl")
    assert names(folder) == {"lesson.jsonl", new.name}


def test_a_store_that_is_cleared_meanwhile_is_not_saved_in_part(many: SQLiteStore, folder: Path) -> None:
    with pytest.raises(StoreError, match=r"The store was cleared meanwhile, so .* was not written"):
        bundle.save(many, EVERYTHING, folder / "lesson.jsonl", lambda done, number, total: many.clear() and None)
    assert names(folder) == set()


def test_a_line_in_the_notebook_says_how_far_a_long_save_is(many: SQLiteStore, folder: Path, tmp_path: Path) -> None:
    many.close()
    start = "%load_ext gptcache_magics\nfrom gptcache_magics.commands import _progress\n_progress.FIRST_SECONDS = 0.0"
    with Kernel(tmp_path, start) as kernel:
        ran = kernel.run(f"%gptcache save {folder / 'lesson.jsonl'} --at {many.where}")

    assert any("of 410 entries" in shown["text/plain"] for shown in ran.shown)
    assert ran.text.count("Saved 410 entries") == 1
