"""Verify that a script replays: run it in a process that cannot reach a model, and report what is missing.

The process is closed as the kernel of a notebook is (:mod:`gptcache_magics.replay.kernel`). A script ends at its first
error, as ever; misses that it catches are reported all the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import Any, Final, cast

import orjson

from gptcache_magics import bundle as bundles
from gptcache_magics.errors import CommandError, StoreError
from gptcache_magics.identity.providers import KEY_VARIABLE
from gptcache_magics.lookup.placeholder_keys import PLACEHOLDER
from gptcache_magics.replay import closed, placeholders
from gptcache_magics.replay.closed import VERIFYING, end_processes
from gptcache_magics.replay.program import Program, line_of
from gptcache_magics.replay.report import Kind, Level, Problem, Report
from gptcache_magics.replay.runner import TESTED, environment, keys_in, last_line
from gptcache_magics.text.code_line import short_line
from gptcache_magics.text.masking import scrubbed

__all__ = ["run", "verify_script"]

PROCESS: Final = (
    "import sys; sys.path[:] = filter(None, sys.path); from gptcache_magics.replay.script import run; run()"
)


def verify_script(path: str | Path, bundle: str | Path | None, timeout: int, passed: Sequence[str] = ()) -> Report:
    """Run a script from recordings only; it may take ``timeout`` seconds.

    Parameters
    ----------
    passed
        Names of further variables of the environment that the script gets.

    Raises
    ------
    CommandError
        If there is no such script, or no such bundle.
    StoreError
        If the bundle cannot be read, or the process does not start.
    """
    file = os.path.expanduser(path)
    if not os.path.isfile(file):
        raise CommandError(f"There is no script {path}. Example: %gptcache verify script.py --bundle lesson.jsonl")
    if bundle is not None:
        bundles.read(bundle)
        bundle = os.path.abspath(os.path.expanduser(bundle))
    if os.environ.get(VERIFYING):
        raise CommandError(f"{path} was not verified, because something else is being verified.")
    source = Path(file).read_text("utf-8", "replace")

    def attempt(placed: Sequence[str]) -> Report:
        notes = _run(file, str(bundle or ""), timeout, environment(passed, placed))
        return _report(str(path), str(bundle or ""), source, notes)

    report = attempt(keys_in([source]))
    if not report.ok and TESTED.search(source):
        # The script may take another way where a key is set, and was recorded without that key.
        without = attempt(())
        return without if without.ok else report
    return report


def _run(file: str, bundle: str, timeout: int, variables: dict[str, str]) -> dict[str, Any]:
    """Run a script in a process of its own. Returns its notes."""
    with NamedTemporaryFile(suffix=".json") as notes, TemporaryFile() as errors:
        words = [sys.executable, "-c", PROCESS, bundle, notes.name, file]
        late = False
        process = subprocess.Popen(
            words, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
        )
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            process.kill()
            process.wait()
            end_processes(variables[VERIFYING])
        told = notes.read()
        if late:
            message = f"The script was ended after {timeout} seconds."
            return {**_notes_of(told), "error": ["timeout", "", message]}
        if not told:
            raise StoreError(f"The script's process failed: {last_line(errors) or 'it does not say why'}")
        found = _notes_of(told)
        if not found["ended"]:
            found["error"] = ["error", "", f"The script ended its process (exit code {process.returncode})."]
        return found


def _notes_of(told: bytes) -> dict[str, Any]:
    empty = dict[str, Any](hits=0, misses=[], error=None, line=None, recorded=[], attempts=[], days=[], refused=[])
    return {**empty, "asked": [], "ended": False, **(orjson.loads(told) if told else {})}


def _report(path: str, bundle: str, source: str, notes: dict[str, Any]) -> Report:
    lines = source.splitlines()

    def line(number: int | None) -> str:
        return short_line(lines[number - 1].strip()) if number and number <= len(lines) else ""

    def problem(number: int | None, kind: Kind, message: str, times: int = 1, level: Level = "error") -> Problem:
        return Problem(number, line(number), kind, message, times, level)

    misses = Counter((number, scrubbed(message)) for number, message in notes["misses"])
    problems = [problem(number, "miss", message, times) for (number, message), times in misses.items()]
    kind, _, message = notes["error"] or (None, "", "")
    if kind is not None and not (kind == "miss" and problems):  # listed already
        held = kind == "error" and PLACEHOLDER in message
        problems.append(
            problem(notes["line"], kind, scrubbed(message), level="warning" if held and problems else "error")
        )
    for name in notes["asked"]:
        if name not in notes["recorded"]:
            told = " was asked: a placeholder was given" if name in ("getpass", "input") else " held a placeholder"
            problems.append(problem(None, "placeholder", name + told, level="warning"))
    for day in notes["days"]:
        told = f"today's date is in a prompt: tomorrow this will miss ({day})"
        problems += [] if day in source else [problem(None, "date", told, level="warning")]
    for refused in notes["refused"]:
        problems.append(problem(None, "verify", f"{refused} was not verified while this script is", level="warning"))
    attempts = () if kind == "network" else tuple(notes["attempts"])
    return Report(path, bundle, 0, notes["hits"], tuple(problems), attempts, script=True)


def run() -> None:
    """Run the script in this process; the arguments are a bundle (or nothing), a file for the notes, and the script."""
    bundle, told, file = sys.argv[1:]
    attempts = closed.close()
    from gptcache_magics.replay.kernel import lock, named, reason_of

    locked, asked, program = lock(bundle), list[str](), Program(file)

    def note(error: BaseException | None = None, *, ended: bool) -> None:
        locked.journal.read_children()
        kept = [name for name, value in os.environ.items() if value == PLACEHOLDER and KEY_VARIABLE.fullmatch(name)]
        notes = {
            "hits": sum(each.outcome == "hit" for each in locked.journal),
            "misses": [(each.execution_count, reason_of(each)) for each in locked.journal if each.outcome != "hit"],
            "error": named(error) if error is not None else None,
            "line": line_of(error, program.file) if error is not None else None,
            "recorded": sorted(locked.recorded),
            "attempts": sorted(set(attempts)),
            "days": sorted(set(locked.days)),
            "refused": locked.refused,
            "asked": sorted({*asked, *kept}),
            "ended": ended,
        }
        Path(told).write_bytes(orjson.dumps(notes))

    locked.on()  # as run does: the script need not know of the cache
    placeholders.give(None, asked.append)
    note(ended=False)
    if not sys.flags.safe_path:
        sys.path.insert(0, "")  # PROCESS dropped it; the folder of the script takes its place
    try:
        program.execute()
    except SystemExit as leaving:
        left = RuntimeError(f"exit code {leaving.code}").with_traceback(leaving.__traceback__)
        note(left if leaving.code not in (None, 0) else None, ended=True)
    except BaseException as error:
        note(error, ended=True)
    else:
        import threading

        for each in threading.enumerate():
            if each is not threading.current_thread() and not each.daemon:
                each.join()
        note(ended=True)
    sys.stdout.flush()
    cast(Any, os)._exit(0)  # a thread of the script must not go on
