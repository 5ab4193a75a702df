"""Answers that survive kill -9, two writers, threads and damage; one model call for one question.

Each probe runs in child processes (``safety_jobs.py``), so that stock is measured as it is.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from measure import Bar, Options, table
from peers import FAISS, MAP, OURS, SQLITE

__all__ = ["run"]

CACHES: Final = (OURS, SQLITE, MAP, FAISS)
QUICK: Final = (OURS, MAP)
JOBS: Final = Path(__file__).with_name("safety_jobs.py")
DAMAGES: Final = ("cut to half", "overwritten at the start", "emptied")
Result = dict[str, Any]


def run(options: Options) -> list[Bar]:
    """Print one row a probe, one column a cache; the bars are about ours."""
    each = 20 if options.quick else 200
    two = 50 if options.quick else 500
    probes: dict[str, tuple[Callable[[str, Path], str], str]] = {
        "50 updates, then kill -9: found": (_killed, "50"),
        f"two processes × {two} updates: found": (lambda name, folder: _two(name, folder, two), f"{2 * two}"),
        f"8 threads × {each} updates: found": (lambda name, folder: _threads(name, folder, each), f"{8 * each}"),
        "16 threads, one prompt: model calls": (lambda name, folder: _calls(name, folder, "threads"), "1"),
        "batch of 8, one prompt: model calls": (lambda name, folder: _calls(name, folder, "batch"), "1"),
        "abatch of 8, one prompt: model calls": (lambda name, folder: _calls(name, folder, "abatch"), "1"),
        **{f"file {how}: 5 new updates found": (_damaged(number), "5") for number, how in enumerate(DAMAGES)},
        "clear, then lookup": (_cleared, "miss"),
    }
    caches = QUICK if options.quick else CACHES
    rows, bars = [], []
    for number, (probe, (measure, wanted)) in enumerate(probes.items()):
        row = [measure(name, options.folder / f"safety {number} {name}") for name in caches]
        rows.append([probe, *row])
        options.results.setdefault("safety", {})[probe] = dict(zip(caches, row, strict=True))
        bars.append(Bar(f"{probe}: {wanted}", row[0], row[0] == wanted))
    print("### Safety\n")
    table(("probe", *caches), rows)
    return bars


def _killed(name: str, folder: Path) -> str:
    with _start(name, folder, "write_and_wait", 0, 50) as child:
        assert child.stdout is not None
        child.stdout.readline()  # it says when it has written
        child.send_signal(signal.SIGKILL)
    return _found(_job(name, folder, "count", 0, 50))


def _two(name: str, folder: Path, each: int) -> str:
    with ThreadPoolExecutor() as both:
        wrote = list(both.map(lambda start: _job(name, folder, "write", start, each), (0, each)))
    errors = sum(result.get("errors", 0) for result in wrote)
    return _found({**_job(name, folder, "count", 0, 2 * each), "errors": errors})


def _threads(name: str, folder: Path, each: int) -> str:
    return _found(_job(name, folder, "threads", 8, each))


def _calls(name: str, folder: Path, how: str) -> str:
    result = _job(name, folder, "calls", how)
    if "died" in result:
        return str(result["died"])
    return f"{result['calls']}, {result['error']}" if result["error"] else str(result["calls"])


def _cleared(name: str, folder: Path) -> str:
    result = _job(name, folder, "clear")
    return str(result.get("lookup", result.get("died")))


def _damaged(how: int) -> Callable[[str, Path], str]:
    def probe(name: str, folder: Path) -> str:
        _job(name, folder, "write", 0, 60)
        for path in [path for path in folder.rglob("*") if path.suffix in (".db", ".txt", ".index")]:
            size = path.stat().st_size
            with path.open("r+b") as file:
                file.truncate((size // 2, size, 0)[how])
                if how == 1:
                    file.write(os.urandom(min(4096, size)))
        for path in [path for path in folder.rglob("*") if path.name.endswith(("-wal", "-shm"))]:
            path.unlink()
        _job(name, folder, "write", 100, 5)
        return _found(_job(name, folder, "count", 100, 5))

    return probe


def _found(result: Result) -> str:
    if "died" in result:
        return str(result["died"])
    errors = result.get("errors")
    return str(result["found"]) + (f", {errors} errors" if errors else "")


def _job(name: str, folder: Path, *job: object) -> Result:
    with _start(name, folder, *job) as child:
        out, err = child.communicate()
    try:
        result: Result = json.loads(out.splitlines()[-1])
    except (IndexError, ValueError):
        raised = re.findall(r"^[\w.]*?(\w+(?:Error|Exception))\b", err, re.MULTILINE)
        return {"died": raised[-1] if raised else f"exit {child.returncode}"}
    return result


def _start(name: str, folder: Path, *job: object) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(JOBS), name, str(folder), *map(str, job)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
