"""``python -m gptcache_magics run script.py``: turn the cache on around a script, which needs no change for it."""

from __future__ import annotations

import atexit
import functools
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from gptcache_magics import commands
from gptcache_magics.commands._parser import Parser
from gptcache_magics.controller import Controller, controller
from gptcache_magics.errors import CommandError
from gptcache_magics.replay.program import Program, within
from gptcache_magics.settings import BUNDLE, Mode, names_bundle
from gptcache_magics.store.postgres.address import Address
from gptcache_magics.tables.totals import run_totals

__all__ = ["HELP", "main"]

HELP: Final = """python -m gptcache_magics run [OPTIONS] SCRIPT [ARGUMENTS]
python -m gptcache_magics run SCRIPT [ARGUMENTS] [OPTIONS] [-- MORE ARGUMENTS]
python -m gptcache_magics run -m MODULE …

Run a script as Python does, with the cache on; a line on stderr says at the end what it saved. Options may also stand
behind the script, unless some stand before it; what follows -- is the script's.

  --store WHERE    keep the answers here: a folder (default: .gptcache) or a team's postgresql://…
  --bundle FILE    replay from this bundle: no model is called, and nothing is written
  --quiet          print no line at the end
  and the options of %gptcache on, such as --mode replay, --budget 2usd, --ttl 7d, --ignore id,date

A script that turns the cache on itself keeps its own place and mode, unless the line names others. Processes that the
script starts have no cache: they ask the model."""
EXAMPLE: Final = "python -m gptcache_magics run script.py --store .gptcache"
_PLACES: Final = ("--store", "--bundle")
_QUIET: Final = "--quiet"
_INTERRUPTED: Final = 130
"""Exit code of a program that Ctrl-C has ended, as a shell gives it."""


@dataclass(frozen=True, slots=True)
class _Line:
    """The words after ``run``, sorted."""

    program: Program
    options: tuple[str, ...]
    """The words that are for ``on``."""
    store: str | None = None
    bundle: str | None = None
    quiet: bool = False


def main(words: Sequence[str]) -> int:
    """Run a script. Returns the exit code of the script."""
    if words and words[0] in ("--help", "-h"):
        print(HELP)  # noqa: T201
        return 0
    line = _read(words)
    line.program.check()
    _turn_on(line)
    atexit.register(_finish, quiet=line.quiet)  # when the script's threads and its own exit functions have ended
    try:
        line.program.execute()
    except SystemExit as leaving:
        return _exit_code(leaving)
    except BaseException as error:
        error.__traceback__ = within(error.__traceback__)
        sys.excepthook(type(error), error, error.__traceback__)
        return _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _exit_code(leaving: SystemExit) -> int:
    if leaving.code is None or isinstance(leaving.code, int):
        return leaving.code or 0
    print(leaving.code, file=sys.stderr)  # noqa: T201
    return 1


def _turn_on(line: _Line) -> None:
    """Turn the cache on as the line says, and keep it so whatever the script says."""
    parser = _parser()
    _, arguments = parser.parse(list(line.options))
    arguments.pop("where")
    if line.bundle is not None and not names_bundle(line.bundle):
        raise CommandError(f"run: --bundle names a file that ends with {BUNDLE}. Got '{line.bundle}'.")
    if line.bundle is not None and arguments["mode"] not in (None, "replay"):
        raise CommandError(f"run: --bundle replays, so --mode {arguments['mode']} does not fit. Leave one out.")
    place = line.bundle or line.store
    commands.function("on")(place, **arguments)
    _Kept.place, _Kept.mode = place, "replay" if line.bundle is not None else arguments["mode"]
    controller.__class__ = _Kept  # commands hold this object


class _Kept(Controller):
    """The controller of a script: it keeps the place and the mode that the line names."""

    place: ClassVar[str | None] = None
    mode: ClassVar[Mode | None] = None
    """The mode that the line names, or None."""

    def on(
        self, where: str | Path | Address | None = None, init: Callable[..., None] | None = None, *, wrap: bool = False
    ) -> None:
        """Turn the cache on where the line says, or else where the script does."""
        if self.place is not None:
            where, init, wrap = None, None, False
        elif (where is not None or init is not None or wrap) and self.turned_on is not None and not self.by_hand:
            options = self.settings.options
            super().off()
            super().on(where, init, wrap=wrap)
            self.settings.options = options
            return
        super().on(where, init, wrap=wrap)
        if self.mode is not None:
            self.set_mode(self.mode)

    def set_mode(self, mode: Mode) -> None:
        """Set the mode, unless the line names one."""
        super().set_mode(self.mode or mode)

    def off(self) -> str:
        """Leave the cache on until the script has ended, if the line names a place or a mode."""
        if self.place is None and self.mode is None:
            return super().off()
        return "The cache stays on until the script ends, as the line says that runs it."

    def end(self) -> None:
        """Turn the cache off."""
        super().off()


def _finish(*, quiet: bool) -> None:
    """Say what the script saved, and turn the cache off."""
    assert isinstance(controller, _Kept)
    cache = controller.cache
    if cache is None or os.getpid() != _PID:
        return
    totals, mode = run_totals(controller.source()), cache.settings.options.kernel.mode
    told = [f"gptcache: {totals or 'no model was called'}", *([f"mode {mode}"] if mode != "auto" else [])]
    notices = controller.news()
    controller.end()
    if not quiet:
        print(" · ".join(told), *notices, sep="\n", file=sys.stderr)  # noqa: T201


_PID: Final = os.getpid()


def _read(words: Sequence[str]) -> _Line:
    """Sort the words: options of ours, the program, and its arguments."""
    before, at = _options(words, 0, strict=True)
    rest = list(words[at:])
    module = rest[:1] == ["-m"]
    rest = rest[1:] if module else rest
    if not rest or rest[0] == "--":
        raise CommandError(f"run: name a script. Example: {EXAMPLE}")
    name, *after = rest
    if before:
        given, arguments = before, after[1:] if after[:1] == ["--"] else after
    else:
        given, arguments = _taken(after)
    places = {option: value for option, value in given if option in _PLACES}
    if len(places) > 1:
        raise CommandError("run: --store or --bundle. A bundle is replayed, and nothing is stored. Give one of them.")
    for option in (*_PLACES, _QUIET):
        if sum(each == option for each, _ in given) > 1:
            raise CommandError(f"run: {option} is given twice. Give it once.")
    options = [
        word
        for option, value in given
        if option not in (*_PLACES, _QUIET)
        for word in ((option,) if value is None else (option, value))
    ]
    return _Line(
        Program(name, tuple(arguments), module),
        tuple(options),
        places.get("--store"),
        places.get("--bundle"),
        any(option == _QUIET for option, _ in given),
    )


_Given = list[tuple[str, str | None]]


def _options(words: Sequence[str], at: int, *, strict: bool) -> tuple[_Given, int]:
    """Return the options of ours from one word on, each with its value, and the place of the first other word."""
    given: _Given = []
    while at < len(words) and words[at].startswith("-") and words[at] not in ("-", "--", "-m"):
        option, equals, value = words[at].partition("=")
        takes = _takes_value(option)
        if takes is None:
            if strict:
                from gptcache_magics.text.choices import nearest

                raise CommandError(
                    f"run: no option '{option}'.{nearest(option, _known())} "
                    "All: python -m gptcache_magics run --help. Options of the script stand behind it."
                )
            return given, at
        at += 1
        if takes and not equals:
            if at == len(words):
                raise CommandError(f"run: {option} needs a value. Example: {EXAMPLE}")
            value = words[at]
            at += 1
        given.append((option, value if takes or equals else None))
    return given, at


def _taken(words: Sequence[str]) -> tuple[_Given, list[str]]:
    """Return the options of ours among the words after a script, and the script's own."""
    given, own, at = _Given(), list[str](), 0
    while at < len(words):
        if words[at] == "--":
            return given, [*own, *words[at + 1 :]]
        found, after = _options(words, at, strict=False)
        given += found
        if after == at:
            own.append(words[at])
            after += 1
        at = after
    return given, own


@functools.cache
def _parser() -> Parser:
    return Parser("run", commands.function("on"), EXAMPLE)


@functools.cache
def _by_name() -> dict[str, Any]:
    return {name: each for each in _parser().declared for name in each.names}


def _known() -> list[str]:
    return [*_PLACES, _QUIET, *_by_name()]


def _takes_value(option: str) -> bool | None:
    """Return whether an option takes a value; None if it is not ours."""
    if option in (*_PLACES, _QUIET):
        return option in _PLACES
    each = _by_name().get(option)
    return None if each is None else not each.flag
