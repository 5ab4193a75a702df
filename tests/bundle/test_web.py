"""A lesson by its address: fetched within bounds, kept for when there is no network, and nothing of it told on."""

import gzip
import os
import socket
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gptcache_magics as gm
from gptcache_magics import __main__ as command_line
from gptcache_magics import bundle
from gptcache_magics.bundle import web
from gptcache_magics.errors import CommandError, GPTCacheMagicsError, StoreError
from gptcache_magics.store.postgres.address import without_password
from tests.support.shell import NumberedModel, Typist, ask
from tests.support.site import Site

SECRET = "correct-horse-7"
QUESTION = "How tall is Etna?"


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep copies in a folder of the test; turn the cache off after it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path / "cache" / "gptcache_magics" / "lessons"
    gm.off()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a bundle with one answer."""
    path = tmp_path_factory.mktemp("lesson") / "lesson.jsonl"
    gm.on(":memory:")
    ask(QUESTION)
    gm.save(path)
    gm.off()
    return path.read_bytes()


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_lesson_is_replayed_by_its_address_and_nothing_is_written(
    site: Site, lesson: bytes, magic: Typist, tmp_path: Path
) -> None:
    address = site.gives("/lesson.jsonl", lesson)
    told = magic.told(f"on {address}")
    assert told.startswith(f"Cache on: {address}, 1 entry, mode replay")
    mark = NumberedModel().invoke(QUESTION).response_metadata["gptcache"]
    assert mark["match"] == "exact"
    with pytest.raises(gm.CacheMiss, match="How tall is"):
        ask("How tall is K2?")
    assert "1 hit" in repr(gm.status())
    assert "Cache on again" not in magic.told(f"on {address} --budget 1usd")
    assert len(site.asked) == 1, "a lesson that is on is not fetched again"
    assert not (tmp_path / ".gptcache").exists()


def test_what_is_newer_is_asked_for_and_the_copy_is_private(site: Site, lesson: bytes, cache_folder: Path) -> None:
    address = site.gives("/lesson.jsonl", lesson, ETag='"one"', Last_Modified="Sat, 28 Nov 2026 10:00:00 GMT")
    for _ in range(2):
        assert len(bundle.read(address).entries) == 1
    assert "if-none-match" not in site.asked[0][1]
    assert (site.asked[1][1]["if-none-match"], site.asked[1][1]["if-modified-since"]) == (
        '"one"',
        "Sat, 28 Nov 2026 10:00:00 GMT",
    )
    (copy,) = cache_folder.iterdir()
    assert (copy.stat().st_mode & 0o777, cache_folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert address.encode() not in copy.read_bytes()
    site.gives("/lesson.jsonl", lesson.splitlines(keepends=True)[0], ETag='"two"')
    assert bundle.read(address).entries == []


@pytest.mark.parametrize("how", ["offline", "503", "a page", "silent", "broken off"])
def test_without_the_server_the_copy_is_used_with_a_sentence(
    site: Site, lesson: bytes, how: str, monkeypatch: pytest.MonkeyPatch, magic: Typist
) -> None:
    monkeypatch.setattr(web, "SILENT_SECONDS", 0.2)
    address = site.gives("/lesson.jsonl", lesson)
    bundle.read(address)
    released = threading.Event()
    if how == "offline":
        site.close()
    elif how == "503":
        site.gives("/lesson.jsonl", b"", 503)
    elif how == "a page":
        site.gives("/lesson.jsonl", b"<html>Sign in to this network", Content_Type="text/html")
    elif how == "silent":
        site.pages["/lesson.jsonl"] = lambda asked: released.wait(5) and None
    else:
        site.gives("/lesson.jsonl", lesson[:-5], Content_Length=str(len(lesson)))
    told = magic.told(f"on {address}")
    released.set()
    assert f"{address} " in told
    assert " of 20" in told.partition(": its copy")[2], "the sentence says from when the copy is"
    assert ask(QUESTION)


def test_without_the_server_and_a_copy_there_is_one_sentence(magic: Typist) -> None:
    address = f"http://localhost:{closed_port()}/lesson.jsonl"
    with pytest.raises(StoreError, match=r"was not fetched \(connection refused\), and this machine has no copy"):
        gm.on(address)
    assert gm.current() is None


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, r"is not there \(404 Not Found\)"), (403, "is not given to everybody"), (500, "the server answers 500")],
)
def test_a_refusal_of_the_server_is_told(site: Site, status: int, words: str) -> None:
    address = site.gives("/lesson.jsonl", b"", status)
    with pytest.raises(StoreError, match=words):
        gm.on(address)


def test_a_lesson_that_the_server_took_away_is_not_replayed_from_the_copy(site: Site, lesson: bytes) -> None:
    address = site.gives("/lesson.jsonl", lesson)
    bundle.read(address)
    site.gives("/lesson.jsonl", b"", 404)
    with pytest.raises(StoreError, match="is not there"):
        bundle.read(address)


def test_a_redirect_is_followed_a_few_times(site: Site, lesson: bytes) -> None:
    site.gives("/lesson.jsonl", lesson)
    site.leads("/a", "/b")
    site.leads("/b", site.at("/lesson.jsonl"))
    assert len(bundle.read(site.at("/a")).entries) == 1
    with pytest.raises(StoreError, match="leads on more than 5 times"):
        bundle.read(site.leads("/round", "/round"))


@pytest.mark.parametrize("target", ["http://example.org/lesson.jsonl", "file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_leads_nowhere_but_to_https(site: Site, target: str) -> None:
    with pytest.raises(StoreError, match="which is not fetched"):
        bundle.read(site.leads("/lesson.jsonl", target))


def test_the_password_goes_to_the_named_server_only_and_is_seen_nowhere(
    site: Site, lesson: bytes, cache_folder: Path, magic: Typist
) -> None:
    other = Site()
    try:
        other.gives("/moved.jsonl", lesson)
        site.leads("/lesson.jsonl", other.at("/moved.jsonl"))
        address = f"http://anna:{SECRET}@127.0.0.1:{site.port}/lesson.jsonl?token={SECRET}#{SECRET}"
        told = magic.told(f"on {address}")
        assert site.asked[0][1]["authorization"].startswith("Basic ")
        assert "authorization" not in other.asked[0][1]
    finally:
        other.close()
    ask(QUESTION)
    (copy,) = cache_folder.iterdir()
    seen = [told, repr(gm.status()), gm.lookups().to_csv(), gm.entries().to_csv(), copy.name, without_password(address)]
    with pytest.raises(CommandError) as again:
        gm.on("elsewhere")
    told_off = magic.told("off")
    assert SECRET not in " ".join([*seen, str(again.value), told_off])
    assert SECRET.encode() not in copy.read_bytes()
    site.gives("/lesson.jsonl", b"", 404)
    with pytest.raises(StoreError) as refused:
        gm.on(address)
    assert SECRET not in str(refused.value)


def test_two_addresses_that_differ_in_their_query_are_two_lessons(site: Site, lesson: bytes) -> None:
    address = site.gives("/lesson", lesson)
    gm.on(f"{address}?key=1")
    with pytest.raises(CommandError, match="To change where the answers are"):
        gm.on(f"{address}?key=2")


def test_a_body_without_end_is_left(site: Site, lesson: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MOST_BYTES", 1_000_000)

    def endless(asked: Any, begin: bytes, **headers: str) -> None:
        asked.send_response(200)
        for name, value in headers.items():
            asked.send_header(name.replace("_", "-"), value)
        asked.end_headers()
        asked.wfile.write(begin)
        while True:
            asked.wfile.write(b" " * 65_536)

    site.pages["/lesson.jsonl"] = lambda asked: endless(asked, lesson)
    with pytest.raises(StoreError, match=r"larger than 1\.0 MB"):
        bundle.read(site.at("/lesson.jsonl"))
    site.pages["/else.jsonl"] = lambda asked: endless(asked, b"no bundle")
    with pytest.raises(CommandError, match="not a bundle"):
        bundle.read(site.at("/else.jsonl"))
    monkeypatch.setattr(web, "SECONDS", -1)
    with pytest.raises(StoreError, match="takes longer than"):
        bundle.read(site.at("/lesson.jsonl"))


def test_compression_that_nobody_asked_for_is_undone_within_the_bound(
    site: Site, lesson: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = site.gives("/lesson.jsonl", gzip.compress(lesson), Content_Encoding="gzip")
    assert len(bundle.read(address).entries) == 1
    assert site.asked[0][1]["accept-encoding"] == "identity"
    monkeypatch.setattr(web, "MOST_BYTES", 1_000_000)
    site.gives("/bomb.jsonl", gzip.compress(lesson + b" " * 50_000_000), Content_Encoding="gzip")
    with pytest.raises(StoreError, match=r"larger than 1\.0 MB"):
        bundle.read(site.at("/bomb.jsonl"))
    for name, content in {
        "cut off": gzip.compress(lesson)[:-20],
        "damaged": b"\x1f\x8b" + bytes(50),
        "more behind": gzip.compress(lesson) + b"more",
    }.items():
        with pytest.raises(StoreError, match="was not fetched"):
            bundle.read(site.gives(f"/{name.replace(' ', '-')}", content, Content_Encoding="gzip"))
    with pytest.raises(StoreError, match="compressed in a way"):
        bundle.read(site.gives("/br.jsonl", zlib.compress(lesson), Content_Encoding="br"))


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"\x80\x04N.", "text/plain", "is a Python pickle and was not opened"),
        (b"<!doctype html><p>A page", "text/html; charset=utf-8", "a page for readers"),
        (b"{}\n", "application/json", "is not a bundle"),
        (b"", "text/plain", "is not a bundle"),
        (b'{"gptcache_magics":"bundle","schema":99}\n', "text/plain", "newer gptcache-magics"),
    ],
)
def test_anything_but_a_bundle_is_refused_and_not_kept(
    site: Site, cache_folder: Path, content: bytes, kind: str, words: str
) -> None:
    with pytest.raises(GPTCacheMagicsError, match=words):
        gm.on(site.gives("/lesson.jsonl", content, Content_Type=kind))
    assert not cache_folder.exists()


def test_a_wrong_line_is_told_with_its_number(site: Site, lesson: bytes, magic: Typist) -> None:
    address = site.gives("/lesson.jsonl", lesson + b"{]\n")
    assert f"{address}: 1 refused: line 4 (not JSON)." in magic.told(f"on {address}")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://example.org/lesson.jsonl", "Type it with https://"),
        ("https://", "is not an address"),
        ("https://ho st/lesson.jsonl", "is not an address"),
        ("https://host:99999/lesson.jsonl", "is not an address"),
        (
            "https://github.com/ann/class/blob/main/lesson.jsonl",
            "The file itself: %gptcache on https://github.com/ann/class/raw/main/lesson.jsonl",
        ),
        ("ftp://host/lesson.jsonl", r"No store for ftp:// addresses"),
    ],
)
def test_an_address_that_cannot_be_one_of_a_lesson_is_told_so(address: str, words: str) -> None:
    with pytest.raises(GPTCacheMagicsError, match=words):
        gm.on(address)


def test_commands_read_and_load_a_lesson_by_its_address(site: Site, lesson: bytes, tmp_path: Path) -> None:
    address = site.gives("/lesson.jsonl", lesson)
    assert list(gm.entries(at=address)["question"]) == [QUESTION]
    gm.on(tmp_path / "store")
    assert gm.load(address) == f"{address}: 1 entry added."
    with pytest.raises(CommandError, match="save writes a file"):
        gm.save(address)


def test_a_copy_that_others_could_change_is_not_used(site: Site, lesson: bytes, cache_folder: Path) -> None:
    address = site.gives("/lesson.jsonl", lesson)
    bundle.read(address)
    (copy,) = cache_folder.iterdir()
    site.close()
    content = copy.read_bytes()
    for spoiled in (b"", b"{}\n", b"no state\n" + lesson, content.replace(b'"bundle"', b'"parcel"')):
        copy.write_bytes(spoiled)
        with pytest.raises(StoreError, match="no copy"):
            bundle.read(address)
    copy.write_bytes(content)
    assert bundle.read(address).notice
    os.chmod(copy, 0o666)
    with pytest.raises(StoreError, match="no copy"):
        bundle.read(address)


def test_a_folder_that_takes_no_copy_does_not_stop_the_lesson(
    site: Site, lesson: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    contents = bundle.read(site.gives("/lesson.jsonl", lesson))
    assert (len(contents.entries), "No copy of" in contents.notice) == (1, True)


def test_fetching_is_no_call_of_a_model(site: Site, lesson: bytes, tmp_path: Path) -> None:
    gm.on(tmp_path / "store", mode="replay")
    gm.load(site.gives("/v1/chat/completions", lesson))
    assert len(gm.lookups()) == 0


def test_several_kernels_at_once_fetch_one_lesson(site: Site, lesson: bytes, cache_folder: Path) -> None:
    address = site.gives("/lesson.jsonl", lesson, ETag='"one"')
    found: list[int] = []
    readers = [
        threading.Thread(target=lambda: found.append(len(bundle.read(address).entries)), daemon=True) for _ in range(8)
    ]
    for each in readers:
        each.start()
    for each in readers:
        each.join()
    assert (found, len([*cache_folder.iterdir()])) == ([1] * 8, 1)


def test_a_lesson_by_its_address_is_pickled_unless_its_query_is_hidden(site: Site, lesson: bytes) -> None:
    import pickle

    address = site.gives("/lesson.jsonl", lesson)
    cache = gm.GPTCache(store=address)
    assert pickle.loads(pickle.dumps(cache)).store.where == address
    with pytest.raises(TypeError, match="another process cannot reach its answers"):
        pickle.dumps(gm.GPTCache(store=f"{address}?token=1"))


def test_the_environment_may_name_a_lesson(site: Site, lesson: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", site.gives("/lesson.jsonl", lesson))
    assert "mode replay" in gm.on()
    model = NumberedModel()
    with pytest.raises(gm.CacheMiss):
        model.invoke("never recorded")


@pytest.mark.slow
def test_a_script_is_verified_with_a_lesson_by_its_address(site: Site, lesson: bytes, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("from tests.support.shell import ask\n" + f"print(ask({QUESTION!r}))\n", "utf-8")
    report = gm.verify(script, bundle=f"{site.gives('/lesson.jsonl', lesson)}?token={SECRET}", env="PYTHONPATH")
    assert report.ok
    assert "1 call answered from lesson.jsonl" in repr(report)
    assert SECRET not in repr(vars(report))


@pytest.mark.slow
def test_a_script_that_names_an_address_is_verified_from_the_copy_without_delay(
    site: Site, lesson: bytes, tmp_path: Path
) -> None:
    entry = next(line for line in lesson.splitlines() if b'"entry"' in line)
    lasting = entry[: entry.index(b'"seconds":')] + b'"seconds":50.0' + entry[entry.index(b',"configuration"') :]
    address = site.gives("/lesson.jsonl", lesson.replace(entry, lasting))
    script = tmp_path / "script.py"
    on = f"import gptcache_magics as gm\ngm.on({address!r}, delay='recorded')\n"
    script.write_text(f"{on}from tests.support.shell import ask\nprint(ask({QUESTION!r}))\n", "utf-8")
    bundle.read(address)
    asked = len(site.asked)
    assert gm.verify(script, timeout=40, env="PYTHONPATH").ok
    assert len(site.asked) == asked


def test_a_shell_reads_a_lesson_by_its_address_and_tells_no_secret(
    site: Site, lesson: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"{site.gives('/lesson.jsonl', lesson)}?token={SECRET}"
    assert command_line.main(["entries", "--at", address]) == 0
    assert command_line.main(["lookups", "--at", address]) == 0
    told = "".join(capsys.readouterr())
    assert QUESTION in told
    assert "lesson.jsonl?token=*** is a bundle" in told
    assert SECRET not in told


def test_what_is_verified_reads_the_copy_and_asks_nobody(site: Site, lesson: bytes) -> None:
    address = site.gives("/lesson.jsonl", lesson)
    with pytest.raises(CommandError, match=r"no copy of it\. Name it: %gptcache verify NOTEBOOK --bundle http"):
        bundle.opened(address, ask=False)
    bundle.read(address)
    asked = len(site.asked)
    assert bundle.opened(address, ask=False).count()[0] == 1
    assert len(site.asked) == asked
