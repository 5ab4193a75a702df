"""Completion of ``%gptcache`` lines."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from gptcache_magics import commands
from gptcache_magics.commands._cell import CELL_LINE, cell_parser
from gptcache_magics.commands._parser import Declared, Option

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["complete", "completions", "stop_completing"]

READ, SHOWN = 10_000, 200
"""Most names of a folder that are read, and most that are completed."""
STORE: Final = "cache.db"
LINE_IN_7: Final = r".*%gptcache\s"
"""Begins the lines for which IPython 7 asks us."""
_SPLITS: Final = re.compile(r"[\s'\"\\]")
"""A character for which a word needs quotes."""


def complete(shell: InteractiveShell) -> None:
    """Complete ``%gptcache`` lines in a shell."""
    try:
        from IPython.core.completer import SimpleCompletion, context_matcher
    except ImportError:  # IPython 7, which Colab and Kaggle have
        shell.set_hook("complete_command", _complete_in_7, re_key=LINE_IN_7)  # type: ignore[no-untyped-call]
        return

    @context_matcher()  # type: ignore[untyped-decorator]
    def gptcache_matcher(context: Any) -> dict[str, Any]:
        words = _words(context.line_with_cursor[: context.cursor_position])
        if not words or "%gptcache" not in context.full_text:
            return {"completions": []}
        return {
            "completions": [SimpleCompletion(each, type="magic") for each in completions(words)],
            "matched_fragment": words[-1],
            "suppress": True,
            "ordered": True,
        }

    gptcache_matcher.__module__ = __name__
    shell.Completer.custom_matchers.append(gptcache_matcher)


def stop_completing(shell: InteractiveShell) -> None:
    """Undo ``complete``."""
    matchers = getattr(shell.Completer, "custom_matchers", [])
    matchers[:] = [each for each in matchers if getattr(each, "__module__", "") != __name__]
    if "complete_command" in shell.strdispatchers:
        shell.strdispatchers["complete_command"].regexs.pop(re.compile(LINE_IN_7), None)


def _complete_in_7(_: InteractiveShell, event: Any) -> list[str]:
    """Return what may follow in place of ``event.symbol``, which begins after a dash, a comma or a colon."""
    words = _words(event.text_until_cursor)
    if not words:
        return []
    before = len(words[-1]) - len(event.symbol)
    return [each[before:] for each in completions(words)]


def _words(line: str) -> list[str]:
    """Return the words after ``%gptcache`` at the end of a line; none if it is not there."""
    line = re.split(r"=\s*%", line)[-1]
    command, *words = line.lstrip(" %").split(" ")
    if command != "gptcache" or not words:
        return []
    return [CELL_LINE, *words] if line.lstrip().startswith("%%") else words


def completions(words: Sequence[str]) -> list[str]:
    """Return the words that complete the last one after ``%gptcache``: commands, options, values, models, ids, files.

    ``%%`` in the place of the command stands for ``%%gptcache``.
    """
    *before, word = words
    return [each for each in _candidates(before, word) if each.startswith((word, f"'{word}"))]


def _candidates(before: Sequence[str], word: str) -> Iterable[str]:
    if not before:
        return [*commands.COMMANDS, *(("--help", commands.VERSION) if word else ())]
    name, *given = before
    if name != CELL_LINE and name not in commands.COMMANDS:
        return ()
    declared = (cell_parser() if name == CELL_LINE else commands.parser(name)).declared
    option = _option(declared, given[-1] if given else "")
    if option is not None and not option.flag:
        return _values(option, word)
    left = [each.names[-1] for each in declared if each.names and not set(each.names) & set(given)]
    positional = _positional(declared, given)
    return [*(_values(positional, word) if positional is not None and not word.startswith("-") else ()), *left]


def _values(declared: Declared, word: str) -> Iterable[str]:
    kind = declared.declaration
    earlier, comma, _ = word.rpartition(",")
    if comma and isinstance(kind, Option) and kind.listed:
        given = {*earlier.split(","), "none"}
        return [f"{earlier},{value}" for value in declared.suggestions if value not in given]
    return [*declared.suggestions, *(_paths(word, kind.ending) if kind.place else ())]


def _paths(word: str, ending: str) -> list[str]:
    """Return the folders, and the files with an ending, that complete a word.

    A hidden one must be a store, unless the word begins with its dot.
    """
    word = word.lstrip("'\"")
    beginning = os.path.basename(word)
    folder = word.removesuffix(beginning)
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as found:
            fitting = filter(lambda each: _fits(each, beginning, ending), islice(found, READ))
            names = sorted(f"{folder}{each.name}{'/' if each.is_dir() else ''}" for each in fitting)
    except OSError:
        return []
    return [shlex.quote(name) if _SPLITS.search(name) else name for name in names[:SHOWN]]


def _fits(file: os.DirEntry[str], beginning: str, ending: str) -> bool:
    if file.name.startswith(".") and not beginning:
        return os.path.exists(os.path.join(file.path, STORE))
    return file.name.startswith(beginning) and (file.name.endswith(ending) or file.is_dir())


def _option(declared: Iterable[Declared], word: str) -> Declared | None:
    return next((each for each in declared if word in each.names), None)


def _positional(declared: Sequence[Declared], given: Sequence[str]) -> Declared | None:
    """Return the positional word that follows the given ones."""
    options = [_option(declared, each) for each in ("", *given)]
    values = (before is not None and not before.flag for before in options)
    number = sum(not is_value and not each.startswith("-") for each, is_value in zip(given, values, strict=False))
    positional = [each for each in declared if not each.names]
    return next(iter(positional[number:]), positional[-1] if positional and positional[-1].several else None)
