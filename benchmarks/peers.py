"""The caches that are compared, each made in a separate folder. Making a cache imports its packages.

Importing ``gptcache_magics`` also hardens gptcache; ``make`` imports it only for our cache. So a process that does
not make our cache measures gptcache as it is.
"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import socket
import subprocess
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from langchain_core.caches import BaseCache, InMemoryCache

__all__ = ["BARE", "DISKCACHE", "FAISS", "FLOOR", "MAP", "OURS", "REDIS", "SQLITE", "available", "make", "redis_server"]

OURS, BARE, FLOOR = "gptcache-magics", "gptcache-magics, no model at hand", "InMemoryCache"
SQLITE, MAP, FAISS = "SQLiteCache", "GPTCache map", "GPTCache sqlite,faiss"
REDIS, DISKCACHE = "RedisCache", "diskcache + dumps"
NO_LIMIT: Final = 10**9
DIMENSION: Final = 256


def make(name: str, folder: Path) -> BaseCache:
    """Return the cache of this name; it keeps its files in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    cache = _PEERS[name][1](folder)
    warnings.simplefilter("ignore")  # stock warns at each hit; printing that must not be measured
    return cache


def available() -> list[str]:
    """Return the caches whose packages are installed; print a line for each that is not."""
    names = []
    for name, (needs, _) in _PEERS.items():
        lacking = [each for each in needs if not (shutil.which(each) if "-" in each else find_spec(each))]
        if lacking:
            print(f"{name} is left out: {' and '.join(lacking)} not found.\n")
        else:
            names.append(name)
    return names


class DiskCache(BaseCache):
    """diskcache with the serialisation that LangChain's own caches use."""

    def __init__(self, folder: Path) -> None:
        import diskcache
        from langchain_community import cache

        self._answers = diskcache.Cache(folder, size_limit=2**40)
        self._dumps, self._loads = cache._dumps_generations, cache._loads_generations

    def lookup(self, prompt: str, llm_string: str) -> Any:
        """Look up."""
        found = self._answers.get(self._key(prompt, llm_string))
        return None if found is None else self._loads(found)

    def update(self, prompt: str, llm_string: str, return_val: Any) -> None:
        """Update."""
        self._answers.set(self._key(prompt, llm_string), self._dumps(return_val))

    def clear(self, **kwargs: Any) -> None:
        """Clear."""
        self._answers.clear()

    @staticmethod
    def _key(prompt: str, llm_string: str) -> str:
        return hashlib.sha256(f"{prompt}\0{llm_string}".encode()).hexdigest()


def _ours(folder: Path) -> BaseCache:
    from asked import Asked

    return Asked(_bare(folder))


def _bare(folder: Path) -> Any:
    import gptcache_magics as gm

    return gm.GPTCache(store=folder / "store")


def _sqlite(folder: Path) -> BaseCache:
    from langchain_community.cache import SQLiteCache

    return SQLiteCache(str(folder / "cache.db"))


def _map(folder: Path) -> BaseCache:
    from gptcache.manager.factory import manager_factory

    return _stock(lambda: {"data_manager": manager_factory("map", data_dir=str(folder), max_size=NO_LIMIT)})


def _faiss(folder: Path) -> BaseCache:
    from gptcache.manager.factory import manager_factory
    from gptcache.similarity_evaluation import ExactMatchEvaluation

    return _stock(
        lambda: {
            "embedding_func": _embedding,
            "data_manager": manager_factory(
                "sqlite,faiss",
                data_dir=str(folder),
                vector_params={"dimension": DIMENSION},
                eviction_params={"max_size": NO_LIMIT},
            ),
            "similarity_evaluation": ExactMatchEvaluation(),
        }
    )


def _stock(arguments: Callable[[], dict[str, Any]]) -> BaseCache:
    """Return LangChain's own GPTCache, for one model."""
    from gptcache.processor.pre import get_prompt
    from langchain_community.cache import GPTCache

    def init(cache: Any, llm_string: str) -> None:
        cache.init(pre_embedding_func=get_prompt, **arguments())

    return GPTCache(init)


def _embedding(text: str, **_: object) -> Any:
    """Embed at no cost: the same text gives the same vector, and another text a vector far away."""
    import numpy as np

    digest = hashlib.shake_128(text.encode()).digest(DIMENSION)
    return np.frombuffer(digest, np.uint8).astype(np.float32) - 127.5


def _redis(folder: Path) -> BaseCache:
    from langchain_community.cache import RedisCache

    return RedisCache(redis_server(folder)[0])


def redis_server(folder: Path) -> tuple[Any, subprocess.Popen[bytes]]:
    """Start a server that keeps nothing on disk. Returns a client as a user makes one, and the server."""
    import redis

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir", str(folder)]
    server = subprocess.Popen(["redis-server", "--port", str(port), *quiet], stdout=subprocess.DEVNULL)
    atexit.register(server.wait)
    atexit.register(server.terminate)
    client = redis.Redis(port=port)
    for _ in range(100):
        try:
            client.ping()
            break
        except redis.ConnectionError:
            time.sleep(0.05)
    return client, server


_PEERS: Final[dict[str, tuple[tuple[str, ...], Callable[[Path], BaseCache]]]] = {
    FLOOR: ((), lambda folder: InMemoryCache()),
    OURS: ((), _ours),
    BARE: ((), _bare),
    SQLITE: ((), _sqlite),
    MAP: ((), _map),
    DISKCACHE: (("diskcache",), DiskCache),
    REDIS: (("redis", "redis-server"), _redis),
    FAISS: (("faiss",), _faiss),
}
"""The packages that each needs (a program has a hyphen in its name), and the function that makes it."""
