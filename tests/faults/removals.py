"""A process that stores, removes and brings back, and is killed on the way: what it acknowledged is so."""

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from gptcache_magics.store.protocol import Selection
from gptcache_magics.store.sqlite.store import SQLiteStore
from gptcache_magics.testing.samples import GPT, key, make_entry

__all__ = ["killed_while_it_removes"]

ROOT = Path(__file__).parents[2]
EACH = 300
"""Entries of a batch, which is stored, removed and brought back as one."""
START = "import sys; from tests.faults.removals import work; work(*sys.argv[1:])"


def ids(batch: str) -> list[str]:
    """Return the keys of a batch."""
    return [key(f"{batch} {number}") for number in range(EACH)]


def work(folder: str, first: str, seed: str) -> None:
    """Store, remove and bring back without end; ``begin`` and ``done`` of each are printed."""
    chance, store, number = random.Random(int(seed)), SQLiteStore(folder), int(first)
    store.open()
    known: list[str] = []
    while True:
        what = chance.choice(["put", "put", "put", "remove", "clear", "undo", "final", "close"])
        batch = chance.choice(known) if what == "remove" and known else ""
        if what == "put":
            number += 1
            batch = f"b{number}"
            known.append(batch)
        print("begin", what, batch, flush=True)
        if what == "put":
            entries = (make_entry(f"{batch} {each}", b"x" * 1_500) for each in range(EACH))
            store.put_all(entries, [GPT], replace=True)
        elif what == "remove":
            store.remove(Selection(ids=ids(batch)))
        elif what == "clear":
            store.clear()
        elif what == "undo":
            store.undo()
        elif what == "final":
            store.forget_removed()
        else:
            store.close()
            store.open()
        print("done", what, batch, flush=True)


class Model:
    """The batches that are live, and those that can be brought back."""

    def __init__(self) -> None:
        self.live: frozenset[str] = frozenset()
        self.removed: frozenset[str] = frozenset()

    def do(self, what: str, batch: str) -> None:
        """Follow one step."""
        if what == "put":
            self.live |= {batch}
        elif what in ("remove", "clear"):
            self.removed = self.live if what == "clear" else self.live & {batch}
            self.live -= self.removed
        elif what == "undo":
            self.live |= self.removed
            self.removed = frozenset()
        elif what == "final":
            self.removed = frozenset()


def _wrong(folder: Path, model: Model, lines: list[str]) -> list[str]:
    """Follow what a killed process printed. Return what the store holds otherwise."""
    begun = None
    for line in lines:
        stage, what, batch = line.split(" ", 2)
        if stage == "done":
            model.do(what, batch)
            begun = None
        elif stage == "begin":
            begun = what, batch
    store = SQLiteStore(folder)
    found = {row.key for row in store.entries(Selection())}
    back = store.removed()
    store.close()
    states = [(model.live, model.removed)]
    if begun is not None:
        model.do(*begun)
        states.insert(0, (model.live, model.removed))
    for live, removed in states:
        if found == {each for batch in live for each in ids(batch)} and back == EACH * len(removed):
            model.live, model.removed = live, removed
            return []
    return [f"{len(found)} entries and {back} removed in place of {[(len(a), len(b)) for a, b in states]} x {EACH}"]


def _numbers(lines: list[str]) -> Iterator[int]:
    return (int(line.split(" b")[1]) for line in lines if " put b" in line)


def killed_while_it_removes(seed: int, seconds: float, folder: Path) -> list[str]:
    """Kill a process that removes, brings back and gives space back, and go on with another."""
    chance, end, model, number = random.Random(seed), time.monotonic() + seconds, Model(), 0
    store, told = folder / "store", list[str]()
    while time.monotonic() < end and not told:
        with (folder / "said").open("w") as said:
            arguments = [str(store), str(number), str(chance.randrange(10**6))]
            process = subprocess.Popen([sys.executable, "-c", START, *arguments], cwd=ROOT, stdout=said)
            time.sleep(1 + chance.random())
            process.kill()
            process.wait()
        lines = (folder / "said").read_text().split("\n")[:-1]
        number = max(_numbers(lines), default=number)
        told += _wrong(store, model, lines)
    last = SQLiteStore(store)
    last.open()
    last._sweeper.wait(60)
    kept, live = last.removed(), last.count()[0]
    last.close()
    with closing(sqlite3.connect(store / "cache.db")) as db:
        rows = db.execute("SELECT count(*) FROM entry").fetchone()[0]
        sound = db.execute("PRAGMA integrity_check").fetchone()[0]
    told += [f"{rows} rows in place of {live} and {kept}"] if rows != live + kept else []
    return told + ([f"the file is damaged: {sound}"] if sound != "ok" else [])
