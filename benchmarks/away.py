"""A server that is gone or silent: the time that it costs a call, alone and under ``--wrap``."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any, Final

from langchain_core.caches import BaseCache
from measure import Bar, Options, table
from payloads import answer
from peers import REDIS, redis_server

__all__ = ["LONGEST", "WRAPPED", "run", "seconds_of_call"]

LONGEST: Final = 15.0
"""Seconds after which a call counts as one that does not come back."""
WRAPPED: Final = f"{REDIS} under --wrap"
CALLS: Final = 3


def run(options: Options) -> list[Bar]:
    """Print the seconds of each of three calls after a server was stopped or fell silent."""
    if shutil.which("redis-server") is None:
        print("Servers that are away are left out: redis-server not found.\n")
        return []
    from langchain_community.cache import RedisCache

    found: dict[str, dict[str, list[float]]] = {}
    for what, number in {"stopped": signal.SIGKILL, "silent": signal.SIGSTOP}.items():
        for name, lookup in {REDIS: _alone, WRAPPED: _wrapped}.items():
            folder = options.folder / f"away {what} {name}"
            folder.mkdir()
            client, server = redis_server(folder)
            look = lookup(RedisCache(client), folder)
            look()
            server.send_signal(number)
            found.setdefault(what, {})[name] = [seconds_of_call(look) for _ in range(1 if options.quick else CALLS)]
            os.kill(server.pid, signal.SIGCONT) if number == signal.SIGSTOP else server.wait()
    options.results["away"] = found
    print(f"### A server that is away: seconds of each call, {LONGEST:g} means that it does not come back\n")
    rows = [
        (f"{what}, {name}", *(f"{each:.2f}" for each in all)) for what, by in found.items() for name, all in by.items()
    ]
    table(("server", *(f"call {number}" for number in range(1, len(rows[0])))), rows)
    longest = max(each for by in found.values() for each in by[WRAPPED])
    return [Bar("a server that is away costs a call ≤ 1.5 s under --wrap", f"{longest:.2f} s", longest <= 1.5)]


def _alone(cache: BaseCache, folder: Path) -> Callable[[], Any]:
    return lambda: cache.lookup("prompt", "llm")


def _wrapped(cache: BaseCache, folder: Path) -> Callable[[], Any]:
    import gptcache_magics as gm

    ours = gm.GPTCache(wrapped=cache, store=folder / "store")
    ours.update("prompt", "llm", answer(1))
    return lambda: ours.lookup("prompt", "llm")


def seconds_of_call(work: Callable[[], Any]) -> float:
    """Return how long a call takes; it is left behind after a while."""
    started = time.perf_counter()
    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(LONGEST)
    return LONGEST if thread.is_alive() else time.perf_counter() - started
