"""A team that is frozen or cut off in the middle of a statement, and a full disk: a call is answered in about a second.

What was acknowledged is found again in the folder, and by a colleague once the team is back.
"""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

import gptcache_magics as gm
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.protocol import Selection, team_behind
from gptcache_magics.store.team.store import TeamStore
from tests.support.network import Proxy
from tests.support.postgres import Database
from tests.support.shell import ask
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
BOUND = 8.0
"""Seconds of a call on a busy machine; one that hangs takes minutes."""
Trouble = Callable[[Database, Proxy], AbstractContextManager[object]]


@contextmanager
def frozen(database: Database, proxy: Proxy) -> Iterator[None]:
    """Stop the server as a hung machine does."""
    with database.server.frozen():
        yield


@contextmanager
def frozen_backends(database: Database, proxy: Proxy) -> Iterator[None]:
    """Stop only the processes that serve this client: new connections are taken."""
    with database.server.frozen(*database.server.backends()):
        yield


@contextmanager
def held(database: Database, proxy: Proxy) -> Iterator[None]:
    """Lose every packet, and say nothing."""
    proxy.held = True
    yield
    proxy.held = False


@contextmanager
def cut(database: Database, proxy: Proxy) -> Iterator[None]:
    """Break every connection in the middle of whatever is sent, again and again."""
    over = threading.Event()

    def cutting() -> None:
        while not over.wait(0.002):
            proxy.cut()

    thread = threading.Thread(target=cutting)
    thread.start()
    yield
    over.set()
    thread.join()


@contextmanager
def stopped(database: Database, proxy: Proxy) -> Iterator[None]:
    """Stop the server. Only a crash takes the last second from the team: its commits are not waited for."""
    database.server.stop()
    yield
    database.server.start()


TROUBLES: list[Trouble] = [frozen, frozen_backends, held, cut, stopped]


@pytest.fixture
def proxy(team_database: Database) -> Iterator[Proxy]:
    with Proxy(team_database.server.port) as proxy:
        yield proxy


def timed(question: str) -> tuple[str, float]:
    begun = time.monotonic()
    return ask(question), time.monotonic() - begun


def everything_is_sent(database: Database, answers: dict[str, str], folder: Path) -> None:
    """Bring the team back, wait until the folder has sent everything, and ask as a colleague."""
    store = gm.current().store
    team = team_behind(store)
    assert team is not None
    assert isinstance(store, TeamStore)
    store.connect()
    gm.current().ledger.flush()
    wait_until(lambda: team.deliver() or not store.waiting())
    gm.off()
    colleague = TeamStore(folder / "colleague", Address.parse(database.url))
    colleague.open()
    found = {row.question for row in store.entries(Selection())}
    assert set(answers) <= found
    keys = {row.question: row.key for row in store.entries(Selection())}
    assert all(colleague.get(keys[question]) is not None for question in answers)
    colleague.close()


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda each: each.__name__)
def test_calls_go_on_and_everything_is_sent_later(
    team_database: Database, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", str(tmp_path / "store"))
    gm.on(proxy.url(team_database.name))
    answers = {f"before {number}": ask(f"before {number}") for number in range(3)}
    waits = []
    with trouble(team_database, proxy):
        for question in [*answers, *(f"during {number}" for number in range(8)), *answers]:
            answer, seconds = timed(question)
            assert answers.setdefault(question, answer) == answer
            waits.append(seconds)
    assert max(waits) < BOUND
    assert sorted(waits)[len(waits) // 2] < 1
    assert [timed(question)[0] for question in answers] == [*answers.values()]
    everything_is_sent(team_database, answers, tmp_path)


@pytest.mark.parametrize("trouble", [frozen, cut], ids=lambda each: each.__name__)
def test_forked_children_go_on_while_the_team_is_away(
    team_database: Database, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", str(tmp_path / "store"))
    freezing = [team_database.server.pid] if trouble is frozen else []
    with cut(team_database, proxy) if trouble is cut else nullcontext():
        done = subprocess.run(
            [sys.executable, "-c", FORKS, proxy.url(team_database.name), *map(str, freezing)],
            capture_output=True,
            text=True,
            timeout=100,
        )
    assert done.stdout.split() == ["0", "0", "0", "0", "True"], done.stderr
    gm.on(proxy.url(team_database.name))  # it has to be this address: the children may never have reached the team
    found = gm.entries()["question"]
    everything_is_sent(team_database, dict.fromkeys(found, ""), tmp_path)
    assert {f"child {number}" for number in range(4)} <= set(found)


FORKS = """
import os, signal, sys, time
import gptcache_magics as gm
from tests.support.shell import ask
gm.on(sys.argv[1])
ask("of the parent")
for pid in map(int, sys.argv[2:]):
    os.kill(pid, signal.SIGSTOP)
children = []
for number in range(4):
    child = os.fork()
    if not child:
        signal.alarm(40)
        code = 1
        try:
            begun = time.monotonic()
            code = ask(f"child {number}") != ask(f"child {number}") or 2 * (time.monotonic() - begun > 8)  # as BOUND
            gm.off()
        finally:
            os._exit(code)
    children.append(child)
print(*(os.waitpid(child, 0)[1] for child in children))
for pid in map(int, sys.argv[2:]):
    os.kill(pid, signal.SIGCONT)
print(ask("of the parent") == ask("of the parent"))
"""
"""Children of a kernel whose team is stopped or cut meanwhile."""


@pytest.mark.skipif(not shutil.which("mount"), reason="needs a small disk")
def test_a_full_disk_in_front_of_a_team_fails_no_call(
    team_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    monkeypatch.setenv("GPTCACHE_MAGICS_STORE", str(disk))
    try:
        gm.on(team_database.url)
        answers = {f"before {number}": ask(f"before {number}") for number in range(3)}
        with (disk / "ballast").open("wb", buffering=0) as file:
            for size in (2**20, 2**12, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue
        waits = []
        for number in range(20):
            answer, seconds = timed(f"during {number} {'x' * 3000}")
            assert answer
            waits.append(seconds)
        assert sorted(waits)[10] < 1
        assert [ask(question) for question in answers] == [*answers.values()]
        (disk / "ballast").unlink()
        answers["after"] = ask("after")
        everything_is_sent(team_database, answers, tmp_path)
    finally:
        if gm.current() is not None:
            gm.off()
        subprocess.run(["umount", "-l", str(disk)], check=True)
