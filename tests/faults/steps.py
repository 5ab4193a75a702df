"""A migration of an old store, and a ``load``, that are killed on the way: each is done whole or not at all.

A process makes what is needed, and lets forked children do the step and die. It prints what is wrong, as JSON.
"""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from hashlib import blake2b
from pathlib import Path

import gptcache_magics as gm
from gptcache_magics import bundle
from gptcache_magics.store.protocol import Selection
from gptcache_magics.store.sqlite.schema import MIGRATIONS
from gptcache_magics.store.sqlite.store import SQLiteStore

__all__ = ["killed_while_it_loads", "killed_while_it_migrates"]

ROOT = Path(__file__).parents[2]
START = "import sys; from tests.faults.steps import main; main(*sys.argv[1:])"
OLD = ROOT / "tests" / "data" / "0.1" / "cache.db"
ENTRIES = 20_000
"""Entries of an old store whose migration takes a moment."""
LOADED = 600


def grow(path: Path, seed: int) -> None:
    """Copy the store of 0.1, and give it many more entries and lookups like its own."""
    chance = random.Random(seed)
    shutil.copy(OLD, path)
    with closing(sqlite3.connect(path)) as db, db:
        names = [each[1] for each in db.execute("PRAGMA table_info(entry)")]
        row = dict(zip(names, db.execute("SELECT * FROM entry LIMIT 1").fetchone(), strict=True))
        keys = (chance.randbytes(16) for _ in range(ENTRIES))
        more = ({**row, "key": key, "id": int.from_bytes(key[:8], "big", signed=True)} for key in keys)
        holes = ", ".join(f":{name}" for name in names)
        db.executemany(f"INSERT INTO entry VALUES ({holes})", more)
        names = [each[1] for each in db.execute("PRAGMA table_info(lookup)")][1:]
        chosen = ", ".join({"run": "run || numbers.value"}.get(name, name) for name in names)
        db.execute(
            f"INSERT INTO lookup ({', '.join(names)}) WITH RECURSIVE numbers(value) AS "
            "(SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < 200) "
            f"SELECT {chosen} FROM lookup, numbers"
        )


def held(path: Path) -> tuple[int, set[bytes], int]:
    """Return version, digests of entries and number of lookups of a file, which is sound."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",), "the file is damaged"
        (version,) = db.execute("PRAGMA user_version").fetchone()
        entries = {blake2b(key + answer).digest() for key, answer in db.execute("SELECT key, answer FROM entry")}
        return version, entries, db.execute("SELECT count(*) FROM lookup").fetchone()[0]


class Migration:
    """An old store that is opened by the present version."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.path, self.store = folder / "old.db", folder / "store"
        grow(self.path, seed)
        self.version, self.entries, self.lookups = held(self.path)
        self.begin()

    def begin(self) -> None:
        """Put the old store in its place."""
        shutil.rmtree(self.store, ignore_errors=True)
        self.store.mkdir(mode=0o700)
        shutil.copyfile(self.path, self.store / "cache.db")
        (self.store / "cache.db").chmod(0o600)

    def run(self) -> None:
        """Migrate."""
        store = SQLiteStore(self.store)
        store.open()
        store.close()

    def is_whole(self) -> bool:
        """Return whether the step is done. Raises if it is done in part."""
        version, entries, lookups = held(self.store / "cache.db")
        assert version in (self.version, len(MIGRATIONS)), f"the schema is {version}"
        assert self.entries <= entries, f"{len(self.entries - entries)} entries are lost"
        assert lookups == self.lookups, f"{lookups} of {self.lookups} lookups"
        return version == len(MIGRATIONS)

    def check(self) -> None:
        """Raise unless a store that is opened again has everything."""
        store = SQLiteStore(self.store)
        found = [row.key for row in store.entries(Selection())]
        assert len(found) == len(self.entries), f"{len(found)} of {len(self.entries)} entries"
        assert all(store.get(key) is not None for key in found[::50]), "an entry is not served"
        store.close()
        assert self.is_whole(), "the store was not brought forward"
        aside = [path.name for path in self.store.iterdir() if "damaged" in path.name or "foreign" in path.name]
        assert not aside, f"set aside: {aside}"


class Load:
    """A bundle that is loaded into a store with answers of its own."""

    def __init__(self, folder: Path, seed: int) -> None:
        from tests.faults.worker import Model  # asks with the key of its own class

        self.path, self.store, self.model = folder / "lesson.jsonl", folder / "store", Model()
        gm.on(folder / "teacher")
        self.model.batch([f"{seed} {number}" for number in range(LOADED)])
        gm.save(self.path)
        gm.off()
        entries = bundle.read(self.path).entries
        self.entries = {entry.key: entry.answer for entry in entries}
        self.shared = entries[0].question
        assert len(self.entries) == LOADED
        self.begin()

    def begin(self) -> None:
        """Make a store with three answers, one of them to a prompt of the bundle."""
        shutil.rmtree(self.store, ignore_errors=True)
        gm.on(self.store)
        self.model.batch([self.shared, "own 1", "own 2"])
        gm.off()
        store = SQLiteStore(self.store)
        self.own = {row.key: row.answer for row in store.entries(Selection())}
        store.close()

    def run(self) -> None:
        """Load."""
        gm.on(self.store)
        gm.load(self.path)
        gm.off()

    def _held(self) -> dict[str, bytes]:
        store = SQLiteStore(self.store)
        found = {row.key: row.answer for row in store.entries(Selection())}
        store.close()
        return found

    def is_whole(self) -> bool:
        """Return whether the step is done. Raises if it is done in part."""
        found = self._held()
        assert found in (self.own, self.entries | self.own), f"{len(found)} of {LOADED} entries"
        return found != self.own

    def check(self) -> None:
        """Raise unless a second ``load`` completes it."""
        self.run()
        assert self._held() == self.entries | self.own
        held(self.store / "cache.db")


STEPS: dict[str, Callable[[Path, int], Migration | Load]] = {"migrate": Migration, "load": Load}


def _forked(step: Migration | Load, patience: float) -> float:
    """Do a step in a child, and kill it if it takes longer. Return the seconds of the child."""
    begun = time.monotonic()
    child = os.fork()
    if not child:
        try:
            step.run()
        finally:
            os._exit(0)
    while time.monotonic() - begun < patience:
        if os.waitpid(child, os.WNOHANG)[0]:
            return time.monotonic() - begun
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return time.monotonic() - begun


def main(folder: str, what: str, seed: str, seconds: str) -> None:
    """Kill a step at any moment, again and again; print how often, and what is wrong."""
    chance, said = random.Random(int(seed)), sys.stdout
    sys.stdout = sys.stderr
    step, kills, told = STEPS[what](Path(folder), int(seed)), 0, list[str]()
    longest = _forked(step, 60)
    end = time.monotonic() + float(seconds)
    try:
        step.check()
        while not kills or time.monotonic() < end:
            step.begin()
            _forked(step, chance.random() * longest)
            kills += 1
            if not step.is_whole() and chance.random() < 0.5:
                _forked(step, chance.random() * longest)  # what a killed one left is no hindrance
            step.check()
    except AssertionError as error:
        told.append(f"after {kills} kills: {error}")
    print(json.dumps([kills, told]), file=said)


def _killed(what: str, seed: int, seconds: float, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", START, str(folder), what, str(seed), str(seconds)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120 + seconds,
    )
    if done.returncode:
        return [f"it broke: {done.stderr[-1500:]}"]
    kills, told = json.loads(done.stdout)
    return list(told) if kills else ["nothing was killed"]


killed_while_it_migrates = partial(_killed, "migrate")
"""Kill the migration of an old store at any moment: the next one finds everything, and completes it."""
killed_while_it_loads = partial(_killed, "load")
"""Kill a ``load`` at any moment: the store has all of the bundle or nothing of it, and what it had."""
