"""Fixtures that all tests share: a provider on loopback, a cache, a shell, an environment without keys."""

import gc
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from langchain_core.globals import set_llm_cache

import gptcache_magics as gm
from tests.support.filled_store import FilledStore
from tests.support.provider_server import ProviderServer
from tests.support.redis_server import redis_of_all_tests, redis_server  # noqa: F401
from tests.support.shell import Typist, fresh_shell
from tests.support.team_fixtures import (  # noqa: F401
    pgbouncer,
    pgbouncer_of_all_tests,
    postgres,
    postgres_of_all_tests,
    silent_server,
    team_database,
)

ROOT = Path(__file__).parents[1]
PROVIDER_VARIABLES = ("OPENAI_", "ANTHROPIC_", "OLLAMA_", "LANGCHAIN_", "LANGSMITH_")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the browser's tests last: Playwright leaves an event loop running, which others cannot share."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session", autouse=True)
def package_under_test() -> Iterator[None]:
    """Let processes and kernels that a test starts import the package that is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        yield


@pytest.fixture(scope="session", autouse=True)
def interrupts_are_heard() -> None:
    """Let Ctrl-C interrupt, here and in processes that a test starts: a shell's background jobs ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_provider_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove keys, base URLs and tracing, and keep loopback off any proxy."""
    for name in os.environ:
        if name.startswith(PROVIDER_VARIABLES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(autouse=True)
def no_cache_is_left() -> Iterator[None]:
    """Let no test begin with the cache of another one."""
    yield
    set_llm_cache(None)


@pytest.fixture(autouse=True)
def garbage_collected() -> Iterator[None]:
    """Collect garbage after each test, so that no later test closes its connections.

    httpcore closes a connection under a lock that it may hold just then, and waits for itself; CPython 3.11.7 gives up
    parsing code when another thread gets to parse some in between.
    """
    yield
    gc.collect()
    gc.freeze()  # objects that stay are not scanned again after each of 3,000 tests


@pytest.fixture(scope="session")
def provider_server() -> Iterator[ProviderServer]:
    """Start one server for all tests."""
    with ProviderServer() as server:
        yield server


@pytest.fixture
def server(provider_server: ProviderServer) -> ProviderServer:
    """Return the server with nothing counted and nothing overridden."""
    provider_server.reset()
    return provider_server


@pytest.fixture(scope="module")
def certificates_read_once() -> Iterator[None]:
    """Make the clients of HTTP quickly: each would read all certificates."""
    context = ssl.create_default_context()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", lambda *arguments, **options: context)
        yield


@pytest.fixture
def store() -> Iterator[FilledStore]:
    """Return an empty store in memory."""
    store = FilledStore()
    yield store
    store.close()


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Path]:
    """Turn the cache on, and return the folder of its store."""
    gm.on(tmp_path / "store")
    yield tmp_path / "store"
    if gm.current() is not None:
        gm.off()
    set_llm_cache(None)


@pytest.fixture
def ip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """Return a shell with the extension loaded, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    with fresh_shell(tmp_path / ".ipython") as shell:
        shell.run_line_magic("load_ext", "gptcache_magics")
        yield shell


@pytest.fixture
def magic(ip: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> Typist:
    """Type lines while the cache is off."""
    return Typist(ip, capsys)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[gm.GPTCache]:
    """Install a cache in an empty folder as LangChain's global cache."""
    cache = gm.GPTCache(store=str(tmp_path / "store"))
    set_llm_cache(cache)
    yield cache
    set_llm_cache(None)
    cache.close()
