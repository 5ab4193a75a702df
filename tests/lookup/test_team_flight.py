"""Identical calls in two kernels of a team at the same time, on a real PostgreSQL: two caches with a folder each."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from langchain_openai import ChatOpenAI

import gptcache_magics as gm
from gptcache_magics.errors import StoreError
from gptcache_magics.settings import NOTEBOOK, Config
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.store.reasons import sentence
from gptcache_magics.store.team.store import TeamStore
from tests.support.postgres import Database, PostgresServer
from tests.support.provider_server import Model, ProviderServer
from tests.support.waiting import wait_until

Kernel = Callable[[str], Model]
QUESTION = "How tall is Etna?"
SECONDS = 0.6
"""Time that the model takes: longer than a round of looks."""


@pytest.fixture
def caches(team_database: Database, tmp_path: Path) -> Iterator[list[gm.GPTCache]]:
    """Return two caches with one team, whose calls wait for each other's."""
    before, NOTEBOOK.config = NOTEBOOK.config, Config(team_single_flight=True)
    stores = [TeamStore(tmp_path / name, Address.parse(team_database.url)) for name in ("ann", "ben")]
    for store in stores:
        store.open()
    yield [gm.GPTCache(store=store) for store in stores]
    NOTEBOOK.config = before
    for store in stores:
        with suppress(StoreError):  # a test has left its answers unsent
            store.close()


@pytest.fixture
def models(caches: list[gm.GPTCache], server: ProviderServer) -> list[Model]:
    """Return a model in each kernel."""
    server.delay = SECONDS
    return [server.model("ChatOpenAI", cache=cache) for cache in caches]


def both(*work: Callable[[], object]) -> list[object]:
    """Do both at once, and return their results. Two that wait for each other do so for five minutes, which fails."""
    with ThreadPoolExecutor(len(work)) as pool:
        return [each.result(60) for each in [pool.submit(each) for each in work]]


def test_one_of_two_kernels_asks(models: list[Model], server: ProviderServer) -> None:
    ann, ben = models
    first, second = both(lambda: ann.invoke(QUESTION).text, lambda: ben.invoke(QUESTION).text)

    assert first == second
    assert server.calls == 1


async def test_one_of_two_tasks_asks(models: list[Model], server: ProviderServer) -> None:
    first, second = await asyncio.gather(*(each.ainvoke(QUESTION) for each in models))

    assert first.text == second.text
    assert server.calls == 1


def test_one_of_two_streams_asks(models: list[Model], server: ProviderServer) -> None:
    ann, ben = models
    first, second = both(
        lambda: "".join(each.text for each in ann.stream(QUESTION)),
        lambda: "".join(each.text for each in ben.stream(QUESTION)),
    )

    assert first == second
    assert server.calls == 1


def test_each_asks_unless_it_is_asked_for(models: list[Model], server: ProviderServer) -> None:
    NOTEBOOK.config = Config()
    ann, ben = models
    both(lambda: ann.invoke(QUESTION), lambda: ben.invoke(QUESTION))

    assert server.calls == 2


def test_the_other_asks_when_a_call_has_failed(models: list[Model], server: ProviderServer) -> None:
    ann, ben = (each.model_copy(update={"max_retries": 0}) for each in models)
    server.fail_next(1)
    results = both(lambda: _said(ann), lambda: _said(ben))

    assert server.calls == 2
    assert sum(each is None for each in results) == 1


def _said(model: Model) -> str | None:
    try:
        return str(model.invoke(QUESTION).text)
    except Exception:
        return None


KILLED = """
import sys
from langchain_openai import ChatOpenAI
import gptcache_magics as gm
from gptcache_magics.settings import NOTEBOOK, Config
NOTEBOOK.config = Config(team_single_flight=True)
cache = gm.GPTCache(store=sys.argv[1])
ChatOpenAI(model="gpt-4o-mini", api_key="sk-test", base_url=sys.argv[2], cache=cache).invoke(sys.argv[3])
"""


@pytest.mark.slow
def test_the_lease_of_a_killed_kernel_ends(
    caches: list[gm.GPTCache], server: ProviderServer, team_database: Database, tmp_path: Path
) -> None:
    server.delay = 60
    arguments = [sys.executable, "-c", KILLED, team_database.url, server.openai_url, QUESTION]
    with subprocess.Popen(arguments, cwd=tmp_path) as kernel:
        wait_until(lambda: server.calls == 1)
        kernel.kill()
    server.delay = 0
    model = ChatOpenAI(model="gpt-4o-mini", api_key="sk-test", base_url=server.openai_url, cache=caches[0])

    assert "Etna" in str(model.invoke(QUESTION).text)
    assert server.calls == 2


def test_two_kernels_never_wait_for_each_other(caches: list[gm.GPTCache], server: ProviderServer) -> None:
    server.delay = SECONDS
    ann, ben = (server.model("OpenAI", cache=cache) for cache in caches)  # looks up all its prompts before it asks
    first, second = both(lambda: ann.generate(["A", "B"]), lambda: ben.generate(["B", "A"]))

    assert all(len(each.generations) == 2 for each in (first, second))  # type: ignore[attr-defined]


def test_one_look_that_takes_too_long_does_not_end_the_waiting(
    models: list[Model], server: ProviderServer, postgres: PostgresServer
) -> None:
    server.delay = 3
    ann, ben = models
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: ann.invoke(QUESTION).text)
        wait_until(lambda: server.calls == 1)
        second = pool.submit(lambda: ben.invoke(QUESTION).text)
        wait_until(lambda: _looks(postgres) > 0)
        with postgres.frozen():
            time.sleep(0.9)

        assert first.result(60) == second.result(60)
    assert server.calls == 1


def _looks(postgres: PostgresServer) -> int:
    """Return how many connections have asked for a lease."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO gptcache.lease%%' AND pid <> %s"
    return int(postgres.ask(sql)[0][0])


def test_a_call_that_could_not_wait_says_why(
    caches: list[gm.GPTCache], server: ProviderServer, team_database: Database
) -> None:
    server.delay = SECONDS
    ann, ben = (server.model("OpenAI", cache=cache) for cache in caches)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: ann.generate(["B"]))
        wait_until(lambda: server.calls == 1)
        ben.generate(["A", "B"])
        first.result(60)
    assert _reasons(caches[1]) == [
        "a colleague asked the same at that time: other calls wait for this one",
        "nothing stored for it",
    ]

    team_database.ask("ALTER TABLE gptcache.lease RENAME TO lost")
    ben.generate(["C"])
    assert _reasons(caches[1])[0].startswith("the team's store is away: ")
    assert "lacks a part of its schema" in _reasons(caches[1])[0]


def _reasons(cache: gm.GPTCache) -> list[str]:
    """Return the reasons of a cache's lookups, newest first."""
    return [sentence(each.reason) for each in reversed([*cache.ledger.recent])]


def test_nobody_waits_while_the_team_is_away(
    models: list[Model], server: ProviderServer, postgres: PostgresServer
) -> None:
    ann, ben = models
    ann.invoke("another question")
    postgres.stop()
    both(lambda: ann.invoke(QUESTION), lambda: ben.invoke(QUESTION))

    assert server.calls == 3
