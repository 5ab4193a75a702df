"""Rounds of faults: each starts workers on one store, does something to them, and says what was lost.

A round takes a seed, the seconds that it may last, and an empty folder. It returns sentences about what went wrong.
"""

import json
import math
import os
import random
import resource
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import gptcache_magics as gm
from tests.faults.removals import killed_while_it_removes
from tests.faults.steps import killed_while_it_loads, killed_while_it_migrates
from tests.faults.worker import TEAM, Model, head

__all__ = ["ROUNDS", "Round"]

ROOT = Path(__file__).parents[2]
START = "import sys; from tests.faults.worker import main; main(*sys.argv[1:])"
PATIENCE = 90
"""Seconds after which a worker hangs."""
BROKEN = ("wrong", "hang", "error")
"""Notes of calls that no fault of a file excuses."""
FOLLOWING = 0.1
"""Seconds in which a kernel may serve from memory what another one has cleared."""
Round = Callable[[int, float, Path], list[str]]


class Started:
    """One worker."""

    def __init__(self, folder: Path, name: str, seed: int, what: str = "work") -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START, str(folder), name, str(seed), what],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": path},
            )

    def line(self) -> str:
        """Return its next line; empty if it hangs or has ended."""
        assert self.process.stdout is not None
        poll = select.poll()  # select() knows no descriptor above 1,024, and a session of tests has opened more
        poll.register(self.process.stdout, select.POLLIN | select.POLLHUP)
        ready = poll.poll(PATIENCE * 1000)
        return self.process.stdout.readline().strip() if ready else ""

    def tell(self) -> None:
        """Let it go on to what comes next. One that has ended says so with its next line."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.communicate()

    def stop(self) -> list[str]:
        """Let it stop working. Returns what is wrong."""
        self.tell()
        return [] if self.line() == "idle" else [f"{self.name} did not stop{self.aborted()}"]

    def finish(self, *, counts: bool = True, stores: bool = True) -> list[str]:
        """Let it check that everything works, also that it counts and stores, and end. Returns what is wrong."""
        assert self.process.stdin is not None
        if self.process.stdin.closed:
            return []  # it was ended, and that was told
        self.tell()
        line = self.line()
        if not line:
            return [f"{self.name} hangs or broke at the end{self.aborted()}"]
        self.kill()
        found: dict[str, Any] = json.loads(line)
        right: dict[str, object] = {"hanging": 0, "off": True}
        if stores:
            right["same"] = True
        if counts:
            right |= {"failures": 0, "too many hits": 0}
        wrong = {name: found[name] for name in right if found[name] != right[name]}
        return [f"{self.name}: {wrong}, last error: {found['last error']}{self.shown()}"] if wrong else []

    def aborted(self) -> str:
        """End it, and return where each of its threads was."""
        self.process.send_signal(signal.SIGABRT)
        self.process.communicate()
        return self.shown()

    def shown(self) -> str:
        """Return the end of its log, after a colon."""
        tail = self.log.read_text()[-6000:]
        return f": {tail}" if tail else ""


@contextmanager
def workers(folder: Path, seed: int, *whats: str) -> Iterator[list[Started]]:
    """Start workers, and leave none behind."""
    started = [Started(folder, f"w{number}", seed + number, what) for number, what in enumerate(whats)]
    try:
        for each in started:
            assert each.line() == "working", f"{each.name} did not start{each.shown()}"
        yield started
    finally:
        for each in started:
            each.kill()


def notes(folder: Path) -> list[dict[str, Any]]:
    """Return the notes of all workers in the order of time; the last line of a killed one may be cut."""
    found = []
    for path in folder.glob("*.notes"):
        for line in path.read_bytes().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return sorted(found, key=lambda note: float(note["at"]))


def await_answer(folder: Path) -> None:
    """Wait until a worker has noted an answer, however busy the machine is."""
    while not any(note["kind"] == "answer" for note in notes(folder)):
        time.sleep(0.1)


def lost(folder: Path, *, exactly: bool = True, refusals: bool = False) -> list[str]:
    """Return what the notes say that is not so: an answer that is not found, or that is another one.

    Parameters
    ----------
    exactly
        Whether each prompt has the answer that was noted last, and not another answer to it.
    refusals
        Whether the store may refuse to be read or written.
    """
    told, wanted, noted = [], dict[str, str](), notes(folder)
    cleared = max((note["at"] for note in noted if note["kind"] == "clear"), default=-math.inf)
    for note in noted:
        if note["kind"] in ("wrong", "hang", "error", *(() if refusals else ("refused", "not stored"))):
            told.append(f"{note['kind']}: {note['prompt']} {note['answer'][:300]}")
        elif note["since"] < cleared + FOLLOWING:
            continue  # the clear may have removed it
        elif note["kind"] == "begin refresh" and note["prompt"] in wanted:
            wanted[note["prompt"]] = ""  # either answer is right until the next is noted
        elif note["kind"] in ("answer", "refresh"):
            wanted[note["prompt"]] = note["answer"]
    gm.on(os.environ.get(TEAM) or folder / "store")  # what one kernel replaced at a team, another forgets in the folder
    try:
        for prompt, answer in wanted.items():
            with gm.using(mode="replay"):
                try:
                    found = str(Model().invoke(prompt).content)
                except gm.CacheMiss:
                    told.append(f"lost: {prompt}")
                    continue
            if not found.startswith(f"{prompt} = ") or (exactly and answer and head(found) != answer):
                told.append(f"another answer: {prompt}: {found[:60]} in place of {answer[:60]}")
    finally:
        gm.off()
    with closing(sqlite3.connect(folder / "store" / "cache.db")) as db:
        sound = db.execute("PRAGMA integrity_check").fetchone()[0]
    aside = [path.name for kind in ("damaged", "foreign") for path in (folder / "store").glob(f"*{kind}*")]
    told += [f"the file is damaged: {sound} {aside}"] if sound != "ok" or aside else []
    return told or ([] if wanted or cleared > -math.inf or (refusals and noted) else ["nothing was noted"])


Toggle = Callable[[list[Started], bool], None]
"""Begins or ends the trouble of running workers."""
Trouble = Callable[[Path, random.Random], AbstractContextManager[Toggle]]


@contextmanager
def no_trouble(folder: Path, chance: random.Random) -> Iterator[Toggle]:
    """Let the place of the store be."""
    yield lambda running, troubled: None


@contextmanager
def full_disk(folder: Path, chance: random.Random) -> Iterator[Toggle]:
    """Fill the disk but for some pages: a small disk where one can be mounted, else the files of the workers."""
    store = folder / "store"
    store.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", str(store)]
    mounted = shutil.which("mount") and subprocess.run(mount, capture_output=True).returncode == 0

    def fill(running: list[Started], troubled: bool) -> None:
        room, ballast = chance.randrange(100_000), store / "ballast"
        if not mounted:
            limit = max((path.stat().st_size for path in store.iterdir()), default=0) + room
            for each in running:
                resource.prlimit(each.process.pid, resource.RLIMIT_FSIZE, (limit if troubled else -1, -1))
            return
        ballast.unlink(missing_ok=True)
        if troubled:
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                file.write(bytes(shutil.disk_usage(store).free))
            os.truncate(ballast, max(0, ballast.stat().st_size - room))

    try:
        yield fill
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(store)], check=True)


@contextmanager
def read_only(folder: Path, chance: random.Random) -> Iterator[Toggle]:
    """Take the right to write from the folder, from its files or from both."""
    store = folder / "store"

    def protect(running: list[Started], troubled: bool) -> None:
        of_folder, of_files = chance.choice([(0o500, 0o400), (0o500, 0o600), (0o700, 0o400)])
        for path in store.glob("cache.db*"):
            path.chmod(of_files if troubled else 0o600)
        store.chmod(of_folder if troubled else 0o700)

    yield protect


def killed(seed: int, seconds: float, folder: Path, trouble: Trouble = no_trouble) -> list[str]:
    """Kill two to eight processes at random, and start others in their place."""
    chance, end = random.Random(seed), time.monotonic() + seconds
    number = chance.randint(2, 8)
    with trouble(folder, chance) as toggle, workers(folder, seed, *["work"] * number) as running:
        count = len(running)
        await_answer(folder)
        while time.monotonic() < end:
            time.sleep(chance.random() * 2)
            toggle(running, chance.random() < 0.5)
            victim = chance.randrange(len(running))
            running[victim].kill()
            running[victim] = Started(folder, f"w{count}", seed + count)
            count += 1
        toggle(running, False)
        for each in running:
            each.kill()
        return lost(folder, refusals=trouble is not no_trouble)


def _interrupted(
    seed: int, seconds: float, folder: Path, number: int, what: str, trouble: Trouble = no_trouble
) -> list[str]:
    chance = random.Random(seed)
    calm = trouble is no_trouble
    with trouble(folder, chance) as toggle, workers(folder, seed, what, "work") as (victim, other):
        await_answer(folder)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(chance.random() ** 3 / 10)
            victim.process.send_signal(number)
            if chance.random() < 0.02:
                toggle([victim, other], chance.random() < 0.5)
        toggle([victim, other], False)
        told = victim.stop() + other.stop()
        with closing(sqlite3.connect(folder / "store" / "cache.db", timeout=5, isolation_level=None)) as db:
            try:
                db.execute("BEGIN IMMEDIATE")
                db.execute("ROLLBACK")
            except sqlite3.OperationalError as error:
                told.append(f"a transaction was left open: {error}")
        counts, stores = calm and what == "work", trouble is not read_only
        told += victim.finish(counts=counts, stores=stores) + other.finish(counts=counts, stores=stores)
        return told + lost(folder, refusals=not calm)


def interrupted(seed: int, seconds: float, folder: Path) -> list[str]:
    """Interrupt a process at any instruction, while another one writes."""
    return _interrupted(seed, seconds, folder, signal.SIGINT, "work")


def interrupted_while_it_clears(seed: int, seconds: float, folder: Path) -> list[str]:
    """Interrupt a process that also clears the store."""
    return _interrupted(seed, seconds, folder, signal.SIGALRM, "clear")


def forked(seed: int, seconds: float, folder: Path) -> list[str]:
    """Fork while eight threads use the cache and another process writes."""
    with workers(folder, seed, "fork", "work") as (forking, other):
        await_answer(folder)
        time.sleep(seconds)
        told = forking.stop() + other.stop() + forking.finish() + other.finish()
    return told + lost(folder)


def cancelled(seed: int, seconds: float, folder: Path) -> list[str]:
    """Cancel tasks at any await."""
    with workers(folder, seed, "cancel", "work") as (cancelling, other):
        await_answer(folder)
        time.sleep(seconds)
        told = cancelling.stop() + other.stop() + cancelling.finish() + other.finish()
    return told + lost(folder, exactly=False)


def locked(seed: int, seconds: float, folder: Path) -> list[str]:
    """Keep the file locked for a while, again and again: calls go on, and no answer is lost."""
    chance = random.Random(seed)
    with workers(folder, seed, "work", "work") as running:
        await_answer(folder)
        end = time.monotonic() + seconds
        with closing(sqlite3.connect(folder / "store" / "cache.db", timeout=30, isolation_level=None)) as db:
            while time.monotonic() < end:
                db.execute("BEGIN IMMEDIATE")
                time.sleep(chance.random() * 2)
                db.execute("ROLLBACK")
                time.sleep(chance.random())
        told = [sentence for each in running for sentence in each.stop()]
        told += [sentence for each in running for sentence in each.finish(counts=False)]
    return told + lost(folder)


def vanished(seed: int, seconds: float, folder: Path) -> list[str]:
    """Take the folder away, put a file in its place, and bring a folder back: no call breaks."""
    with workers(folder, seed, "work", "work") as running:
        time.sleep(seconds / 3)
        shutil.rmtree(folder / "store", ignore_errors=True)
        time.sleep(seconds / 3)
        shutil.rmtree(folder / "store", ignore_errors=True)
        (folder / "store").write_text("not a folder") if not (folder / "store").exists() else None
        time.sleep(seconds / 3)
        told = [sentence for each in running for sentence in each.stop()]
        told += [sentence for each in running for sentence in each.finish(counts=False, stores=False)]
    broken = [note for note in notes(folder) if note["kind"] in ("wrong", "hang")]
    return told + [f"{note['kind']}: {note['prompt']} {note['answer'][:200]}" for note in broken]


def spoiled(seed: int, seconds: float, folder: Path) -> list[str]:
    """Flip bits of the file while nobody has it open: no answer is wrong, and no call breaks."""
    chance, end, told = random.Random(seed), time.monotonic() + seconds, []
    while time.monotonic() < end and not told:
        shutil.rmtree(folder / "store", ignore_errors=True)
        with workers(folder, seed, "work") as (first,):
            time.sleep(1)
            told += first.stop() + first.finish()
        path = folder / "store" / "cache.db"
        data = bytearray(path.read_bytes())
        for _ in range(chance.choice([1, 3, 30, 300])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        with workers(folder, seed, "work") as (second,):
            time.sleep(1)
            told += second.stop() + second.finish(counts=False)
        told += [f"wrong: {note['answer'][:200]}" for note in notes(folder) if note["kind"] == "wrong"]
    return told


def damaged(seed: int, seconds: float, folder: Path) -> list[str]:
    """Overwrite bytes of the file while four processes write: no call breaks, and no answer is wrong.

    What was acknowledged before may be gone with the damage. What is acknowledged at the end is found by the next one.
    """
    chance, path, told = random.Random(seed), folder / "store" / "cache.db", list[str]()
    with workers(folder, seed, *["work"] * 4) as running:
        await_answer(folder)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(chance.random())
            with suppress(FileNotFoundError), path.open("r+b") as file:
                for _ in range(chance.choice([1, 10, 100])):
                    file.seek(chance.randrange(path.stat().st_size + 1))  # a new file may be empty yet
                    file.write(chance.randbytes(chance.choice([1, 8, 4096])))
        told += [sentence for each in running for sentence in each.stop()]
        told += [sentence for each in running for sentence in each.finish(counts=False)]
    told += [f"{n['kind']}: {n['prompt']} {n['answer'][:200]}" for n in notes(folder) if n["kind"] in BROKEN]
    with workers(folder, seed + 4, "work") as (last,):
        told += last.stop() + last.finish(counts=False)
    return told


def crowded(seed: int, seconds: float, folder: Path) -> list[str]:
    """Let four processes of six threads each write and read one store: each acknowledged answer is there."""
    with workers(folder, seed, *["threads"] * 4) as running:
        await_answer(folder)
        time.sleep(seconds)
        told = [sentence for each in running for sentence in each.stop()]
        told += [sentence for each in running for sentence in each.finish()]
    return told + lost(folder)


def _interrupted_in_trouble(trouble: Trouble, seed: int, seconds: float, folder: Path) -> list[str]:
    return _interrupted(seed, seconds, folder, signal.SIGINT, "work", trouble)


ROUNDS: dict[str, Round] = {
    **{
        each.__name__: each
        for each in (
            killed,
            interrupted,
            interrupted_while_it_clears,
            forked,
            cancelled,
            locked,
            vanished,
            spoiled,
            damaged,
            crowded,
        )
    },
    "killed_while_it_removes": killed_while_it_removes,
    "killed_while_it_migrates": killed_while_it_migrates,
    "killed_while_it_loads": killed_while_it_loads,
    "killed_on_a_full_disk": partial(killed, trouble=full_disk),
    "killed_in_a_read_only_folder": partial(killed, trouble=read_only),
    "interrupted_on_a_full_disk": partial(_interrupted_in_trouble, full_disk),
    "interrupted_in_a_read_only_folder": partial(_interrupted_in_trouble, read_only),
}
