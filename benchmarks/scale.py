"""Measure commands over a store of a million answers and five million lookups, each in a kernel of its own.

``python benchmarks/scale.py FOLDER`` makes the store in FOLDER if there is none, which takes about twenty minutes and
4 GB; what writes works on a copy. ``--entries`` and ``--lookups`` make a smaller one. The store stays for the next run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from measure import table
from payloads import answer, llm_string, prompt, words

import gptcache_magics as gm
from gptcache_magics import generations
from gptcache_magics.store import open_store
from gptcache_magics.store.protocol import Configuration, Entry, Lookup, Usage
from gptcache_magics.store.reasons import Kind, Reason

BATCH: Final = 20_000
RUNS: Final = 60
SECONDS: Final = 92 * 86_400.0
"""Age of the oldest entry and lookup."""
REASONS: Final = (Reason(Kind.FIRST), Reason(Kind.WORDS, "83 %"), Reason(Kind.EXPIRED))
USAGE: Final = Usage(180, 120)
ANSWERS: Final = 200
OTHERS: Final = [
    Configuration(f"{number:02x}" * 16, "openai", "gpt-4o", f"gpt-4o · T {number}", number, "{}") for number in range(3)
]
EMBEDDER: Final = "scale/1"
CONTEXT: Final = "c" * 32
VECTORS: Final = 200_000
DIMENSIONS: Final = 384
ON: Final = "%gptcache on ."
REPLAY: Final = """from payloads import messages, model
asked = model()
try:
    asked.invoke(messages("The first call imports its library."))
except Exception as error:
    assert "Connection error" in str(error), error
%gptcache on --mode replay"""
MISSED: Final = """try:
    asked.invoke(messages(f"Question 123456: {words(123456, 300)}!"))
except Exception as error:
    assert type(error).__name__ == "CacheMiss", error"""

SEARCH: Final = """from gptcache_magics.semantic.vectors import ContextIndex
index = ContextIndex(gm.current().store, EMBEDDER, DIMENSIONS)
assert len(index.nearest(CONTEXT, vector(7), 1, 0.9)) == 1"""


class Job(NamedTuple):
    """What a person runs in a kernel."""

    cell: str
    before: str = ""
    """A cell that runs first and is not measured."""
    others: bool = False
    """Whether another process stores answers meanwhile."""


JOBS: Final = {
    "nothing": Job("1"),
    "on": Job(ON),
    "off": Job("%gptcache off"),
    "status": Job("%gptcache status"),
    "entries -n 20": Job("%gptcache entries -n 20"),
    "lookups --since all -n 20": Job("%gptcache lookups --since all -n 20"),
    "stats --since all": Job("%gptcache stats --since all"),
    "stats --since 7d": Job("%gptcache stats --since 7d"),
    "stats --by cell --since all": Job("%gptcache stats --by cell --since all"),
    "models": Job("%gptcache models"),
    "entries --grep, words": Job("%gptcache entries --grep 'question 77777[0-9]'"),
    "entries --grep, no letters": Job("%gptcache entries --grep '[0-9]{5}777:'"),
    "replay, a miss": Job(MISSED, REPLAY),
    "why": Job("%gptcache why", f"{REPLAY}\n{MISSED}"),
    "doctor": Job("%gptcache doctor"),
    "panel": Job("panel = gm.panel()", "import gptcache_magics as gm"),
    "first lookup over 200,000 vectors": Job(SEARCH),
    "save --all": Job("%gptcache save --all saved.jsonl"),
    "undo": Job("%gptcache undo", "%gptcache clear --yes", others=True),
    "clear": Job("%gptcache clear --yes", others=True),
    "clear --log": Job("%gptcache clear --log --yes", others=True),
}
"""The last ones write: what a job leaves is what the next one finds."""


def main() -> None:
    """Measure each job in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"of {', '.join(JOBS)} (default: all)")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--lookups", type=int, default=5_000_000)
    parser.add_argument("--json", type=Path, help="also write the figures to this file; other parts in it stay")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--others", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    file, folder = arguments.folder.resolve() / "cache.db", arguments.folder
    if arguments.others:
        _store_answers(folder)
    elif arguments.job:
        print(json.dumps(_measured(JOBS[arguments.job], folder)))
    else:
        if not file.exists():
            _fill(file.parent, arguments.entries, arguments.lookups)
        with tempfile.TemporaryDirectory(prefix="scale-", dir=file.parent.parent) as scratch:
            subprocess.run(["cp", "-a", "--reflink=auto", file, scratch], check=True)
            found = {job: _in_its_own_process(job, Path(scratch)) for job in arguments.jobs or JOBS}
        _report(found)
        if arguments.json is not None:
            written = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
            written.setdefault("scale", {}).update(found)
            arguments.json.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")


def _report(found: dict[str, dict[str, float]]) -> None:
    idle = found.get("nothing", {}).get("megabytes", 0.0)
    table(
        ("", "s", "s of processor", "MB beside an idle kernel's", "longest wait of others, s"),
        (
            (
                name,
                f"{each['seconds']:.2f}",
                f"{each['cpu']:.2f}",
                f"{each['megabytes'] - idle:,.0f}",
                f"{each['others']:.2f}" if "others" in each else "",
            )
            for name, each in found.items()
        ),
    )


def _in_its_own_process(job: str, folder: Path) -> dict[str, float]:
    return _told(_process(folder, "--job", job))


def _process(folder: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, str(folder), *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _told(process: subprocess.Popen[str]) -> dict[str, float]:
    """End a process, and return what it has measured."""
    told, _ = process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    found: dict[str, float] = json.loads(told.splitlines()[-1])
    return found


def _measured(job: Job, folder: Path) -> dict[str, float]:
    """Return seconds by the clock and of the processor, and the most memory that the kernel has held."""
    from IPython.core.interactiveshell import InteractiveShell

    os.chdir(folder)
    shell = InteractiveShell.instance(user_ns=dict(globals()))
    run(shell, "%load_ext gptcache_magics")
    if job.cell != ON:
        run(shell, ON)
        run(shell, "%gptcache entries -n 1")  # imports pandas
    run(shell, job.before)
    others = _process(folder, "--others") if job.others else None
    if others is not None:
        assert others.stdout is not None
        others.stdout.readline()
    began, cpu = time.perf_counter(), time.process_time()
    run(shell, job.cell)
    found = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    if others is not None:
        found |= _told(others)
    run(shell, "%gptcache off")
    return found | {"megabytes": _most_memory()}


def _most_memory() -> float:
    """Return the most megabytes that this process has held."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def run(shell: Any, cell: str) -> None:
    """Run a cell, whose error ends everything."""
    with redirect_stdout(sys.stderr):
        shell.run_cell(cell).raise_error()


def _store_answers(folder: Path) -> None:
    """Store answers until standard input ends, and print how long the slowest took."""
    import select

    cache = gm.GPTCache(store=open_store(folder))
    cache.update(prompt(0), llm_string(), answer(1))  # the first imports
    slowest = 0.0
    print("ready", flush=True)
    for number in itertools.count():
        if select.select([sys.stdin], [], [], 0.01)[0]:
            break
        began = time.perf_counter()
        cache.update(f"others {os.getpid()} {number}", llm_string(), answer(1))
        slowest = max(slowest, time.perf_counter() - began)
    print(json.dumps({"others": slowest}))


def _fill(folder: Path, entries: int, lookups: int) -> None:
    """Store entries as a notebook's calls do, lookups of the last three months, and vectors."""
    store = open_store(folder)
    configurations = [_configuration(), *OTHERS]
    began, now = time.monotonic(), time.time()
    encoded = [generations.encode(answer(number)) for number in range(ANSWERS)]
    for start in range(0, entries, BATCH):
        numbers = range(start, min(start + BATCH, entries))
        stored = (
            Entry(
                key(number),
                configurations[number % len(configurations)].key,
                prompt(number),
                f"Question {number}: {words(number, 300)}",
                encoded[number % ANSWERS],
                now - SECONDS * (1 - number / entries),
                1.5,
                USAGE,
                "stop",
                prompt_digest=key(-number)[:16],
            )
            for number in numbers
        )
        store.put_all(stored, configurations, replace=True)
    store.close()
    size = sum(each.stat().st_size for each in folder.iterdir())
    print(f"{size / entries:,.0f} bytes an entry, filled in {time.monotonic() - began:,.0f} s", flush=True)
    for start in range(0, lookups, BATCH):
        numbers = range(start, min(start + BATCH, lookups))
        asked = [_lookup(number, lookups, entries, configurations, now) for number in numbers]
        store.record(asked, (), 2 * lookups)
    for start in range(0, min(VECTORS, entries), BATCH):
        numbers = range(start, min(start + BATCH, entries))
        store.put_vectors(EMBEDDER, [(key(number), CONTEXT, vector(number).tobytes()) for number in numbers])
    store.close()


def _configuration() -> Configuration:
    """Return the configuration of the model that asks."""
    from payloads import messages, model

    gm.on(":memory:", mode="replay")
    cache = gm.current()
    assert cache is not None
    with suppress(gm.CacheMiss):
        model().invoke(messages("Which configuration?"))
    found = cache.ledger.configuration_of(cache.ledger.recent[-1])
    gm.off()
    assert found is not None
    return found


def _lookup(number: int, lookups: int, entries: int, configurations: Sequence[Configuration], now: float) -> Lookup:
    run, entry = number * RUNS // lookups, random.Random(number).randrange(entries)
    hit = number % 4 > 0
    return Lookup(
        at=now - SECONDS * (1 - number / lookups),
        run=f"run {run}",
        number_in_run=number,
        outcome="hit" if hit else "miss",
        reason=None if hit else REASONS[number // 4 % len(REASONS)],
        match="exact" if hit else None,
        configuration=configurations[entry % len(configurations)].key,
        key=key(entry),
        question=f"Question {entry}",
        lookup_seconds=50e-6 + number % 100 * 1e-6,
        seconds=1.5,
        usage=USAGE,
        notebook=f"notebook {run % 7}.ipynb",
        cell_id=f"cell {number % 40}",
        cell_line="chain.invoke(question)",
        execution_count=number % 220,
    )


def key(number: int) -> str:
    """Return the key of an entry."""
    return blake2b(str(number).encode(), digest_size=16).hexdigest()


def vector(number: int) -> Any:
    """Return a vector of length 1."""
    found = np.random.default_rng(number).normal(size=DIMENSIONS).astype("<f4")
    return found / np.linalg.norm(found)


if __name__ == "__main__":
    main()
