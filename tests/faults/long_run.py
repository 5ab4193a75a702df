"""A kernel that runs for weeks: many hits, many times on and off, many times loaded. Nothing may grow.

``python -m tests.faults.long_run [HITS ON_OFF LOADS]`` prints what the process holds after each tenth.
"""

import gc
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from IPython.core.interactiveshell import InteractiveShell

import gptcache_magics as gm
from gptcache_magics.lookup.ledger import FLUSH_SECONDS
from tests.support.shell import NumberedModel, fresh_shell

__all__ = ["Size", "hits", "loads", "on_and_off", "sizes"]

FULL = (200_000, 500, 100)
QUESTIONS = 50
SECONDS = 5.0
"""Time that a thread may take to end: the ledger's sleeps for a second."""


class Size(NamedTuple):
    """What a process holds."""

    descriptors: int
    threads: int
    objects: int
    """Objects of classes of this package."""
    megabytes: float


def size() -> Size:
    """Return what this process holds after garbage was collected, and after the threads of caches that are off."""
    for thread in threading.enumerate():
        if gm.current() is None and thread.name.startswith("gptcache"):
            thread.join(SECONDS)
    for _ in range(3):
        gc.collect()
    ours = [each for each in gc.get_objects() if str(type(each).__module__).startswith("gptcache_magics")]
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Size(len(os.listdir("/proc/self/fd")), threading.active_count(), len(ours), pages * 4096 / 2**20)


def hits(folder: Path) -> Iterator[Callable[[], object]]:
    """Yield a hit to repeat, with the cache on."""
    gm.on(folder / "store")
    model, number = NumberedModel(), 0

    def hit() -> None:
        nonlocal number
        number += 1
        model.invoke(f"question {number % QUESTIONS}")

    hit()
    time.sleep(2 * FLUSH_SECONDS)  # the thread that writes has opened the file
    yield hit
    gm.off()


def on_and_off(folder: Path) -> Iterator[Callable[[], object]]:
    """Yield a run of two calls, from on to off."""

    def run() -> None:
        gm.on(folder / "store")
        for _ in range(2):
            NumberedModel().invoke("question")
        gm.stats()
        gm.off()

    yield run


def loads(folder: Path) -> Iterator[Callable[[], object]]:
    """Yield a life of the extension in a shell, from load to unload."""
    with fresh_shell(folder / ".ipython") as shell:
        yield lambda: _life(shell, folder)


def _life(shell: InteractiveShell, folder: Path) -> None:
    shell.run_line_magic("load_ext", "gptcache_magics")
    shell.run_line_magic("gptcache", f"on {folder / 'store'}")
    NumberedModel().invoke("question")
    shell.run_cell("1 + 1", silent=True)
    shell.run_line_magic("unload_ext", "gptcache_magics")


def sizes(
    work: Callable[[Path], Iterator[Callable[[], object]]], folder: Path, times: int, looks: int = 10
) -> Iterator[Size]:
    """Yield the size of this process so many times in the course of ``times`` repetitions."""
    for repeat in work(folder):
        repeat()
        for _ in range(looks):
            for _ in range(times // looks):
                repeat()
            yield size()


def main(*times: int) -> None:
    """Print a table for each kind of work."""
    works: dict[str, Any] = {"hits": hits, "on and off": on_and_off, "load and unload": loads}
    for (name, work), number in zip(works.items(), times, strict=True):
        print(f"{name}, {number:,} times: descriptors, threads, objects, MB")
        with tempfile.TemporaryDirectory() as folder:
            for each in sizes(work, Path(folder), number):
                print(f"{each.descriptors:8} {each.threads:8} {each.objects:10,} {each.megabytes:10.1f}", flush=True)


if __name__ == "__main__":
    main(*(map(int, sys.argv[1:]) if sys.argv[1:] else FULL))
