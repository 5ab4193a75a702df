"""A team's PostgreSQL as it grows: bytes of a row, the statement of a hit, and how many a server answers a second."""

from __future__ import annotations

import random
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from measure import Options, table
from payloads import answer, llm_string, prompt

__all__ = ["growth"]

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
LOOKUPS: Final = 100_000
VECTORS: Final = 20_000
DIMENSIONS: Final = 384
CLIENTS: Final = 16
OPTIONS: Final = ("-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", "5")
FINDS: Final = 500
KEY: Final = "decode(repeat(lpad(to_hex(n), 16, '0'), 2), 'hex')"
"""The key of row n: its first half is the number, as of every id."""


def growth(options: Options, server: Any) -> dict[str, Any]:
    """Print and return the figures, of copies of rows that the product has written."""
    sizes = SIZES[:2] if options.quick else SIZES if options.million else SIZES[:3]
    with server.database() as database:
        _first(options.folder / "growth", database.url)
        found = {str(size): _size(server, database, size) for size in sizes}
        row_bytes = {"entry": found[str(sizes[-1])].pop("bytes") / sizes[-1], **_others(database)}
        for each in found.values():
            each.pop("bytes", None)
    print("### A team's store as it grows: the statement of a hit\n")
    table(
        ("entries", "µs", f"a second, {CLIENTS} clients"),
        ((f"{int(size):,}", f"{each['find'] * 1e6:,.0f}", f"{each['a_second']:,.0f}") for size, each in found.items()),
    )
    print("### Bytes a row, with its indexes\n")
    table(("table", "bytes"), ((name, f"{each:,.0f}") for name, each in row_bytes.items()))
    return {"growth": found, "row_bytes": row_bytes}


def _first(folder: Path, url: str) -> None:
    """Let the product write the rows that are copied: an entry with a vector, and a lookup of its question."""
    import numpy as np
    from asked import Asked

    import gptcache_magics as gm
    from gptcache_magics.store.postgres.address import Address
    from gptcache_magics.store.sqlite.tables import EVERYTHING
    from gptcache_magics.store.team.store import TeamStore

    folder.mkdir()
    store = TeamStore(folder, Address.parse(url))
    store.open()
    cache = Asked(gm.GPTCache(store=store))
    for _ in range(2):
        if cache.lookup(prompt(1), llm_string()) is None:
            cache.update(prompt(1), llm_string(), answer(1))
    cache.cache.ledger.flush()
    while store.waiting():
        time.sleep(0.01)
    vector = np.random.default_rng(1).normal(size=DIMENSIONS).astype("<f4")
    [row] = store.entries(EVERYTHING)
    store.database.put_vectors("benchmark", [(row.key, "0" * 32, (vector / np.linalg.norm(vector)).tobytes())])
    store.close()


def _size(server: Any, database: Any, size: int) -> dict[str, float]:
    """Bring the table to a size, and measure."""
    [(there,)] = database.ask("SELECT count(*) FROM gptcache.entry")
    columns = [name for (name,) in database.ask(_COLUMNS, "entry")]
    given = {"id": "n", "key": KEY}
    chosen = ", ".join(given.get(name, f"e.{name}") for name in columns)
    database.ask(
        f"INSERT INTO gptcache.entry ({', '.join(columns)}) SELECT {chosen} FROM"
        f" (SELECT * FROM gptcache.entry ORDER BY created, id DESC LIMIT 1) e, generate_series({there}, {size - 1}) n"
    )
    database.ask("VACUUM (ANALYZE) gptcache.entry")
    [(written,)] = database.ask("SELECT pg_total_relation_size('gptcache.entry')")
    return {"bytes": written, "find": _find(database.url, size), "a_second": _a_second(server, database, size)}


_BYTES: Final = """SELECT sum(pg_total_relation_size(c.oid))::int8 FROM pg_class c
    WHERE c.oid = ('gptcache.' || %s)::regclass
    OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = ('gptcache.' || %s)::regclass)"""
_COLUMNS: Final = """SELECT attname FROM pg_attribute WHERE attrelid = ('gptcache.' || %s)::regclass
    AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""


def _find(url: str, size: int) -> float:
    """Return the median seconds of finding an entry, with a connection that is open."""
    from statistics import median

    from gptcache_magics.store.postgres.address import Address
    from gptcache_magics.store.postgres.database import TeamDatabase

    team, seconds = TeamDatabase(Address.parse(url)), []
    team.connect()
    for number in random.Random(size).choices(range(1, size), k=FINDS):
        key = f"{number:016x}" * 2
        began = time.perf_counter()
        found = team.find(key)
        seconds.append(time.perf_counter() - began)
        assert found.entry is not None
    team.close()
    return median(seconds)


def _a_second(server: Any, database: Any, size: int) -> float:
    """Return how many hits a second the server answers to clients that need no time of their own."""
    from gptcache_magics.store.postgres.statements import FIND

    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        values = ("'default'", "'default'", ":n")
        script.write(f"\\set n random(1, {size - 1})\n{FIND % values};\n")
        script.flush()
        told = subprocess.run(
            [server.programs / "pgbench", *OPTIONS, "-f", script.name, "-d", database.url],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    [rate] = re.findall(r"tps = ([\d.]+)", told)
    return float(rate)


def _others(database: Any) -> dict[str, float]:
    """Return bytes a lookup, a question and a vector."""
    written: dict[str, float] = {}
    for of, number, given in (
        ("lookup", LOOKUPS, {"number_in_run": "n + 1000", "at": "e.at + n / 1e6", "number": "n"}),
        ("question", LOOKUPS, {"id": "n"}),
        ("vector", VECTORS, {"id": "n", "sequence": "n"}),
    ):
        columns = [name for (name,) in database.ask(_COLUMNS, of)]
        chosen = ", ".join(given.get(name, f"e.{name}") for name in columns)
        number = min(number, database.ask("SELECT count(*) FROM gptcache.entry")[0][0] - 1)
        database.ask(
            f"INSERT INTO gptcache.{of} ({', '.join(columns)}) SELECT {chosen} FROM"
            f" (SELECT * FROM gptcache.{of} LIMIT 1) e, generate_series(1, {number}) n"
        )
        [(size,)] = database.ask(_BYTES, of, of)
        written[of] = size / number
    return written
