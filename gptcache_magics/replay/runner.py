"""Verify that a notebook replays: run a copy of it that cannot reach a model, and report what is missing.

The copy runs in a fresh kernel (:mod:`gptcache_magics.replay.kernel`) that answers from recordings only. Every
cell runs, even after a failed one. A miss counts even if the notebook's own code catches it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from threading import Thread
from typing import IO, Any, Final
from uuid import uuid4

from gptcache_magics import bundle as bundles
from gptcache_magics.errors import CommandError, MissingDependencyError, StoreError
from gptcache_magics.identity.providers import KEY_VARIABLE
from gptcache_magics.lookup.placeholder_keys import PLACEHOLDER
from gptcache_magics.lookup.refusal import FED_BACK
from gptcache_magics.replay.closed import VERIFYING, end_processes
from gptcache_magics.replay.report import MIME, Kind, Level, Problem, Report
from gptcache_magics.text.code_line import telling_line
from gptcache_magics.text.masking import scrubbed
from gptcache_magics.text.secret_names import is_secret

__all__ = ["TESTED", "environment", "keys_in", "last_line", "verify_notebook"]

NEEDED: Final = ("nbclient", "nbformat", "ipykernel")
KERNEL: Final = "import sys; sys.path[:] = filter(None, sys.path); from gptcache_magics.replay.kernel import run; run()"
"""Drops the folder from the path until IPython starts: a file beside the notebook must not hide a module."""
ON: Final = "on"
"""Argument of a kernel whose cache is on before the first cell."""
OPTIONS: Final = ["--HistoryManager.hist_file=:memory:"]
_NAME: Final = re.compile(r"""["']([A-Z][A-Z0-9_]+)["']""")
_KEY: Final = r"""["'][A-Z0-9_]+(?:KEY|TOKEN|SECRET)["']"""
TESTED: Final = re.compile(rf"(?:getenv|environ\.get)\(\s*{_KEY}|{_KEY} (?:not )?in ")
"""Finds a variable of a key that a cell tests, and that need not be set."""
START_SECONDS: Final = 60
GRACE_SECONDS: Final = 10
"""Time that an interrupted cell may take to end."""
ENVIRONMENT: Final = re.compile(
    "PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TMPDIR|TEMP|TMP|VIRTUAL_ENV|CONDA_(PREFIX|DEFAULT_ENV)"
    "|PYTHON.*|IPYTHONDIR|JUPYTER.*|JPY_SESSION_NAME|XDG_.*|GPTCACHE_MAGICS_STORE|LD_LIBRARY_PATH|DYLD_.*|OMP_NUM_THREADS|MPLBACKEND"
    "|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|USERNAME|USERPROFILE|HOMEDRIVE|HOMEPATH|(LOCAL)?APPDATA|PROGRAMDATA",
    re.IGNORECASE if os.name == "nt" else 0,
)
"""The variables that the notebook's kernel gets: any other may hold a key or lead to a model."""
_UNSET: Final = re.compile(r"KeyError: '([A-Z][A-Z0-9_]*)'")
"""Finds a variable of the environment that is not set."""
_UNDEFINED: Final = re.compile(r"NameError: name '(\w+)' is not defined.*", re.DOTALL)
USED: Final = re.compile(r"^[^#\n]*(?:%gptcache|gptcache_magics)", re.M)
"""Finds the cache in code, not in comments."""
MAY_FAIL: Final = "raises-exception"
SKIPPED: Final = "skip-execution"
"""Jupyter's tags of a cell that fails on purpose, and of a cell that is skipped."""

_Found = tuple[int | None, str, Kind, str]
"""A problem: cell, first line, kind, message."""

_log = logging.getLogger(__name__)  # the report says it better than nbclient's log
_log.addHandler(logging.NullHandler())
_log.propagate = False


def verify_notebook(path: str | Path, bundle: str | Path | None, timeout: int, passed: Sequence[str] = ()) -> Report:
    """Run a copy of a notebook from recordings only; each cell may take ``timeout`` seconds.

    Parameters
    ----------
    passed
        Names of further variables of the environment that the notebook gets.

    Raises
    ------
    CommandError
        If there is nothing to verify: the notebook or the bundle is missing, or without a bundle the notebook does not
        use gptcache.
    StoreError
        If the bundle cannot be read, or the kernel does not start.
    MissingDependencyError
        If a package that runs notebooks is not installed.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(f"verify needs {' and '.join(missing)}: %pip install nbclient ipykernel")
    notebook = _read(path)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    uses = any(USED.search(source) for source in sources)
    if bundle is None and not uses:
        raise CommandError(
            f"{path} does not use %gptcache: nothing to verify. "
            f"With recorded answers: %gptcache verify {shlex.quote(str(path))} --bundle lesson.jsonl"
        )
    if bundle is not None:
        bundles.read(bundle)
        bundle = os.path.abspath(os.path.expanduser(bundle))
    if os.environ.get(VERIFYING):
        raise CommandError(f"A notebook is being verified: {path} was not verified within it.")

    def attempt(placed: Sequence[str]) -> Report:
        run = _Run(_read(path), timeout, on=not uses)
        folder = Path(os.path.expanduser(path)).absolute().parent
        _finish(run.execute(folder, str(bundle or ""), environment(passed, placed)))
        return Report(str(path), str(bundle or ""), run.cells, run.hits, run.found(), tuple(run.attempts))

    report = attempt(keys_in(sources))
    if not report.ok and any(TESTED.search(source) for source in sources):
        # The notebook may take another way where a key is set, and was recorded without that key.
        without = attempt(())
        return without if without.ok else report
    return report


def keys_in(sources: Sequence[str]) -> list[str]:
    """Return the variables of keys that cells name; not those that a Python needs, such as ``JUPYTER_TOKEN``."""
    names = {name for source in sources for name in _NAME.findall(source) if KEY_VARIABLE.fullmatch(name)}
    return sorted(name for name in names if not ENVIRONMENT.fullmatch(name))


def _read(path: str | Path) -> Any:
    import nbformat

    file = Path(os.path.expanduser(path))
    if not file.is_file():
        raise CommandError(f"There is no notebook {path}. Example: %gptcache verify lesson.ipynb")
    try:
        notebook = nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # any error of the file system, JSON or nbformat
        raise CommandError(
            f"{path} is not a notebook: {(str(error) or type(error).__name__).splitlines()[0]}"
        ) from error
    return notebook


class _Run:
    """One run of a notebook, cell by cell."""

    def __init__(self, notebook: Any, timeout: int, *, on: bool) -> None:
        self._notebook, self._timeout = notebook, timeout
        self._on = on
        """Whether the cache is on before the first cell: the notebook does not turn it on."""
        self._first_lines: dict[int | None, str] = {}
        self._number: int | None = None
        """Number of the running cell."""
        self._missed: _Found | None = None
        """The last miss."""
        self.cells = self.hits = 0
        self.problems: dict[_Found, int] = {}
        """Count of each problem."""
        self.attempts: dict[str, None] = {}
        self._sources: dict[int | None, str] = {}
        self._failed: list[tuple[_Found, str]] = []
        """Problems with the code of each cell that they kept from its end."""
        self._after: Counter[_Found] = Counter()
        """Number of cells that failed because an earlier cell did."""
        self._fed_back: Counter[_Found] = Counter()
        self._warnings: dict[tuple[Kind, str], Problem] = {}
        self._recorded: set[str] = set()
        """Variables of the recorded models' keys."""

    def found(self) -> tuple[Problem, ...]:
        """Return all problems, the warnings last."""
        problems = [
            Problem(*problem, times, _level(problem), self._fed_back[problem], self._after[problem])
            for problem, times in self.problems.items()
        ]
        sources = [cell.source for cell in self._notebook.cells]
        for (kind, name), warning in self._warnings.items():
            needed = kind == "placeholder" and name in self._recorded
            typed = kind == "date" and any(name in source for source in sources)  # the date stays, whatever day it is
            problems += [] if needed or typed else [warning]
        return tuple(problems)

    async def execute(self, folder: Path, bundle: str, variables: dict[str, str]) -> None:
        """Run every cell in a new kernel."""
        kernel = _kernel(bundle, on=self._on)
        with TemporaryFile() as errors:
            await kernel.start_kernel(extra_arguments=OPTIONS, cwd=str(folder), env=variables, stderr=errors)
            channels = kernel.client()
            try:
                channels.start_channels()
                await channels.wait_for_ready(START_SECONDS)
                channels.allow_stdin = False
                await self._execute(kernel, channels)
            except RuntimeError as error:
                raise StoreError(f"The notebook's kernel failed: {last_line(errors) or error}") from error
            finally:
                channels.stop_channels()
                await kernel.shutdown_kernel(now=True)
                end_processes(variables[VERIFYING])

    async def _execute(self, kernel: Any, channels: Any) -> None:
        from nbclient import NotebookClient
        from nbclient.exceptions import DeadKernelError
        from nbformat.v4 import new_code_cell

        client = NotebookClient(
            self._notebook, kernel, allow_errors=True, interrupt_on_timeout=True, timeout=self._timeout, log=_log
        )
        client.kc = channels
        code = [cell for cell in self._notebook.cells if cell.cell_type == "code" and _runs(cell)]
        last = new_code_cell("None")  # type: ignore[no-untyped-call]  # what threads did meanwhile
        client.nb.cells = [*code, last]
        for index, cell in enumerate(client.nb.cells):
            meant = _meant(cell)
            cell.outputs, cell.execution_count = [], None
            started, ended = time.monotonic(), False
            try:
                await asyncio.wait_for(client.async_execute_cell(cell, index), self._timeout + GRACE_SECONDS)
            except (DeadKernelError, TimeoutError):
                ended = True
            late = time.monotonic() - started >= self._timeout
            self._number = None
            if cell is not last:
                self.cells += 1
                self._number = cell.execution_count or self.cells  # unknown if the kernel ended
                self._first_lines[self._number] = telling_line(cell.source)
                self._sources[self._number] = cell.source
            if ended:
                message = "went on when it was interrupted" if late else "ended the kernel"
                self._add("timeout" if late else "error", f"This cell {message}. No later cell was run.")
                return
            self._note(cell, late, meant)

    def _note(self, cell: Any, late: bool, meant: Callable[[Kind, str], bool]) -> None:
        """Read the kernel's notes on a cell."""
        shown = [output.data[MIME] for output in cell.outputs if MIME in output.get("data", {})]
        if not shown:
            self._add("error", "The kernel does not say what this cell did.")
            return
        notes: dict[str, Any] = shown[-1]
        kind, name, message = notes["error"] or (None, "", "")
        expected = kind is not None and meant(kind, name)
        self.hits += notes["hits"]
        self._recorded.update(notes["recorded"])
        for number, miss in notes["misses"]:
            if miss == FED_BACK and self._missed is not None:
                self._fed_back[self._missed] += 1
            elif not (expected and miss == message):
                self._missed = self._add("miss", miss, number)
        if late:
            self._add("timeout", f"This cell was interrupted after {self._timeout} seconds.")
        elif kind is not None and not expected and not (kind == "miss" and notes["misses"]):  # listed already
            self._own_error(kind, message)
        elif kind is not None and not expected and self._missed is not None:
            self._failed.append((self._missed, cell.source))
        if kind not in ("embeddings", "network"):
            self.attempts.update(dict.fromkeys(notes["attempts"]))
        for name in notes["asked"]:
            held = " was asked: a placeholder was given" if name in ("getpass", "input") else " held a placeholder"
            self._warn("placeholder", name, name + held)
        for day in notes["days"]:
            self._warn("date", day, f"today's date is in a prompt: tomorrow this will miss ({day})")
        for path in notes["refused"]:
            self._warn("verify", path, f"{path} was not verified while this notebook is")

    def _own_error(self, kind: Kind, message: str) -> None:
        """Add an error of the running cell, or count it at the cell that failed before and leaves a name undefined."""
        source = self._sources.get(self._number, "")
        name = _UNDEFINED.fullmatch(message)
        for failed, code in self._failed if name else ():
            if name and re.search(rf"\b{re.escape(name[1])}\b", code):
                self._after[failed] += 1
                self._failed.append((failed, source))
                return
        unset, hint = _UNSET.fullmatch(message), ""
        if unset and re.search(rf"environ.*{unset[1]}", source):
            hint = f". To give it to the notebook: --env {unset[1]}"
        self._failed.append((self._add(kind, message, hint=hint), source))

    def _add(self, kind: Kind, message: str, cell: int | None = None, hint: str = "") -> _Found:
        cell = cell or self._number
        problem = (
            cell,
            self._first_lines.get(cell, ""),
            kind,
            scrubbed(message) + hint,
        )  # masking would take the name for a key
        self.problems[problem] = self.problems.get(problem, 0) + 1
        return problem

    def _warn(self, kind: Kind, name: str, message: str) -> None:
        """Add a warning to the first cell that gives reason for it."""
        line = self._first_lines.get(self._number, "")
        self._warnings.setdefault((kind, name), Problem(self._number, line, kind, message, level="warning"))


def _level(problem: _Found) -> Level:
    """Return ``warning`` for an error of the notebook's own that a placeholder has caused."""
    _, _, kind, message = problem
    return "warning" if kind == "error" and PLACEHOLDER in message else "error"


def _kernel(bundle: str, *, on: bool) -> Any:
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    # Not by a kernel's name, which may belong to another Python.
    argv = [sys.executable, "-c", KERNEL, bundle, ON if on else "", "-f", "{connection_file}"]

    class Verified(AsyncKernelManager):
        kernel_spec = KernelSpec(argv=argv, display_name="verified", language="python")

    return Verified()


def environment(passed: Sequence[str], placed: Sequence[str]) -> dict[str, str]:
    """Return the environment of the notebook.

    It holds what a Python needs of this process's environment, the variables that the user passes by name,
    placeholders, and the name of the run.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in passed or (ENVIRONMENT.fullmatch(name) and not is_secret(name))
    }
    own = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", VERIFYING: uuid4().hex}
    return {**dict.fromkeys(placed, PLACEHOLDER), **kept, **own}


def _meant(cell: Any) -> Callable[[Kind, str], bool]:
    """Return whether a cell is meant to fail with an error: with the saved one, if an error was saved."""
    tagged = MAY_FAIL in cell.metadata.get("tags", [])
    saved = [output.ename for output in cell.outputs if output.output_type == "error"]
    return lambda kind, name: tagged and (name in saved if saved else kind in ("error", "miss"))


def _runs(cell: Any) -> bool:
    return bool(cell.source.strip()) and SKIPPED not in cell.metadata.get("tags", [])


def last_line(errors: IO[bytes]) -> str:
    """Return the last line of what a process has written."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _finish(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end in a new event loop: the notebook's loop is busy with the cell that asked."""
    tasks: list[asyncio.Task[Any] | None] = []
    failures: list[BaseException] = []

    async def cancellable() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # nbclient leaves tasks behind
        tasks.append(asyncio.current_task())
        await work

    def finish() -> None:
        try:
            asyncio.run(cancellable())
        except BaseException as error:
            failures.append(error)

    thread = Thread(target=finish, name="gptcache-verify")
    thread.start()
    try:
        thread.join()
    except BaseException:  # such as KeyboardInterrupt: the kernel must end, too
        for task in filter(None, tasks):
            task.get_loop().call_soon_threadsafe(task.cancel)
        thread.join()
        raise
    if failures:
        raise failures[0]
