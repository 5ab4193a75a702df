"""The pytest plugin: model calls of tests are answered from recordings, which are bundles beside the tests.

pytest loads this module at its start, so it imports nothing of the package: :mod:`.recordings` comes with the first
test that replays or records.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import pytest

if TYPE_CHECKING:
    from gptcache_magics.testing.recordings import Recordings

__all__ = ["Calls", "Wanted", "gptcache", "pytest_addoption", "pytest_configure"]

Mode = Literal["replay", "update", "off"]
MODES: Final = ("replay", "update", "off")
UNUSED: Final = ("name", "error")
MARKER: Final = "gptcache"
OPTIONS: Final = ("match", "threshold", "embedder", "template", "any_temperature", "ignore")
"""Options of ``on`` that a marker may give."""
EXAMPLE: Final = '@pytest.mark.gptcache("name.jsonl", max_age="30d", ignore="date")'
_KEYS: Final = re.compile(rb'"environment":\[([^\]]*)\]')
"""Finds the variables from which the recorded models read their keys."""
_SHOWN: Final = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("gptcache", "recorded answers of models (gptcache-magics)")
    group.addoption(
        "--gptcache",
        type=_reader("--gptcache", MODES),
        metavar="|".join(MODES),
        dest="gptcache_mode",
        help="for every test: replay recorded answers and call no model; update: ask what is not recorded, drop what "
        "is not used; off: leave the tests alone. Without it, tests with the marker or the fixture gptcache replay.",
    )
    group.addoption(
        "--gptcache-unused",
        type=_reader("--gptcache-unused", UNUSED),
        metavar="|".join(UNUSED),
        dest="gptcache_unused",
        help="what to do with recordings that no test used: name them (default), or error: fail the run, too",
    )
    parser.addini("gptcache", "default of --gptcache: replay, update or off", default="")
    parser.addini("gptcache_unused", "default of --gptcache-unused: name or error", default="")
    parser.addini(
        "gptcache_recordings", "name of the folder of recordings beside each test module", default="recordings"
    )
    parser.addini("gptcache_max_age", "age at which a recording makes its test fail, such as 90d", default="")


def _reader(option: str, allowed: Sequence[str]) -> Callable[[str], str]:
    """Return a converter of the value of an option, which refuses other words with a sentence."""

    def read(text: str) -> str:
        if text not in allowed:
            raise argparse.ArgumentTypeError(
                f"takes {', '.join(allowed)}. Got '{text}'. Example: pytest {option}={allowed[0]}"
            )
        return text

    return read


def pytest_configure(config: pytest.Config) -> None:
    """Follow the tests from now on. Raises ``pytest.UsageError`` for a wrong value in the configuration file."""
    config.addinivalue_line(
        "markers",
        "gptcache(name, max_age, ignore, match, mode): answer the model calls of the test from recordings, by default "
        "those of its module; mode='off' leaves the test alone",
    )
    mode = config.getoption("gptcache_mode") or _ini(config, "gptcache", MODES)
    unused = config.getoption("gptcache_unused") or _ini(config, "gptcache_unused", UNUSED) or "name"
    config.pluginmanager.register(_Plugin(config, mode, unused), "gptcache-recordings")


def _ini(config: pytest.Config, name: str, allowed: Sequence[str]) -> str:
    value = str(config.getini(name))
    if value and value not in allowed:
        raise pytest.UsageError(
            f"{name} in the configuration of pytest takes {', '.join(allowed)}. Got '{value}'. "
            f"Example: {name} = {allowed[0]}"
        )
    return value


@dataclass(frozen=True)
class Wanted:
    """What a test wants of its recordings."""

    path: Path
    named: bool = False
    """Whether a marker names the bundle, which other modules may share."""
    max_age: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of ``on``."""
    wrong: str = ""
    """What is wrong with the marker."""


@dataclass
class Calls:
    """The model calls of one test: what the fixture ``gptcache`` gives."""

    mode: str
    path: Path | None
    """The bundle; None with ``--gptcache=off``."""
    _recordings: Recordings | None = None

    @property
    def hits(self) -> int:
        """Number of calls that were answered from recordings so far."""
        return self._count("hit")

    @property
    def misses(self) -> int:
        """Number of other calls so far: refused in replay, asked in update."""
        return self._count("miss", "bypass", "error")

    def _count(self, *outcomes: str) -> int:
        lookups = self._recordings.of_test if self._recordings is not None else []
        return sum(each.outcome in outcomes for each in lookups)


@pytest.fixture
def gptcache(request: pytest.FixtureRequest) -> Calls:
    """Answer the model calls of the test from its recordings. Gives their number: ``gptcache.hits``."""
    plugin = cast(_Plugin, request.config.pluginmanager.get_plugin("gptcache-recordings"))
    return plugin.calls(request.node)


@dataclass
class _Seen:
    """What is known of a bundle at the end of the session."""

    size: int = 0
    """Number of tests that use it."""
    partial: bool = False
    """Whether some of them were not selected."""
    named: bool = False
    module: str = ""
    used: set[str] = field(default_factory=set)
    passed: dict[str, set[str]] = field(default_factory=dict)
    """The phases of each test that passed."""
    recorded: int = 0
    notices: dict[str, None] = field(default_factory=dict)
    dropped: int = 0
    unused: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether every test that uses it has passed."""
        done = sum(phases == {"setup", "call", "teardown"} for phases in self.passed.values())
        return not self.partial and done == self.size


class _Plugin:
    """Follows one session of pytest."""

    def __init__(self, config: pytest.Config, mode: str, unused: str) -> None:
        self._config, self._mode, self._unused_fails = config, mode, unused == "error"
        self._open: Recordings | None = None
        self._sizes: dict[Path, int] = {}
        self._partial: set[Path] = set()
        self._seen: dict[str, _Seen] = {}
        self._main = not hasattr(config, "workerinput")
        """Whether this process sees the reports of all tests: with pytest-xdist, workers run them."""

    def calls(self, item: pytest.Item) -> Calls:
        """Return the calls of a test that runs."""
        if self._open is None or self._wanted(item) is None:
            return Calls("off", None)
        return Calls(self._open.mode, self._open.path, self._open)

    # Which tests

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, Any, Any]:
        """Put placeholders of keys while a module is imported whose calls are recorded: it may make clients."""
        path = self._beside(collector.path) if isinstance(collector, pytest.Module) else None
        if path is None or self._mode in ("off", "update") or not path.is_file():
            return (yield)
        with _placeholders(path):
            return (yield)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Note whose tests do not all run."""
        self._partial.update(wanted.path for each in items if (wanted := self._wanted(each)) is not None)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the tests of each bundle."""
        selected = any("::" in each for each in self._config.args)
        some = selected or any(self._config.getoption(name, False) for name in ("lf", "failedfirst", "stepwise"))
        for item in session.items:
            wanted = self._wanted(item)
            if wanted is not None:
                self._sizes[wanted.path] = self._sizes.get(wanted.path, 0) + 1
                if some:
                    self._partial.add(wanted.path)

    def _beside(self, module: Path) -> Path:
        return module.parent / str(self._config.getini("gptcache_recordings")) / f"{module.stem}.jsonl"

    def _wanted(self, item: pytest.Item) -> Wanted | None:
        """Return what a test wants of its recordings; None if it is left alone."""
        if _WANTED not in item.stash:
            item.stash[_WANTED] = self._read(item)
        return item.stash[_WANTED]

    def _read(self, item: pytest.Item) -> Wanted | None:
        markers = list(item.iter_markers(MARKER))  # the closest first
        if self._mode == "off" or not (self._mode or markers or _asks_for_fixture(item)):
            return None
        beside = self._beside(item.path)
        wanted = Wanted(beside, max_age=str(self._config.getini("gptcache_max_age")))
        given: dict[str, Any] = {}
        for marker in markers:
            if len(marker.args) > 1:
                return Wanted(beside, wrong=f"takes one name, got {len(marker.args)}")
            own = {**({"name": marker.args[0]} if marker.args else {}), **marker.kwargs}
            if marker.args and "name" in marker.kwargs:
                return Wanted(beside, wrong="is given two names")
            given = {**own, **given}
        mode = given.pop("mode", "")
        if mode == "off":
            return None
        if mode:
            return Wanted(
                beside, wrong=f"takes mode='off' only; others are of the run: --gptcache=update. Got {mode!r}"
            )
        name, max_age = given.pop("name", None), given.pop("max_age", wanted.max_age) or ""
        if name is not None and not (isinstance(name, str | Path) and str(name).endswith(".jsonl")):
            return Wanted(beside, wrong=f"names a bundle, which ends with .jsonl. Got {name!r}")
        if not isinstance(max_age, str):
            return Wanted(beside, wrong=f"max_age is a text such as '30d'. Got {max_age!r}")
        unknown = [each for each in given if each not in OPTIONS]
        if unknown:
            return Wanted(beside, wrong=f"has no '{unknown[0]}'. It takes name, max_age, mode, {', '.join(OPTIONS)}")
        path = beside if name is None else beside.parent / Path(name).expanduser()
        return Wanted(path, name is not None, max_age, given)

    # The run of a test

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Turn the recordings of a test on, before its fixtures."""
        wanted = self._wanted(item)
        if wanted is None or (self._open is not None and self._open.path != wanted.path):
            self._close()
        if wanted is None:
            return
        if wanted.wrong:
            pytest.fail(f"The marker gptcache {wanted.wrong}. Example: {EXAMPLE}", pytrace=False)
        from gptcache_magics.errors import GPTCacheMagicsError
        from gptcache_magics.testing.recordings import Recordings

        try:
            if self._open is None:
                self._open = Recordings(wanted.path, cast(Any, self._mode or "replay"))
            self._open.begin(wanted)
        except GPTCacheMagicsError as error:
            self._close()
            pytest.fail(f"gptcache: {error}", pytrace=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let a test fail whose calls are not recorded, also where it catches the error."""
        report = yield
        wanted, recordings = self._wanted(item), self._open
        if wanted is not None and recordings is not None and not wanted.wrong:
            told = recordings.told()
            problems = told.pop("problems")
            if problems:
                again = f"Record again: pytest --gptcache=update {_shell(item.nodeid)}"
                missing = [] if wanted.path.exists() else [f"There is no file {self._named(wanted.path)}."]
                _fail(report, "\n".join([*missing, *problems, again]))
            here = {"bundle": str(wanted.path), "named": wanted.named, "size": self._sizes.get(wanted.path, 0)}
            cast(Any, report).gptcache = {**told, **here, "partial": wanted.path in self._partial}
            if report.when == "teardown" and self._ends:
                self._close()
        return report

    def _named(self, path: Path) -> str:
        return _relative(path, self._config.rootpath)

    _ends = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
        """Keep what was recorded. The cache stays on for the next test of the same bundle."""
        following = self._wanted(nextitem) if nextitem is not None else None
        self._ends = self._open is not None and (following is None or following.path != self._open.path)
        try:
            return (yield)
        finally:
            if self._open is not None:
                self._open.keep()

    def _close(self) -> None:
        recordings, self._open = self._open, None
        if recordings is not None:
            recordings.close()

    # The end of the session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what a test used."""
        told: dict[str, Any] | None = getattr(report, "gptcache", None)
        if not self._main or told is None:
            return
        seen = self._seen.setdefault(told["bundle"], _Seen())
        seen.size, seen.partial = told["size"], seen.partial or told["partial"]
        seen.named, seen.module = told["named"], report.nodeid.split("::")[0]
        seen.used.update(told["used"])
        seen.recorded += told["recorded"]
        seen.notices.update(dict.fromkeys(told["notices"]))
        if report.when == "setup":
            seen.passed[report.nodeid] = set()
        if report.passed:
            seen.passed.setdefault(report.nodeid, set()).add(str(report.when))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Drop recordings that no test uses any more, or name them."""
        self._close()
        if not self._main or not self._seen:
            return
        from gptcache_magics.errors import GPTCacheMagicsError
        from gptcache_magics.testing.recordings import drop, unused

        for name, seen in self._seen.items():
            if not seen.whole or (seen.named and not self._everything):
                continue
            try:
                seen.unused = unused(Path(name), seen.used)
                if seen.unused and self._mode == "update":
                    seen.dropped, seen.unused = drop(Path(name), seen.used), []
            except GPTCacheMagicsError as error:
                seen.notices[str(error)] = None
        if self._unused_fails and any(each.unused for each in self._seen.values()) and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @property
    def _everything(self) -> bool:
        """Whether the line selects no files, so that every test that may use a bundle ran."""
        config = self._config
        chosen = config.args_source is pytest.Config.ArgsSource.ARGS
        return not chosen and config.invocation_params.dir == config.rootpath

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was recorded, dropped and not used."""
        lines = [line for name, seen in sorted(self._seen.items()) for line in self._said(name, seen)]
        if lines:
            terminalreporter.section("gptcache")
            for line in lines:
                terminalreporter.line(line)

    def _said(self, name: str, seen: _Seen) -> Iterator[str]:
        path = _relative(Path(name), self._config.rootpath)
        done = [
            f"{number} {verb}" for number, verb in ((seen.recorded, "recorded"), (seen.dropped, "dropped")) if number
        ]
        if done:
            yield f"{path}: {', '.join(done)}"
        for notice in seen.notices:
            yield f"{path}: {notice}" if name not in notice else notice
        if seen.unused:
            shown = ", ".join(seen.unused[:_SHOWN]) + (", …" if len(seen.unused) > _SHOWN else "")
            where = "" if seen.named else f" {_shell(seen.module)}"
            yield f"{path}: {len(seen.unused)} unused: {shown}. Drop: pytest --gptcache=update{where}"


_WANTED: Final = pytest.StashKey["Wanted | None"]()


def _asks_for_fixture(item: pytest.Item) -> bool:
    """Return whether a test uses the fixture of this module, and not another one of its name."""
    found: Any = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {}).get(MARKER, [])
    return any(each.func.__module__ == __name__ for each in found[-1:])


def _fail(report: pytest.TestReport, told: str) -> None:
    """Let a report say what is not recorded; a test that passed fails."""
    if report.passed:
        report.outcome, report.longrepr = "failed", told
    else:
        report.sections.append(("gptcache", told))


@contextmanager
def _placeholders(bundle: Path) -> Iterator[None]:
    """Set the unset keys of recorded models for a while."""
    from gptcache_magics.lookup import placeholder_keys

    found = _KEYS.findall(bundle.read_bytes())
    names = {name for each in found for name in re.findall(r"\w+", each.decode())}
    placed = placeholder_keys.set_unset(names)
    try:
        yield
    finally:
        placeholder_keys.take_away(placed)


def _relative(path: Path, root: Path) -> str:
    return os.path.relpath(path, root) if path.is_relative_to(root) else str(path)


def _shell(text: str) -> str:
    from shlex import quote

    return quote(text)
