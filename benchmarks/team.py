"""A team's store on a real PostgreSQL: what a colleague's answer costs, and what a server costs that is away.

Beside it: LangChain's ``RedisCache`` on a Redis, its ``SQLAlchemyCache`` on the same PostgreSQL, and ``SQLiteCache``,
which is shared with nobody.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from asked import Asked
from away import LONGEST, seconds_of_call
from measure import Bar, Options, Samples, median, microseconds, ratio, rounds, seconds_each, table
from payloads import answer, llm_string, prompt
from peers import FLOOR, OURS, REDIS, SQLITE, available, make
from team_growth import growth

__all__ = ["run"]

FIRST, SECOND, ALONE = "team, first hit", "team, second hit", f"{OURS}, no team"
SQLALCHEMY: Final = "SQLAlchemyCache"
CALLS: Final = 25
AWAY_CALLS: Final = 6
BEGIN: Final = 10**7
"""The numbers of questions before it are those of the first round."""


def run(options: Options) -> list[Bar]:
    """Print what hits, misses and updates cost, what failing costs, and how it grows."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the tests' servers
    from tests.support.postgres import PostgresServer, missing_postgres

    if missing_postgres():
        print(f"The team is left out: {missing_postgres()}\n")
        return []
    with ExitStack() as ends:
        server = ends.enter_context(PostgresServer(shared_buffers="256MB", max_wal_size="4GB", autovacuum="on"))
        database = ends.enter_context(server.database())
        figures = _calls(options, database.url)
        away = {what: _away(options, server, database.url, what) for what in ("stopped", "silent")}
        grown = growth(options, server)
        version = server.ask("SHOW server_version")[0][0]
    found = options.results["team"] = {
        "server": f"PostgreSQL {version}",
        **{figure: {name: median(seconds) for name, seconds in by.items()} for figure, by in figures.items()},
        "away": {what: by["team"] for what, by in away.items()},
        "away_peers": {what: {name: each for name, each in by.items() if name != "team"} for what, by in away.items()},
        **grown,
    }
    hit = figures["hit"]
    first = max(each[0] for each in found["away"].values())
    known = max(each[-1] for each in found["away"].values())
    once, twice = median(hit[FIRST]), ratio(hit, SECOND, ALONE)
    return [
        Bar("team: a colleague's answer costs ≤ 10 ms, once", f"{once * 1e3:.2f} ms", once <= 0.01),
        Bar("team: the second hit costs ≤ 1.3 × one without a team", f"{twice:.2f} ×", twice <= 1.3),
        Bar("team: a server that is away costs a call ≤ 0.6 s", f"{first:.2f} s", first <= 0.6),
        Bar("team: once that is known, ≤ 10 ms", f"{known * 1e3:.1f} ms", known <= 0.01),
    ]


def _calls(options: Options, url: str) -> dict[str, Samples]:
    """Print and return the seconds of each kind of call."""
    caches: dict[str, Any] = {
        name: make(name, options.folder / f"team {name}") for name in available() if name in (REDIS, SQLITE, FLOOR)
    }
    caches |= {ALONE: make(OURS, options.folder / "team alone"), SQLALCHEMY: _sqlalchemy(url)}
    writer, reader = _member(options.folder / "writer", url), _member(options.folder / "reader", url)
    for number in range(50):  # tables that are not empty
        for cache in (*caches.values(), writer):
            cache.update(prompt(number), llm_string(), answer(number))

    def turn(name: str, number_of_round: int) -> dict[str, float]:
        first = BEGIN + number_of_round * CALLS
        calls = [(prompt(number), llm_string()) for number in range(first, first + CALLS)]
        cache = writer if name == "team" else caches[name]
        found = {
            "miss": seconds_each(options.clock, cache.lookup, calls),
            "update": seconds_each(options.clock, cache.update, [(*each, answer(1)) for each in calls]),
        }
        if name == "team":
            _send(writer)
            found[f"hit {FIRST}"] = seconds_each(options.clock, reader.lookup, calls)
            found[f"hit {SECOND}"] = seconds_each(options.clock, reader.lookup, calls)
        else:
            found["hit"] = seconds_each(options.clock, cache.lookup, calls)
        assert all((reader if name == "team" else cache).lookup(*each) for each in calls)
        _settle(cache)
        return found

    figures = rounds([*caches, "team"], 5 if options.quick else 21, turn)
    for name in (FIRST, SECOND):
        figures["hit"][name] = figures.pop(f"hit {name}")["team"]
    print("### A team: µs per call\n")
    order = ("hit", "miss", "update")
    names = {name for by in figures.values() for name in by}

    def cells(name: str) -> list[str]:
        return [microseconds(median(figures[each][name])) if name in figures[each] else "" for each in order]

    known = sorted(names, key=lambda name: median(figures["hit"].get(name, [LONGEST])))
    table(("cache", *order), ((name, *cells(name)) for name in known))
    return figures


def _sqlalchemy(url: str) -> Any:
    from langchain_community.cache import SQLAlchemyCache
    from sqlalchemy import create_engine

    assert find_spec("psycopg")
    return SQLAlchemyCache(create_engine(url.replace("postgresql://", "postgresql+psycopg://")))


def _member(folder: Path, url: str) -> Asked:
    """Return a cache with a folder of its own, and the team behind it."""
    import gptcache_magics as gm
    from gptcache_magics.store.postgres.address import Address
    from gptcache_magics.store.team.store import TeamStore

    folder.mkdir()
    store = TeamStore(folder, Address.parse(url))
    store.open()
    return Asked(gm.GPTCache(store=store))


def _settle(cache: Any) -> None:
    if isinstance(cache, Asked):
        cache.cache.ledger.flush()


def _send(member: Asked) -> None:
    """Wait until the team has everything that a member has stored."""
    _settle(member)
    store: Any = member.cache.store
    while store.waiting():
        time.sleep(0.01)


def _look(cache: Any, number: Iterator[int]) -> Any:
    with suppress(Exception):  # of SQLAlchemy, whose server is away
        return cache.lookup(prompt(next(number)), llm_string())


def _away(options: Options, server: Any, url: str, what: str) -> dict[str, list[float]]:
    """Return the seconds of each of some calls in a row that miss, after a server has stopped or fallen silent."""
    number = iter(range(2 * BEGIN, 3 * BEGIN))
    looks: dict[str, Callable[[], Any]] = {}
    member = _member(options.folder / f"away {what}", url)
    for name, cache in {SQLALCHEMY: _sqlalchemy(url), "team": member}.items():
        looks[name] = partial(_look, cache, number)
        looks[name]()
    with ExitStack() as ends:
        if what == "stopped":
            server.stop()
            ends.callback(server.start)
        else:
            ends.enter_context(server.frozen())
        calls = 2 if options.quick else 3
        found = {"team": [seconds_of_call(looks["team"]) for _ in range(AWAY_CALLS)]}
        found[SQLALCHEMY] = [seconds_of_call(looks[SQLALCHEMY]) for _ in range(calls)]
    print(f"### A team's server that is {what}: seconds of each call, {LONGEST:g} means that it does not come back\n")
    print("A call of the team's goes on to the model, one of the other's raises an error.\n")
    rows = [[f"{each:.4f}" for each in seconds] for seconds in found.values()]
    empty = [""] * (AWAY_CALLS - calls)
    table(
        ("cache", *(f"call {each}" for each in range(1, AWAY_CALLS + 1))),
        ((name, *(row + empty)[:AWAY_CALLS]) for name, row in zip(found, rows, strict=True)),
    )
    return found
