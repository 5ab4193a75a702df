"""``doctor``: what is well says so, and each thing that is wrong is found and comes with what to do."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.language_models.fake import FakeStreamingListLLM

import gptcache_magics as gm
from gptcache_magics.commands import _checks
from gptcache_magics.commands._checks import Check
from gptcache_magics.engines import safe_import
from gptcache_magics.errors import StoreError
from gptcache_magics.langchain import hooks as langchain_hooks
from tests.support.embedder import Embedder
from tests.support.processes import output_of
from tests.support.provider_server import KEY, ProviderServer
from tests.support.shell import NumberedModel, fresh_shell

OFF = ["versions", "gptcache's import", "gptcache's leaks", "wraps", "methods of their own", "models", "SDKs"]
ON = [*OFF, "LangChain's cache", "calls past the cache", "errors in this run", "embeddings", "keys in entries"]
FILE = ["damaged files", "the file", "writing", "disk space", "file system"]


@pytest.fixture
def file(on: Path) -> Path:
    """Return the file of the store of the cache that is on."""
    return on / "cache.db"


def check(name: str) -> Check:
    (found,) = [each for each in gm.doctor().checks if each.check == name]
    return found


def names() -> list[str]:
    """Return the names of all checks, without the one that is there where earlier tests imported what it names."""
    return [each.check for each in gm.doctor().checks if each.check != "out of reach"]


def test_all_is_well_at_first_and_one_line_each(file: Path, server: ProviderServer) -> None:
    server.model("ChatOpenAI").invoke("hello")
    report = gm.doctor()

    assert names() == [*ON, *FILE]
    unwell = [each.check for each in report.checks if not each.ok]
    assert set(unwell) <= {"models", "methods of their own"}, report  # of tests that ran before this one
    assert repr(report).count("\n") == len(report.checks) - 1
    assert repr(report).startswith("✓ versions: python 3.")
    frame = report.to_frame()
    assert dict(frame.dtypes.astype(str)) == {
        "check": "string",
        "ok": "boolean",
        "finding": "string",
        "hint": "string",
    }


def test_it_works_while_the_cache_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert names() == OFF
    gm.on()
    gm.off()
    assert names() == [*OFF, *FILE]
    assert list((tmp_path / ".gptcache").glob("*-wal")) == []


def test_a_bundle_is_no_store_whose_file_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gm.on("store")
    NumberedModel().invoke("q")
    gm.save("lesson.jsonl")
    gm.off()
    gm.on("lesson.jsonl")

    assert names() == ON
    gm.off()


def test_the_magic_returns_what_it_prints(tmp_path: Path) -> None:
    with fresh_shell(tmp_path) as shell:
        shell.run_line_magic("load_ext", "gptcache_magics")
        assert "✓ versions" in repr(shell.run_line_magic("gptcache", "doctor"))


# Installed packages


def test_a_version_that_is_too_old_is_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = _checks.metadata.version
    found = {"pandas": "2.1.4", "ipython": "7.34.0"}
    monkeypatch.setattr(_checks.metadata, "version", lambda name: found.get(name) or installed(name))
    old = _checks.versions()

    assert not old.ok
    assert "pandas 2.1.4" in old.finding
    assert old.hint == 'Not as needed: %pip install -U "pandas>=2.2.0"'


@pytest.mark.slow
def test_gptcache_before_us_and_what_it_leaves_are_found(tmp_path: Path) -> None:
    code = (
        "import logging, gptcache, warnings; warnings.simplefilter('ignore'); import gptcache_magics as gm\n"
        "from gptcache.utils import log\n"
        "import gptcache.core; gptcache.core.Cache().init()\n"
        "import json; print(json.dumps({row[0]: row[1:] for row in gm.doctor().to_frame().to_numpy().tolist()}))"
    )
    found = json.loads(output_of(code, folder=tmp_path).splitlines()[-1])

    assert found["gptcache's import"][:2] == [False, "gptcache was imported before gptcache_magics"]
    ok, finding, hint = found["gptcache's leaks"]
    assert (ok, hint) == (False, "Take the handlers away: logging.root.handlers.clear()")
    assert finding == "1 handler of the root logger"
    assert not safe_import.came_first
    assert logging.root.handlers is not None


# LangChain


def test_wraps_that_are_missing_or_left_behind_are_found(file: Path) -> None:
    gm.current().unhook()
    assert check("wraps") == Check("wraps", False, "none is in place", "Restart the kernel, then %gptcache on")
    gm.off()
    langchain_hooks.install("a test")
    try:
        assert "methods of LangChain's models are wrapped" in _checks.hooks(None).finding
    finally:
        langchain_hooks.release("a test")
    assert _checks.hooks(None).finding == "none, as the cache is off"


def test_models_that_go_past_the_cache_are_found(file: Path, server: ProviderServer) -> None:
    llm: Any = server.model("ChatOpenAI", cache=False)
    llm.invoke("hello")
    own = NumberedModel(cache=InMemoryCache())
    streams = FakeStreamingListLLM(responses=["x"])
    found = check("models")

    assert not found.ok
    assert "ChatOpenAI with cache=False" in found.finding
    assert "NumberedModel with a cache of its own (InMemoryCache)" in found.finding
    assert "1 call of this run with cache=False" in found.finding
    assert "FakeStreamingListLLM.stream" in check("methods of their own").finding
    del own, streams


def test_another_cache_over_ours_is_found(file: Path) -> None:
    set_llm_cache(InMemoryCache())
    found = check("LangChain's cache")
    assert repr(found) == "! LangChain's cache: InMemoryCache replaced this one. Take it back: %gptcache on"
    set_llm_cache(None)
    assert check("LangChain's cache").finding == "set_llm_cache(None) replaced this one"
    gm.on()
    assert check("LangChain's cache").ok


def test_errors_inside_the_cache_are_found(file: Path) -> None:
    cache = gm.current()
    assert cache is not None
    cache.ledger.failed(StoreError("disk full"), "storing an answer")
    found = check("errors in this run")
    assert (found.ok, found.finding) == (False, "1, the last: StoreError while storing an answer: disk full")
    assert "%gptcache lookups" in found.hint


# The store


def test_an_embedder_that_cannot_be_used_is_found(file: Path) -> None:
    gm.on(file.parent, match="semantic", embedder=Embedder(), wait=True)
    assert check("matching").ok
    assert check("matching").finding.startswith("semantic: Embedder")

    broken = Embedder()
    broken.fails = RuntimeError("no such model")
    gm.on(file.parent, match="semantic", embedder=broken, wait=True)
    found = check("matching")
    assert not found.ok
    assert "no such model" in found.finding
    assert found.hint.startswith("Exact matching works.")


def test_keys_in_entries_are_counted(file: Path, server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    llm.invoke(f"my key is {KEY}, is it safe?")
    llm.invoke("hello")
    found = check("keys in entries")
    assert (found.ok, found.finding) == (False, "1 of the newest 2 entries hold what looks like a key")


def test_damage_is_found_and_what_was_set_aside(file: Path) -> None:
    gm.off()
    for name in ("cache.db.damaged-20260101-120000", "cache.db.damaged-20260101-120000-wal"):
        (file.parent / name).write_bytes(b"")
    assert _checks.damaged_files(file).finding == "cache.db.damaged-20260101-120000"
    assert _checks.integrity(file).ok
    content = bytearray(file.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    file.write_bytes(content)
    assert not _checks.integrity(file).ok
    file.write_bytes(b"no database" * 1000)
    assert "cannot be read" in _checks.integrity(file).finding
    assert file.read_bytes() == b"no database" * 1000


@pytest.mark.slow
def test_a_large_file_is_checked_for_a_bounded_time(file: Path, server: ProviderServer) -> None:
    llm = server.model("ChatOpenAI")
    llm.batch([f"question {n}" for n in range(300)])
    found = _checks.integrity(file, seconds=-1)
    assert (found.ok, found.finding) == (True, "no damage found in -1 s, which was not enough for all of it")


def test_a_store_that_cannot_be_written_is_found(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _checks.writable(file).ok
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everywhere
    assert _checks.writable(file).hint.endswith(f"chmod u+w {file.parent} {file}")


def test_little_disk_space_is_found(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _checks.disk_space(file).ok
    monkeypatch.setattr(_checks, "LITTLE_BYTES", 1e18)
    assert not _checks.disk_space(file).ok


@pytest.mark.parametrize(
    ("kind", "ok"),
    [
        *(("ext4", True), ("overlay", True), ("fuse.fuse-overlayfs", True), ("fuseblk", True)),
        *(
            ("nfs4", False),
            ("nfs", False),
            ("cifs", False),
            ("fuse.sshfs", False),
            ("fuse.drive", False),
            ("fuse", False),
        ),
    ],
)
def test_a_network_file_system_is_found(tmp_path: Path, kind: str, ok: bool) -> None:
    folder = tmp_path / "a folder"
    mounts = f"/dev/sda / ext4 rw 0 0\nhost:/share {str(folder).replace(' ', chr(92) + '040')} {kind} rw 0 0\n"
    found = _checks.file_system(folder / "store" / "cache.db", mounts)
    beside = _checks.file_system(tmp_path / "cache.db", mounts)

    assert found is not None
    assert beside is not None
    assert (found.ok, beside.ok) == (ok, True)
    assert kind in found.finding
    assert _checks.file_system(folder, "") is None
